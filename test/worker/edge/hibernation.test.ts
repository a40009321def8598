/** Watches over WebSockets of members that are evicted from memory while the sockets stay open. */
import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { afterEach, expect, test } from "vitest";
import { createClient, type Client } from "../../../src/client/client.ts";
import { httpServices } from "../../../src/client/http/http-services.ts";
import type { Watcher } from "../../../src/client/facade/lazy-watcher.ts";
import { edge, put, stubOf } from "../support/edge-kit.ts";
import { EdgeWebSocket } from "../support/edge-web-socket.ts";

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
