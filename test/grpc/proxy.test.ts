/** The gRPC front over a member with memory storage, as a client without any library sees it. */
import { Metadata } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { equalBytes } from "../../src/base/bytes.ts";
import { utf8Encode } from "../../src/base/utf8.ts";
import { callContext } from "../../src/grpc/call-context.ts";
import { startGrpcProxy } from "../../src/grpc/proxy.ts";
import type { CallContext, Services, WatchStream } from "../../src/member/api/services.ts";
import { EtcdError, GrpcCode } from "../../src/protocol/errors.ts";
import {
  compactionRequest,
  compare,
  deleteRangeRequest,
  keyValue,
  putRequest,
  rangeRequest,
  txnRequest,
} from "../../src/protocol/api/kv.ts";
import type { PutResponse, RangeRequest } from "../../src/protocol/api/kv.ts";
import { leaseGrantRequest, leaseKeepAliveRequest } from "../../src/protocol/api/lease.ts";
import { lockRequest } from "../../src/protocol/api/lock.ts";
import { RPCS } from "../../src/protocol/api/rpc/rpc-table.ts";
import { HEALTH_RPCS } from "../../src/protocol/api/rpc/health-rpcs.ts";
import type { Rpc } from "../../src/protocol/api/rpc/rpc.ts";
import { watchCreateRequest, watchResponse } from "../../src/protocol/api/watch.ts";
import { failure, RawClient } from "./support/raw-client.ts";
import { serveGrpc, startGrpcMember } from "./support/served-grpc.ts";
import type { GrpcMember } from "./support/served-grpc.ts";

const { kv, watch, lease } = RPCS;
let proxy: GrpcMember;
let client: RawClient;

beforeAll(async () => {
  proxy = await startGrpcMember();
  client = proxy.client;
});

afterAll(() => proxy.close());

function bytes(text: string): Uint8Array {
  return utf8Encode(text);
}

function put(key: string, value: string | Uint8Array): Promise<PutResponse> {
  return client.call(kv.put, putRequest({ key: bytes(key), value: typeof value === "string" ? bytes(value) : value }));
}

