import { afterEach, describe, expect, test, vi } from "vitest";
import { utf8Encode } from "../../src/base/utf8.ts";
import type { MuxSocket } from "../../src/gateway/stream/mux-sender.ts";
import { type MuxLimits, serveMux } from "../../src/gateway/stream/mux-server.ts";
import { GONE_WITHIN_MS } from "../../src/gateway/http/presence.ts";
import { MuxPool, type MuxPoolOptions } from "../../src/grpc/mux-pool.ts";
import type { CallContext, Services, WatchStream } from "../../src/member/api/services.ts";
import {
  CONNECTION_CREDIT_BYTES,
  encodeFrame,
  PIECE_BYTES,
  STREAM_CREDIT_BYTES,
} from "../../src/protocol/mux-frame.ts";
import { errLeaseNotFound, errNoLeader } from "../../src/protocol/errors.ts";
import { lockRequest, lockResponse } from "../../src/protocol/api/lock.ts";
import { snapshotResponse } from "../../src/protocol/api/maintenance.ts";
import { RPCS } from "../../src/protocol/api/rpc/rpc-table.ts";
import { watchCreateRequest, watchResponse } from "../../src/protocol/api/watch.ts";
import type { WatchResponse } from "../../src/protocol/api/watch.ts";
import { CALL } from "../member/support/cluster.ts";
import { type SocketEnd, socketsTo } from "./support/socket-pair.ts";

const { watch, maintenance, lock, kv } = RPCS;

interface Carried {
  readonly carriers: MuxPool;
  /** The member's ends. */
  readonly ends: SocketEnd[];
}

function carried(
  services: Partial<Record<keyof Services, object>>,
  options: Partial<MuxPoolOptions> = {},
  limits: Partial<MuxLimits> = {},
): Carried {
  const ends: SocketEnd[] = [];
  const WebSocket = socketsTo((far) => {
    ends.push(far);
    serveMux(services as unknown as Services, far as MuxSocket, { maxMessageBytes: 1 << 21, ...limits });
  });
  return { carriers: new MuxPool({ endpoint: "http://edge", timeoutMs: 60_000, WebSocket, ...options }), ends };
}

/** Each watch answers its requests with their key as the reason. */
class Echo implements WatchStream {
  static readonly open: Set<Echo> = new Set();
  #waiting: WatchResponse[] = [];
  #wake: (() => void) | undefined;
  #closed = false;

  constructor() {
    Echo.open.add(this);
  }

  request(request: Parameters<WatchStream["request"]>[0]): void {
    if (request.type !== "create") return;
    this.#waiting.push(watchResponse({ cancelReason: String(request.create.key) }));
    this.#wake?.();
  }

  async next(): Promise<WatchResponse | undefined> {
    while (this.#waiting.length === 0 && !this.#closed) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.#waiting.shift();
  }

  close(): void {
    this.#closed = true;
    Echo.open.delete(this);
    this.#wake?.();
  }
}

function created(key: string): Parameters<WatchStream["request"]>[0] {
  return { type: "create", create: watchCreateRequest({ key: utf8Encode(key) }) };
}

/** Snapshots without an end, in parts of `size`; `made` counts them. */
function endless(size: number): { readonly services: { maintenance: object }; made: number; ended: number } {
  const state = {
    made: 0,
    ended: 0,
    services: {
      maintenance: {
        async *snapshot() {
          try {
            for (;;) {
              state.made += 1;
              yield snapshotResponse({ blob: new Uint8Array(size) });
            }
          } finally {
            state.ended += 1;
          }
        },
      },
    },
  };
  return state;
}

/** The other end of the first one. */
function proxy([member]: readonly SocketEnd[]): SocketEnd {
  if (member?.peer === undefined) throw new Error("there is no WebSocket");
  return member.peer;
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 400; turn++) await Promise.resolve();
}

afterEach(() => {
  vi.useRealTimers();
  Echo.open.clear();
});

