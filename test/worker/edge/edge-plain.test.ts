import { expect, test } from "vitest";
import { allowedOrigins } from "../../../worker/common/env.ts";
import { edge } from "../support/edge-kit.ts";

const APP = "https://app.example";
const EVIL = "https://evil.example";

async function text(path: string, init: RequestInit = {}): Promise<readonly [status: number, text: string]> {
  const response = await edge(path, init);
  return [response.status, await response.text()];
}

test("the plain form works through any member and through one of them, in bytes", async () => {
  const bytes = Uint8Array.of(0, 200, 10);

  const put = await edge("/kv/plain/%FFa%2Fb", { method: "PUT", body: bytes });
  const etag = put.headers.get("etag") ?? "";
  await put.text();
  const one = await edge("/m/2/kv/plain/%FFa/b");
  const unchanged = await edge("/m/3/kv/plain/%FFa/b", { headers: { "if-none-match": etag } });
  const head = await edge("/kv/plain/%FFa/b", { method: "HEAD" });
  const stale = await text("/kv/plain/%FFa/b", { method: "PUT", body: "x", headers: { "if-match": '"1"' } });
  const deleted = await text("/m/1/kv/plain/%FFa/b", { method: "DELETE", headers: { "if-match": etag } });

  expect(new Uint8Array(await one.arrayBuffer())).toEqual(bytes);
  expect([one.headers.get("etag"), unchanged.status, await unchanged.text()]).toEqual([etag, 304, ""]);
  expect([head.status, head.headers.get("etag"), await head.text()]).toEqual([200, etag, ""]);
  expect([stale[0], deleted[0]]).toEqual([412, 200]);
  expect((await text("/kv/plain/%FFa/b"))[0]).toBe(404);
  expect((await text("/m/4/kv/a"))[0]).toBe(404);
});

test("a watch receives changes made through another member, and resumes where it broke off", async () => {
  const watch = await edge("/m/1/kv/news/?prefix&watch", { headers: { accept: "text/event-stream" } });
  const reader = (watch.body as ReadableStream<Uint8Array>).pipeThrough(new TextDecoderStream()).getReader();
  const begin = await reader.read();

  await text("/m/2/kv/news/a", { method: "PUT", body: "first" });
  const first = await reader.read();
  await reader.cancel();
  await text("/m/3/kv/news/b", { method: "PUT", body: "second" });
  const id = /^id: (\d+)$/m.exec(first.value ?? "")?.[1] ?? "";
  const resumed = await edge("/m/2/kv/news/?prefix&watch", { headers: { "last-event-id": id } });
  const rest = (resumed.body as ReadableStream<Uint8Array>).pipeThrough(new TextDecoderStream()).getReader();
  await rest.read();

  expect(begin.value).toMatch(/^: watching from revision \d+\nid: \d+\n\n$/);
  expect(first.value).toContain('{"type":"put","key":"news/a","value":"first",');
  expect((await rest.read()).value).toContain('"key":"news/b","value":"second"');
  await rest.cancel();
});

test.each<[what: string, path: string, init: { method?: string; body?: string; headers?: Record<string, string> }]>([
  ["etcd's API", "/v3/kv/range", { method: "POST", body: '{"key":"YQ=="}' }],
  ["its old prefix", "/v3beta/kv/range", { method: "POST", body: '{"key":"YQ=="}' }],
  ["one member", "/m/2/v3/kv/range", { method: "POST", body: '{"key":"YQ=="}' }],
  ["the plain form", "/kv/?prefix", {}],
  ["health", "/health", {}],
  ["a WebSocket", "/v3/watch", { headers: { upgrade: "websocket" } }],
  ["a preflight", "/v3/kv/put", { method: "OPTIONS" }],
  ["what a room's peers are called", "/peerjs/room/secret/peerjs/peers", {}],
  ["the room's founder", "/peerjs/room/secret/forget", { method: "POST", body: '{"cluster":"1"}' }],
  ["a room's signalling", "/peerjs/room/secret/peerjs?key=peerjs&id=a&token=t", { headers: { upgrade: "websocket" } }],
  ["a room's preflight", "/peerjs/room/secret/found", { method: "OPTIONS" }],
])("with a list of origins, pages that are not on it are refused everywhere: %s", async (_what, path, init) => {
  const asking = (origin: string): Promise<Response> =>
    edge(path, { ...init, headers: { ...init.headers, origin } }, { ALLOWED_ORIGINS: APP });

  for (const origin of [EVIL, "null", "https://app.example.evil.example", "http://app.example"]) {
    const refused = await asking(origin);
    expect(refused.status).toBe(403);
    expect(await refused.json()).toEqual({ code: 7, message: `pages of ${origin} may not call this endpoint` });
  }
});

test("pages on the list, those of the endpoint itself, and whatever is no page may call, rooms too", async () => {
  const changes = { ALLOWED_ORIGINS: `${APP}, https://other.example` };
  const asking = (path: string, headers: Record<string, string>): Promise<Response> => edge(path, { headers }, changes);

  const listed = await asking("/peerjs/room/open/room", { origin: APP });
  const other = await asking("/peerjs/room/open/room", { origin: "https://other.example" });
  const own = await asking("/peerjs/room/open/room", { origin: "http://edge" });
  const noPage = await asking("/peerjs/room/open/room", {});
  const socket = await asking("/peerjs/room/open/peerjs?key=peerjs&id=a&token=t", {
    origin: APP,
    upgrade: "websocket",
  });

  expect([listed.status, other.status, own.status, noPage.status, socket.status]).toEqual([200, 200, 200, 200, 101]);
  expect(listed.headers.get("access-control-allow-origin")).toBe(APP);
  expect(listed.headers.get("vary")).toBe("Origin");
  socket.webSocket?.accept();
  socket.webSocket?.close();
  await Promise.all([listed.text(), other.text(), own.text(), noPage.text()]);
});

test("with a list of hosts, what was sent to another name is refused, but for TLS, which proves its name", async () => {
  const changes = { HOST_WHITELIST: "my.host, edge" };
  const asking = (base: string): Promise<Response> => edge("/kv/?prefix", {}, changes, base);

  const rebound = await asking("http://evil.example:8787");
  const secure = await asking("https://any.example");

  expect([
    rebound.status,
    (await asking("http://LOCALHOST:8787")).status,
    (await asking("http://edge")).status,
  ]).toEqual([421, 200, 200]);
  expect(secure.status).toBe(200);
  expect(await rebound.json()).toEqual({
    code: 7,
    message: "the host evil.example is not on the whitelist; use TLS, or add it to HOST_WHITELIST",
  });
});

test("without the setting every page may call, as etcd allows it", async () => {
  const headers = { origin: EVIL };
  const response = await edge("/peerjs/room/open/room", { headers }, { ALLOWED_ORIGINS: "*" });

  expect(allowedOrigins({})).toBe("*");
  expect([response.status, response.headers.get("access-control-allow-origin")]).toEqual([200, "*"]);
  await response.text();
});

test("as it is deployed, the pages of the endpoint itself may call and no others", async () => {
  const own = await edge("/kv/?prefix", { headers: { origin: "http://edge" } });
  const other = await edge("/kv/?prefix", { headers: { origin: APP } });

  expect([own.status, own.headers.get("access-control-allow-origin"), other.status]).toEqual([200, "http://edge", 403]);
  await Promise.all([own.text(), other.text()]);
});
