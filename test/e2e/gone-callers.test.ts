/**
 * Callers that are gone, in the product as it is started: each front, each call that may last, each way to leave. What a
 * caller held must come free by itself: the next one gets the lock, and no call stays open in any member.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { EdgeServer } from "../support/edge-server.ts";
import {
  type Caller,
  calling,
  events,
  grpcClient,
  grpcFront,
  post,
  postOpen,
  type Process,
  type Said,
  type Way,
  WAYS,
  webSocket,
} from "./gone-support.ts";

/**
 * Ends what hangs; how long it may take is said by constants (test/gateway/http/presence.test.ts). A lease that a member makes
 * for a caller ends after 60 s by itself, and proves nothing.
 */
const HANGS_MS = 45_000;
/** Ours is `/quorate/v1/range-stream`; unary calls but these two are short. */
const LASTING =
  /^grpc_server_(started|handled)_total\{[^}]*grpc_method="(?:Lock|Campaign|Observe|Watch|RangeStream|Snapshot|LeaseKeepAlive)"[^}]*\} (\d+)$/gm;

let data: string;
let server: EdgeServer;
let callers: Caller[] = [];

beforeAll(async () => {
  data = await mkdtemp(join(tmpdir(), "quorate-gone-"));
  server = await EdgeServer.start(data);
});
afterEach(() => {
  for (const caller of callers) caller.leave();
  callers = [];
});
afterAll(async () => {
  await server.stop();
  await rm(data, { recursive: true, force: true });
});

async function came(way: Way, said: Said): Promise<Caller> {
  return kept(await calling(way, server.port, said));
}

function kept<One extends Caller>(caller: One): One {
  callers.push(caller);
  return caller;
}

async function waiting(name: string): Promise<number> {
  const range = { key: btoa(`${name}/`), range_end: btoa(`${name}0`), count_only: true };
  const { count } = (await server.post("/v3/kv/range", range)) as { count?: string };
  return Number(count ?? 0);
}

async function until(value: () => Promise<number>, wanted: number): Promise<void> {
  await vi.waitFor(async () => expect(await value()).toBe(wanted), { timeout: HANGS_MS, interval: 200 });
}

async function metrics(): Promise<readonly string[]> {
  return Promise.all([1, 2, 3].map(async (number) => (await fetch(`${server.url}/m/${number}/metrics`)).text()));
}

/** Calls that last, at all members. */
async function open(): Promise<number> {
  let count = 0;
  for (const text of await metrics()) {
    for (const [, what, number] of text.matchAll(LASTING))
      count += what === "started" ? Number(number) : -Number(number);
  }
  return count;
}

async function watchers(): Promise<number> {
  const found = (await metrics()).map((text) => /^etcd_debugging_mvcc_watcher_total\{\S+\} (\d+)$/m.exec(text)?.[1]);
  return found.reduce((sum, number) => sum + Number(number), 0);
}

const QUEUES = [
  ["lock", "/v3/lock/lock", {}],
  ["campaign", "/v3/election/campaign", { value: btoa("v") }],
] as const;

test.each(["", "/m/1", "/m/3"])(
  "over plain HTTP at %j, a caller that disconnects leaves the queue of a lock or an election",
  async (prefix) => {
    const cases = QUEUES.flatMap((queue) => WAYS.map((way) => ({ queue, way })));
    await Promise.all(
      cases.map(async ({ queue: [kind, path, more], way }) => {
        const name = `${kind}${prefix}-${way}`;
        await server.post(path, { name: btoa(name), ...more });
        const caller = await came(way, post(prefix + path, { name: btoa(name), ...more }));
        await until(() => waiting(name), 2);
        caller.leave();
        await until(() => waiting(name), 1);
      }),
    );
    await until(open, 0);
  },
);

test.each([false, true])(
  "over plain HTTP, a lock is not granted to a caller that has just disconnected (a lease of its own: %s)",
  async (hasLease) => {
    await Promise.all(
      WAYS.map(async (way) => {
        const name = `turn-${hasLease}-${way}`;
        const lease = hasLease ? ((await server.post("/v3/lease/grant", { TTL: 3_600 })) as { ID: string }).ID : "0";
        const { key } = await server.post("/v3/lock/lock", { name: btoa(name) });
        const dead = await came(way, post("/v3/lock/lock", { name: btoa(name), lease }));
        await until(() => waiting(name), 2);
        const next = fetch(`${server.url}/v3/lock/lock`, {
          method: "POST",
          body: JSON.stringify({ name: btoa(name) }),
        });
        await until(() => waiting(name), 3);
        // Both answers have begun.
        await next;
        dead.leave();
        await server.post("/v3/lock/unlock", { key });
        expect(await (await next).json()).toHaveProperty("key");
        expect(await waiting(name)).toBe(1);
      }),
    );
  },
);

