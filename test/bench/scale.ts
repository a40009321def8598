/**
 * The edge with many keys: how a cold start, a count, writes and paced writes fare against few keys. Each row can be
 * measured alone (`--rows`), and is bounded in time. Filling a million keys takes a minute or two.
 */
import { execFile } from "node:child_process";
import { buildAll } from "../../worker/local/build.ts";
import { Connection, postRequest } from "./edge/connection.ts";
import { coldStarts } from "./edge/cold-start.ts";
import type { LoadResult } from "./edge/load.ts";
import { rangeRequest } from "./edge/requests.ts";
import { EdgeFolder, type EdgeServer } from "./edge/server.ts";
import { type Aim, atLeast, atMost, type Figure, percentile } from "./figures.ts";
import type { BenchOptions, ScaleRow } from "./options.ts";
import { startFront } from "./grpc/front.ts";
import { runNode } from "./processes.ts";

const FEW_KEYS = 10_000;
const FILL_SECONDS_MAX = 150;
const SETTLE_MS = 3_000;
const COLD_AIM_MS = 30;
const COUNT_AIM_MS = 50;
const PACED_AIM_MS = 100;
const CONNECTIONS = 32;
/** As `etcdctl check perf --load=s` does it: it takes a minute. */
const CHECK_PERF_LIMIT_MS = 90_000;

interface Bench {
  readonly options: BenchOptions;
  readonly folder: EdgeFolder;
  readonly keys: number;
  readonly figures: Figure[];
}

export async function benchScale(options: BenchOptions): Promise<readonly Figure[]> {
  await buildAll();
  const folder = await EdgeFolder.make();
  const figures: Figure[] = [];
  const has = (row: ScaleRow): boolean => options.scaleRows.has(row);
  try {
    const server = await folder.start();
    let bench: Bench;
    try {
      const keys = await filled(server, options.keys);
      bench = { options, folder, keys, figures };
      if (has("count")) await measureCount(bench, server);
      if (has("puts")) await measurePuts(bench, server);
      if (has("paced")) await measurePaced(bench, server);
      if (has("check-perf")) await measureCheckPerf(bench, server);
    } finally {
      await server.stop();
    }
    if (has("cold")) await measureColdStart(bench);
  } finally {
    await folder.remove();
  }
  return figures;
}

/** Returns how many keys there are. */
async function filled(server: EdgeServer, keys: number): Promise<number> {
  const count = Number(
    await runNode(["test/bench/edge/load.ts", server.url, "fill", String(keys), String(FILL_SECONDS_MAX)]),
  );
  // State rows that still wait would be written during the first measurement.
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  return count;
}

function record(bench: Bench, row: ScaleRow, name: string, unit: string, runs: readonly number[], aim?: Aim): void {
  const { keys, options, figures } = bench;
  const command = `npm run bench -- scale --keys ${options.keys} --rows ${row}`;
  figures.push({ name: `edge, ${keys.toLocaleString("en")} keys: ${name}`, unit, runs, aim, command });
}

/** Until workerd listens is its own part. */
async function measureColdStart(bench: Bench): Promise<void> {
  const { listeningMs, rangeMs } = await coldStarts(bench.folder, bench.options.isQuick ? 2 : 5);
  // Every second start is that of a put.
  const listening = listeningMs.filter((_, at) => at % 2 === 0);
  record(bench, "cold", "cold start to the first range", "ms", rangeMs);
  record(bench, "cold", "cold start: until workerd listens", "ms", listening);
  const more = rangeMs.map((tookMs, at) => tookMs - (listening[at] ?? Number.NaN));
  record(bench, "cold", "cold start: the first range after workerd listens", "ms", more, atMost(COLD_AIM_MS));
}

