/** WebSockets that carry many streams: what their callers may hold of them. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { MuxSocket } from "../../../src/gateway/stream/mux-sender.ts";
import { type MuxLimits, serveMux } from "../../../src/gateway/stream/mux-server.ts";
import { Callers } from "../../../src/member/limits/callers.ts";
import { limitsOf } from "../../../src/member/options.ts";
import type { CallContext, Services } from "../../../src/member/api/services.ts";
import {
  type MuxFrame,
  CONNECTION_CREDIT_BYTES,
  decodeFrame,
  encodeBatch,
  encodeFrame,
  SOCKET_MESSAGE_BYTES_MAX,
  TOKEN_LENGTH_MAX,
} from "../../../src/protocol/mux-frame.ts";
import { errInvalidAuthToken, errRequestTooManyRequests } from "../../../src/protocol/errors.ts";
import { encode } from "../../../src/protocol/codec/proto-codec.ts";
import { watchRequestSchema } from "../../../src/protocol/api/schema/watch-schema.ts";
import { watchCreateRequest } from "../../../src/protocol/api/watch.ts";
import { CALL } from "../../member/support/cluster.ts";
import { SocketEnd } from "../../grpc/support/socket-pair.ts";

const flooder: CallContext = { ...CALL, address: "192.0.2.1" };
const neighbour: CallContext = { ...CALL, address: "192.0.2.2" };
const TOO_MANY = { type: "end", code: 8, message: errRequestTooManyRequests.message };
const MESSAGE_BYTES = 1 << 20;

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

class Client {
  readonly near: SocketEnd = new SocketEnd();
  readonly far: SocketEnd = new SocketEnd();
  readonly heard: MuxFrame[] = [];
  readonly contexts: CallContext[] = [];
  readonly requests: unknown[] = [];

  constructor(callers: Callers, peer: CallContext, limits: Partial<MuxLimits> = {}) {
    this.near.peer = this.far;
    this.far.peer = this.near;
    this.near.addEventListener("message", ({ data }) => {
      const frame = decodeFrame(new Uint8Array(data as ArrayBuffer));
      if (frame !== undefined) this.heard.push(frame);
    });
    const watch = (context: CallContext): object => {
      this.contexts.push(context);
      return {
        request: (request: unknown) => void this.requests.push(request),
        next: () => new Promise(() => {}),
        close() {},
      };
    };
    const services = { watch: { watch } } as unknown as Services;
    const socket = this.far as unknown as MuxSocket;
    serveMux(services, socket, { maxMessageBytes: MESSAGE_BYTES, ...limits }, peer, callers);
  }

  async send(frame: MuxFrame): Promise<void> {
    this.near.send(encodeFrame(frame));
    await vi.advanceTimersByTimeAsync(0);
  }

  async open(stream: number): Promise<void> {
    await this.send({ type: "open", stream, method: "/etcdserverpb.Watch/Watch", token: "", requireLeader: false });
  }

  /** A part of a request that never becomes whole. */
  async half(stream: number, bytes: number): Promise<void> {
    await this.open(stream);
    await this.send({ type: "piece", stream, bytes: new Uint8Array(bytes), isLast: false });
  }
}

test("one caller has a limited number of sockets; its neighbour is not affected; a closed one makes room", async () => {
  const callers = new Callers(limitsOf({ sockets: 4, socketsPerCaller: 2 }));
  const clients = [flooder, flooder, flooder, neighbour].map((peer) => new Client(callers, peer));
  await vi.advanceTimersByTimeAsync(0);
  expect(clients.map(({ near }) => near.isClosed)).toEqual([false, false, true, false]);
  clients[0]?.near.close();
  await vi.advanceTimersByTimeAsync(0);
  const again = new Client(callers, flooder);
  await vi.advanceTimersByTimeAsync(0);
  expect(again.near.isClosed).toBe(false);
});

test("incomplete requests count for the caller over all its sockets, and the neighbour's are taken", async () => {
  const callers = new Callers(limitsOf({ unfinishedBytes: 1_000_000, unfinishedBytesPerCaller: 500_000 }));
  const [one, two, other] = [flooder, flooder, neighbour].map((peer) => new Client(callers, peer)) as [
    Client,
    Client,
    Client,
  ];
  await one.half(1, 300_000);
  await two.half(1, 300_000);
  await other.half(1, 300_000);
  expect([one.heard, two.heard, other.heard]).toMatchObject([[], [TOO_MANY], []]);
  expect(callers.budgets.unfinished_bytes.used).toBeLessThan(700_000);
  await one.send({ type: "cancel", stream: 1 });
  await two.half(2, 300_000);
  expect(two.heard).toHaveLength(1);
  for (const { near } of [one, two, other]) near.close();
  await vi.advanceTimersByTimeAsync(0);
  expect(callers.budgets.unfinished_bytes.used).toBe(0);
});

test("a request that becomes whole counts no more", async () => {
  const callers = new Callers(limitsOf({}));
  const client = new Client(callers, flooder);
  await client.half(1, 10_000);
  expect(callers.budgets.unfinished_bytes.used).toBeGreaterThanOrEqual(10_000);
  await client.send({ type: "piece", stream: 1, bytes: new Uint8Array(0), isLast: true });
  expect(callers.budgets.unfinished_bytes.used).toBe(0);
});

