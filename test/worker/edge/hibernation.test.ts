/** Watches over WebSockets of members that are evicted from memory while the sockets stay open. */
import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { afterEach, expect, test } from "vitest";
import { createClient, type Client } from "../../../src/client/client.ts";
import { httpServices } from "../../../src/client/http/http-services.ts";
import type { Watcher } from "../../../src/client/facade/lazy-watcher.ts";
import { edge, post, put, stubOf } from "../support/edge-kit.ts";
import { EdgeWebSocket } from "../support/edge-web-socket.ts";
import { JsonSocket } from "../support/json-socket.ts";

const MEMBERS = [1, 2, 3];
const open: { close(): void }[] = [];
let sockets: CountedSocket[] = [];

class CountedSocket extends EdgeWebSocket {
  constructor(url: string, protocols: readonly string[] = []) {
    super(url, protocols);
    sockets.push(this);
  }
}

afterEach(() => {
  for (const each of open.splice(0)) each.close();
  sockets = [];
});

function clientOf(member: number): Client {
  const services = httpServices({
    endpoint: `http://edge/m/${member}`,
    WebSocket: CountedSocket,
    fetch: (input, init) => edge(new URL(input instanceof Request ? input.url : input).pathname, init),
  });
  const client = createClient(services);
  open.push(client, services);
  return client;
}

interface Attached {
  readonly saved: { readonly streams: Uint8Array | undefined } | undefined;
}

/** The attachments of a member's sockets. */
function attachments(member: number): Promise<readonly Attached[]> {
  return runInDurableObject(stubOf(member), (_object, ctx) =>
    ctx
      .getWebSockets()
      .filter(({ readyState }) => readyState === WebSocket.OPEN)
      .map((socket) => socket.deserializeAttachment() as Attached),
  );
}

