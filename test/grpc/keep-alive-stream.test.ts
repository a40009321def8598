/** Keep-alives of leases on their way from the proxy to a member: when over the shared WebSocket, when as calls. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { serveMux } from "../../src/gateway/stream/mux-server.ts";
import type { MuxSocket } from "../../src/gateway/stream/mux-sender.ts";
import { KeepAliveConnection, KeepAliveStream } from "../../src/grpc/keep-alive-stream.ts";
import { MuxPool } from "../../src/grpc/mux-pool.ts";
import type { CallContext, LeaseService, Services } from "../../src/member/api/services.ts";
import { errNoLeader, errPermissionDenied, errRequestTooManyRequests } from "../../src/protocol/errors.ts";
import { leaseKeepAliveResponse } from "../../src/protocol/api/lease.ts";
import type { LeaseKeepAliveResponse } from "../../src/protocol/api/lease.ts";
import { RPCS } from "../../src/protocol/api/rpc/rpc-table.ts";
import { CALL } from "../member/support/cluster.ts";
import { socketsTo } from "./support/socket-pair.ts";
import type { SocketEnd } from "./support/socket-pair.ts";

type Answer = (id: bigint, context: CallContext) => Promise<LeaseKeepAliveResponse>;

let ends: SocketEnd[];
let carriers: MuxPool;
let called: bigint[];
let carried: bigint[];
let carriedAnswer: Answer;
let mux: KeepAliveConnection;

const lease = {
  keepAlive: async ({ id }: { readonly id: bigint }) => {
    called.push(id);
    return leaseKeepAliveResponse({ id, ttl: 1 });
  },
} as object as LeaseService;

beforeEach(() => {
  vi.useFakeTimers();
  [ends, called, carried] = [[], [], []];
  carriedAnswer = async (id) => leaseKeepAliveResponse({ id, ttl: 2 });
  const keepAlive = ({ id }: { readonly id: bigint }, context: CallContext): ReturnType<Answer> => {
    carried.push(id);
    return carriedAnswer(id, context);
  };
  const WebSocket = socketsTo((far) => {
    ends.push(far);
    serveMux({ lease: { keepAlive } } as unknown as Services, far as MuxSocket, { maxMessageBytes: 1 << 20 });
  });
  carriers = new MuxPool({ endpoint: "http://edge", timeoutMs: 60_000, WebSocket });
  mux = new KeepAliveConnection((context) => carriers.open(RPCS.lease.keepAlive, context));
});
afterEach(() => {
  carriers.close();
  vi.useRealTimers();
});

/** After a first keep-alive, so that the next one follows at once. */
async function busyStream(context: CallContext = CALL): Promise<KeepAliveStream> {
  const stream = new KeepAliveStream(lease, context, mux);
  await answers(stream, 1n);
  called = [];
  return stream;
}

async function answers(stream: KeepAliveStream, ...ids: bigint[]): Promise<(bigint | undefined)[]> {
  for (const id of ids) stream.request({ id });
  const heard: (bigint | undefined)[] = [];
  for (const _ of ids) heard.push((await stream.next())?.id);
  return heard;
}

test("frequent keep-alives share one connection, and those of a turn one message of it, in order", async () => {
  const stream = await busyStream();
  const ids = Array.from({ length: 200 }, (_, at) => BigInt(at + 2));
  expect(await answers(stream, ...ids)).toEqual(ids);
  expect([called, carried, ends.length]).toEqual([[], ids, 1]);
  expect([ends[0]?.peer?.sent, ends[0]?.sent]).toEqual([1, 1]);
});

test("rare keep-alives are unary calls, and open no connection", async () => {
  const stream = await busyStream();
  for (let oneKeepAlive = 0; oneKeepAlive < 3; oneKeepAlive++) {
    await vi.advanceTimersByTimeAsync(6_000);
    await answers(stream, 7n);
  }
  expect([called, carried, ends.length]).toEqual([[7n, 7n, 7n], [], 0]);
});