describe("many over one", () => {
  test("a hundred watch streams share one WebSocket, and each hears what is its own", async () => {
    const { carriers, ends } = carried({ watch: { watch: () => new Echo() } });
    const streams = Array.from({ length: 100 }, () => carriers.open(watch.watch, CALL));
    for (const [at, stream] of streams.entries()) stream.request(created(String(at)));
    const heard = await Promise.all(streams.map(async (stream) => (await stream.next())?.cancelReason));
    expect(heard).toEqual(streams.map((_, at) => String(utf8Encode(String(at)))));
    expect(ends.length).toBe(1);
  });

  test("a stopped proxy closes all its connections, idle ones too", async () => {
    const { carriers, ends } = carried({ watch: { watch: () => new Echo() } }, { maxStreams: 1 });
    const stream = carriers.open(watch.watch, CALL);
    carriers.open(watch.watch, CALL).close();
    await settle();
    const pulled = stream.next();
    carriers.close();
    await expect(pulled).rejects.toMatchObject({ code: 14, message: "the front has stopped" });
    await settle();
    expect([carriers.count, ends.map((end) => end.isClosed), Echo.open.size]).toEqual([0, [true, true], 0]);
  });

  test("a full connection is followed by another", async () => {
    const { carriers, ends } = carried({ watch: { watch: () => new Echo() } }, { maxStreams: 2 });
    const streams = Array.from({ length: 5 }, () => carriers.open(watch.watch, CALL));
    expect([carriers.count, ends.length]).toEqual([3, 3]);
    for (const stream of streams) stream.close();
  });

  test("token and requireLeader belong to the stream, not to the connection", async () => {
    const contexts: CallContext[] = [];
    const { carriers } = carried({
      watch: {
        watch: (context: CallContext) => {
          contexts.push(context);
          return new Echo();
        },
      },
    });
    carriers.open(watch.watch, { token: "é.1", requireLeader: true });
    carriers.open(watch.watch, { token: "", requireLeader: false });
    await settle();
    expect(contexts).toMatchObject([
      { token: "é.1", requireLeader: true },
      { token: "", requireLeader: false },
    ]);
  });

  test("waiting calls use the connection: a response, then the end; an error keeps its code and text", async () => {
    const { carriers } = carried({
      lock: {
        lock: async ({ lease }: { readonly lease: bigint }) => {
          if (lease === 0n) throw errLeaseNotFound;
          return lockResponse({ key: utf8Encode("mine") });
        },
      },
    });
    const good = carriers.open(lock.lock, CALL);
    good.request(lockRequest({ lease: 1n }));
    expect((await good.next())?.key).toEqual(utf8Encode("mine"));
    expect(await good.next()).toBeUndefined();
    const bad = carriers.open(lock.lock, CALL);
    bad.request(lockRequest());
    await expect(bad.next()).rejects.toMatchObject({ code: errLeaseNotFound.code, message: errLeaseNotFound.message });
  });

  test("a stream that is rejected when it is opened, or whose method is unknown, ends with its error", async () => {
    const { carriers } = carried({
      watch: {
        watch: () => {
          throw errNoLeader;
        },
      },
    });
    await expect(carriers.open(watch.watch, CALL).next()).rejects.toMatchObject({ message: errNoLeader.message });
    const unknown = carriers.open({ ...kv.put, method: "Pat" }, CALL);
    await expect(unknown.next()).rejects.toMatchObject({ code: 12 });
  });

  test("a message larger than all credit comes whole, in pieces", async () => {
    const size = CONNECTION_CREDIT_BYTES + 3 * PIECE_BYTES + 1;
    const { carriers } = carried(endless(size).services);
    const stream = carriers.open(maintenance.snapshot, CALL);
    stream.request({});
    expect((await stream.next())?.blob.length).toBe(size);
    expect((await stream.next())?.blob.length).toBe(size);
    stream.close();
  });
});

