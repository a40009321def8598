/**
 * The edge: the built worker under workerd with three members on this disk, over HTTP. In turn with it a plain Durable
 * Object (rival/plain-objects.ts), and, if asked, etcd.
 *
 * The clock is that of a machine which others may use, too; so ratios count, and beside them what workerd used of the
 * processors per request, which hardly depends on what else runs.
 */
import { buildAll } from "../../worker/local/build.ts";
import { coldStarts } from "./edge/cold-start.ts";
import type { LoadResult } from "./edge/load.ts";
import { leaderOf } from "./edge/reference.ts";
import { OPERATIONS, type Operation } from "./edge/requests.ts";
import { type Rival, startRival } from "./edge/rival.ts";
import { EdgeFolder, type EdgeServer } from "./edge/server.ts";
import { type Aim, atLeast, atMost, type Figure } from "./figures.ts";
import type { BenchOptions } from "./options.ts";
import { cpuMsOf, runNode } from "./processes.ts";

const CONNECTIONS = [1, 32, 256] as const;
const COMMAND = "npm run bench -- edge";
const NAMES: Readonly<Record<Operation, string>> = {
  put: "puts",
  linearizable: "linearizable ranges",
  serializable: "serializable ranges",
};
/** Of the plain object's, which only has one kind of read. */
const AIMS: Readonly<Record<Operation, Readonly<Record<number, number>>>> = {
  put: { 1: 0.6, 32: 1.5, 256: 2 },
  linearizable: { 1: 0.8, 32: 1.5, 256: 2 },
  serializable: {},
};
/** Of etcd's. */
const REFERENCE_AIMS: Readonly<Record<number, number>> = { 1: 0.7, 32: 0.8, 256: 0.8 };
const TAIL_MAX = 3;
const SETTLE_MS = 3_000;
/**
 * Load of each kind before anything is measured: the first few hundred puts take several times as long, until their code
 * is compiled. etcd has nothing to compile.
 */
const WARM_UP_CONNECTIONS = 32;
const WARM_UP_MS = 2_000;

interface Measured extends LoadResult {
  /** What the server used of the processors, in microseconds. */
  readonly cpuUs: number;
}

interface Paced {
  readonly name: string;
  readonly result: LoadResult;
  readonly aim: Aim | undefined;
}

interface Load {
  readonly operation: Operation;
  readonly connections: number;
  readonly ours: Measured[];
  readonly plain: Measured[];
  /** Three objects that know no Raft. */
  readonly three: Measured[];
  /** A worker that answers by itself. */
  readonly nothing: Measured[];
  readonly theirs: LoadResult[];
}

export async function benchEdge(options: BenchOptions): Promise<readonly Figure[]> {
  await buildAll();
  const reference = options.reference.length === 0 ? undefined : await leaderOf(options.reference);
  const folder = await EdgeFolder.make();
  try {
    const { loads, paced } = await loadAll(folder, reference, options);
    const { listeningMs, rangeMs, putMs } = await coldStarts(folder, options.isQuick ? 2 : 5);
    const cold = "edge: cold start with 100,000 keys to the first";
    return [
      ...loads.flatMap((load) => figuresOf(load, options)),
      ...paced.map(({ name, result, aim }) => ({
        name: `edge: slowest of ${result.requests.toLocaleString("en")} puts at 150/s${name}`,
        unit: "ms",
        runs: [result.slowestMs],
        aim,
        command: COMMAND,
      })),
      { name: `${cold} serializable range`, unit: "ms", runs: rangeMs, aim: atMost(100), command: COMMAND },
      { name: `${cold} put`, unit: "ms", runs: putMs, aim: atMost(100), command: COMMAND },
      {
        name: "edge: of which workerd until it listens",
        unit: "ms",
        runs: listeningMs,
        aim: undefined,
        command: COMMAND,
      },
    ];
  } finally {
    await folder.remove();
  }
}

async function loadAll(
  folder: EdgeFolder,
  reference: string | undefined,
  options: BenchOptions,
): Promise<{ readonly loads: readonly Load[]; readonly paced: readonly Paced[] }> {
  const server = await folder.start();
  try {
    const rival = await startRival();
    try {
      const loads = await measure(server, rival, reference, options);
      return { loads, paced: await measurePaced(server, rival, options) };
    } finally {
      await rival.stop();
    }
  } finally {
    await server.stop();
  }
}