test("an idle stream is closed on the connection, and may be opened again", async () => {
  const stream = await busyStream();
  await answers(stream, 2n);
  await vi.advanceTimersByTimeAsync(40_000);
  expect([carriers.count, ends[0]?.isClosed]).toEqual([0, true]);
  await answers(stream, 3n);
  await answers(stream, 4n);
  expect([called, carried, ends.length]).toEqual([[3n], [2n, 4n], 2]);
});

test("keep-alives without a response on a lost connection are sent as calls, in order, and so are the next ones for a while", async () => {
  const stream = await busyStream();
  carriedAnswer = async (id) => (id < 4n ? leaseKeepAliveResponse({ id, ttl: 2 }) : new Promise(() => {}));
  const heard = answers(stream, 2n, 3n, 4n, 5n, 6n);
  await vi.advanceTimersByTimeAsync(100);
  ends[0]?.close();
  expect(await heard).toEqual([2n, 3n, 4n, 5n, 6n]);
  expect(called).toEqual([4n, 5n, 6n]);
  carriedAnswer = async (id) => leaseKeepAliveResponse({ id, ttl: 2 });
  await answers(stream, 7n);
  await vi.advanceTimersByTimeAsync(30_000);
  await answers(stream, 8n);
  await answers(stream, 9n);
  expect([called, carried]).toEqual([
    [4n, 5n, 6n, 7n, 8n],
    [2n, 3n, 4n, 5n, 6n, 9n],
  ]);
});

test("a keep-alive without a response for five seconds is sent as a call", async () => {
  const stream = await busyStream();
  carriedAnswer = async () => new Promise(() => {});
  const heard = answers(stream, 2n, 3n);
  await vi.advanceTimersByTimeAsync(5_000);
  expect(await heard).toEqual([2n, 3n]);
  expect(called).toEqual([2n, 3n]);
});

test("responses that a client does not read for long still arrive in order", async () => {
  const stream = await busyStream();
  stream.request({ id: 2n });
  await stream.next();
  for (const id of [3n, 4n]) stream.request({ id });
  await vi.advanceTimersByTimeAsync(6_000);
  expect(await answers(stream, 5n)).toEqual([3n]);
  expect([(await stream.next())?.id, (await stream.next())?.id]).toEqual([4n, 5n]);
});

test.each([errNoLeader, errRequestTooManyRequests])(
  "a member that cannot serve ($message) is tried once more, by a call, whose error is returned",
  async (error) => {
    const refusing = {
      keepAlive: async () => {
        throw error;
      },
    } as object as LeaseService;
    await busyStream();
    carriedAnswer = async () => {
      throw error;
    };
    const stream = new KeepAliveStream(refusing, CALL, mux);
    await expect(answers(stream, 2n)).rejects.toMatchObject({ code: error.code, message: error.message });
    expect(carried).toEqual([2n]);
  },
);

test("any other error over the connection is returned, under the stream's own token", async () => {
  const stream = await busyStream({ token: "amy.1", requireLeader: true });
  let context: CallContext | undefined;
  carriedAnswer = async (_id, asked) => {
    context = asked;
    throw errPermissionDenied;
  };
  await expect(answers(stream, 2n)).rejects.toMatchObject({ code: 7, message: errPermissionDenied.message });
  expect([called, context]).toMatchObject([[], { token: "amy.1", requireLeader: true }]);
});

test("a stream that its client closes stops waiting, and leaves the connection to others", async () => {
  const stream = await busyStream();
  const answer = carriedAnswer;
  carriedAnswer = async () => new Promise(() => {});
  stream.request({ id: 2n });
  const waiting = stream.next();
  await vi.advanceTimersByTimeAsync(100);
  stream.close();
  expect(await waiting).toBeUndefined();
  carriedAnswer = answer;
  await answers(new KeepAliveStream(lease, CALL, mux), 3n);
  expect([called, carried]).toEqual([[], [2n, 3n]]);
});