describe("slow readers", () => {
  test("a reader that does not read holds a bounded number of bytes, and delays no other stream", async () => {
    const source = endless(1000);
    const { carriers, ends } = carried({ ...source.services, watch: { watch: () => new Echo() } });
    const slow = carriers.open(maintenance.snapshot, CALL);
    slow.request({});
    const quick = carriers.open(watch.watch, CALL);
    await settle();
    for (let at = 0; at < 10; at++) {
      quick.request(created("k"));
      expect(await quick.next()).toBeDefined();
      await settle();
    }
    await vi.waitFor(() => expect(source.made).toBeGreaterThan(100), 60_000);
    const { made } = source;
    await settle();
    expect(source.made).toBe(made);
    expect(made * 1000).toBeLessThan(STREAM_CREDIT_BYTES + 3000);
    // As it reads, more is made.
    for (let at = 0; at < 1000; at++) await slow.next();
    expect(source.made).toBeGreaterThan(1000);
    expect(ends.length).toBe(1);
  });

  test("when the proxy reads nothing at all, the member produces no more than the credit allows", async () => {
    const source = endless(50_000);
    const { carriers, ends } = carried(source.services);
    const streams = Array.from({ length: 200 }, () => carriers.open(maintenance.snapshot, CALL));
    for (const stream of streams) stream.request({});
    const stuck = proxy(ends);
    stuck.isStuck = true;
    for (let at = 0; at < 50; at++) await settle();
    expect(source.made * 50_000).toBeLessThan(CONNECTION_CREDIT_BYTES + 200 * 2 * 50_000);
    const sent = ends[0]?.sent;
    await settle();
    expect(ends[0]?.sent).toBe(sent);
    stuck.unstick();
    await Promise.all(streams.map((stream) => stream.next()));
  });
});

describe("disconnects", () => {
  test("a stream that is cancelled, by itself or by its call's signal, is closed at the member", async () => {
    const { carriers } = carried({ watch: { watch: () => new Echo() } });
    const abort = new AbortController();
    const first = carriers.open(watch.watch, CALL);
    const second = carriers.open(watch.watch, { ...CALL, signal: abort.signal });
    await settle();
    expect(Echo.open.size).toBe(2);
    first.close();
    abort.abort();
    await settle();
    expect(Echo.open.size).toBe(0);
    expect([await first.next(), await second.next()]).toEqual([undefined, undefined]);
  });

  test("a broken connection leaves nothing at the member; its streams are Unavailable, and the next opens another", async () => {
    const { carriers, ends } = carried({ watch: { watch: () => new Echo() } });
    const streams = [carriers.open(watch.watch, CALL), carriers.open(watch.watch, CALL)];
    await settle();
    ends[0]?.emit("close");
    proxy(ends).emit("close");
    expect(Echo.open.size).toBe(0);
    for (const stream of streams) {
      await expect(stream.next()).rejects.toMatchObject({ code: 14, message: "lost the connection to http://edge" });
    }
    const next = carriers.open(watch.watch, CALL);
    next.request(created("k"));
    expect(await next.next()).toBeDefined();
    expect(ends.length).toBe(2);
  });

  test("a watch stream that the member ends by itself is Unavailable, so that its client goes on elsewhere", async () => {
    const { carriers } = carried({ watch: { watch: () => new Echo() } });
    const stream = carriers.open(watch.watch, CALL);
    await settle();
    for (const open of Echo.open) open.close();
    await expect(stream.next()).rejects.toMatchObject({ code: 14, message: "etcdserver: server stopped" });
  });

  test("an endpoint without multiplexed connections is reported as unreachable", async () => {
    const WebSocket = socketsTo((far) => far.close());
    const carriers = new MuxPool({ endpoint: "http://edge", timeoutMs: 60_000, WebSocket });
    await expect(carriers.open(watch.watch, CALL).next()).rejects.toMatchObject({ code: 14 });
  });

  test("a connection without streams is closed after a while, one that is used again is not", async () => {
    vi.useFakeTimers();
    const { carriers, ends } = carried({ watch: { watch: () => new Echo() } }, { closeAfterMs: 1000 });
    carriers.open(watch.watch, CALL).close();
    await vi.advanceTimersByTimeAsync(900);
    const used = carriers.open(watch.watch, CALL);
    await vi.advanceTimersByTimeAsync(5000);
    expect([carriers.count, ends[0]?.isClosed]).toEqual([1, false]);
    used.close();
    await vi.advanceTimersByTimeAsync(1100);
    expect([carriers.count, ends[0]?.isClosed]).toEqual([0, true]);
  });

  test("silence closes a connection at both ends; pings keep it open as long as the other side replies", async () => {
    vi.useFakeTimers();
    const { carriers, ends } = carried({ watch: { watch: () => new Echo() } });
    const stream = carriers.open(watch.watch, CALL);
    await vi.advanceTimersByTimeAsync(600_000);
    expect(Echo.open.size).toBe(1);
    const lost = stream.next().catch((error: unknown) => error);
    proxy(ends).peer = undefined;
    (ends[0] as SocketEnd).peer = undefined;
    await vi.advanceTimersByTimeAsync(6_000);
    expect(Echo.open.size).toBe(1);
    await vi.advanceTimersByTimeAsync(GONE_WITHIN_MS - 6_000);
    expect(Echo.open.size).toBe(0);
    await vi.advanceTimersByTimeAsync(20_000);
    expect(await lost).toMatchObject({ code: 14, message: "http://edge has gone silent" });
  });
});

