import { expect, test } from "vitest";
import { KeepAliveRequests } from "../../src/gateway/stream/lease-stream.ts";
import type { WebSocketLike } from "../../src/gateway/stream/websocket.ts";
import type { LeaseService } from "../../src/member/api/services.ts";
import { errNoLeader } from "../../src/protocol/errors.ts";
import { leaseKeepAliveResponse } from "../../src/protocol/api/lease.ts";
import type { LeaseKeepAliveResponse } from "../../src/protocol/api/lease.ts";
import { CALL } from "../member/support/cluster.ts";
import { jsonLines } from "../support/text-stream.ts";
import { Endpoint } from "./support/endpoint.ts";

const HEADER = { cluster_id: "7", member_id: "1", raft_term: "2" };

test("the paths of leases speak etcd's JSON: ids and times as decimal strings, TTL and grantedTTL by those names", async () => {
  const endpoint = await Endpoint.open();
  await endpoint.post("/v3/lease/grant", { TTL: 0, ID: "-7" });

  const granted = await endpoint.post("/v3/lease/grant", { TTL: "100", ID: 123 });
  await endpoint.post("/v3/kv/put", { key: "Zm9v", lease: "123" });
  const answers = await Promise.all([
    endpoint.post("/v3/lease/timetolive", { ID: 123, keys: true }),
    endpoint.post("/v3/lease/timetolive", { ID: 999 }),
    endpoint.post("/v3/lease/leases", ""),
    endpoint.post("/v3/lease/revoke", { ID: 999 }),
    endpoint.post("/v3/lease/grant", { TTL: 5, ID: -7 }),
    endpoint.post("/v3/lease/grant", { TTL: "9223372036854775807" }),
    endpoint.call("/v3/lease/grant"),
  ]);

  expect(granted.json).toEqual({ header: { ...HEADER, revision: "1" }, ID: "123", TTL: "100" });
  const header = { ...HEADER, revision: "2" };
  expect(answers.map(({ status, json }) => [status, json])).toEqual([
    [200, { header, ID: "123", TTL: expect.stringMatching(/^(99|100)$/), grantedTTL: "100", keys: ["Zm9v"] }],
    [200, { header, ID: "999", TTL: "-1" }],
    [200, { header, leases: [{ ID: "-7" }, { ID: "123" }] }],
    [404, { code: 5, message: "etcdserver: requested lease not found" }],
    [400, { code: 9, message: "etcdserver: lease already exists" }],
    [400, { code: 11, message: "etcdserver: too large lease TTL" }],
    [501, { code: 12, message: "Method Not Allowed" }],
  ]);
});

test("revoke, timetolive and leases are served under /v3/kv/lease too", async () => {
  const endpoint = await Endpoint.open();
  await endpoint.post("/v3/lease/grant", { TTL: 100, ID: 123 });

  const leases = await endpoint.post("/v3/kv/lease/leases", {});
  const timeToLive = await endpoint.post("/v3/kv/lease/timetolive", { ID: 123 });
  const revoked = await endpoint.post("/v3/kv/lease/revoke", { ID: 123 });

  expect(leases.json.leases).toEqual([{ ID: "123" }]);
  expect(timeToLive.json).toMatchObject({ ID: "123", grantedTTL: "100" });
  expect(revoked.json).toEqual({ header: { ...HEADER, revision: "1" } });
});

test("keepalive is a stream: one line per message of the body, and it ends with the body", async () => {
  const endpoint = await Endpoint.open();
  await endpoint.post("/v3/lease/grant", { TTL: 100, ID: 123 });

  const answer = await streamed(endpoint, "/v3/lease/keepalive", '{"ID":123}\n{"ID":"999"}{"ID":123}', 3);

  const header = { ...HEADER, revision: "1" };
  expect(answer).toEqual([
    { result: { header, ID: "123", TTL: "100" } },
    { result: { header, ID: "999" } },
    { result: { header, ID: "123", TTL: "100" } },
    undefined,
  ]);
});

