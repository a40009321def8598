/** A client that asks and does not read: it holds up nobody, and when it reads again nothing is missing. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { utf8Encode } from "../../src/base/utf8.ts";
import { putRequest } from "../../src/protocol/api/kv.ts";
import { RPCS } from "../../src/protocol/api/rpc/rpc-table.ts";
import { watchCreateRequest } from "../../src/protocol/api/watch.ts";
import { serveMember } from "../client/support/served-member.ts";
import type { ServedMember } from "../client/support/served-member.ts";
import { serveGrpc } from "../grpc/support/served-grpc.ts";
import type { ServedGrpc } from "../grpc/support/served-grpc.ts";
import { getHead, postHead, sendAndNotRead } from "./unread.ts";

const CALL = { token: "", requireLeader: false };
/** Three times what may wait for one reader. */
const PUTS = 200;
const VALUE = new Uint8Array(64 * 1024).fill(0x76);

let member: ServedMember;
let proxy: ServedGrpc;

beforeAll(async () => {
  member = await serveMember();
  proxy = await serveGrpc(member.services);
});

afterAll(async () => {
  await proxy.close();
  await member.close();
});

test("over HTTP, as events and over gRPC: a slow reader delays no other caller, and later reads everything in order", async () => {
  const { endpoint, services } = member;
  const create = { key: utf8Encode("unread/"), rangeEnd: utf8Encode("unread0") };
  const body = JSON.stringify({ create_request: { key: btoa("unread/"), range_end: btoa("unread0") } });
  const lines = await sendAndNotRead(endpoint, postHead(endpoint, "/v3/watch", body));
  const events = await sendAndNotRead(endpoint, getHead(endpoint, "/kv/unread/?prefix&watch"));
  const { client } = proxy;
  const stream = client.duplex(RPCS.watch.watch);
  stream.call.write({ type: "create", create: watchCreateRequest(create) });
  await stream.next();
  stream.call.pause();

  const reader = services.watch.watch(CALL);
  reader.request({ type: "create", create: watchCreateRequest(create) });
  await reader.next();
  const keys = Array.from({ length: PUTS }, (_, at) => `unread/${at}`);
  for (const key of keys) {
    await services.kv.put(putRequest({ key: utf8Encode(key), value: VALUE }), CALL);
    // In the same moment, with all the others not reading.
    expect((await reader.next())?.events).toHaveLength(1);
  }
  reader.close();
  // The three have filled what may wait for them, and what came since is kept for them nowhere but in the store.
  const metrics = await (await fetch(`${endpoint}/metrics`)).text();
  expect(metrics).toContain("etcd_debugging_mvcc_slow_watcher_total 3\n");

  const fromLines = await foundIn(lines.socket, /"key":"([\w+/=]+)"/g, PUTS);
  expect(fromLines.map((key) => atob(key))).toEqual(keys);
  expect(await foundIn(events.socket, /"key":"([^"]+)"/g, PUTS)).toEqual(keys);
  const fromGrpc: string[] = [];
  while (fromGrpc.length < PUTS) {
    for (const { kv } of (await stream.next()).events) fromGrpc.push(Buffer.from(kv?.key ?? []).toString());
  }
  expect(fromGrpc).toEqual(keys);
});

/** Reads on until so many are there; what lies between two pieces may be cut. */
async function foundIn(
  socket: AsyncIterable<Buffer> & { destroy(): void },
  pattern: RegExp,
  count: number,
): Promise<string[]> {
  const found: string[] = [];
  let rest = "";
  for await (const piece of socket) {
    rest += piece.toString("latin1");
    let end = 0;
    for (const match of rest.matchAll(pattern)) {
      found.push(match[1] ?? "");
      end = match.index + match[0].length;
    }
    // Values are long, and hold no key.
    rest = rest.slice(Math.max(end, rest.length - 4096));
    if (found.length >= count) break;
  }
  socket.destroy();
  return found;
}
