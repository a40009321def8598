import { expect, test } from "vitest";
import { WebSocketWatchStream } from "../../../src/client/http/websocket-watch.ts";
import type { WebSocketLike } from "../../../src/client/common/web-socket-like.ts";
import { GrpcCode } from "../../../src/protocol/errors.ts";

class FakeSocket implements WebSocketLike {
  static last: FakeSocket;
  readonly sent: string[] = [];
  readonly url: string;
  readonly protocols: readonly string[] | undefined;
  isClosed = false;
  readonly #listeners: Map<string, (event: { readonly data?: unknown }) => void> = new Map();

  constructor(url: string, protocols?: string[]) {
    this.url = url;
    this.protocols = protocols;
    FakeSocket.last = this;
  }

  addEventListener(type: string, listener: (event: { readonly data?: unknown }) => void): void {
    this.#listeners.set(type, listener);
  }

  send(text: string): void {
    this.sent.push(text);
  }

  close(): void {
    this.isClosed = true;
  }

  emit(type: string, data?: unknown): void {
    this.#listeners.get(type)?.({ data });
  }
}

function open(options: { readonly token?: string; readonly maxWaiting?: number } = {}): WebSocketWatchStream {
  const all = { endpoint: "https://host/m/1", token: "", timeoutMs: 10_000, WebSocket: FakeSocket, ...options };
  return new WebSocketWatchStream(all);
}

const PROGRESS = { type: "progress", progress: {} } as const;

test("the socket goes to the watch path of the endpoint, with the token where etcd's proxy looks for it", () => {
  open({ token: "secret" }).close();
  expect(FakeSocket.last.url).toBe("wss://host/m/1/v3/watch");
  expect(FakeSocket.last.protocols).toEqual(["Bearer", "secret"]);
});

test("requests made before the connection stands are sent when it does, in order", () => {
  const stream = open();
  stream.request({ type: "cancel", cancel: { watchId: 3 } });
  stream.request(PROGRESS);
  expect(FakeSocket.last.sent).toEqual([]);
  FakeSocket.last.emit("open");
  expect(FakeSocket.last.sent).toEqual(['{"cancel_request":{"watch_id":"3"}}', '{"progress_request":{}}']);
  stream.close();
});

test("responses that arrived before the connection was lost are read first, then the loss is reported", async () => {
  const stream = open();
  FakeSocket.last.emit("open");
  FakeSocket.last.emit("message", '{"result":{"watch_id":"1"}}');
  FakeSocket.last.emit("close");
  expect(await stream.next()).toMatchObject({ watchId: 1 });
  await expect(stream.next()).rejects.toMatchObject({
    code: GrpcCode.Unavailable,
    message: "lost the connection to https://host/m/1",
  });
});

test("a reader that is too slow loses the connection, not the responses that wait", async () => {
  const stream = open({ maxWaiting: 60 });
  FakeSocket.last.emit("open");
  for (let at = 1; at <= 4; at++) FakeSocket.last.emit("message", `{"result":{"watch_id":"${at}"}}`);
  expect(FakeSocket.last.isClosed).toBe(true);
  for (let at = 1; at <= 3; at++) expect(await stream.next()).toMatchObject({ watchId: at });
  await expect(stream.next()).rejects.toMatchObject({ code: GrpcCode.Unavailable });
});

test("closing a stream ends a pending next", async () => {
  const stream = open();
  const waiting = stream.next();
  stream.close();
  expect(await waiting).toBeUndefined();
});

test("a frame that is not text ends the connection", async () => {
  const stream = open();
  FakeSocket.last.emit("open");
  FakeSocket.last.emit("message", new ArrayBuffer(3));
  await expect(stream.next()).rejects.toMatchObject({ code: GrpcCode.Unavailable });
});