test.each([
  ["empty", ""],
  ["not JSON", "ID=5"],
  ["of the wrong type", '{"ID":"x"}'],
])("a keepalive whose body is %s is an empty stream", async (_what, body) => {
  const endpoint = await Endpoint.open();

  const answer = await endpoint.post("/v3/lease/keepalive", body);

  expect([answer.status, answer.text]).toEqual([200, ""]);
});

test("a lock is a key under its name, and errors of locks and elections come with code 2", async () => {
  const endpoint = await Endpoint.open();
  await endpoint.post("/v3/lease/grant", { TTL: 100, ID: 255 });

  const answers = [
    await endpoint.post("/v3/lock/lock", { name: "YQ==", lease: "255" }),
    await endpoint.post("/v3/lock/unlock", { key: btoa("a/ff") }),
    await endpoint.post("/v3/lock/lock", { name: "YQ==", lease: "777" }),
    await endpoint.post("/v3/lock/unlock", {}),
    await endpoint.post("/v3/election/leader", { name: "ZQ==" }),
    await endpoint.post("/v3/election/campaign", { name: "ZQ==", value: "djE=", lease: 255 }),
    await endpoint.post("/v3/election/proclaim", {}),
    await endpoint.post("/v3/election/resign", {}),
    await endpoint.post("/v3/election/resign", { leader: { key: btoa("e/ff"), rev: 4, lease: 255 } }),
    await endpoint.post("/v3/election/proclaim", { leader: { key: btoa("e/ff"), rev: 4, lease: 255 } }),
  ];

  const header = (revision: string): object => ({ ...HEADER, revision });
  expect(answers.map(({ status, json }) => [status, json])).toEqual([
    [200, { header: header("2"), key: btoa("a/ff") }],
    [200, { header: header("3") }],
    [500, { code: 2, message: "etcdserver: requested lease not found" }],
    [500, { code: 2, message: "etcdserver: key is not provided" }],
    [500, { code: 2, message: "election: no leader" }],
    [200, { header: header("4"), leader: { name: "ZQ==", key: btoa("e/ff"), rev: "4", lease: "255" } }],
    [500, { code: 2, message: '"leader" field must be provided' }],
    [500, { code: 2, message: '"leader" field must be provided' }],
    [200, { header: header("5") }],
    [500, { code: 2, message: "election: not leader" }],
  ]);
});

test("observe is a stream of leaders, which ends when the caller disconnects", async () => {
  const endpoint = await Endpoint.open();
  await endpoint.post("/v3/lease/grant", { TTL: 100, ID: 255 });
  const gone = new AbortController();

  const response = endpoint.fetch("/v3/election/observe", {
    method: "POST",
    body: '{"name":"ZQ=="}',
    signal: gone.signal,
  });
  await endpoint.post("/v3/election/campaign", { name: "ZQ==", value: "djE=", lease: 255 });
  const received = jsonLines(await endpoint.cluster.settled(response));
  const first = await endpoint.cluster.settled(received.next());
  gone.abort();

  expect(first).toMatchObject({ result: { kv: { key: btoa("e/ff"), value: "djE=", lease: "255" } } });
  await endpoint.cluster.clock.advance(100);
  expect(endpoint.cluster.leader?.member.machine.hub.watcherCount).toBe(0);
});