/** Evicts all members once every socket is saved: before, a timer keeps them in memory. */
async function evicted(): Promise<void> {
  for (const number of MEMBERS) {
    while ((await attachments(number)).some(({ saved }) => saved === undefined)) await pause(50);
  }
  for (const number of MEMBERS) await evictDurableObject(stubOf(number));
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

async function jsonSocket(path: string): Promise<JsonSocket> {
  const socket = await JsonSocket.open(path);
  open.push(socket);
  return socket;
}

async function events(watcher: Watcher, count: number): Promise<string[]> {
  const seen: string[] = [];
  while (seen.length < count) {
    const { value } = await watcher.next();
    for (const { kv } of value?.events ?? []) seen.push(`${new TextDecoder().decode(kv.key)} ${kv.modRevision}`);
  }
  return seen;
}

test("a watch goes on over its socket after its member was evicted, without a gap and without a double", async () => {
  const client = clientOf(2);
  const watcher = client.watch("a/", { prefix: true });
  await watcher.created;
  const first = await put("a/1", "1");
  expect(await events(watcher, 1)).toEqual([`a/1 ${first}`]);
  for (let round = 0; round < 2; round++) {
    await evicted();
    const one = await put("a/2", "2", "/m/1");
    await put("b", "other");
    const two = await put("a/3", "3", "/m/3");
    expect(await events(watcher, 2)).toEqual([`a/2 ${one}`, `a/3 ${two}`]);
  }
  expect(sockets).toHaveLength(1);
});

test("1,000 watches on eight sockets of all members get exactly the events that were written after their members were evicted", async () => {
  const clients = Array.from({ length: 8 }, (_, at) => clientOf(MEMBERS[at % 3] ?? 1));
  const watchers = clients.flatMap((client, of) =>
    Array.from({ length: 125 }, (_, at) => client.watch(`many/${125 * of + at}/`, { prefix: true })),
  );
  await Promise.all(watchers.map(({ created }) => created));
  const seen = watchers.map((): string[] => []);
  for (const [at, watcher] of watchers.entries()) void collect(watcher, seen[at] ?? []);
  const written = watchers.map((): string[] => []);
  for (let round = 0; round < 2; round++) {
    await evicted();
    await Promise.all(
      watchers.map(async (_, at) => {
        const key = `many/${at}/${round}`;
        written[at]?.push(`${key} ${await put(key, "v", `/m/${(at % 3) + 1}`)}`);
      }),
    );
    while (seen.some(({ length }) => length <= round)) await pause(50);
  }
  expect(seen).toEqual(written);
  expect(sockets).toHaveLength(8);
});

test("what a watch asked for is kept: earlier values, filters, its id, progress; and a watch that begins in the future", async () => {
  const socket = await jsonSocket("/m/1/v3/watch");
  const { header } = await post<{ header: { revision: string } }>("/v3/kv/range", { key: btoa("none") });
  const later = Number(header.revision) + 4;
  socket.send({ create_request: { key: btoa("kept"), prev_kv: true, filters: ["NODELETE"], watch_id: 7 } });
  socket.send({ create_request: { key: btoa("future"), start_revision: later } });
  await socket.until(2);
  const first = await put("kept", "1");
  await socket.until(3);
  await evicted();
  const second = await put("kept", "2", "/m/2");
  await put("future", "too early");
  await post("/v3/kv/deleterange", { key: btoa("kept") });
  const future = await put("future", "in time");
  await socket.until(5);
  socket.send({ progress_request: {} });
  await socket.until(6);
  const [one, two, three, progress] = socket.heard.slice(2).map(({ result }) => result);
  const revisions = [one, two, three].map((response) => [
    response?.watch_id ?? "0",
    response?.events?.[0]?.kv.mod_revision,
  ]);
  expect(revisions).toEqual([
    ["7", String(first)],
    ["7", String(second)],
    ["0", String(future)],
  ]);
  expect(two?.events?.[0]?.prev_kv?.value).toBe(btoa("1"));
  expect(progress).toMatchObject({ watch_id: "-1", header: { revision: String(future) } });
  socket.send({ cancel_request: { watch_id: 7 } });
  await socket.until(7);
  expect(socket.heard.at(-1)?.result).toMatchObject({ watch_id: "7", canceled: true });
  expect(socket.isClosed).toBe(false);
});

test("a socket that was not saved is closed when its member was evicted, and its client goes on exactly", async () => {
  const watcher = clientOf(1).watch("sudden/", { prefix: true });
  await watcher.created;
  const one = await put("sudden/1", "1");
  expect(await events(watcher, 1)).toEqual([`sudden/1 ${one}`]);
  while ((await attachments(1)).some(({ saved }) => saved === undefined)) await pause(50);
  // As it is from the first byte after a rest until the next one.
  await runInDurableObject(stubOf(1), (_object, ctx) => {
    for (const socket of ctx.getWebSockets()) {
      socket.serializeAttachment({ ...(socket.deserializeAttachment() as object), saved: undefined });
    }
  });
  await evictDurableObject(stubOf(1));
  const two = await put("sudden/2", "2", "/m/2");
  const three = await put("sudden/3", "3", "/m/1");
  expect(await events(watcher, 2)).toEqual([`sudden/2 ${two}`, `sudden/3 ${three}`]);
  expect(sockets).toHaveLength(2);
});

test("a socket over which something was sent is not resumed from before it: nothing comes twice", async () => {
  const socket = await jsonSocket("/m/1/v3/watch");
  socket.send({ create_request: { key: btoa("sent") } });
  await socket.until(1);
  while ((await attachments(1)).some(({ saved }) => saved === undefined)) await pause(50);
  // Only the member sends: nothing is received that would mark the socket, too.
  await put("sent", "1", "/m/2");
  await socket.until(2);
  await evictDurableObject(stubOf(1));
  const second = await put("sent", "2", "/m/1");
  // It is closed, or was saved again just before.
  const isOver = (): boolean => socket.isClosed || socket.revisions.includes(String(second));
  while (!isOver()) await pause(10);
  expect(socket.revisions).toEqual([...new Set(socket.revisions)]);
  if (socket.closed !== undefined) expect(socket.closed.code).toBe(1012);
});

test("the ids that a stream gives to its watches go on after its member was evicted", async () => {
  const socket = await jsonSocket("/m/2/v3/watch");
  for (const key of ["a", "b", "c"]) socket.send({ create_request: { key: btoa(`ids/${key}`) } });
  await socket.until(3);
  // The highest one is free by then, and no event of it may be taken for one of another watch.
  socket.send({ cancel_request: { watch_id: 2 } });
  await socket.until(4);
  await evicted();
  socket.send({ create_request: { key: btoa("ids/d") } });
  await socket.until(5);
  expect(socket.heard.map(({ result }) => result?.watch_id ?? "0")).toEqual(["0", "1", "2", "2", "3"]);
  expect(socket.isClosed).toBe(false);
});

test("what a watch still needed when its member was evicted may be compacted; a quiet watch needs nothing", async () => {
  const watcher = clientOf(3).watch("quiet/", { prefix: true });
  await watcher.created;
  for (let at = 0; at < 5; at++) await put("other", String(at));
  const last = await put("quiet/1", "1");
  expect(await events(watcher, 1)).toEqual([`quiet/1 ${last}`]);
  await evicted();
  const after = await put("other", "later", "/m/1");
  await post("/m/1/v3/kv/compaction", { revision: String(after), physical: true });
  const next = await put("quiet/2", "2", "/m/2");
  expect(await events(watcher, 1)).toEqual([`quiet/2 ${next}`]);
  expect(sockets).toHaveLength(1);
});

async function collect(watcher: Watcher, seen: string[]): Promise<void> {
  for await (const { events: some } of watcher) {
    for (const { kv } of some) seen.push(`${new TextDecoder().decode(kv.key)} ${kv.modRevision}`);
  }
}