test("a socket that never opens a stream is closed after ten seconds, whatever else it says", async () => {
  const callers = new Callers(limitsOf({}));
  const idle = new Client(callers, flooder);
  const used = new Client(callers, neighbour);
  await used.open(1);
  for (let second = 0; second < 9; second++) {
    for (const client of [idle, used]) await client.send({ type: "ping", stream: 0 });
    await vi.advanceTimersByTimeAsync(1_000);
  }
  expect(idle.near.isClosed).toBe(false);
  await vi.advanceTimersByTimeAsync(1_000);
  expect([idle.near.isClosed, used.near.isClosed]).toEqual([true, false]);
  expect(callers.budgets.sockets.used).toBe(1);
});

test("a socket whose streams have ended is closed after a while, despite pings", async () => {
  const callers = new Callers(limitsOf({}));
  const client = new Client(callers, flooder);
  await client.open(1);
  await client.send({ type: "cancel", stream: 1 });
  for (let seconds = 0; seconds < 120; seconds += 2) {
    // Longer than a front keeps one for its next stream.
    if (seconds <= 40) expect(client.near.isClosed).toBe(false);
    await client.send({ type: "ping", stream: 0 });
    await vi.advanceTimersByTimeAsync(2_000);
  }
  expect(client.near.isClosed).toBe(true);
});

test("a caller that triggers replies that cost no credit and reads none is disconnected", async () => {
  const callers = new Callers(limitsOf({}));
  const client = new Client(callers, flooder);
  await client.open(1);
  await client.send({ type: "ping", stream: 0 });
  client.far.bufferedAmount = 3 * CONNECTION_CREDIT_BYTES;
  await client.send({ type: "ping", stream: 0 });
  expect([client.near.isClosed, client.heard.length]).toEqual([true, 1]);
});

test("a stream's caller has the address of its socket", async () => {
  const client = new Client(new Callers(limitsOf({})), flooder);
  await client.open(1);
  expect(client.contexts).toMatchObject([{ address: "192.0.2.1" }]);
});

test("the tokens of open streams count for the caller, one that many streams share counts once; none is longer than a member's", async () => {
  const callers = new Callers(limitsOf({ unfinishedBytes: 10_000, unfinishedBytesPerCaller: 10_000 }));
  const client = new Client(callers, flooder);
  const open = async (stream: number, token: string): Promise<void> =>
    client.send({ type: "open", stream, method: "/etcdserverpb.Watch/Watch", token, requireLeader: false });
  for (const stream of [1, 2, 3]) await open(stream, "a".repeat(6_000));
  expect([client.contexts.length, callers.budgets.unfinished_bytes.used]).toEqual([3, 6_000]);
  await open(4, "b".repeat(6_000));
  expect(client.heard).toMatchObject([TOO_MANY]);
  await open(5, "c".repeat(TOKEN_LENGTH_MAX + 1));
  expect(client.heard[1]).toMatchObject({ type: "end", stream: 5, message: errInvalidAuthToken.message });
  for (const stream of [1, 2, 3]) await client.send({ type: "cancel", stream });
  expect(callers.budgets.unfinished_bytes.used).toBe(0);
  await open(6, "b".repeat(6_000));
  expect(client.contexts[3]).toMatchObject({ token: "b".repeat(6_000) });
});

test("a message of the socket that is longer than any batch ends the socket, before it is decoded", async () => {
  const client = new Client(new Callers(limitsOf({})), flooder);
  await client.open(1);
  const ping = new Uint8Array(SOCKET_MESSAGE_BYTES_MAX + 1);
  ping.set(encodeFrame({ type: "ping", stream: 0 }));
  client.near.send(ping.subarray(0, SOCKET_MESSAGE_BYTES_MAX));
  await vi.advanceTimersByTimeAsync(0);
  expect(client.near.isClosed).toBe(false);
  client.near.send(ping);
  await vi.advanceTimersByTimeAsync(0);
  expect(client.near.isClosed).toBe(true);
});

test("a small request of a large message keeps itself, and not the message", async () => {
  const client = new Client(new Callers(limitsOf({})), flooder);
  await client.open(1);
  const create = encode(watchRequestSchema, {
    type: "create",
    create: watchCreateRequest({ key: Uint8Array.of(107) }),
  });
  const parts: MuxFrame[] = [
    { type: "piece", stream: 1, bytes: create, isLast: true },
    { type: "piece", stream: 2, bytes: new Uint8Array(60_000), isLast: true },
  ];
  client.near.send(encodeBatch(parts.map(encodeFrame)));
  await vi.advanceTimersByTimeAsync(0);
  expect(client.requests).toMatchObject([{ create: { key: Uint8Array.of(107) } }]);
  const [request] = client.requests as [{ readonly create: { readonly key: Uint8Array } }];
  expect(request.create.key.buffer.byteLength).toBeLessThan(1_000);
});