describe("unary calls", () => {
  test("what was put is read back, with its revisions and the header of the member", async () => {
    const { header } = await put("unary/a", "1");
    const { kvs, count } = await client.call(kv.range, rangeRequest({ key: bytes("unary/a") }));
    expect(count).toBe(1);
    expect(kvs[0]).toMatchObject({ value: bytes("1"), modRevision: header.revision, version: 1 });
    expect(header).toMatchObject({ clusterId: 0xfedc_ba98_7654_3210n, memberId: 0xffff_0000_0000_0001n });
  });

  test("a txn executes the branch of its compares, and a delete returns the number of keys", async () => {
    await put("txn/a", "1");
    const range = rangeRequest({ key: bytes("txn/"), rangeEnd: bytes("txn0") });
    const { succeeded, responses } = await client.call(
      kv.txn,
      txnRequest({
        compare: [compare({ target: "VALUE", key: bytes("txn/a"), targetUnion: { type: "value", value: bytes("1") } })],
        success: [
          { type: "put", put: putRequest({ key: bytes("txn/b"), value: bytes("2") }) },
          { type: "range", range },
        ],
      }),
    );
    expect(succeeded).toBe(true);
    expect(responses[1]).toMatchObject({ type: "range", range: { count: 2 } });
    const { deleted } = await client.call(
      kv.deleteRange,
      deleteRangeRequest({ key: bytes("txn/"), rangeEnd: bytes("txn0") }),
    );
    expect(deleted).toBe(2);
  });

  test("an error keeps etcd's code and text: an empty key, a compacted and a future revision", async () => {
    expect(await failure(client.call(kv.put, putRequest()))).toEqual({
      code: GrpcCode.InvalidArgument,
      details: "etcdserver: key is not provided",
    });
    const { header } = await put("compact/a", "1");
    await put("compact/a", "2");
    await client.call(kv.compact, compactionRequest({ revision: header.revision + 1 }));
    const past = rangeRequest({ key: bytes("compact/a"), revision: header.revision });
    expect(await failure(client.call(kv.range, past))).toEqual({
      code: GrpcCode.OutOfRange,
      details: "etcdserver: mvcc: required revision has been compacted",
    });
    const future = rangeRequest({ key: bytes("compact/a"), revision: header.revision + 1000 });
    expect(await failure(client.call(kv.range, future))).toEqual({
      code: GrpcCode.OutOfRange,
      details: "etcdserver: mvcc: required revision is a future revision",
    });
  });

  test("a value of 1 MiB passes, and a response may have any size", async () => {
    const large = new Uint8Array(1 << 20).fill(7);
    for (const name of ["a", "b", "c", "d", "e"]) await put(`large/${name}`, large);
    const request = rangeRequest({ key: bytes("large/"), rangeEnd: bytes("large0") });
    const { kvs } = await client.call(kv.range, request);
    expect(kvs.map(({ value }) => value.length)).toEqual([1, 1, 1, 1, 1].map((mib) => mib << 20));
  });

  test("a request above 1.5 MiB is too large to etcd, and one above 2 MiB to gRPC", async () => {
    expect(await failure(put("large/f", new Uint8Array(1.6 * (1 << 20))))).toEqual({
      code: GrpcCode.InvalidArgument,
      details: "etcdserver: request is too large",
    });
    const { code } = await failure(put("large/g", new Uint8Array(2.1 * (1 << 20))));
    expect(code).toBe(GrpcCode.ResourceExhausted);
  });

  test("bytes that are no request are refused, and the connection serves on", async () => {
    const garbage: Rpc<Uint8Array, unknown> = {
      ...kv.put,
      request: { name: "garbage", create: () => new Uint8Array(), fields: [], isUnion: false },
    };
    const wrong: Rpc<{ readonly revision: number }, unknown> = { ...kv.put, request: RPCS.maintenance.hashKv.request };
    expect((await failure(client.call(wrong, { revision: 5 }))).code).toBe(GrpcCode.Internal);
    expect((await failure(client.call(garbage, new Uint8Array()))).details).toBe("etcdserver: key is not provided");
  });

  test("a passed deadline ends the call, and aborts the service's signal", async () => {
    const contexts: CallContext[] = [];
    const services: Services = {
      ...proxy.services,
      lock: {
        lock: (_request, context) => {
          contexts.push(context);
          return new Promise(() => {});
        },
        unlock: (request, context) => proxy.services.lock.unlock(request, context),
      },
    };
    await using(services, async (other) => {
      // On a slow machine a short one passes before the call has come that far.
      for (let withinMs = 30; contexts.length === 0; withinMs *= 2) {
        const deadline = Date.now() + withinMs;
        const { code } = await failure(other.call(RPCS.lock.lock, lockRequest(), { deadline }));
        expect(code).toBe(GrpcCode.DeadlineExceeded);
      }
      await until(() => contexts[0]?.signal?.aborted === true);
    });
  });
});

describe("metadata", () => {
  test("`token` counts before `authorization`, whose Bearer is taken off, and `hasleader` counts if it is true", async () => {
    const seen: CallContext[] = [];
    const services: Services = {
      ...proxy.services,
      kv: {
        ...proxy.services.kv,
        put: (request, context) => {
          seen.push(context);
          return proxy.services.kv.put(request, { token: "", requireLeader: false });
        },
      },
    };
    await using(services, async (other) => {
      const request = putRequest({ key: bytes("metadata") });
      for (const metadata of [
        { token: "a.1", authorization: "b.2" },
        { authorization: "Bearer b.2", hasleader: "true" },
        { authorization: "c.3", hasleader: "yes" },
      ]) {
        await other.call(kv.put, request, { metadata });
      }
    });
    expect(seen.map(({ token, requireLeader }) => [token, requireLeader])).toEqual([
      ["a.1", false],
      ["b.2", true],
      ["c.3", false],
    ]);
  });

  test("a client's API version is any UTF-8 and nothing else", () => {
    const metadata = new Metadata();
    metadata.set("client-api-version", "3.7");
    expect(callContext(metadata).token).toBe("");
    // No client of grpc-js can send this.
    const broken = { get: (key: string) => (key === "client-api-version" ? ["\xff\xfe"] : []) } as unknown as Metadata;
    expect(() => callContext(broken)).toThrow("etcdserver: invalid client api version");
  });
});