test("a WebSocket to keepalive and observe gets one line per keep-alive and leader, and closing it ends the streams", async () => {
  const sockets: FakeSocket[] = [];
  const endpoint = await Endpoint.open({
    acceptWebSocket() {
      const socket = new FakeSocket();
      sockets.push(socket);
      return { socket, response: new Response("accepted") };
    },
  });
  await endpoint.post("/v3/lease/grant", { TTL: 100, ID: 255 });
  await endpoint.post("/v3/election/campaign", { name: "ZQ==", value: "djE=", lease: 255 });
  for (const path of ["/v3/lease/keepalive", "/v3/election/observe"]) {
    await endpoint.call(path, { headers: { upgrade: "websocket" } });
  }
  const [keepAlives, leaders] = sockets as [FakeSocket, FakeSocket];

  keepAlives.emit("message", '{"ID":255}');
  keepAlives.emit("message", '{"ID":"999"}');
  leaders.emit("message", '{"name":"ZQ=="}');
  await endpoint.cluster.clock.until(() => keepAlives.sent.length === 2 && leaders.sent.length === 1, "told");

  expect(keepAlives.sent.map((line) => JSON.parse(line))).toMatchObject([
    { result: { ID: "255", TTL: "100" } },
    { result: { ID: "999" } },
  ]);
  expect(leaders.sent.map((line) => JSON.parse(line))).toMatchObject([{ result: { kv: { value: "djE=" } } }]);
  for (const socket of sockets) socket.emit("close");
  await endpoint.cluster.clock.advance(100);
  expect(endpoint.cluster.leader?.member.machine.hub.watcherCount).toBe(0);
});

test("keep-alives over a WebSocket are bounded", async () => {
  const socket = new FakeSocket();
  const endpoint = await Endpoint.open({
    acceptWebSocket: () => ({ socket, response: new Response("accepted") }),
  });
  await endpoint.call("/v3/lease/keepalive", { headers: { upgrade: "websocket" } });

  for (let at = 0; at <= 1_000; at++) socket.emit("message", '{"ID":1}');

  expect(socket.sent).toEqual(['{"error":{"code":8,"message":"too many beats wait for an answer"}}']);
});

test("keep-alives of a stream are processed concurrently up to a limit; responses and an error are sent in order", async () => {
  const asked = new Map<bigint, { resolve(response: LeaseKeepAliveResponse): void; reject(error: unknown): void }>();
  const keepAlive = ({ id }: { readonly id: bigint }): Promise<LeaseKeepAliveResponse> =>
    new Promise((resolve, reject) => asked.set(id, { resolve, reject }));
  const keepAlives = new KeepAliveRequests({ keepAlive } as object as LeaseService, CALL);
  for (let id = 1n; id <= 100n; id++) keepAlives.request({ id });
  expect(asked.size).toBe(64);

  asked.get(2n)?.resolve(leaseKeepAliveResponse({ id: 2n }));
  asked.get(3n)?.reject(errNoLeader);
  const first = keepAlives.next();
  expect(await Promise.race([first, Promise.resolve("nothing yet")])).toBe("nothing yet");
  asked.get(1n)?.resolve(leaseKeepAliveResponse({ id: 1n }));

  expect([(await first)?.id, (await keepAlives.next())?.id, asked.size]).toEqual([1n, 2n, 66]);
  await expect(keepAlives.next()).rejects.toBe(errNoLeader);
  keepAlives.close();
  expect(await keepAlives.next()).toBeUndefined();
});

class FakeSocket implements WebSocketLike {
  readonly bufferedAmount = 0;
  readonly sent: string[] = [];
  readonly #listeners = new Map<string, (event: { readonly data: unknown }) => void>();

  send(text: string): void {
    this.sent.push(text);
  }

  close(): void {}

  addEventListener(type: string, listener: (event: { readonly data: unknown }) => void): void {
    this.#listeners.set(type, listener);
  }

  emit(type: string, data?: unknown): void {
    this.#listeners.get(type)?.({ data });
  }
}

async function streamed(endpoint: Endpoint, path: string, body: string, count: number): Promise<unknown[]> {
  const response = await endpoint.cluster.settled(endpoint.fetch(path, { method: "POST", body }));
  const reader = jsonLines(response);
  const all: unknown[] = [];
  for (let at = 0; at <= count; at++) all.push(await endpoint.cluster.settled(reader.next()));
  return all;
}