/** A count of all keys, and what it does to others: reads that go on meanwhile. */
async function measureCount(bench: Bench, server: EdgeServer): Promise<void> {
  const all = postRequest(`${server.url}/v3/kv/range`, { key: "AA==", range_end: "AA==", count_only: true });
  const [counting, reading] = await Promise.all([Connection.open(server.url), Connection.open(server.url)]);
  const countMs: number[] = [];
  const others: number[] = [];
  for (let time = 0; time < (bench.options.isQuick ? 1 : 3); time++) {
    const count = { isOver: false };
    const startMs = performance.now();
    const counted = counting.send(all).then(({ status, body }) => {
      count.isOver = true;
      if (status !== 200) throw new Error(`the count was answered ${status}: ${body.toString()}`);
    });
    const tookMs: number[] = [];
    while (!count.isOver) {
      const sentMs = performance.now();
      await reading.send(rangeRequest(server.url, tookMs.length, true));
      tookMs.push(performance.now() - sentMs);
    }
    await counted;
    countMs.push(performance.now() - startMs);
    others.push(percentile(tookMs, 99));
  }
  counting.close();
  reading.close();
  record(bench, "count", "a count of all", "ms", countMs);
  record(bench, "count", "p99 of reads while all are counted", "ms", others, atMost(COUNT_AIM_MS));
}

/** In turn with an edge that has few keys. */
async function measurePuts(bench: Bench, server: EdgeServer): Promise<void> {
  const folder = await EdgeFolder.make();
  const few = await folder.start();
  const many: number[] = [];
  const ratios: number[] = [];
  try {
    await filled(few, FEW_KEYS);
    const run = async (url: string, keys: number): Promise<number> => {
      const argv = [
        "test/bench/edge/load.ts",
        url,
        "put",
        String(CONNECTIONS),
        bench.options.isQuick ? "1500" : "4000",
      ];
      return (JSON.parse(await runNode([...argv, String(keys)])) as LoadResult).perSecond;
    };
    for (let round = 0; round < (bench.options.isQuick ? 2 : 5); round++) {
      const [least, most] = [await run(few.url, FEW_KEYS), await run(server.url, bench.keys)];
      many.push(most);
      ratios.push(most / least);
    }
  } finally {
    await few.stop();
    await folder.remove();
  }
  record(bench, "puts", `puts, ${CONNECTIONS} connections`, "puts/s", many);
  record(bench, "puts", `puts ÷ those at ${FEW_KEYS.toLocaleString("en")} keys`, "×", ratios, atLeast(0.9));
}

async function measurePaced(bench: Bench, server: EdgeServer): Promise<void> {
  const puts = bench.options.isQuick ? "1500" : "10000";
  const result = JSON.parse(await runNode(["test/bench/edge/load.ts", server.url, "paced", puts])) as LoadResult;
  const of = result.requests.toLocaleString("en");
  record(bench, "paced", `slowest of ${of} puts at 150/s`, "ms", [result.slowestMs], atMost(PACED_AIM_MS));
  record(bench, "paced", `p99 of ${of} puts at 150/s`, "ms", [result.p99Ms]);
}

/** With an etcdctl that somebody else has installed. */
async function measureCheckPerf(bench: Bench, server: EdgeServer): Promise<void> {
  const { etcdctl } = bench.options;
  if (etcdctl === "") return;
  const front = await startFront(server.url);
  try {
    const text = await outputOf(etcdctl, ["--endpoints", front.address, "check", "perf", "--load=s"]);
    const slowest = /Slowest request took(?: too long:)? ([\d.]+)s/.exec(text)?.[1];
    const passed = (text.match(/^PASS:/gm) ?? []).length;
    // Only one of these lines begins with FAIL.
    const failed = text.match(/^.*too (?:low|long|high).*$/gm) ?? [];
    record(
      bench,
      "check-perf",
      "etcdctl check perf --load=s, slowest put",
      "ms",
      slowest === undefined ? [] : [Number(slowest) * 1_000],
    );
    record(bench, "check-perf", "etcdctl check perf --load=s, checks that fail", "", [failed.length], atMost(0));
    if (passed + failed.length === 0) throw new Error(`${etcdctl} said: ${text}`);
    for (const line of failed) process.stderr.write(`etcdctl check perf: ${line}\n`);
  } finally {
    await front.stop();
  }
}

/** It ends with an error when a check fails. */
function outputOf(command: string, argv: readonly string[]): Promise<string> {
  return new Promise((resolve) => {
    execFile(command, argv, { timeout: CHECK_PERF_LIMIT_MS }, (_, stdout, stderr) => resolve(`${stdout}\n${stderr}`));
  });
}
