/**
 * The client of the edge's figures, in a process of its own:
 *
 *   node test/bench/edge/load.ts URL put|linearizable|serializable CONNECTIONS [MS [KEYS]]
 *   node test/bench/edge/load.ts URL paced PUTS
 *   node test/bench/edge/load.ts URL fill [KEYS [SECONDS]]
 *
 * Prints what came of it as JSON. A fill prints how many keys it has written.
 */
import { percentile } from "../figures.ts";
import { Connection } from "./connection.ts";
import { fill, KEYS, OPERATIONS, type Operation, preparedRequests } from "./requests.ts";

export interface LoadResult {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly slowestMs: number;
  /** With those of the warm-up. */
  readonly requests: number;
}

const FILL_CONNECTIONS = 8;
/** Connections and puts per second of a paced load, as `etcdctl check perf --load=s` has them. */
const PACED_CONNECTIONS = 50;
const PACED_PER_SECOND = 150;

const [url = "", name = "", connectionCount = "1", milliseconds = "1500", keyCount = String(KEYS)] =
  process.argv.slice(2);
if (name === "fill") await fillAll(process.argv[4], process.argv[5]);
else if (name === "paced") console.log(JSON.stringify(await paced(Number(connectionCount))));
else console.log(JSON.stringify(await load(operationOf(name), Number(connectionCount), Number(milliseconds))));

async function fillAll(keys: string = String(KEYS), seconds: string = "Infinity"): Promise<void> {
  const connections = await openConnections(FILL_CONNECTIONS);
  console.log(await fill(url, connections, Number(keys), performance.now() + Number(seconds) * 1_000));
  for (const connection of connections) connection.close();
}

async function load(operation: Operation, count: number, measuredMs: number): Promise<LoadResult> {
  const requests = preparedRequests(url, operation, Number(keyCount));
  const connections = await openConnections(count);
  const warmUp = await run(connections, requests, measuredMs / 3);
  const startMs = performance.now();
  const tookMs = await run(connections, requests, measuredMs);
  const perSecond = (tookMs.length / (performance.now() - startMs)) * 1000;
  for (const connection of connections) connection.close();
  const sent = warmUp.length + tookMs.length;
  const slowestMs = slowestOf(tookMs);
  return { perSecond, p50Ms: percentile(tookMs, 50), p99Ms: percentile(tookMs, 99), slowestMs, requests: sent };
}

/** Puts that begin when it is their time, not when the one before has ended: what waits, waits longer. */
async function paced(puts: number): Promise<LoadResult> {
  const requests = preparedRequests(url, "put");
  const free = await openConnections(PACED_CONNECTIONS);
  const all = [...free];
  const waiting: ((connection: Connection) => void)[] = [];
  const tookMs: number[] = [];
  const startMs = performance.now();
  await Promise.all(
    Array.from({ length: puts }, async (_, at) => {
      const dueMs = startMs + (at * 1_000) / PACED_PER_SECOND;
      await new Promise((resolve) => setTimeout(resolve, Math.max(dueMs - performance.now(), 0)));
      const connection = free.pop() ?? (await new Promise<Connection>((resolve) => waiting.push(resolve)));
      const { status, body } = await connection.send(requests[at % requests.length] as Buffer);
      if (status !== 200) throw new Error(`${url} answered ${status}: ${body.toString()}`);
      tookMs.push(performance.now() - dueMs);
      const next = waiting.shift();
      if (next === undefined) free.push(connection);
      else next(connection);
    }),
  );
  const perSecond = (puts / (performance.now() - startMs)) * 1_000;
  for (const connection of all) connection.close();
  return {
    perSecond,
    p50Ms: percentile(tookMs, 50),
    p99Ms: percentile(tookMs, 99),
    slowestMs: slowestOf(tookMs),
    requests: puts,
  };
}

/** How long each request took. */
async function run(connections: readonly Connection[], requests: readonly Buffer[], forMs: number): Promise<number[]> {
  const tookMs: number[] = [];
  const untilMs = performance.now() + forMs;
  let next = 0;
  await Promise.all(
    connections.map(async (connection) => {
      for (let startMs = performance.now(); startMs < untilMs;) {
        const { status, body } = await connection.send(requests[next++ % requests.length] as Buffer);
        if (status !== 200) throw new Error(`${url} answered ${status}: ${body.toString()}`);
        const endMs = performance.now();
        tookMs.push(endMs - startMs);
        startMs = endMs;
      }
    }),
  );
  return tookMs;
}

function slowestOf(tookMs: readonly number[]): number {
  return tookMs.reduce((slowest, each) => Math.max(slowest, each), 0);
}

function openConnections(count: number): Promise<Connection[]> {
  return Promise.all(Array.from({ length: count }, () => Connection.open(url)));
}

function operationOf(text: string): Operation {
  const operation = OPERATIONS.find((known) => known === text);
  if (operation === undefined) throw new Error(`no operation "${text}"; there are ${OPERATIONS.join(", ")} and fill`);
  return operation;
}
