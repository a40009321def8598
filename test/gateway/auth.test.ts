import { describe, expect, test } from "vitest";
import { gatewayApp } from "../../src/gateway/app.ts";
import type { WebSocketLike } from "../../src/gateway/stream/websocket.ts";
import type { Services } from "../../src/member/api/services.ts";
import { GuardedCluster } from "../member/support/auth-kit.ts";
import type { Answer } from "./support/endpoint.ts";
import { jsonLines } from "../support/text-stream.ts";
import { Endpoint } from "./support/endpoint.ts";

const NO_USER = { code: 3, message: "etcdserver: user name is empty" };
const NO_TOKEN = { code: 16, message: "etcdserver: invalid auth token" };

class Socket implements WebSocketLike {
  readonly bufferedAmount = 0;
  readonly sent: string[] = [];
  #onMessage: (event: { readonly data: unknown }) => void = () => {};

  send(text: string): void {
    this.sent.push(text);
  }

  close(): void {}

  addEventListener(type: string, listener: (event: { readonly data: unknown }) => void): void {
    if (type === "message") this.#onMessage = listener;
  }

  receive(data: string): void {
    this.#onMessage({ data });
  }
}

interface World {
  readonly guarded: GuardedCluster;
  readonly endpoint: Endpoint;
  readonly services: Services;
}

async function opened(): Promise<World> {
  const guarded = await GuardedCluster.open();
  const services = guarded.at();
  return { guarded, services, endpoint: new Endpoint(guarded.cluster, services) };
}

async function signIn(endpoint: Endpoint, name: string): Promise<string> {
  const { json } = await endpoint.post("/v3/auth/authenticate", { name, password: name });
  return (json as { readonly token: string }).token;
}

function post(endpoint: Endpoint, path: string, body: unknown, headers: Record<string, string>): Promise<Answer> {
  return endpoint.call(path, { method: "POST", body: JSON.stringify(body), headers });
}

describe("the paths of auth", () => {
  test("GA1: users, roles and permissions go their way from end to end", async () => {
    const { endpoint } = await opened();
    const authorization = await signIn(endpoint, "root");
    const call = async (path: string, body: unknown): Promise<unknown> => {
      const { json, status } = await post(endpoint, `/v3/auth/${path}`, body, { authorization });
      expect(status).toBe(200);
      const { header: _header, ...rest } = json as Record<string, unknown>;
      return rest;
    };
    await call("user/add", { name: "bob", password: "bob" });
    await call("role/add", { name: "reader" });
    await call("role/grant", { name: "reader", perm: { permType: "READ", key: btoa("a"), range_end: btoa("c") } });
    await call("user/grant", { user: "bob", role: "reader" });
    expect(await call("user/get", { name: "bob" })).toEqual({ roles: ["reader"] });
    expect(await call("user/list", {})).toEqual({ users: ["amy", "bob", "root"] });
    // READ is the enum's zero, which etcd's gateway leaves out.
    expect(await call("role/get", { role: "reader" })).toEqual({ perm: [{ key: btoa("a"), range_end: btoa("c") }] });
    expect(await call("role/list", {})).toEqual({ roles: ["r", "reader"] });
    expect(await call("status", {})).toMatchObject({ enabled: true });
    await call("role/revoke", { role: "reader", key: btoa("a"), range_end: btoa("c") });
    await call("user/revoke", { name: "bob", role: "reader" });
    await call("user/changepw", { name: "bob", password: "new" });
    await call("role/delete", { role: "reader" });
    await call("user/delete", { name: "bob" });
    await call("disable", {});
    expect((await endpoint.post("/v3/auth/status", {})).json).not.toHaveProperty("enabled");
  });

  test("GA2: a token that is none gets 401, and what to do about it", async () => {
    const { endpoint } = await opened();
    const { status, json, headers } = await post(
      endpoint,
      "/v3/kv/range",
      { key: btoa("a") },
      { authorization: "x.1" },
    );
    expect([status, json, headers.get("www-authenticate")]).toEqual([401, NO_TOKEN, NO_TOKEN.message]);
  });

  test("GA3: of a streaming method the 401 comes without a challenge, as etcd's does", async () => {
    const { endpoint } = await opened();
    const { status, text, headers } = await post(
      endpoint,
      "/v3/lease/keepalive",
      { ID: "7" },
      { authorization: "x.1" },
    );
    expect([status, JSON.parse(text), headers.get("www-authenticate")]).toEqual([401, { error: NO_TOKEN }, null]);
  });

  test.each([
    ["Authorization, bare", (token: string) => ({ authorization: token })],
    ["Authorization, as a bearer", (token: string) => ({ authorization: `Bearer ${token}` })],
    ["gRPC's own name", (token: string) => ({ "grpc-metadata-token": token })],
  ])("GA4: a token may come as %s", async (_what, headers) => {
    const { endpoint } = await opened();
    const token = await signIn(endpoint, "root");
    const { status } = await post(endpoint, "/v3/kv/put", { key: btoa("a") }, headers(token));
    expect(status).toBe(200);
  });
});

