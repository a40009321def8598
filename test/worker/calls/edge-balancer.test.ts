import { expect, test, describe } from "vitest";
import { routeOf } from "../../../worker/common/routes.ts";
import { edge, put, stubOf } from "../support/edge-kit.ts";

const NOT_FOUND = '{"code":5,"message":"Not Found"}';

describe("routes", () => {
  test.each([
    ["/v3/kv/put", { type: "any-member" }],
    ["/v3beta/kv/put", { type: "any-member" }],
    ["/health", { type: "any-member" }],
    ["/v3", { type: "any-member" }],
    ["//v3/kv/put", { type: "any-member" }],
    ["/v3x", { type: "asset" }],
    ["/quorate/status", { type: "any-member" }],
    ["/m/2/v3/kv/put", { type: "member", number: 2, path: "/v3/kv/put" }],
    ["/m/3/metrics", { type: "member", number: 3, path: "/metrics" }],
    ["/m/14/v3/kv/put", { type: "member", number: 14, path: "/v3/kv/put" }],
    ["/m/123456/v3/kv/put", { type: "nowhere" }],
    ["/m/04/v3/kv/put", { type: "nowhere" }],
    ["/m/0/health", { type: "nowhere" }],
    ["/m/1", { type: "nowhere" }],
    ["/m/1/raft", { type: "nowhere" }],
    ["/m/1//raft", { type: "nowhere" }],
    ["/m/1/quorate/restore/begin", { type: "nowhere" }],
    ["/m/2/peerjs/id", { type: "nowhere" }],
    ["/quorate/restore/begin", { type: "restore", step: "begin" }],
    ["/m/1/m/1/raft", { type: "nowhere" }],
    ["/raft", { type: "asset" }],
    ["/peerjs/room/r/peerjs", { type: "signalling" }],
    ["/quorate.js", { type: "script" }],
    ["/m/1/quorate.js", { type: "nowhere" }],
    ["/", { type: "asset" }],
  ])("%s", (path, route) => {
    expect(routeOf(path)).toEqual(route);
  });
});

test("what members say to each other has no address, inside neither", async () => {
  for (const url of ["/m/1/raft", "/v3/..%2fraft"]) {
    const response = await edge(url, { method: "POST", body: "frames" });

    expect([response.status, await response.text()]).toEqual([404, NOT_FOUND]);
  }
  for (const url of ["/raft", "/m/1/v3/../../../raft"]) {
    expect((await edge(url, { method: "POST", body: "frames" })).status).toBe(404);
  }
  for (const url of ["http://member/raft", "http://member/quorate/restore/begin"]) {
    const response = await stubOf(1).fetch(url, { method: "POST", body: "frames" });
    expect([response.status, await response.text()]).toEqual([404, "404 page not found\n"]);
  }
});

test.each(["a, b", "a/b", "a?b", "a#b", "user@a", "a b", "<x>", "a:99999", ""])(
  "a Host that is no name is refused, and no member is blamed for it: %j",
  async (host) => {
    const response = await edge("/v3/kv/range", { method: "POST", body: "{}", headers: { host } });

    expect(response.status).toBe(400);
    await response.text();
    expect((await edge("/v3/kv/range", { method: "POST", body: JSON.stringify({ key: "YQ==" }) })).status).toBe(200);
  },
);

test("headers of a client that look like a member's say nothing, and a member's are not shown", async () => {
  const headers = { "x-quorate-leader": "9", "x-quorate-members": "999;9;7", "x-quorate-unavailable": "removed" };
  for (const path of ["/health", "/v3/kv/range", "/m/1/v3/kv/range", "/m/9/v3/kv/range", "/kv/a"]) {
    const init = path.includes("range") ? { method: "POST", body: JSON.stringify({ key: "YQ==" }) } : {};
    const response = await edge(path, { ...init, headers });
    await response.text();

    expect(Object.keys(headers).filter((name) => response.headers.has(name))).toEqual([]);
  }
  expect(await put("a", "still here")).toBeGreaterThan(1);
});

test("unknown paths get etcd's response, below every prefix and outside of all", async () => {
  for (const path of ["/v3/kv/nothing", "/m/1/v3/kv/nothing", "/m/7/v3/kv/put"]) {
    const response = await edge(path, { method: "POST", body: "{}" });

    expect([response.status, await response.text()]).toEqual([404, NOT_FOUND]);
  }
  const outside = await edge("/v2/keys", { method: "POST", body: "{}" });
  expect([outside.status, await outside.text()]).toEqual([404, "404 page not found\n"]);
});

test("a member reports the leader to the worker", async () => {
  await put("a", "1");
  const response = await stubOf(1).fetch("http://edge/health");
  await response.text();

  expect(response.headers.get("x-quorate-leader")).toMatch(/^[123]$/);
});

test("a caller that moves the leader need not know it, nor need the worker", async () => {
  const received = async (path: string, body: unknown): Promise<Record<string, string>> =>
    (await edge(path, { method: "POST", body: JSON.stringify(body) })).json();
  const status = (number: number): Promise<Record<string, string>> =>
    received(`/m/${number}/v3/maintenance/status`, {});
  await put("a", "1");
  const states = [await status(1), await status(2), await status(3)];
  const from = states.findIndex(({ header, leader }) => idOf(header) === leader);
  const ids = states.map(({ header }) => idOf(header));
  const others = ids.filter((_, at) => at !== from);

  // Past the front, which goes on to believe in the old leader.
  expect(await received(`/m/${from + 1}/v3/maintenance/transfer-leadership`, { targetID: others[0] })).toEqual({});
  expect(await received("/v3/maintenance/transfer-leadership", { targetID: others[1] })).toEqual({});
});

function idOf(header: unknown): string {
  return (header as { member_id: string }).member_id;
}

test("a body of 10 MB is refused, and the member goes on", async () => {
  const body = " ".repeat(10 * 1024 * 1024);
  const response = await edge("/v3/kv/put", { method: "POST", body });

  expect(response.status).toBe(429);
  expect(await response.json()).toMatchObject({ code: 8 });
  expect(await put("after", "10 MB")).toBeGreaterThan(1);
});

test("a body that breaks off is refused, and the member goes on", async () => {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const writer = writable.getWriter();
  const sent = edge("/m/1/v3/kv/put", { method: "POST", body: readable });
  await writer.write(new TextEncoder().encode('{"key":'));
  await writer.abort(new Error("gone"));

  const response = await sent.catch((error: unknown) => error);
  expect(response instanceof Response ? response.status : 503).toBeGreaterThanOrEqual(400);
  expect(await put("after", "half a body")).toBeGreaterThan(1);
});

test.each([
  ["not a batch", new TextEncoder().encode("frames, they said")],
  ["empty", new Uint8Array(0)],
  ["cut off", Uint8Array.of(1, 2, 3)],
  ["of nobody's", new Uint8Array(64)],
])("frames that are %s are refused by the member, which goes on", async (_what, body) => {
  expect(await stubOf(1).raft(body)).toMatchObject({ type: "refused" });
  expect(await put("after", "bad frames")).toBeGreaterThan(1);
});
