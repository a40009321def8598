/** Floods from one address against the real worker in workerd; its neighbour at another address is served. */
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { EdgeServer } from "../support/edge-server.ts";

const FLOODER = "127.0.0.2";
const NEIGHBOUR = "127.0.0.3";
const PUT = JSON.stringify({ key: btoa("k"), value: btoa("v") });
const CREATE = JSON.stringify({ create_request: { key: btoa("k") } });

let data: string;
let server: EdgeServer;
const sockets: Socket[] = [];

beforeAll(async () => {
  data = await mkdtemp(join(tmpdir(), "quorate-floods-"));
  const limits = ["--max-watchers-per-caller", "3", "--max-multiplexed-sockets-per-caller", "2"];
  server = await EdgeServer.start(data, [...limits, "--max-unfinished-bytes-per-caller", "1000000"]);
  await server.put("k", "v");
});

afterAll(async () => {
  for (const socket of sockets) socket.destroy();
  await server.stop();
  await rm(data, { recursive: true, force: true });
});

/** All that the server says, until it closes or `isEnough`. */
async function said(
  localAddress: string,
  head: string,
  body: string,
  isEnough: (text: string) => boolean = () => false,
): Promise<string> {
  const socket = connect({ port: server.port, host: "127.0.0.1", localAddress });
  sockets.push(socket);
  socket.on("error", () => undefined);
  let text = "";
  socket.write(`${head}\r\nhost: 127.0.0.1:${server.port}\r\n`);
  // What a client says of its address counts for nothing.
  socket.write(
    `cf-connecting-ip: 192.0.2.${sockets.length % 250}\r\nx-forwarded-for: 192.0.2.${sockets.length % 250}\r\n`,
  );
  socket.write(`\r\n${body}`);
  const closed = once(socket, "close");
  const enough = new Promise<void>((resolve) => {
    socket.on("data", (chunk: Buffer) => {
      text += chunk.toString("latin1");
      if (isEnough(text)) resolve();
    });
  });
  await Promise.race([closed, enough]);
  return text;
}

function post(localAddress: string, path: string, body: string, declared = body.length): Promise<string> {
  const head = `POST ${path} HTTP/1.1\r\ncontent-length: ${declared}`;
  return said(localAddress, head, body, (text) => /\r\n\r\n[^]*\n?\}/.test(text));
}

test("one address has a limited number of watches over all its connections; its neighbour gets one", async () => {
  const flood: string[] = [];
  for (let at = 0; at < 5; at++) flood.push(await post(FLOODER, "/m/1/v3/watch", CREATE));
  expect(flood.map((text) => text.includes("too many requests"))).toEqual([false, false, false, true, true]);
  const neighbour = await post(NEIGHBOUR, "/m/1/v3/watch", CREATE);
  expect(neighbour).toContain('"created":true');
  expect(neighbour).not.toContain("too many requests");
});

test("half a body, small or large, is answered 408 after ten seconds and its connection closed; puts go on meanwhile", async () => {
  const half = [PUT.length + 1_000, 40_000, 1_000_000].map((declared) =>
    said(FLOODER, `POST /v3/kv/put HTTP/1.1\r\ncontent-length: ${declared}`, PUT.slice(0, 20)),
  );
  expect(await post(NEIGHBOUR, "/v3/kv/put", PUT)).toContain("HTTP/1.1 200");
  for (const text of await Promise.all(half)) expect(text).toContain("HTTP/1.1 408");
});

test("half a piece of a restore and half a wish to a room's registry are given up, too", async () => {
  const half = ["/quorate/restore/chunk?piece=0", "/peerjs/room/half/found"].map((path) =>
    said(FLOODER, `POST ${path} HTTP/1.1\r\ncontent-length: 4000`, "{"),
  );
  const [piece, wish] = await Promise.all(half);
  expect(piece).toContain("HTTP/1.1 408");
  expect(wish).toContain("HTTP/1.1 400");
});

test("incomplete bodies of one address hold a limited number of bytes", async () => {
  const part = "x".repeat(400_000);
  const answers = await Promise.all(
    Array.from({ length: 6 }, () => said(FLOODER, "POST /m/1/v3/kv/put HTTP/1.1\r\ncontent-length: 1000000", part)),
  );
  const refused = answers.filter((text) => text.includes("HTTP/1.1 429"));
  expect(refused).toHaveLength(4);
  expect(answers.filter((text) => text.includes("HTTP/1.1 408"))).toHaveLength(2);
});

test("multiplexed sockets are limited per address, and those that open no stream are closed", async () => {
  const upgrade =
    "GET /m/1/quorate/v1/streams HTTP/1.1\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n" +
    "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==";
  // Until the frame that closes it.
  const open = (address: string): Promise<string> => said(address, upgrade, "", (text) => text.includes("\u0088"));
  const closed: string[] = [];
  const all = [FLOODER, FLOODER, NEIGHBOUR, FLOODER].map((address, at) =>
    open(address).then((text) => closed.push(`${at} ${text.includes("too many requests")}`)),
  );
  await Promise.all(all);
  expect(closed).toHaveLength(4);
  expect(closed.filter((text) => text.endsWith("true"))).toHaveLength(1);
  // The neighbour was the third.
  expect(closed).toContain("2 false");
});