async function measure(
  server: EdgeServer,
  rival: Rival,
  reference: string | undefined,
  { isQuick }: BenchOptions,
): Promise<readonly Load[]> {
  const loads = OPERATIONS.flatMap((operation) =>
    CONNECTIONS.map((connections): Load => ({
      operation,
      connections,
      ours: [],
      plain: [],
      three: [],
      nothing: [],
      theirs: [],
    })),
  );
  for (const url of [server.url, rival.url, ...(reference === undefined ? [] : [reference])]) {
    await runNode(["test/bench/edge/load.ts", url, "fill"]);
  }
  for (const url of [server.url, rival.url]) for (const operation of OPERATIONS) await warmUp(url, operation);
  for (const url of [rival.threeUrl, rival.nothingUrl]) await warmUp(url, "put");
  // State rows that still wait would be written during the first measurement.
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  // In turn: what slows this machine for a while slows all of them.
  for (let round = 0; round < (isQuick ? 1 : 3); round++) {
    for (const { operation, connections, ours, plain, three, nothing, theirs } of loads) {
      const run = async (url: string): Promise<LoadResult> => {
        const forMs = isQuick ? 700 : 1_500;
        const argv = ["test/bench/edge/load.ts", url, operation, String(connections), String(forMs)];
        return JSON.parse(await runNode(argv)) as LoadResult;
      };
      ours.push(await withCpu(server.pid, () => run(server.url)));
      plain.push(await withCpu(rival.pid, () => run(rival.url)));
      if (operation === "put") {
        three.push(await withCpu(rival.pid, () => run(rival.threeUrl)));
        nothing.push(await withCpu(rival.pid, () => run(rival.nothingUrl)));
      }
      if (reference !== undefined) theirs.push(await run(reference));
    }
  }
  return loads;
}

async function warmUp(url: string, operation: Operation): Promise<void> {
  await runNode(["test/bench/edge/load.ts", url, operation, String(WARM_UP_CONNECTIONS), String(WARM_UP_MS)]);
}

/** `etcdctl check perf --load=s` fails by the slowest put. */
async function measurePaced(server: EdgeServer, rival: Rival, { isQuick }: BenchOptions): Promise<readonly Paced[]> {
  const run = async (url: string): Promise<LoadResult> => {
    const argv = ["test/bench/edge/load.ts", url, "paced", isQuick ? "1500" : "10000"];
    return JSON.parse(await runNode(argv)) as LoadResult;
  };
  return [
    { name: "", result: await run(server.url), aim: atMost(100) },
    { name: ": a plain object", result: await run(rival.url), aim: undefined },
  ];
}

async function withCpu(pid: number, run: () => Promise<LoadResult>): Promise<Measured> {
  const beforeMs = cpuMsOf(pid);
  const result = await run();
  return { ...result, cpuUs: ((cpuMsOf(pid) - beforeMs) * 1_000) / result.requests };
}

function figuresOf(
  { operation, connections, ours, plain, three, nothing, theirs }: Load,
  { reference }: BenchOptions,
): readonly Figure[] {
  const name = `edge: ${NAMES[operation]}, ${connections} ${connections === 1 ? "connection" : "connections"}`;
  const command = reference.length === 0 ? COMMAND : `${COMMAND} --reference ${reference.join(",")}`;
  const figure = (suffix: string, unit: string, runs: readonly number[], aim?: number): Figure => {
    return { name: `${name}${suffix}`, unit, runs, aim: aim === undefined ? undefined : atLeast(aim), command };
  };
  const cpuRatios = ours.map(({ cpuUs }, at) => cpuUs / (plain[at]?.cpuUs ?? Number.NaN));
  const tail: Aim | undefined = operation === "put" && connections === 32 ? atMost(TAIL_MAX) : undefined;
  return [
    figure("", `${operation === "put" ? "puts" : "reads"}/s`, ratesOf(ours)),
    figure(": a plain object", "/s", ratesOf(plain)),
    figure(": Quorate ÷ a plain object", "×", ratios(ours, plain), AIMS[operation][connections]),
    figure(": workerd's CPU per request", "µs", cpuOf(ours)),
    figure(": workerd's CPU per request, a plain object", "µs", cpuOf(plain)),
    figure(": workerd's CPU per request, Quorate ÷ a plain object", "×", cpuRatios),
    ...(three.length === 0
      ? []
      : [
          figure(": three objects that each write the row, without Raft, ÷ a plain object", "×", ratios(three, plain)),
          figure(": a worker that only answers ÷ a plain object: nothing can be faster", "×", ratios(nothing, plain)),
        ]),
    figure(
      ", p50",
      "ms",
      ours.map(({ p50Ms }) => p50Ms),
    ),
    {
      ...figure(
        ", p99 ÷ p50",
        "×",
        ours.map(({ p50Ms, p99Ms }) => p99Ms / p50Ms),
      ),
      aim: tail,
    },
    ...(theirs.length === 0
      ? []
      : [
          figure(": etcd", "/s", ratesOf(theirs)),
          figure(
            ": Quorate ÷ etcd",
            "×",
            ratios(ours, theirs),
            operation === "put" ? REFERENCE_AIMS[connections] : undefined,
          ),
        ]),
  ];
}

/** Run by run: those of a round were measured one after the other. */
function ratios(results: readonly LoadResult[], others: readonly LoadResult[]): readonly number[] {
  return results.map(({ perSecond }, at) => perSecond / (others[at]?.perSecond ?? Number.NaN));
}

function ratesOf(results: readonly LoadResult[]): readonly number[] {
  return results.map(({ perSecond }) => perSecond);
}

function cpuOf(results: readonly Measured[]): readonly number[] {
  return results.map(({ cpuUs }) => cpuUs);
}
