/** What somebody meets who uses a client wrongly, or at an address where nothing is: an error that says so, and soon. */
import { readFileSync } from "node:fs";
import { afterEach, describe, expect, test } from "vitest";
import type { ApplicationClient } from "../../../src/client/app/application-client.ts";
import { connect } from "../../../src/client/app/connect.ts";
import { EtcdError, GrpcCode } from "../../../src/client/client.ts";
import { serveMember } from "../support/served-member.ts";
import { startStub } from "../support/stub-server.ts";

const README = readFileSync(new URL("../../../README.md", import.meta.url), "utf8");

type Use = (client: ApplicationClient, signal?: AbortSignal) => Promise<unknown>;

/** Above etcd's calls: they reject with the reason of a signal. */
const ABOVE: Readonly<Record<string, Use>> = {
  get: (client, signal) => client.namespace("n/").get("x", { signal }),
  put: (client, signal) => client.namespace("n/").put("x", 1, { signal }),
  create: (client, signal) => client.namespace("n/").create("x", 1, { signal }),
  update: (client, signal) => client.namespace("n/").update("x", () => 1, { signal }),
  delete: (client, signal) => client.namespace("n/").delete("x", { signal }),
  list: (client, signal) => client.namespace("n/").list({ signal }),
  entries: (client, signal) => client.namespace("n/").entries({ signal }).next(),
  acquire: (client, signal) => client.acquire("lock", { signal }),
  lead: (client, signal) => client.lead("election", "me", { signal }),
  presence: (client, signal) => client.presence("room/", "me", { signal }),
  transaction: (client, signal) => client.transaction((tx) => tx.get("x"), { signal }),
};
/** etcd's: they reject with Canceled. */
const ETCDS: Readonly<Record<string, Use>> = {
  range: (client, signal) => client.kv.range("x", { signal }),
  put: (client, signal) => client.kv.put("x", "1", { signal }),
  txn: (client, signal) => client.kv.txn().commit({ signal }),
  grant: (client, signal) => client.lease.grant(5, { signal }),
  lock: (client, signal) => client.lock.lock("lock", { signal }),
  campaign: (client, signal) => client.election.campaign("election", "me", { signal }),
  members: (client, signal) => client.cluster.members({ signal }),
  status: (client, signal) => client.status({ signal }),
  alarms: (client, signal) => client.maintenance.alarms({ signal }),
};
const named = (uses: Readonly<Record<string, Use>>): readonly (readonly [string, Use])[] => Object.entries(uses);

let closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing) await close();
  closing = [];
});

/** An endpoint that takes requests and answers none. */
async function silent(): Promise<ApplicationClient> {
  const stub = await startStub(() => {});
  const client = connect({ endpoint: stub.endpoint, WebSocket: false });
  closing.push(
    () => client.close(),
    () => stub.close(),
  );
  return client;
}

function expectExplained(error: unknown): void {
  expect(error).toBeInstanceOf(EtcdError);
  expect(README).toContain(`<a id="${(error as EtcdError).docs.split("#")[1]}"></a>`);
}

describe("an aborted signal", () => {
  const reason = new Error("the reason");

  test.each(named(ABOVE))("ends %s with its reason, before the call and while nothing answers", async (_name, use) => {
    const client = await silent();
    await expect(use(client, AbortSignal.abort(reason))).rejects.toBe(reason);
    const abort = new AbortController();
    const used = use(client, abort.signal);
    setTimeout(() => abort.abort(reason), 50);
    await expect(used).rejects.toBe(reason);
  });

  test.each(named(ETCDS))(
    "ends etcd's %s with Canceled, before the call and while nothing answers",
    async (_name, use) => {
      const client = await silent();
      await expect(use(client, AbortSignal.abort(reason))).rejects.toMatchObject({ code: GrpcCode.Canceled });
      const abort = new AbortController();
      const used = use(client, abort.signal);
      setTimeout(() => abort.abort(reason), 50);
      await expect(used).rejects.toMatchObject({ code: GrpcCode.Canceled });
    },
  );
});

describe("use after close", () => {
  test.each([...named(ABOVE), ...named(ETCDS)])("of %s rejects with Canceled, and says why", async (_name, use) => {
    const client = connect({ endpoint: "http://127.0.0.1:1" });
    await client.close();
    const error: unknown = await use(client).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: GrpcCode.Canceled, message: "the client is closed", isRetryable: false });
    expectExplained(error);
  });

  test("of a live map, or the end of its client before the first list, keeps nobody waiting for it", async () => {
    const client = await silent();
    const early = client.namespace("n/").live();
    await client.close();
    await expect(early.ready).rejects.toMatchObject({ code: GrpcCode.Canceled });
    await expect(client.namespace("n/").live().ready).rejects.toMatchObject({ code: GrpcCode.Canceled });
  });
});

describe("an address where no cluster is", () => {
  test("a web page answers: calls, live maps and watches say so", async () => {
    const stub = await startStub((_request, response) => {
      response.writeHead(200, { "content-type": "text/html" }).end("<!doctype html><h1>Welcome");
    });
    const client = connect({ endpoint: stub.endpoint, WebSocket: false });
    closing.push(
      () => client.close(),
      () => stub.close(),
    );
    const uses: readonly Use[] = [...Object.values(ABOVE), ETCDS["range"] as Use];
    const errors = await Promise.all([
      ...uses.map((use) => use(client).catch((thrown: unknown) => thrown)),
      client
        .namespace("n/")
        .live()
        .ready.catch((thrown: unknown) => thrown),
      client
        .watch("x")
        .next()
        .catch((thrown: unknown) => thrown),
    ]);
    for (const error of errors) {
      expect(error).toMatchObject({ code: GrpcCode.Internal, isRetryable: false });
      expect(String(error)).toContain("no Quorate and no etcd is at this address");
      expectExplained(error);
    }
  });

  test("nothing answers in time: the connection does not go on saying that it waits", async () => {
    const stub = await startStub(() => {});
    const client = connect({ endpoint: stub.endpoint, WebSocket: false, timeoutMs: 50 });
    closing.push(
      () => client.close(),
      () => stub.close(),
    );
    const error: unknown = await client.kv.range("x").catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: GrpcCode.DeadlineExceeded });
    expectExplained(error);
    expect(client.connection.getSnapshot()).toMatchObject({
      state: "disconnected",
      reason: `no answer from ${stub.endpoint} within 50 ms`,
    });
  });

  test("that the caller gave a call up says nothing about the endpoint", async () => {
    const client = await silent();
    await expect(client.kv.range("x", { signal: AbortSignal.timeout(20) })).rejects.toMatchObject({
      code: GrpcCode.Canceled,
    });
    expect(client.connection.getSnapshot().state).toBe("idle");
  });
});

test("a watch that was created once goes on over answers that are none", async () => {
  const served = await serveMember();
  const client = connect({ endpoint: served.endpoint, WebSocket: false });
  closing.push(
    () => client.close(),
    () => served.close(),
  );
  const watcher = client.watch("x", { startRevision: 1 });
  await watcher.created;
  let pages = 0;
  served.intercept = (path, response) => {
    if (path !== "/v3/watch" || ++pages > 5) return false;
    response.writeHead(200, { "content-type": "text/html" }).end("<h1>Back soon");
    return true;
  };
  served.breakConnections();
  await client.kv.put("x", "1");
  expect((await watcher.next()).value?.events).toHaveLength(1);
  expect(pages).toBeGreaterThan(5);
});
