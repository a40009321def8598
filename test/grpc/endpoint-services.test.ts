/** How the front's calls look at the endpoint. */
import { createServer } from "node:http";
import type { Server } from "node:http";
import { afterEach, beforeEach, expect, test } from "vitest";
import { endpointServices } from "../../src/grpc/endpoint-services.ts";
import { putRequest, rangeRequest } from "../../src/protocol/api/kv.ts";
import { lockRequest } from "../../src/protocol/api/lock.ts";
import { listen, serveMember } from "../client/support/served-member.ts";
import { CALL } from "../member/support/cluster.ts";

let server: Server;
let endpoint: string;
let upgrades: string[];

beforeEach(async () => {
  server = createServer();
  upgrades = [];
  server.on("upgrade", ({ url }, socket) => {
    upgrades.push(url ?? "");
    socket.destroy();
  });
  endpoint = await listen(server);
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

test("waiting calls and streams share one multiplexed connection, at the member that the endpoint names", async () => {
  const one = `${endpoint}/m/1`;
  const { watch, lock, election, maintenance, kv } = endpointServices({ endpoint: one, timeoutMs: 60_000 });
  const range = rangeRequest({ key: Uint8Array.of(1) });
  const waiting = [
    watch.watch(CALL).next(),
    lock.lock(lockRequest(), CALL),
    election.campaign({ name: Uint8Array.of(1), lease: 0n, value: Uint8Array.of(1) }, CALL),
    election.observe({ name: Uint8Array.of(1) }, CALL).next(),
    maintenance.snapshot({}, CALL)[Symbol.asyncIterator]().next(),
    kv.rangeStream(range, CALL)[Symbol.asyncIterator]().next(),
  ];
  const refused = await Promise.allSettled(waiting);
  expect(refused.map((result) => (result.status === "rejected" ? String(result.reason.message) : "served"))).toEqual(
    waiting.map(() => `no connection to ${one}`),
  );
  expect(upgrades).toEqual(["/m/1/quorate/v1/streams?v=2"]);
});

test("frequent calls of all clients share one WebSocket, many to a message, and go over HTTP where there is none", async () => {
  const member = await serveMember();
  const services = endpointServices({ endpoint: member.endpoint, timeoutMs: 10_000 });
  const { kv } = services;
  const key = (at: number): Uint8Array => Uint8Array.of(at);
  const putAll = (): Promise<unknown> =>
    Promise.all(Array.from({ length: 50 }, (_, at) => kv.put(putRequest({ key: key(at), value: key(at) }), CALL)));
  await putAll();
  while (member.sockets === 0) await kv.range(rangeRequest({ key: key(0) }), CALL);
  await until(async () => {
    const before = member.requests.length;
    await kv.range(rangeRequest({ key: key(0) }), CALL);
    return member.requests.length === before;
  });
  const [requests, messages] = [member.requests.length, member.messages.length];
  await putAll();
  expect(member.requests.length).toBe(requests);
  expect(member.sockets).toBe(1);
  expect(member.messages.length - messages).toBeLessThan(20);
  const { count } = await kv.range(rangeRequest({ key: key(0), rangeEnd: key(50), countOnly: true }), CALL);
  expect(count).toBe(50);

  member.webSockets = "none";
  member.breakConnections();
  await until(async () => {
    const before = member.requests.length;
    await kv.range(rangeRequest({ key: key(0) }), CALL);
    return member.requests.length > before;
  });
  await putAll();
  expect(member.requests.length).toBeGreaterThanOrEqual(requests + 50);
  services.close();
  await member.close();
});

test("calls of several events of the loop share a message, as HTTP/2 reports each frame by itself", async () => {
  const member = await serveMember();
  const services = endpointServices({ endpoint: member.endpoint, timeoutMs: 10_000 });
  const key = (at: number): Uint8Array => Uint8Array.of(at);
  const range = (at: number): Promise<unknown> => services.kv.range(rangeRequest({ key: key(at) }), CALL);
  await until(async () => {
    const before = member.requests.length;
    await range(0);
    return member.requests.length === before;
  });
  const messages = member.messages.length;
  const calls: Promise<unknown>[] = [];
  await new Promise<void>((resolve) => {
    // Events that wait together: the callbacks of one phase of Node's loop, with the microtasks of each in between.
    for (let at = 0; at < 20; at++) setTimeout(() => calls.push(range(at)), 1);
    setTimeout(resolve, 1);
  });
  await Promise.all(calls);
  expect(calls.length).toBe(20);
  // Pings are messages, too.
  expect(member.messages.length - messages).toBeLessThan(10);
  services.close();
  await member.close();
});

async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 5));
}
