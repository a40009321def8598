import { expect, test } from "vitest";
import { jsonLines } from "../../support/text-stream.ts";
import { edge, put } from "../support/edge-kit.ts";

interface WatchLine {
  readonly result?: {
    readonly created?: boolean;
    readonly canceled?: boolean;
    readonly events?: readonly { readonly kv: { readonly key: string; readonly value: string } }[];
  };
  readonly error?: { readonly code: number };
}

test("a watch at any member streams what is put at any other", async () => {
  const body = JSON.stringify({ create_request: { key: btoa("watched") } });
  const response = await edge("/m/2/v3/watch", { method: "POST", body });
  const lines = jsonLines<WatchLine>(response);
  const created = await lines.next();

  await put("watched", "1", "/m/3");
  const event = await lines.next();
  await lines.cancel();

  expect(created?.result?.created).toBe(true);
  expect(event?.result?.events?.map(({ kv }) => atob(kv.value))).toEqual(["1"]);
});

test("a WebSocket watches, cancels and watches again", async () => {
  const socket = await open("/m/1/v3/watch");

  socket.send({ create_request: { key: btoa("ws"), watch_id: "5" } });
  const created = await socket.next();
  await put("ws", "1");
  const event = await socket.next();
  socket.send({ cancel_request: { watch_id: "5" } });
  const canceled = await socket.next();
  socket.send({ create_request: { key: btoa("ws"), watch_id: "6" } });
  const again = await socket.next();
  socket.close();

  expect(created.result?.created).toBe(true);
  expect(event.result?.events?.map(({ kv }) => atob(kv.value))).toEqual(["1"]);
  expect(canceled.result?.canceled).toBe(true);
  expect(again.result?.created).toBe(true);
});

test("a WebSocket that sends invalid messages gets an error and is closed", async () => {
  const socket = await open("/v3/watch");

  socket.raw("nonsense");

  expect((await socket.next()).error?.code).toBe(3);
  expect(await socket.closed).toBe(1007);
});

test("a token in the subprotocol is taken, and Bearer is chosen", async () => {
  const headers = { upgrade: "websocket", "sec-websocket-protocol": "Bearer, token.1" };
  const response = await edge("/v3/watch", { headers });
  response.webSocket?.accept();
  response.webSocket?.close();

  expect(response.headers.get("sec-websocket-protocol")).toBe("Bearer");
});

test("watchers that have left are not counted any more", async () => {
  const body = JSON.stringify({ create_request: { key: btoa("left") } });
  // Those of the tests before have been cancelled.
  await untilWatchers(0);
  const lines = jsonLines<WatchLine>(await edge("/m/1/v3/watch", { method: "POST", body }));
  await lines.next();
  const socket = await open("/m/1/v3/watch");
  socket.send({ create_request: { key: btoa("left") } });
  await socket.next();
  const during = await watchers();

  await lines.cancel();
  socket.close();
  await socket.closed;

  expect(during).toBe(2);
  await untilWatchers(0);
});

/** The member hears of it a moment after who left: the way to it is a network. */
async function untilWatchers(count: number): Promise<void> {
  while ((await watchers()) !== count) await new Promise((resolve) => setTimeout(resolve, 5));
}

async function watchers(): Promise<number> {
  const text = await (await edge("/m/1/metrics")).text();
  return Number(/^etcd_debugging_mvcc_watcher_total\{\S+\} (\d+)$/m.exec(text)?.[1]);
}

interface Socket {
  send(request: object): void;
  raw(text: string): void;
  next(): Promise<WatchLine>;
  close(): void;
  /** With the code of the close frame. */
  readonly closed: Promise<number>;
}

async function open(path: string): Promise<Socket> {
  const { webSocket } = await edge(path, { headers: { upgrade: "websocket" } });
  if (webSocket === null) throw new Error("no WebSocket");
  webSocket.accept();
  const waiting: WatchLine[] = [];
  let wake: () => void = () => {};
  webSocket.addEventListener("message", ({ data }) => {
    waiting.push(JSON.parse(data as string) as WatchLine);
    wake();
  });
  const closed = new Promise<number>((resolve) => {
    webSocket.addEventListener("close", ({ code }) => resolve(code));
  });
  return {
    send: (request) => webSocket.send(JSON.stringify(request)),
    raw: (text) => webSocket.send(text),
    async next() {
      while (waiting.length === 0) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      return waiting.shift() as WatchLine;
    },
    close: () => webSocket.close(1000),
    closed,
  };
}
