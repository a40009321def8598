/** How the front's calls look at the endpoint. */
import { createServer } from "node:http";
import type { Server } from "node:http";
import { afterEach, beforeEach, expect, test } from "vitest";
import { endpointServices } from "../../src/grpc/endpoint-services.ts";
import { rangeRequest } from "../../src/protocol/api/kv.ts";
import { lockRequest } from "../../src/protocol/api/lock.ts";
import { listen } from "../client/support/served-member.ts";
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
  expect(upgrades).toEqual(["/m/1/quorate/v1/streams"]);
});