describe("KV.RangeStream", () => {
  test("its parts are one range at one revision; count and header stand in the last", async () => {
    for (let at = 0; at < 35; at++) await put(`stream/${String(at).padStart(2, "0")}`, `${at}`);
    const request = rangeRequest({ key: bytes("stream/"), rangeEnd: bytes("stream0") });
    const whole = await client.call(kv.range, request);
    const parts = (await client.stream(kv.rangeStream, request).all()).map(({ rangeResponse }) => rangeResponse);
    expect(parts.map(({ kvs }) => kvs.length)).toEqual([10, 20, 5]);
    expect(parts.flatMap(({ kvs }) => kvs)).toEqual(whole.kvs);
    expect(parts.map(({ count }) => count)).toEqual([0, 0, 35]);
    expect(parts.map(({ header }) => header.revision)).toEqual([0, 0, whole.header.revision]);
  });

  test("its parts are of one revision, whatever is written between them", async () => {
    const services: Services = {
      ...proxy.services,
      kv: {
        ...proxy.services.kv,
        range: async (request, context) => {
          const page = await proxy.services.kv.range(request, context);
          await put("stream/20", "changed");
          return page;
        },
      },
    };
    await using(services, async (other) => {
      const request = rangeRequest({ key: bytes("stream/"), rangeEnd: bytes("stream0") });
      const parts = await other.stream(kv.rangeStream, request).all();
      const kvs = parts.flatMap(({ rangeResponse }) => rangeResponse.kvs);
      expect(kvs.find(({ key }) => equalBytes(key, bytes("stream/20")))?.value).toEqual(bytes("20"));
    });
  });

  test("a limit that leaves something out says so in the last part", async () => {
    const request = rangeRequest({ key: bytes("stream/"), rangeEnd: bytes("stream0"), limit: 12 });
    const parts = (await client.stream(kv.rangeStream, request).all()).map(({ rangeResponse }) => rangeResponse);
    expect(parts.map(({ kvs, more, count }) => [kvs.length, more, count])).toEqual([
      [10, false, 0],
      [2, true, 35],
    ]);
  });

  test("orders and filters are Unimplemented, after what is wrong with any range", async () => {
    const range = { key: bytes("a"), rangeEnd: bytes("b") };
    const ended = (request: Partial<RangeRequest>): Promise<{ readonly code: number; readonly details: string }> =>
      client.stream(kv.rangeStream, rangeRequest({ ...range, ...request })).ended;
    expect(await ended({ sortOrder: "DESCEND" })).toEqual({
      code: GrpcCode.Unimplemented,
      details: "RangeStream does not support custom sort orders",
    });
    expect(await ended({ minModRevision: 1 })).toEqual({
      code: GrpcCode.Unimplemented,
      details: "RangeStream does not support revision filters",
    });
    expect(await ended({ key: bytes(""), sortOrder: "DESCEND" })).toEqual({
      code: GrpcCode.InvalidArgument,
      details: "etcdserver: key is not provided",
    });
  });
});

