import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { gatewayApp } from "../../../src/gateway/app.ts";
import { watchOverWebSocket, type WebSocketLike } from "../../../src/gateway/stream/websocket.ts";
import type { CallContext, Services } from "../../../src/member/api/services.ts";
import { errNoLeader } from "../../../src/protocol/errors.ts";
import { FakeWatch } from "../support/fake-watch.ts";

const CALL: CallContext = { token: "", requireLeader: false };
const LIMITS = { maxMessageBytes: 1000, maxBufferedBytes: 100, stalledAfterMs: 1000, lookEveryMs: 10 };

/** The far end of the socket: what arrived there, and how much is still on the way. */
class FakeSocket implements WebSocketLike {
  bufferedAmount = 0;
  readonly sent: string[] = [];
  closed: readonly [code: number | undefined, reason: string | undefined] | undefined;
  readonly #listeners = new Map<string, (event: { readonly data: unknown }) => void>();

  send(text: string): void {
    this.sent.push(text);
  }

  close(code?: number, reason?: string): void {
    this.closed ??= [code, reason];
  }

  addEventListener(type: string, listener: (event: { readonly data: unknown }) => void): void {
    this.#listeners.set(type, listener);
  }

  emit(type: string, data?: unknown): void {
    this.#listeners.get(type)?.({ data });
  }
}

function connected(watch: FakeWatch = new FakeWatch()): { watch: FakeWatch; socket: FakeSocket } {
  const socket = new FakeSocket();
  watchOverWebSocket(watch, socket, CALL, LIMITS);
  return { watch, socket };
}

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

test("each text frame in is a request, each frame out a line of the stream", async () => {
  const { watch, socket } = connected();

  socket.emit("message", '{"create_request":{"key":"Zm9v"}}');
  watch.answer(2);
  await vi.advanceTimersByTimeAsync(0);

  expect(watch.requests).toMatchObject([{ type: "create" }]);
  expect(socket.sent).toEqual(['{"result":{"header":{},"watch_id":"1"}}', '{"result":{"header":{},"watch_id":"2"}}']);
});

test("a silent watch requests progress, whose write reveals a disconnected reader", async () => {
  const { watch, socket } = connected();
  socket.emit("message", '{"create_request":{"key":"Zm9v"}}');
  await vi.advanceTimersByTimeAsync(59_000);
  expect(watch.requests).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(2_000);
  expect(watch.requests[1]).toMatchObject({ type: "progress" });
  socket.emit("close");
  await vi.advanceTimersByTimeAsync(600_000);
  expect(watch.requests).toHaveLength(2);
});

test("nothing is taken from the member while the socket has enough to send", async () => {
  const { watch, socket } = connected();
  socket.bufferedAmount = 101;
  watch.answer(10);
  await vi.advanceTimersByTimeAsync(500);
  const whileFull = watch.taken;

  socket.bufferedAmount = 0;
  await vi.advanceTimersByTimeAsync(500);

  expect([whileFull, watch.taken]).toEqual([1, 10]);
});

test("a socket that takes nothing for long is closed, and leaves no stream behind", async () => {
  const { watch, socket } = connected();
  socket.bufferedAmount = 500;
  watch.answer(10);

  await vi.advanceTimersByTimeAsync(900);
  socket.bufferedAmount = 400;
  await vi.advanceTimersByTimeAsync(900);
  const slowly = socket.closed;
  await vi.advanceTimersByTimeAsync(900);

  expect(slowly).toBeUndefined();
  expect(socket.closed).toEqual([1008, "too slow"]);
  expect(watch.closed).toBe(true);
});

test("a socket that is gone leaves no stream behind", async () => {
  const { watch, socket } = connected();

  socket.emit("close");
  watch.answer(1);
  await vi.advanceTimersByTimeAsync(0);

  expect([watch.closed, socket.sent]).toEqual([true, []]);
});

test.each([
  ["not JSON", "nonsense", 1007, 3],
  ["too large", " ".repeat(1001), 1009, 8],
])("a request that is %s is answered with an error line and the end", (_what, data, closeCode, grpcCode) => {
  const { watch, socket } = connected();

  socket.emit("message", data);

  expect(socket.sent.map((line) => (JSON.parse(line) as { error: { code: number } }).error.code)).toEqual([grpcCode]);
  expect([socket.closed?.[0], watch.closed]).toEqual([closeCode, true]);
});

test("binary frames are refused", () => {
  const { watch, socket } = connected();

  socket.emit("message", new ArrayBuffer(3));

  expect([socket.closed?.[0], watch.closed]).toEqual([1003, true]);
});

test("the stream's error is its last line", async () => {
  const { watch, socket } = connected();

  watch.fail(errNoLeader);
  await vi.advanceTimersByTimeAsync(0);

  expect(socket.sent).toEqual(['{"error":{"code":14,"message":"etcdserver: no leader"}}']);
  expect(socket.closed?.[0]).toBe(1011);
});

test("a rejected stream sends its error before the socket closes", () => {
  const { socket } = connected(new FakeWatch(errNoLeader));

  expect(socket.sent).toEqual(['{"error":{"code":14,"message":"etcdserver: no leader"}}']);
  expect(socket.closed?.[0]).toBe(1000);
});

test("a browser's token comes as a subprotocol, of which Bearer is chosen", async () => {
  const contexts: CallContext[] = [];
  const chosen: unknown[] = [];
  const watch = new FakeWatch();
  const services = { watch: { watch: (context: CallContext) => (contexts.push(context), watch) } };
  const app = gatewayApp(services as unknown as Services, {
    acceptWebSocket(_request, subprotocol) {
      chosen.push(subprotocol);
      return { socket: new FakeSocket(), response: new Response("accepted") };
    },
  });
  const headers = { upgrade: "websocket", "sec-websocket-protocol": "Bearer, secret.1" };

  const response = await app.fetch(new Request("http://edge/v3/watch", { headers }));

  expect(await response.text()).toBe("accepted");
  expect(contexts).toEqual([{ token: "secret.1", requireLeader: false }]);
  expect(chosen).toEqual(["Bearer"]);
});

test("pages that may not call may not open a WebSocket either", async () => {
  const app = gatewayApp({ watch: new FakeWatch() } as unknown as Services, { allowedOrigins: [] });
  const headers = { upgrade: "websocket", origin: "https://evil.example" };

  const response = await app.fetch(new Request("http://edge/v3/watch", { headers }));

  expect(response.status).toBe(403);
});
