/**
 * Watches whose members the platform evicts from memory: real workerd, real sockets, nothing forced. The meter of the bench
 * tells how often objects were loaded, and so that they were evicted.
 */
import { afterEach, expect, test } from "vitest";
import { type Client, createClient } from "../../src/client/client.ts";
import type { Watcher } from "../../src/client/facade/lazy-watcher.ts";
import { httpServices } from "../../src/client/http/http-services.ts";
import { EdgeFolder, type EdgeServer } from "../bench/edge/server.ts";

const METERED = "test/bench/bill/metered-worker.ts";
/** The platform evicts an object ten seconds after its last event. */
const EVICTED_AFTER_MS = 11_500;
const WATCHES = Number(process.env["WATCHES"] ?? 1_000);
const SOCKETS = Math.max(8, Math.ceil(WATCHES / 500));

interface Meter {
  readonly loaded: number;
  readonly isAwake: boolean;
}

let folder: EdgeFolder | undefined;
let server: EdgeServer | undefined;
const clients: { close(): void }[] = [];
let sockets = 0;

afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  sockets = 0;
  await server?.stop();
  await folder?.remove();
});

class CountedSocket extends WebSocket {
  constructor(url: string, protocols?: string[]) {
    super(url, protocols);
    sockets += 1;
  }
}

function clientOf(url: string): Client {
  const services = httpServices({ endpoint: url, WebSocket: CountedSocket });
  const client = createClient(services);
  clients.push(client, services);
  return client;
}

async function meterOf(url: string): Promise<Meter> {
  return (await (await fetch(`${url}/bench/meter`)).json()) as Meter;
}

/** Until nothing keeps the objects in memory, and then until they are evicted. */
async function evicted(url: string): Promise<void> {
  while ((await meterOf(url)).isAwake) await pause(250);
  await pause(EVICTED_AFTER_MS);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

async function put(url: string, key: string): Promise<string> {
  const body = JSON.stringify({ key: btoa(key), value: btoa("v") });
  const response = await fetch(`${url}/v3/kv/put`, { method: "POST", body });
  const { header } = (await response.json()) as { header: { revision: string } };
  return `${key} ${header.revision}`;
}

async function collect(watcher: Watcher, seen: string[]): Promise<void> {
  for await (const { events } of watcher) {
    for (const { kv } of events) seen.push(`${new TextDecoder().decode(kv.key)} ${kv.modRevision}`);
  }
}

function watchAll(url: string): { readonly watchers: readonly Watcher[]; readonly seen: readonly string[][] } {
  const all = Array.from({ length: SOCKETS }, (_, at) => clientOf(`${url}/m/${(at % 3) + 1}`));
  const watchers = Array.from({ length: WATCHES }, (_, at) => {
    const client = all[at % SOCKETS] as Client;
    return client.watch(`watched/${at}/`, { prefix: true });
  });
  const seen = watchers.map((): string[] => []);
  for (const [at, watcher] of watchers.entries()) void collect(watcher, seen[at] ?? []);
  return { watchers, seen };
}

/** Writes one key for each watch. Returns what each of them is to see. */
async function putAll(url: string, round: number): Promise<readonly string[]> {
  const written: string[] = [];
  let next = 0;
  const write = async (): Promise<void> => {
    for (let at = next++; at < WATCHES; at = next++) {
      written[at] = await put(`${url}/m/${(at % 3) + 1}`, `watched/${at}/${round}`);
    }
  };
  await Promise.all(Array.from({ length: 16 }, write));
  return written;
}

test(`${WATCHES} quiet watches let all members be evicted, and then each gets exactly what is written after`, async () => {
  folder = await EdgeFolder.make({ CLUSTER_SIZE: "3" }, METERED);
  server = await folder.start();
  const { url } = server;
  const { watchers, seen } = watchAll(url);
  await Promise.all(watchers.map(({ created }) => created));
  const expected = watchers.map((): string[] => []);
  for (let round = 0; round < 2; round++) {
    const { loaded } = await meterOf(url);
    await evicted(url);
    for (const [at, event] of (await putAll(url, round)).entries()) expected[at]?.push(event);
    expect((await meterOf(url)).loaded - loaded).toBe(3);
    while (seen.some(({ length }) => length <= round)) await pause(50);
  }
  expect(seen).toEqual(expected);
  expect(sockets).toBe(SOCKETS);
});

test("after SIGKILL of workerd under watches that were asleep, their clients go on exactly", async () => {
  folder = await EdgeFolder.make({ CLUSTER_SIZE: "3" }, METERED);
  server = await folder.start();
  const { watchers, seen } = watchAll(server.url);
  await Promise.all(watchers.map(({ created }) => created));
  const before = await putAll(server.url, 0);
  while (seen.some(({ length }) => length === 0)) await pause(50);
  await evicted(server.url);
  process.kill(server.pid, "SIGKILL");
  await server.stop().catch(() => {});
  server = await folder.startAgain(server);
  const after = await putAll(server.url, 1);
  while (seen.some(({ length }) => length < 2)) await pause(50);
  expect(seen).toEqual(before.map((event, at) => [event, after[at]]));
});