describe("Watch", () => {
  test("one stream has many watches: created, events, progress and cancel", async () => {
    const stream = client.duplex(watch.watch);
    for (const name of ["a", "b"]) {
      stream.call.write({ type: "create", create: watchCreateRequest({ key: bytes(`watch/${name}`), prevKv: true }) });
      expect(await stream.next()).toMatchObject({ created: true, watchId: name === "a" ? 0 : 1 });
    }
    await put("watch/b", "1");
    const { header } = await put("watch/b", "2");
    const events = [...(await stream.next()).events];
    if (events.length < 2) events.push(...(await stream.next()).events);
    expect(events.map(({ kv: now, prevKv }) => [now?.value, prevKv?.value])).toEqual([
      [bytes("1"), undefined],
      [bytes("2"), bytes("1")],
    ]);
    stream.call.write({ type: "progress", progress: {} });
    expect(await stream.next()).toMatchObject({ watchId: -1, events: [], header: { revision: header.revision } });
    stream.call.write({ type: "cancel", cancel: { watchId: 1 } });
    expect(await stream.next()).toMatchObject({ watchId: 1, canceled: true });
    stream.cancel();
    expect((await stream.ended).code).toBe(GrpcCode.Canceled);
  });

  test("a watch from before the compaction is canceled with the revision, and the stream goes on", async () => {
    const { header } = await put("watch/c", "1");
    await put("watch/c", "2");
    await client.call(kv.compact, compactionRequest({ revision: header.revision + 1 }));
    const stream = client.duplex(watch.watch);
    stream.call.write({ type: "create", create: watchCreateRequest({ key: bytes("watch/c"), startRevision: 1 }) });
    expect(await stream.next()).toMatchObject({ created: true });
    expect(await stream.next()).toMatchObject({
      canceled: true,
      compactRevision: header.revision + 1,
      cancelReason: "",
    });
    stream.call.write({ type: "create", create: watchCreateRequest({ key: bytes("watch/c") }) });
    expect(await stream.next()).toMatchObject({ created: true });
    stream.cancel();
  });

  test("a client that sends no more still hears of its watches", async () => {
    const stream = client.duplex(watch.watch);
    stream.call.write({ type: "create", create: watchCreateRequest({ key: bytes("watch/d") }) });
    await stream.next();
    stream.call.end();
    await put("watch/d", "1");
    expect((await stream.next()).events).toHaveLength(1);
    stream.cancel();
  });

  test("a client that does not read stops the proxy from pulling, and one that disconnects closes the stream", async () => {
    let pulled = 0;
    let isClosed = false;
    const large = watchResponse({
      events: [{ type: "PUT", kv: keyValue({ value: new Uint8Array(1 << 18) }), prevKv: undefined }],
    });
    const endless: WatchStream = {
      request: () => {},
      next: async () => {
        pulled++;
        await new Promise((resolve) => setImmediate(resolve));
        return large;
      },
      close: () => {
        isClosed = true;
      },
    };
    await using({ ...proxy.services, watch: { watch: () => endless } }, async (other) => {
      const stream = other.duplex(watch.watch);
      await stream.next();
      let before = -1;
      // Until nothing moves any more.
      await until(async () => {
        const isStill = pulled === before;
        before = pulled;
        for (let turn = 0; turn < 200; turn++) await new Promise((resolve) => setImmediate(resolve));
        return isStill && pulled === before;
      });
      expect(pulled).toBeLessThan(200);
      stream.cancel();
      await until(() => isClosed);
    });
  });

  test("a request that the services refuse ends the stream with their words", async () => {
    let close = (): void => {};
    const closed = new Promise<undefined>((resolve) => {
      close = () => resolve(undefined);
    });
    const refusing: WatchStream = {
      request: () => {
        throw new EtcdError(GrpcCode.Unimplemented, "no");
      },
      next: () => closed,
      close,
    };
    await using({ ...proxy.services, watch: { watch: () => refusing } }, async (other) => {
      const stream = other.duplex(watch.watch);
      stream.call.write({ type: "progress", progress: {} });
      expect(await stream.ended).toEqual({ code: GrpcCode.Unimplemented, details: "no" });
    });
  });

  test("a stream that the member ends is reported as etcd reports it", async () => {
    const over: WatchStream = { request: () => {}, next: async () => undefined, close: () => {} };
    await using({ ...proxy.services, watch: { watch: () => over } }, async (other) => {
      expect(await other.duplex(watch.watch).ended).toEqual({
        code: GrpcCode.Canceled,
        details: "etcdserver: watch canceled",
      });
    });
  });
});

