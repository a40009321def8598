/**
 * Thousands of clusters in one worker, in real workerd: what they cost while they are used for the first time, once they
 * are quiet, and whether each still has what is its own.
 */
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { EdgeFolder, type EdgeServer } from "../bench/edge/server.ts";
import type { Cost } from "./scenarios.ts";

const CLUSTERS = 10_000;
const AT_ONCE = 16;
const SAMPLES = 200;
/** The platform evicts an object ten seconds after its last event. */
const EVICTED_AFTER_MS = 14_000;
const METERED = "test/bench/bill/metered-worker.ts";

interface Meter {
  readonly rowsRead: number;
  readonly rowsWritten: number;
  readonly requests: number;
  readonly awakeMs: number;
  readonly isAwake: boolean;
}

/** They are watched for `idleS` seconds while nobody asks them anything. */
export async function idleClusters(scale: number, idleS: number): Promise<readonly Cost[]> {
  const count = Math.round(CLUSTERS * scale);
  const folder = await EdgeFolder.make({ CLUSTER_SIZE: "1" }, METERED);
  const server = await folder.start();
  try {
    return await measured(server, count, folder.path, idleS);
  } finally {
    await server.stop();
    await folder.remove();
  }
}

async function measured(server: EdgeServer, count: number, folder: string, idleS: number): Promise<readonly Cost[]> {
  const { url } = server;
  await put(url, "first", "of the first cluster");
  const before = await rssBytes(server.pid);
  const sinceMs = performance.now();
  await inParallel(count, async (at) => {
    await post(url, "/quorate/clusters/create", { name: nameOf(at), size: 1 });
    await put(`${url}/c/${nameOf(at)}`, "own", nameOf(at));
  });
  const createdMs = performance.now() - sinceMs;
  const busy = await rssBytes(server.pid);
  await asleep(url);
  await pause(EVICTED_AFTER_MS);
  const quiet = await rssBytes(server.pid);
  const open = (await readdir(`/proc/${server.pid}/fd`)).length;
  const [idleBefore, idleAfter] = [await meter(url), (await pause(idleS * 1_000), await meter(url))];

  const names = await listed(url);
  if (new Set(names).size !== count) throw new Error(`${names.length} of ${count} clusters are listed`);
  const first: number[] = [];
  for (let sample = 0; sample < Math.min(SAMPLES, count); sample++) {
    const name = nameOf(Math.floor((sample * count) / SAMPLES) % count);
    const askedMs = performance.now();
    const value = await (await fetch(`${url}/c/${name}/kv/own`)).text();
    first.push(performance.now() - askedMs);
    if (value !== name) throw new Error(`${name} holds ${value}`);
  }
  first.sort((left, right) => left - right);
  const bytes = await bytesIn(join(folder, "data"));
  return [
    { what: `${count} clusters, created and written to, each in`, value: createdMs / count, unit: "ms" },
    { what: "workerd before, with one cluster", value: before / 2 ** 20, unit: "MB" },
    { what: "with all of them, as they were written to", value: busy / 2 ** 20, unit: "MB" },
    { what: "with all of them, evicted", value: quiet / 2 ** 20, unit: "MB" },
    { what: "files that are open then", value: open, unit: "files" },
    {
      what: `while all are idle, for ${idleS} s: rows written`,
      value: idleAfter.rowsWritten - idleBefore.rowsWritten,
      unit: "rows",
    },
    { what: "rows read", value: idleAfter.rowsRead - idleBefore.rowsRead, unit: "rows" },
    { what: "requests", value: idleAfter.requests - idleBefore.requests, unit: "requests" },
    { what: "time in memory", value: idleAfter.awakeMs - idleBefore.awakeMs, unit: "ms" },
    { what: "the first read of one out of its sleep, median", value: first[first.length >> 1] ?? 0, unit: "ms" },
    { what: "storage of each, on the disk", value: bytes / count / 1024, unit: "KB" },
  ];
}

/** All names, page by page. */
async function listed(url: string): Promise<readonly string[]> {
  const names: string[] = [];
  for (let after = ""; ;) {
    const page = (await post(url, "/quorate/clusters/list", { after })) as {
      readonly clusters: readonly { readonly name: string }[];
      readonly more: boolean;
    };
    names.push(...page.clusters.map(({ name }) => name));
    if (!page.more) return names;
    after = names.at(-1) ?? "";
  }
}

async function inParallel(count: number, run: (at: number) => Promise<void>): Promise<void> {
  let next = 0;
  const work = async (): Promise<void> => {
    while (next < count) await run(next++);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
}

async function asleep(url: string): Promise<void> {
  do await pause(250);
  while ((await meter(url)).isAwake);
}

async function meter(url: string): Promise<Meter> {
  return (await (await fetch(`${url}/bench/meter`)).json()) as Meter;
}

async function put(url: string, key: string, value: string): Promise<void> {
  await post(url, "/v3/kv/put", { key: btoa(key), value: btoa(value) });
}

async function post(url: string, path: string, body: object): Promise<unknown> {
  const response = await fetch(url + path, { method: "POST", body: JSON.stringify(body) });
  const text = await response.text();
  if (!response.ok) throw new Error(`${path} answered ${response.status}: ${text}`);
  return JSON.parse(text);
}

async function rssBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024;
}

/** An object that is evicted meanwhile takes some of its files with it. */
async function sizeOf(file: string): Promise<number> {
  return (await stat(file).catch(() => undefined))?.size ?? 0;
}

async function bytesIn(folder: string): Promise<number> {
  const names = await readdir(folder, { recursive: true });
  const sizes = await Promise.all(names.map((name) => sizeOf(join(folder, name))));
  return sizes.reduce((sum, size) => sum + size, 0);
}

function nameOf(at: number): string {
  return `cluster-${at}`;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