test("a delayed response is white space and then JSON, also for an error", async () => {
  const lease = ((await server.post("/v3/lease/grant", { TTL: 3_600 })) as { ID: string }).ID;
  const { key } = await server.post("/v3/lock/lock", { name: btoa("late") });
  const ask = (body: object): Promise<Response> =>
    fetch(`${server.url}/v3/lock/lock`, { method: "POST", body: JSON.stringify({ name: btoa("late"), ...body }) });
  const failing = await ask({ lease });
  const good = ask({});
  await until(() => waiting("late"), 3);
  await server.post("/v3/lease/revoke", { ID: lease });
  await server.post("/v3/lock/unlock", { key });
  const text = await failing.text();
  expect([failing.status, text.startsWith("\n")]).toEqual([200, true]);
  expect(JSON.parse(text)).toEqual({ code: 2, message: "mutex: session is expired" });
  expect(JSON.parse(await (await good).text())).toHaveProperty("key");
});

test("silent streams of readers that are gone end, whichever they are and however their readers left", async () => {
  const watch = { create_request: { key: btoa("nobody-writes-it") } };
  const kinds = [
    post("/v3/watch", watch),
    postOpen("/m/2/v3/watch", watch),
    post("/v3/election/observe", { name: btoa("nobody") }),
    events("/kv/nobody-writes-it?watch"),
    webSocket("/v3/watch", watch),
    webSocket("/m/2/v3/election/observe", { name: btoa("nobody") }),
  ];
  const opened = await Promise.all(WAYS.flatMap((way) => kinds.map((said) => came(way, said))));
  await until(open, opened.length);
  await until(watchers, opened.length);
  for (const caller of opened) caller.leave();
  await until(open, 0);
  await until(watchers, 0);
});

test("large streams of readers that took nothing and are gone end, and the next snapshot is served", async () => {
  for (let at = 0; at < 16; at++) await server.put(`big/${at}`, "x".repeat(1_000_000));
  // A member has one snapshot at a time for each caller.
  const opened = await Promise.all(
    WAYS.flatMap((way, at) => [
      came(way, post(`/m/${at + 1}/v3/maintenance/snapshot`, {}, true)),
      came(way, post("/quorate/v1/range-stream", { key: btoa("big/"), range_end: btoa("big0") }, true)),
    ]),
  );
  for (const caller of opened) caller.leave();
  await until(open, 0);
  const again = await fetch(`${server.url}/m/2/v3/maintenance/snapshot`, { method: "POST", body: "{}" });
  expect(again.status).toBe(200);
  await again.body?.cancel();
  await until(open, 0);
});

/** A lock and an election that are taken, and a gRPC client second in their queues. */
async function grpcWaiter(port: number, name: string): Promise<Process> {
  await server.post("/v3/lock/lock", { name: btoa(name) });
  await server.post("/v3/election/campaign", { name: btoa(`${name}-led`), value: btoa("v") });
  const client = kept(await grpcClient(port, name));
  await until(() => waiting(name), 2);
  await until(() => waiting(`${name}-led`), 2);
  await until(watchers, 4);
  return client;
}

async function isOut(name: string): Promise<void> {
  await until(() => waiting(name), 1);
  await until(() => waiting(`${name}-led`), 1);
  await until(open, 0);
  await until(watchers, 0);
}

test.each(["leave", "freeze"] as const)("over gRPC, a client that is gone is out of all queues (%s)", async (how) => {
  const proxy = await grpcFront(server.url);
  kept(proxy.process);
  const name = `client-${how}`;
  const client = await grpcWaiter(proxy.port, name);
  client[how]();
  await isOut(name);
});

test.each(["leave", "freeze"] as const)(
  "a gRPC proxy that is gone takes its clients' calls with it (%s)",
  async (how) => {
    const proxy = await grpcFront(server.url);
    kept(proxy.process);
    const name = `front-${how}`;
    await grpcWaiter(proxy.port, name);
    proxy.process[how]();
    await isOut(name);
  },
);