describe("frames that a proxy never sends", () => {
  test.each([
    ["text", "hello"],
    ["no frame", new Uint8Array(3)],
    ["an unknown type", Uint8Array.of(99, 0, 0, 0, 1)],
    ["a front's word for the member", Uint8Array.of(6, 0, 0, 0, 1, 0)],
    ["a credit of no number", Uint8Array.of(5, 0, 0, 0, 1, 0)],
  ])("%s ends the WebSocket", async (_what, data) => {
    const { carriers, ends } = carried({ watch: { watch: () => new Echo() } });
    carriers.open(watch.watch, CALL);
    await settle();
    proxy(ends).send(data);
    await settle();
    expect([ends[0]?.isClosed, Echo.open.size]).toEqual([true, 0]);
  });

  test("too many streams, and too large a request, are refused as streams of their own", async () => {
    const { carriers } = carried({ watch: { watch: () => new Echo() } }, {}, { maxStreams: 1, maxMessageBytes: 1000 });
    const first = carriers.open(watch.watch, CALL);
    await expect(carriers.open(watch.watch, CALL).next()).rejects.toMatchObject({ code: 8 });
    first.request(created("x".repeat(2000)));
    await expect(first.next()).rejects.toMatchObject({ code: 8 });
    expect(Echo.open.size).toBe(0);
  });

  test.each([
    ["large pieces of many requests", 1000, 900],
    ["tiny pieces of one", 1, 1],
  ])("requests that are never complete hold a bounded number of bytes in total: %s", async (_what, streams, size) => {
    const { carriers, ends } = carried({ watch: { watch: () => new Echo() } }, {}, { maxMessageBytes: 10_000 });
    const opened = Array.from({ length: streams }, () => carriers.open(watch.watch, CALL));
    await settle();
    const peer = proxy(ends);
    const bytes = new Uint8Array(size);
    for (let at = 0; at < 1000; at++) {
      peer.send(encodeFrame({ type: "piece", stream: 1 + (at % streams), bytes, isLast: false }));
    }
    await settle();
    // What a stream held is given free with its end, so others go on.
    expect(Echo.open.size).toBeLessThan(streams);
    await expect(Promise.race(opened.map((stream) => stream.next()))).rejects.toMatchObject({
      code: 8,
      message: "too many incomplete requests over one carrier",
    });
    const next = carriers.open(watch.watch, CALL);
    for (const stream of opened) stream.close();
    next.request(created("k"));
    expect(await next.next()).toBeDefined();
  });

  test("credit that nothing was sent for counts for nothing: the member makes no more than may be on its way", async () => {
    const source = endless(1000);
    const { carriers, ends } = carried(source.services);
    carriers.open(maintenance.snapshot, CALL).request({});
    await Promise.resolve();
    const peer = proxy(ends);
    peer.isStuck = true;
    for (const stream of [0, 1]) peer.send(encodeFrame({ type: "credit", stream, bytes: 0xffff_ffff }));
    for (let at = 0; at < 50; at++) await settle();
    expect(source.made * 1000).toBeLessThan(3 * STREAM_CREDIT_BYTES);
  });
});
