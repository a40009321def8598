/** What a caller leaves unread, where the platform does not tell what a socket has buffered; how silence is judged. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { MuxConnection } from "../../../src/client/mux/mux-connection.ts";
import type { MuxSocket } from "../../../src/gateway/stream/mux-sender.ts";
import { serveMux } from "../../../src/gateway/stream/mux-server.ts";
import { UNREAD_BYTES_MAX } from "../../../src/gateway/stream/unread-bytes.ts";
import { Callers } from "../../../src/member/limits/callers.ts";
import { limitsOf, type MemberLimits } from "../../../src/member/options.ts";
import type { CallContext, Services } from "../../../src/member/api/services.ts";
import { RPCS } from "../../../src/protocol/api/rpc/rpc-table.ts";
import { keyValue, rangeRequest, rangeResponse } from "../../../src/protocol/api/kv.ts";
import { GrpcCode } from "../../../src/protocol/errors.ts";
import { KEEP_ALIVE_PING, KEEP_ALIVE_PONG } from "../../../src/protocol/keep-alive.ts";
import { CLOSE_FINAL, decodeFrames, encodeBatch, encodeFrame } from "../../../src/protocol/mux-frame.ts";
import { CALL } from "../../member/support/cluster.ts";
import { SocketEnd, socketsTo } from "../../grpc/support/socket-pair.ts";

const caller: CallContext = { ...CALL, address: "192.0.2.1" };
const NOTHING_ASKED = { next: () => new Promise(() => {}), request() {}, close() {} };
const services = {
  watch: { watch: () => NOTHING_ASKED },
  kv: { range: async () => rangeResponse({ kvs: [keyValue({ value: new Uint8Array(200_000) })] }) },
  lock: { lock: () => new Promise(() => {}) },
} as unknown as Services;

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** The member's end as it is in workerd: without `bufferedAmount`. */
function serve(far: SocketEnd, callers: Callers, isCurrent: boolean): void {
  (far as { bufferedAmount: unknown }).bufferedAmount = undefined;
  const limits = { maxMessageBytes: 1 << 20, countsUnread: true };
  serveMux(services, far as MuxSocket, limits, { ...caller, isCurrent }, callers);
}

function pair(): { readonly near: SocketEnd; readonly far: SocketEnd; readonly heard: unknown[] } {
  const near = new SocketEnd();
  const far = new SocketEnd();
  near.peer = far;
  far.peer = near;
  const heard: unknown[] = [];
  near.addEventListener("message", ({ data }) => heard.push(data));
  return { near, far, heard };
}

/** A thousand calls of methods that there are not: each is answered at no cost of credit. */
function unknownMethods(from: number): Uint8Array {
  const method = `/x.Y/${"z".repeat(200)}`;
  const frames = Array.from({ length: 1_000 }, (_, at) =>
    encodeFrame({ type: "open", stream: from + at, method, token: "", requireLeader: false }),
  );
  return encodeBatch(frames);
}

async function flood(near: SocketEnd, times: number): Promise<void> {
  for (let at = 0; at < times && !near.isClosed; at++) {
    near.send(unknownMethods(1 + 1_000 * at));
    await vi.advanceTimersByTimeAsync(0);
  }
}

test.each([true, false])(
  "a caller that reads none of its answers is disconnected (it knows marks: %s)",
  async (knows) => {
    const callers = new Callers(limitsOf({}));
    const { near, far, heard } = pair();
    serve(far, callers, knows);
    await flood(near, 200);
    const bytes = heard.reduce((sum: number, data) => sum + (data instanceof ArrayBuffer ? data.byteLength : 0), 0);
    expect(near.isClosed).toBe(true);
    expect(bytes).toBeLessThan(UNREAD_BYTES_MAX + 512 * 1024);
    expect(bytes).toBeGreaterThan(UNREAD_BYTES_MAX / 2);
    expect(callers.budgets.unread_bytes.used).toBe(0);
  },
);

test("all sockets of a caller count together, and another caller's do not", async () => {
  const limits: Partial<MemberLimits> = { unreadBytes: 4_000_000, unreadBytesPerCaller: 2_000_000 };
  const callers = new Callers(limitsOf(limits));
  const [one, two] = [pair(), pair()];
  for (const { far } of [one, two]) serve(far, callers, true);
  await flood(one.near, 5);
  await flood(two.near, 5);
  expect([one.near.isClosed, two.near.isClosed]).toEqual([false, true]);
});