describe("Lease.LeaseKeepAlive", () => {
  test("each keep-alive has its response, in order; an unknown lease has TTL 0; the stream ends with the requests", async () => {
    const { id } = await client.call(lease.grant, leaseGrantRequest({ ttl: 60 }));
    const stream = client.duplex(lease.keepAlive);
    for (const oneKeepAlive of [id, 404n, id]) stream.call.write(leaseKeepAliveRequest({ id: oneKeepAlive }));
    stream.call.end();
    expect((await stream.all()).map((answer) => [answer.id, answer.ttl])).toEqual([
      [id, 60],
      [404n, 0],
      [id, 60],
    ]);
    expect((await stream.ended).code).toBe(GrpcCode.OK);
  });

  test("an unreadable keep-alive ends the stream, after the responses to those before it", async () => {
    const stream = client.duplex({ ...lease.keepAlive, request: kv.range.request });
    // No field of a range is one of a keep-alive; without any it is the keep-alive of lease 0.
    for (const key of ["", "", "x", ""]) stream.call.write(rangeRequest({ key: bytes(key) }));
    expect([(await stream.next()).ttl, (await stream.next()).ttl]).toEqual([0, 0]);
    expect((await stream.ended).code).toBe(GrpcCode.Internal);
  });
});

describe("grpc.health.v1", () => {
  test("the server as a whole is SERVING, and there is no other service", async () => {
    const { check, watch: watchHealth } = HEALTH_RPCS;
    expect(await client.call(check, { service: "" })).toEqual({ status: "SERVING" });
    expect(await failure(client.call(check, { service: "etcdserverpb.KV" }))).toEqual({
      code: GrpcCode.NotFound,
      details: "unknown service",
    });
    const known = client.stream(watchHealth, { service: "" });
    expect(await known.next()).toEqual({ status: "SERVING" });
    known.cancel();
    const unknown = client.stream(watchHealth, { service: "x" });
    expect(await unknown.next()).toEqual({ status: "SERVICE_UNKNOWN" });
    unknown.cancel();
  });
});

describe("the server", () => {
  test("at its end, streams end as Unavailable, so that clients go and look for another", async () => {
    const other = await startGrpcProxy({ services: proxy.services, listen: "127.0.0.1:0" });
    const raw = new RawClient(`127.0.0.1:${other.port}`);
    const stream = raw.duplex(watch.watch);
    stream.call.write({ type: "create", create: watchCreateRequest({ key: bytes("a") }) });
    await stream.next();
    const closed = other.close();
    expect(await stream.ended).toEqual({ code: GrpcCode.Unavailable, details: "etcdserver: server stopped" });
    raw.close();
    await closed;
  });

  test("a message is as large as the request limit says, and etcd's room around it", async () => {
    const other = await serveGrpc(proxy.services, { maxRequestBytes: 1_000 });
    const value = new Uint8Array(1_000 + 512 * 1024);
    expect(await failure(other.client.call(kv.put, putRequest({ key: bytes("large"), value })))).toMatchObject({
      code: GrpcCode.ResourceExhausted,
    });
    await other.client.call(kv.put, putRequest({ key: bytes("large"), value: value.subarray(1_000) }));
    await other.close();
  });

  test("a port in use is reported with the system's error", async () => {
    await expect(startGrpcProxy({ services: proxy.services, listen: proxy.address })).rejects.toThrow(
      /^listen EADDRINUSE: .*/,
    );
  });
});

/** A front over other services, for as long as the test takes. */
async function using(services: Services, run: (raw: RawClient) => Promise<void>): Promise<void> {
  const other = await serveGrpc(services);
  try {
    await run(other.client);
  } finally {
    await other.close();
  }
}

async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isSo())) await new Promise((resolve) => setImmediate(resolve));
}
