/** Auth at the edge: real objects, real passwords, tokens that the members tell each other of. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { edge, kill, leaderNumber } from "../support/edge-kit.ts";

const KEY = { key: btoa("a") };
const NO_USER = "etcdserver: user name is empty";

async function call(
  path: string,
  body: unknown,
  token = "",
): Promise<{ status: number; json: Record<string, unknown> }> {
  const headers: Record<string, string> = token === "" ? {} : { authorization: `Bearer ${token}` };
  const response = await edge(path, { method: "POST", body: JSON.stringify(body), headers });
  return {
    status: response.status,
    json: JSON.parse((await response.text()).split("\n")[0] ?? "") as Record<string, unknown>,
  };
}

async function signIn(name: string, member = ""): Promise<string> {
  const { status, json } = await call(`${member}/v3/auth/authenticate`, { name, password: `${name}'s` });
  expect(status).toBe(200);
  return json["token"] as string;
}

beforeAll(async () => {
  for (const name of ["root", "amy"]) await call("/v3/auth/user/add", { name, password: `${name}'s` });
  await call("/v3/auth/user/grant", { user: "root", role: "root" });
  await call("/v3/auth/role/add", { name: "r" });
  await call("/v3/auth/role/grant", { name: "r", perm: { permType: "READWRITE", ...KEY } });
  await call("/v3/auth/user/grant", { user: "amy", role: "r" });
  expect((await call("/v3/auth/enable", {})).status).toBe(200);
});
afterAll(async () => {
  await call("/v3/auth/disable", {}, await signIn("root"));
});

test("EA1: nobody is served, at the cluster's address or a member's own, old paths and serializable reads included", async () => {
  for (const worker of ["", "/m/1", "/m/2", "/m/3"]) {
    for (const [path, body] of [
      ["/v3/kv/range", KEY],
      ["/v3/kv/range", { ...KEY, serializable: true }],
      ["/v3beta/kv/range", KEY],
      ["/v3/kv/put", KEY],
      ["/v3/maintenance/status", {}],
    ] as const) {
      expect((await call(worker + path, body)).json["message"]).toBe(NO_USER);
    }
  }
});

test("EA2: every member takes a token, whichever handed it out", async () => {
  const token = await signIn("amy", "/m/1");
  expect(token).toMatch(/^[a-zA-Z]{16}\.\d+$/);
  for (const worker of ["/m/1", "/m/2", "/m/3"]) {
    expect((await call(`${worker}/v3/kv/put`, KEY, token)).status).toBe(200);
    expect((await call(`${worker}/v3/kv/range`, { key: btoa("b") }, token)).json["message"]).toBe(
      "etcdserver: permission denied",
    );
  }
});

test("EA3: a member that was thrown out of memory has forgotten its tokens, and another one is handed out", async () => {
  const token = await signIn("amy");
  const number = ((await leaderNumber()) % 3) + 1;
  await kill(number);
  const { status, json } = await call(`/m/${number}/v3/kv/range`, KEY, token);
  expect([status, json["message"]]).toEqual([401, "etcdserver: invalid auth token"]);
  expect((await call(`/m/${number}/v3/kv/range`, KEY, await signIn("amy"))).status).toBe(200);
});

test("EA4: a watch is refused over HTTP and over a WebSocket", async () => {
  const create = JSON.stringify({ create_request: KEY });
  const response = await edge("/v3/watch", { method: "POST", body: create });
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  const first = new TextDecoder().decode((await reader.read()).value);
  expect(first).toContain(NO_USER);
  await reader.cancel();

  const upgraded = await edge("/v3/watch", { headers: { upgrade: "websocket" } });
  const { webSocket } = upgraded as unknown as { readonly webSocket: WebSocket & { accept(): void } };
  webSocket.accept();
  const answer = new Promise<string>((resolve) => {
    webSocket.addEventListener("message", ({ data }) => resolve(String(data)));
  });
  webSocket.send(create);
  expect(await answer).toContain(NO_USER);
  webSocket.close();
});

test("EA5: what members say to each other is no way in", async () => {
  for (const path of ["/raft", "/m/1/raft"]) {
    const response = await edge(path, { method: "POST", body: "x" });
    expect(response.status).toBe(404);
    await response.text();
  }
});

test("EA8: while strangers guess passwords in loops, puts go through and a user logs in", async () => {
  const token = await signIn("amy");
  const over = new AbortController();
  const received = new Set<unknown>();
  const loops = Array.from({ length: 6 }, async (_, at) => {
    while (!over.signal.aborted) {
      const name = ["root", "nobody", "somebody"][at % 3];
      const { json } = await call(`/m/${(at % 3) + 1}/v3/auth/authenticate`, { name, password: "wrong" });
      received.add(json["message"]);
    }
  });
  for (let at = 0; at < 10; at++) expect((await call("/v3/kv/put", KEY, token)).status).toBe(200);
  expect((await call("/v3/kv/put", KEY, await signIn("amy"))).status).toBe(200);
  over.abort();
  await Promise.all(loops);
  expect([...received]).toEqual(["etcdserver: authentication failed, invalid user ID or password"]);
});