test("a caller that returns marks goes on for ever; one that makes them up is disconnected", async () => {
  const honest = pair();
  const liar = pair();
  for (const { far } of [honest, liar]) serve(far, new Callers(limitsOf({})), true);
  honest.near.addEventListener("message", ({ data }) => {
    const frames = data instanceof ArrayBuffer ? (decodeFrames(new Uint8Array(data))?.frames ?? []) : [];
    for (const frame of frames) if (frame.type === "mark") honest.near.send(encodeFrame(frame));
  });
  await flood(honest.near, 100);
  expect(honest.near.isClosed).toBe(false);
  await flood(liar.near, 2);
  liar.near.send(encodeFrame({ type: "mark", stream: 12_345 }));
  await vi.advanceTimersByTimeAsync(0);
  expect(liar.near.isClosed).toBe(true);
});

test("the client returns marks, and pings a quiet member as text, every half minute; while a call waits, every two seconds", async () => {
  let member: SocketEnd | undefined;
  const WebSocket = socketsTo((far) => {
    member = far;
    serve(far, new Callers(limitsOf({})), true);
  });
  const connection = new MuxConnection({ endpoint: "http://edge", timeoutMs: 1_000, WebSocket }, { onOver() {} });
  const pings: unknown[] = [];
  (member as SocketEnd).addEventListener("message", ({ data }) => {
    if (typeof data === "string") pings.push(data);
  });
  connection.open(RPCS.watch.watch, CALL);
  await vi.advanceTimersByTimeAsync(300_000);
  expect(pings.length).toBeGreaterThanOrEqual(9);
  expect(pings.length).toBeLessThanOrEqual(11);
  expect(new Set(pings)).toEqual(new Set([KEEP_ALIVE_PING]));
  const limit = { leftMs: Infinity, timeoutMs: 1_000 };
  // More than a caller may leave unread.
  for (let call = 0; call < 100; call++) await connection.call(RPCS.kv.range, rangeRequest(), CALL, limit);
  expect(connection.streams).toBe(1);
  const before = pings.length;
  connection.call(RPCS.lock.lock, { name: new Uint8Array(0), lease: 0n }, CALL, limit).catch(() => undefined);
  await vi.advanceTimersByTimeAsync(20_000);
  expect(pings.length - before).toBeGreaterThanOrEqual(9);
  expect(connection.canOpen).toBe(true);
  connection.close();
});

test("a member that predates text pings gets frames, every two seconds, and a client that predates them gets none", async () => {
  let member: SocketEnd | undefined;
  const WebSocket = socketsTo((far) => {
    member = far;
    serve(far, new Callers(limitsOf({})), false);
  });
  const connection = new MuxConnection({ endpoint: "http://edge", timeoutMs: 1_000, WebSocket }, { onOver() {} });
  const heard: unknown[] = [];
  (member as SocketEnd).addEventListener("message", ({ data }) => heard.push(data));
  connection.open(RPCS.watch.watch, CALL);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(heard.length).toBeGreaterThan(25);
  expect(heard.filter((data) => data === KEEP_ALIVE_PING || data === KEEP_ALIVE_PONG)).toEqual([]);
  expect(connection.canOpen).toBe(true);
});

test("a member that is silent under a quiet watch is noticed within a minute", async () => {
  let member: SocketEnd | undefined;
  let isOver = false;
  const WebSocket = socketsTo((far) => {
    member = far;
    serve(far, new Callers(limitsOf({})), true);
  });
  const onOver = (): void => void (isOver = true);
  const connection = new MuxConnection({ endpoint: "http://edge", timeoutMs: 1_000, WebSocket }, { onOver });
  connection.open(RPCS.watch.watch, CALL);
  await vi.advanceTimersByTimeAsync(100_000);
  (member as SocketEnd).peer = undefined;
  await vi.advanceTimersByTimeAsync(60_000);
  expect(isOver).toBe(true);
});

test("a close code above 4,000 is the end of all streams, with its gRPC code and reason", async () => {
  let member: SocketEnd | undefined;
  const WebSocket = socketsTo((far) => {
    member = far;
  });
  const connection = new MuxConnection({ endpoint: "http://edge", timeoutMs: 1_000, WebSocket }, { onOver() {} });
  const stream = connection.open(RPCS.watch.watch, CALL);
  await vi.advanceTimersByTimeAsync(0);
  (member as SocketEnd).close(CLOSE_FINAL + GrpcCode.NotFound, "the cluster was deleted");
  await expect(stream.next()).rejects.toMatchObject({ code: GrpcCode.NotFound, message: "the cluster was deleted" });
});