describe("no path leads around the guard", () => {
  const READ = { key: btoa("a") };

  test.each([
    ["/v3/kv/range", READ],
    ["/v3/kv/range", { ...READ, serializable: true }],
    ["/v3/kv/put", READ],
    ["/v3/kv/deleterange", READ],
    ["/v3/kv/txn", { success: [{ request_range: READ }] }],
    ["/v3/kv/txn", { success: [{ request_range: { ...READ, serializable: true } }] }],
    ["/v3/kv/compaction", { revision: "1" }],
    ["/v3beta/kv/range", READ],
    ["/v3beta/kv/put", READ],
    ["/v3beta/auth/user/list", {}],
    ["/v3/lease/grant", { TTL: "60" }],
    ["/v3/lease/revoke", { ID: "7" }],
    ["/v3/kv/lease/revoke", { ID: "7" }],
    ["/v3/lease/timetolive", { ID: "7" }],
    ["/v3/kv/lease/timetolive", { ID: "7" }],
    ["/v3/lease/leases", {}],
    ["/v3/kv/lease/leases", {}],
    ["/v3/lock/lock", { name: btoa("a") }],
    ["/v3/lock/unlock", READ],
    ["/v3/election/campaign", { name: btoa("a") }],
    ["/v3/election/leader", { name: btoa("a") }],
    ["/v3/cluster/member/list", {}],
    ["/v3/maintenance/status", {}],
    ["/v3/auth/user/list", {}],
    ["/v3/auth/user/add", { name: "eve", password: "eve" }],
    ["/v3/auth/disable", {}],
  ])("GA5: nobody is served at %s %j", async (path, body) => {
    const { endpoint } = await opened();
    const { status, json } = await endpoint.post(path, body);
    expect(status).toBeGreaterThanOrEqual(400);
    expect((json as { readonly message: string }).message).toBe(NO_USER.message);
  });

  test("GA6: a watch over HTTP is rejected in its first line", async () => {
    const { endpoint, guarded } = await opened();
    const create = JSON.stringify({ create_request: { key: btoa("a") } });
    const response = await guarded.settled(endpoint.fetch("/v3/watch", { method: "POST", body: create }));
    const stream = jsonLines(response);
    expect(await stream.next()).toMatchObject({
      result: {
        canceled: true,
        cancel_reason: "rpc error: code = InvalidArgument desc = etcdserver: user name is empty",
      },
    });
    await stream.cancel();
  });

  test.each([
    ["without a token", undefined, "rpc error: code = InvalidArgument desc = etcdserver: user name is empty"],
    ["with a forged one", "Bearer, x.1", "rpc error: code = Unauthenticated desc = etcdserver: invalid auth token"],
  ])("GA7: a watch over a WebSocket %s is refused", async (_what, protocol, reason) => {
    const { guarded, services } = await opened();
    const socket = new Socket();
    const app = gatewayApp(services, { acceptWebSocket: () => ({ socket, response: new Response(null) }) });
    const headers = { upgrade: "websocket", ...(protocol === undefined ? {} : { "sec-websocket-protocol": protocol }) };
    await app.fetch(new Request("http://edge/v3/watch", { headers }));
    socket.receive(JSON.stringify({ create_request: { key: btoa("a") } }));
    await guarded.cluster.clock.until(() => socket.sent.length > 0, "the socket is answered");
    expect(JSON.parse(socket.sent[0] ?? "")).toMatchObject({ result: { canceled: true, cancel_reason: reason } });
  });
});
