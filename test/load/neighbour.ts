/** A client beside 512 writers of another address who put as fast as they can: how long its own puts take. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { buildAll } from "../../worker/local/build.ts";
import { Connection } from "../bench/edge/connection.ts";
import { putRequest } from "../bench/edge/requests.ts";
import { EdgeFolder } from "../bench/edge/server.ts";
import { percentile } from "../bench/figures.ts";
import type { Cost } from "./scenarios.ts";

const FLOODER = "127.0.0.2";
const NEIGHBOUR = "127.0.0.3";
const WRITERS = 512;
/** With and without the flood, so often. */
const ROUNDS = 4;
const PUTS = 25;
const SETTLE_MS = 1_500;

/** In turn with and without the flood, so that whatever else the machine does is in both. */
export async function neighbourOfAFlood(scale: number): Promise<readonly Cost[]> {
  await buildAll();
  const folder = await EdgeFolder.make();
  const edge = await folder.start();
  const writers = Math.round(WRITERS * scale);
  const idle: number[] = [];
  const flooded: number[] = [];
  let floodedMs = 0;
  try {
    const neighbour = await Connection.open(edge.url, NEIGHBOUR);
    await putTimes(neighbour, edge.url, 50);
    const flood = await startFlood(edge.url, writers);
    for (let round = 0; round < ROUNDS; round++) {
      const startMs = performance.now();
      flood.kill("SIGCONT");
      await settled();
      flooded.push(...(await putTimes(neighbour, edge.url, PUTS)));
      floodedMs += performance.now() - startMs;
      flood.kill("SIGSTOP");
      await settled();
      idle.push(...(await putTimes(neighbour, edge.url, PUTS)));
    }
    flood.kill("SIGCONT");
    const answered = await stopFlood(flood);
    const [alone, beside] = [percentile(idle, 50), percentile(flooded, 50)];
    return [
      { what: "a put with nobody else, p50", value: alone, unit: "ms" },
      { what: `the same beside ${writers} writers of another address, p50`, value: beside, unit: "ms" },
      { what: "the same, p99", value: percentile(flooded, 99), unit: "ms" },
      { what: "ratio of the p50 (aim: under 300)", value: (100 * beside) / alone, unit: "%" },
      { what: "puts of the writers", value: (answered["200"] ?? 0) / (floodedMs / 1000), unit: "a second" },
      { what: "of theirs that were refused", value: (answered["429"] ?? 0) / (floodedMs / 1000), unit: "a second" },
    ];
  } finally {
    await edge.stop();
    await folder.remove();
  }
}

function settled(): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, SETTLE_MS);
  });
}

async function putTimes(connection: Connection, url: string, count: number): Promise<number[]> {
  const tookMs: number[] = [];
  for (let at = 0; at < count; at++) {
    const startMs = performance.now();
    const { status, body } = await connection.send(putRequest(url, 50_000 + at));
    if (status !== 200) throw new Error(`the neighbour's put was answered ${status}: ${body.toString()}`);
    tookMs.push(performance.now() - startMs);
  }
  return tookMs;
}

async function startFlood(url: string, count: number): Promise<ChildProcess> {
  const argv = [join(import.meta.dirname, "flood.ts"), url, FLOODER, String(count)];
  const child = spawn(process.execPath, argv, { stdio: ["ignore", "pipe", "inherit"] });
  await once(child.stdout as NodeJS.ReadableStream, "data");
  return child;
}

async function stopFlood(child: ChildProcess): Promise<Readonly<Record<string, number>>> {
  const received = once(child.stdout as NodeJS.ReadableStream, "data");
  child.kill("SIGTERM");
  const [text] = (await received) as [Buffer];
  return JSON.parse(text.toString()) as Record<string, number>;
}
