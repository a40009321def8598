/** The gRPC front over the real edge: calls over few connections, frequent ones over one WebSocket, whatever goes on over another. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { utf8Encode } from "../../src/base/utf8.ts";
import { endpointServices } from "../../src/grpc/endpoint-services.ts";
import { GrpcCode } from "../../src/protocol/errors.ts";
import { putRequest, rangeRequest } from "../../src/protocol/api/kv.ts";
import { leaseGrantRequest, leaseKeepAliveRequest } from "../../src/protocol/api/lease.ts";
import { lockRequest, unlockRequest } from "../../src/protocol/api/lock.ts";
import { RPCS } from "../../src/protocol/api/rpc/rpc-table.ts";
import { watchCreateRequest } from "../../src/protocol/api/watch.ts";
import type { RawClient } from "../grpc/support/raw-client.ts";
import { serveGrpc } from "../grpc/support/served-grpc.ts";
import type { ServedGrpc } from "../grpc/support/served-grpc.ts";
import { EdgeServer } from "../support/edge-server.ts";

const { kv, lease, lock, watch } = RPCS;
let data: string;
let edge: EdgeServer;
let proxy: ServedGrpc;
let client: RawClient;
/** One for calls, one for streams. */
const CARRIERS = 2;
/** Open ones. */
let carriers = 0;

class CountedWebSocket extends WebSocket {
  constructor(url: string) {
    super(url);
    carriers += 1;
    this.addEventListener("close", () => (carriers -= 1));
  }
}

beforeAll(async () => {
  data = await mkdtemp(join(tmpdir(), "quorate-grpc-"));
  edge = await EdgeServer.start(data);
  const services = endpointServices({ endpoint: edge.url, timeoutMs: 60_000, WebSocket: CountedWebSocket });
  proxy = await serveGrpc(services);
  client = proxy.client;
});
afterAll(async () => {
  await proxy.close();
  await edge.stop();
  await rm(data, { recursive: true, force: true });
});

test("two hundred puts at once are all there afterwards", async () => {
  const puts = Array.from({ length: 200 }, (_, at) => putRequest({ key: utf8Encode(`many/${at}`) }));
  await Promise.all(puts.map((put) => client.call(kv.put, put)));
  const all = rangeRequest({ key: utf8Encode("many/"), rangeEnd: utf8Encode("many0"), countOnly: true });
  expect((await client.call(kv.range, all)).count).toBe(200);
});

test.each([{}, { hasleader: "true" }])(
  "a stream with %j has many watches, cancels one and requests progress",
  async (metadata) => {
    const stream = client.duplex(watch.watch, { metadata });
    for (const name of ["a", "b"]) {
      stream.call.write({ type: "create", create: watchCreateRequest({ key: utf8Encode(`watch/${name}`) }) });
      expect(await stream.next()).toMatchObject({ created: true });
    }
    await client.call(kv.put, putRequest({ key: utf8Encode("watch/b"), value: utf8Encode("1") }));
    expect(await stream.next()).toMatchObject({ watchId: 1, events: [{ kv: { value: utf8Encode("1") } }] });
    stream.call.write({ type: "cancel", cancel: { watchId: 1 } });
    expect(await stream.next()).toMatchObject({ watchId: 1, canceled: true });
    stream.call.write({ type: "progress", progress: {} });
    expect(await stream.next()).toMatchObject({ watchId: -1, events: [] });
    stream.cancel();
  },
);

test("a hundred watch streams, a waiting lock and a range in parts share one connection, beside that of short calls; a slow reader delays no other stream", async () => {
  const value = new Uint8Array(100_000);
  for (let at = 0; at < 15; at++) await client.call(kv.put, putRequest({ key: utf8Encode(`large/${at + 10}`), value }));
  const all = rangeRequest({ key: utf8Encode("large/"), rangeEnd: utf8Encode("large0") });
  // Nobody reads these: their parts stay at the member.
  const unread = Array.from({ length: 5 }, () => client.stream(kv.rangeStream, all));
  const streams = Array.from({ length: 100 }, () => client.duplex(watch.watch));
  for (const [at, { call }] of streams.entries()) {
    call.write({ type: "create", create: watchCreateRequest({ key: utf8Encode(`shared/${at}`) }) });
  }
  await Promise.all(streams.map((stream) => stream.next()));
  const held = await client.call(lock.lock, lockRequest({ name: utf8Encode("l") }));
  const waiting = client.call(lock.lock, lockRequest({ name: utf8Encode("l") }));
  await Promise.all(streams.map((_, at) => client.call(kv.put, putRequest({ key: utf8Encode(`shared/${at}`) }))));
  for (const [at, stream] of streams.entries()) {
    expect(await stream.next()).toMatchObject({ events: [{ kv: { key: utf8Encode(`shared/${at}`) } }] });
  }
  await client.call(lock.unlock, unlockRequest({ key: held.key }));
  expect((await waiting).key).not.toEqual(held.key);
  const parts = await client.stream(kv.rangeStream, all).all();
  expect(parts.flatMap(({ rangeResponse }) => rangeResponse.kvs).length).toBe(15);
  for (const stream of [...streams, ...unread]) stream.cancel();
  expect(carriers).toBeLessThanOrEqual(CARRIERS);
});

test("a lease is kept alive by a keep-alive stream", async () => {
  const { id } = await client.call(lease.grant, leaseGrantRequest({ ttl: 60 }));
  const stream = client.duplex(lease.keepAlive);
  stream.call.write(leaseKeepAliveRequest({ id }));
  expect(await stream.next()).toMatchObject({ id, ttl: 60 });
  for (let oneKeepAlive = 0; oneKeepAlive < 100; oneKeepAlive++)
    stream.call.write(leaseKeepAliveRequest({ id: oneKeepAlive % 2 === 0 ? id : 404n }));
  stream.call.end();
  expect((await stream.all()).map((answer) => [answer.id, answer.ttl])).toEqual(
    Array.from({ length: 100 }, (_, oneKeepAlive) => (oneKeepAlive % 2 === 0 ? [id, 60] : [404n, 0])),
  );
  expect((await stream.ended).code).toBe(GrpcCode.OK);
  expect(carriers).toBeLessThanOrEqual(CARRIERS);
});

test("when the edge goes, calls and streams are Unavailable, so that clients try again", async () => {
  const stream = client.duplex(watch.watch);
  stream.call.write({ type: "create", create: watchCreateRequest({ key: utf8Encode("gone") }) });
  await stream.next();
  await edge.killWorkerd();
  expect((await stream.ended).code).toBe(GrpcCode.Unavailable);
  await expect(client.call(kv.put, putRequest({ key: utf8Encode("gone") }))).rejects.toMatchObject({
    code: GrpcCode.Unavailable,
  });
});
