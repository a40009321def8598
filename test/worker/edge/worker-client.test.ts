/** The client of an embedding worker's own code: the same calls as over HTTP, without any. */
import { evictDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { afterEach, describe, expect, test } from "vitest";
import type { ApplicationClient } from "../../../src/client/app/application-client.ts";
import { EtcdError, GrpcCode } from "../../../src/protocol/errors.ts";
import type { WorkerClientOptions } from "../../../worker/options.ts";
import { quorate } from "../../../worker/quorate.ts";
import { kill, leaderNumber, post, put, stubOf } from "../support/edge-kit.ts";
import { other, SETUP_TOKEN } from "../support/other-cluster.ts";

const edge = quorate({});
const clients: ApplicationClient[] = [];

function connect(options?: WorkerClientOptions): ApplicationClient {
  const client = edge.client(env, options);
  clients.push(client);
  return client;
}

afterEach(() => {
  for (const client of clients.splice(0)) void client.close();
});

describe("calls", () => {
  test("put, range, txn, delete and status", async () => {
    const client = connect();
    const { header } = await client.kv.put("own/colour", "blue");
    const { kvs } = await client.kv.range("own/", { prefix: true });
    expect(kvs.map(({ key, value }) => [client.toText(key), client.toText(value)])).toEqual([["own/colour", "blue"]]);
    expect(kvs[0]?.modRevision).toBe(header.revision);

    const txn = client.kv.txn().if(client.compare.value("own/colour").equals("blue"));
    expect((await txn.then(client.op.put("own/colour", "red")).commit()).succeeded).toBe(true);
    expect((await client.kv.deleteRange("own/colour")).deleted).toBe(1);
    const { members, problem } = await client.status();
    expect([members.length, problem]).toEqual([3, undefined]);
    expect(client.connection.getSnapshot().state).toBe("connected");
  });

  test("errors are etcd's, with code and text", async () => {
    const client = connect();
    const refused = await client.kv.put("", "x").catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(EtcdError);
    expect(refused).toMatchObject({ code: GrpcCode.InvalidArgument, message: "etcdserver: key is not provided" });
    await expect(client.lease.revoke("7")).rejects.toMatchObject({ code: GrpcCode.NotFound });
    void client.close();
    await expect(client.kv.range("a")).rejects.toMatchObject({ code: GrpcCode.Canceled });
  });

  test("a response larger than a message between objects arrives whole", async () => {
    const client = other.client(env);
    const value = "x".repeat(1024 * 1024);
    for (let at = 0; at < 34; at++) await client.kv.put(`large/${at}`, value);
    const { kvs } = await client.kv.range("large/", { prefix: true });
    expect(kvs.reduce((sum, each) => sum + each.value.length, 0)).toBe(34 * value.length);
    void client.close();
  });

  test("namespaces, transactions, elections and moving the leader stand on it", async () => {
    const client = connect();
    const flags = client.namespace<{ on: boolean }>("own-flags/");
    expect((await flags.create("dark", { on: true })).created).toBe(true);
    expect((await flags.update("dark", (flag) => ({ on: flag?.on !== true })))?.value).toEqual({ on: false });
    expect(
      await client.transaction(async (tx) => {
        tx.put("own-a", "1");
        return tx.get("own-b");
      }),
    ).toBeUndefined();
    await using leadership = await client.lead("own-poller", "me");
    expect((await client.elect("own-poller").leader())?.fence).toBe(leadership.fence);

    const { leader, members } = await client.status();
    const [target = "", third = ""] = members.map(({ id }) => id).filter((id) => id !== leader);
    await client.maintenance.moveLeader(target);
    // Behind its back: it goes on to believe in the old leader.
    await post("/v3/maintenance/transfer-leadership", { targetID: third });
    await client.maintenance.moveLeader(target);
    expect((await client.kv.range("own-a")).kvs.length).toBe(1);
  });
});

describe("streams", () => {
  test("a watch brings what others put, from its revision on, without a gap over a member's death", async () => {
    const client = connect();
    const { header } = await client.kv.put("watched/0", "0");
    const watcher = client.watch("watched/", { prefix: true, startRevision: header.revision });
    const seen: string[] = [];
    const reading = (async () => {
      for await (const { events } of watcher) {
        for (const { kv } of events) seen.push(client.toText(kv.key));
        if (seen.length >= 4) break;
      }
    })();
    await watcher.created;
    await put("watched/1", "1");
    await kill(await leaderNumber());
    await put("watched/2", "2");
    await evictDurableObject(stubOf(1)).catch(() => {});
    await put("watched/3", "3");
    await reading;

    expect(seen).toEqual(["watched/0", "watched/1", "watched/2", "watched/3"]);
  });

  test("a live map follows", async () => {
    const client = connect();
    const live = client.namespace<number>("own-live/").live();
    await live.ready;
    const changed = new Promise<void>((resolve) => {
      live.subscribe(() => live.get("a")?.value === 7 && resolve());
    });
    await put("own-live/a", "7");
    await changed;
    live.close();
  });

  test("a snapshot comes in parts", async () => {
    let bytes = 0;
    for await (const part of connect().maintenance.snapshot()) bytes += part.length;
    expect(bytes).toBeGreaterThan(4096);
  });
});

describe("locks", () => {
  test("whoever waits and gives up leaves the queue", async () => {
    const client = connect();
    const held = await client.acquire("own-lock");
    const abort = new AbortController();
    const waiting = client.acquire("own-lock", { signal: abort.signal }).catch((error: unknown) => error);
    while ((await client.kv.range("own-lock/", { prefix: true })).kvs.length < 2) await tick();
    abort.abort(new Error("enough"));
    expect(await waiting).toEqual(new Error("enough"));
    while ((await client.kv.range("own-lock/", { prefix: true })).kvs.length > 1) await tick();
    await held.release();
    expect(await client.withLock("own-lock", ({ fence }) => fence > held.fence)).toBe(true);
  });

  test("so does whoever waits without a lease of its own", async () => {
    const client = connect();
    const held = await client.acquire("bare-lock");
    const abort = new AbortController();
    const waiting = client.lock.lock("bare-lock", { signal: abort.signal }).catch((error: unknown) => error);
    while ((await client.kv.range("bare-lock/", { prefix: true })).kvs.length < 2) await tick();
    abort.abort();
    expect(await waiting).toMatchObject({ code: GrpcCode.Canceled });
    while ((await client.kv.range("bare-lock/", { prefix: true })).kvs.length > 1) await tick();
    await held.release();
  });
});

describe("who may call", () => {
  test("the worker's own code needs no setup token; with auth enabled it needs a user, as everybody", async () => {
    const open = other.client(env);
    await open.kv.put("closed", "to others");
    const response = await other.fetch(new Request("http://edge/other/kv/closed"), env, { waitUntil: () => {} });
    expect(response.status).toBe(401);
    void open.close();

    const auth = (path: string, body: object): Promise<Response> =>
      other.fetch(
        new Request(`http://edge/other/v3/auth/${path}`, {
          method: "POST",
          body: JSON.stringify(body),
          headers: { authorization: `Bearer ${SETUP_TOKEN}` },
        }),
        env,
        { waitUntil: () => {} },
      );
    await auth("user/add", { name: "root", password: "secret" });
    await auth("user/grant", { user: "root", role: "root" });
    expect((await auth("enable", {})).status).toBe(200);

    const nobody = other.client(env);
    await expect(nobody.kv.range("closed")).rejects.toMatchObject({ message: "etcdserver: user name is empty" });
    const root = other.client(env, { user: { name: "root", password: "secret" } });
    expect((await root.kv.range("closed")).kvs.length).toBe(1);
    void nobody.close();
    void root.close();
  });
});

function tick(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 10));
}
