import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { ApplicationClient } from "../../../src/client/app/application-client.ts";
import { connect } from "../../../src/client/app/connect.ts";
import { toText } from "../../../src/client/common/convert.ts";
import { memoryOutboxStore } from "../../../src/client/outbox/memory-store.ts";
import type { OutboxStore } from "../../../src/client/outbox/outbox-store.ts";
import type { OutboxOptions } from "../../../src/client/outbox/outbox-types.ts";
import { serveMember } from "../support/served-member.ts";
import type { ServedMember } from "../support/served-member.ts";
import { eventually, keysOf } from "./kit.ts";

let served: ServedMember;
let store: OutboxStore;
const clients: ApplicationClient[] = [];

beforeEach(async () => {
  served = await serveMember();
  store = memoryOutboxStore();
});
afterEach(async () => {
  for (const client of clients.splice(0)) void client.close();
  await served.close();
});

function newClient(
  outbox: OutboxOptions = {},
  user?: { readonly name: string; readonly password: string },
): ApplicationClient {
  const client = connect({
    endpoint: served.endpoint,
    WebSocket: false,
    outbox: { store, ...outbox },
    ...(user === undefined ? {} : { user }),
  });
  clients.push(client);
  return client;
}

/** The endpoint answers nobody until the returned function is called. */
function cutOff(): () => void {
  served.intercept = (_, response) => {
    response.destroy();
    return true;
  };
  served.breakConnections();
  return () => {
    served.intercept = () => false;
  };
}

async function textOf(client: ApplicationClient, key: string): Promise<string | undefined> {
  const { kvs } = await client.kv.range(key);
  return kvs[0] === undefined ? undefined : toText(kvs[0].value);
}

describe("client.outbox", () => {
  test("OB20 a write is stored while nobody answers, is sent when somebody does, and says at which revision", async () => {
    const mend = cutOff();
    const client = newClient();
    const write = client.outbox.put("k", "v");
    await write.stored;
    await eventually(() => expect(client.outbox.getSnapshot()).toMatchObject({ pending: 1, state: "waiting" }));
    expect(client.outbox.entries[0]).toMatchObject({ id: write.id, verdict: undefined });
    mend();
    const verdict = await write.verdict;
    const { kvs } = await client.kv.range("k");
    expect(verdict).toEqual({ type: "committed", revision: kvs[0]?.modRevision });
    await eventually(() =>
      expect(client.outbox.getSnapshot()).toMatchObject({ pending: 0, state: "idle", reason: "" }),
    );
  });

  test("OB21 a client that comes later, with the same store, sends what the former one left", async () => {
    const mend = cutOff();
    const former = newClient();
    await Promise.all([former.outbox.put("a", "1").stored, former.outbox.delete("b").stored]);
    const lost = former.outbox.put("c", "1");
    await lost.stored;
    void former.close();
    await expect(lost.verdict).rejects.toMatchObject({ message: expect.stringContaining("stays queued") as string });
    mend();
    const next = newClient();
    next.outbox.subscribe(() => {});
    await eventually(() =>
      expect(next.outbox.entries.map(({ verdict }) => verdict?.type)).toEqual(Array(3).fill("committed")),
    );
    expect(await textOf(next, "a")).toBe("1");
  });

  test("OB22 what the application changes after the call is not queued", async () => {
    const client = newClient();
    const value = new Uint8Array([49]);
    const write = client.outbox.put("k", value);
    value[0] = 50;
    await write.verdict;
    expect(await textOf(client, "k")).toBe("1");
  });

  test.each([
    [{ entriesMax: 2 }, "entries"],
    [{ bytesMax: 500 }, "bytes"],
  ])("OB23 with %j a full outbox says so, and what fits is taken", async (limits, limit) => {
    cutOff();
    const client = newClient(limits);
    const kept = [client.outbox.put("a", "1"), client.outbox.put("b", "1")];
    const refused = client.outbox.put("c", "1".repeat(300));
    await Promise.all(kept.map(({ stored }) => stored));
    await expect(refused.stored).rejects.toMatchObject({ name: "OutboxFullError", limit });
    await expect(refused.verdict).rejects.toMatchObject({ name: "OutboxFullError" });
    await eventually(() => expect(client.outbox.getSnapshot().pending).toBe(2));
  });

  test("OB24 without IndexedDB and without a store it says what to do", async () => {
    const client = connect({ endpoint: served.endpoint });
    clients.push(client);
    await expect(client.outbox.put("k", "v").stored).rejects.toThrow("memoryOutboxStore()");
    expect(client.outbox.getSnapshot()).toMatchObject({
      state: "failed",
      reason: expect.stringContaining("IndexedDB") as string,
    });
  });

  test("OB25 a call that makes no sense is not queued, and those behind it are", async () => {
    const client = newClient();
    const wrong = [
      client.outbox.put("", "v"),
      client.outbox.put("k", "v", { ifMatch: "x" }),
      client.outbox.put("k", "v", { onConflict: "merge" }),
      client.outbox.put("k", "v", { expiresIn: 0 }),
      client.outbox.txn({ success: [client.op.range("k")] }),
      client.outbox.txn({ success: [] }),
    ];
    const right = client.outbox.put("k", "v");
    for (const { stored } of wrong) await expect(stored).rejects.toMatchObject({ code: 3 });
    expect((await right.verdict).type).toBe("committed");
    expect(() => client.outbox.update("k", "h", { args: () => {} })).toThrow(/could not be cloned/);
  });

  test("OB26 a discarded write is not sent, and its verdict goes when it is dismissed", async () => {
    const mend = cutOff();
    const client = newClient();
    const write = client.outbox.put("k", "v");
    await write.stored;
    await client.outbox.discard(write.id);
    mend();
    expect(await write.verdict).toMatchObject({ type: "expired" });
    expect(await textOf(client, "k")).toBeUndefined();
    await eventually(() => expect(client.outbox.entries).toHaveLength(1));
    await client.outbox.dismiss();
    await eventually(() => expect(client.outbox.entries).toHaveLength(0));
    expect((await store.read()).meta).toMatchObject({ count: 0, bytes: 0 });
  });

  test("OB27 two thousand writes are there once each, at rising revisions, in far fewer txns", async () => {
    const client = newClient();
    const writes = Array.from({ length: 2_000 }, (_, at) => client.outbox.put(`k/${String(at).padStart(4, "0")}`, "x"));
    const verdicts = await Promise.all(writes.map(({ verdict }) => verdict));
    const revisions = verdicts.map((verdict) => (verdict.type === "committed" ? verdict.revision : 0));
    expect(revisions).toEqual(revisions.toSorted((left, right) => left - right));
    expect(new Set(revisions).size).toBeLessThan(60);
    const { kvs } = await client.kv.range("k/", { prefix: true });
    expect(kvs.map(({ version }) => version)).toEqual(Array(2_000).fill(1));
    // Of the committed ones the newest are kept, and none counts against the limits.
    await eventually(() => expect(client.outbox.entries).toHaveLength(1_000));
    expect((await store.read()).meta).toMatchObject({ count: 0, bytes: 0 });
  });

  test("OB28 with auth a user needs the marker's keys, and the outbox says so until it has them", async () => {
    const { auth } = served.services;
    const root = { token: "", requireLeader: false };
    const user = { name: "ann", password: "secret-of-ann" };
    await auth.userAdd({ name: "root", password: "secret", hashedPassword: "", options: { noPassword: false } }, root);
    await auth.userGrantRole({ user: "root", role: "root" }, root);
    await auth.userAdd({ ...user, hashedPassword: "", options: { noPassword: false } }, root);
    await auth.roleAdd({ name: "app" }, root);
    await auth.userGrantRole({ user: "ann", role: "app" }, root);
    const grant = async (from: string, to: string, token: string): Promise<void> => {
      const [key, rangeEnd] = [new TextEncoder().encode(from), new TextEncoder().encode(to)];
      await auth.roleGrantPermission(
        { name: "app", perm: { permType: "READWRITE", key, rangeEnd } },
        { ...root, token },
      );
    };
    await grant("app/", "app0", "");
    await auth.authEnable({}, root);
    const { token } = await auth.authenticate({ name: "root", password: "secret" }, root);
    const client = newClient({ markerPrefix: "markers/" }, user);
    const write = client.outbox.put("app/k", "v");
    const foreign = client.outbox.put("other/k", "v");
    await eventually(() => expect(client.outbox.getSnapshot().reason).toContain('begin with "markers/"'));
    await grant("markers/", "markers0", token);
    expect((await write.verdict).type).toBe("committed");
    expect(await foreign.verdict).toMatchObject({ type: "refused", reason: "etcdserver: permission denied" });
  });
});

describe("a namespace's outbox", () => {
  test("OB30 encodes values, checks them, and gives handlers values", async () => {
    const client = newClient();
    const numbers = client.namespace<number>("n/", {
      schema: {
        "~standard": {
          version: 1,
          vendor: "test",
          validate: (value) => (typeof value === "number" ? { value } : { issues: [{ message: "no number" }] }),
        },
      },
    });
    numbers.outbox.handle(
      "add",
      (current, { key, intended, args }) => (current ?? 0) + (intended ?? 0) + Number(args) + key.length,
    );
    const bad = numbers.outbox.put("a", "x" as unknown as number);
    await expect(bad.stored).rejects.toMatchObject({ name: "InvalidValueError" });
    await numbers.outbox.put("a", 1).verdict;
    await numbers.outbox.update("a", "add", { args: 10 }).verdict;
    expect((await numbers.get("a"))?.value).toBe(12);
    await numbers.outbox.put("a", 100, { ifMatch: "0", onConflict: "add", args: 1_000 }).verdict;
    expect((await numbers.get("a"))?.value).toBe(1_113);
    expect((await numbers.outbox.delete("a").verdict).type).toBe("committed");
    expect(await numbers.get("a")).toBeUndefined();
  });

  test("OB31 live({ pending }) shows queued writes as pending over what is known, and never as committed", async () => {
    const client = newClient();
    const numbers = client.namespace<number>("n/");
    await numbers.put("a", 1);
    await numbers.put("b", 2);
    const live = numbers.live({ pending: true });
    const bare = numbers.live();
    await Promise.all([live.ready, bare.ready]);
    const mend = cutOff();
    numbers.outbox.handle("double", (current) => (current ?? 0) * 2);
    const writes = [
      numbers.outbox.put("c", 3),
      numbers.outbox.delete("a"),
      numbers.outbox.update("b", "double"),
      numbers.outbox.put("d", 4, { ifMatch: "77" }),
    ];
    await Promise.all(writes.map(({ stored }) => stored));
    await eventually(() => expect(keysOf(live.entries)).toEqual(["b", "c", "d"]));
    expect(live.get("b")).toMatchObject({ value: 4, isPending: true });
    expect(live.get("c")).toMatchObject({ value: 3, isPending: true, etag: "0" });
    expect([...(live.getSnapshot().pendingDeletes ?? [])]).toEqual(["a"]);
    expect(keysOf(bare.entries)).toEqual(["a", "b"]);
    // What is in reach of nobody: a queued put says what will be.
    expect(await numbers.get("c", { pending: true })).toMatchObject({ value: 3, isPending: true });
    mend();
    await Promise.all(writes.map(({ verdict }) => verdict));
    await eventually(() => expect([...live.entries.values()].some(({ isPending }) => isPending)).toBe(false));
    expect([keysOf(live.entries), live.get("b")?.value]).toEqual([["b", "c"], 4]);
    expect(live.getSnapshot().pendingDeletes?.size).toBe(0);
    live.close();
    bare.close();
  });

  test("OB33 a committed write is shown until a state that contains it is known: the value does not jump back", async () => {
    const client = newClient();
    const numbers = client.namespace<number>("n/");
    await numbers.put("a", 1);
    const live = numbers.live({ pending: true });
    await live.ready;
    const seen: (number | undefined)[] = [];
    live.subscribe(() => seen.push(live.get("a")?.value));
    served.intercept = (path, response) => {
      if (!path.includes("watch")) return false;
      response.destroy();
      return true;
    };
    served.breakConnections();
    await eventually(() => expect(live.isStale).toBe(true));
    expect((await numbers.outbox.put("a", 2).verdict).type).toBe("committed");
    await eventually(() => expect(client.outbox.getSnapshot().state).toBe("idle"));
    // What lies over the known state is put together again with each change, so with this one, too.
    await numbers.outbox.put("b", 1).verdict;
    await eventually(() => expect(live.get("b")?.isPending).toBe(true));
    expect(live.get("a")).toMatchObject({ value: 2, isPending: true });
    served.intercept = () => false;
    await eventually(() =>
      expect([live.get("a")?.isPending, live.get("b")?.isPending]).toEqual([undefined, undefined]),
    );
    expect(seen.lastIndexOf(1)).toBeLessThan(seen.indexOf(2));
    live.close();
  });

  test("OB32 list({ pending }) lays them over what it reads", async () => {
    const client = newClient();
    const numbers = client.namespace<number>("n/");
    await numbers.put("a", 1);
    served.intercept = (path, response) => {
      if (!path.includes("txn") && !path.includes("lease")) return false;
      response.destroy();
      return true;
    };
    await numbers.outbox.put("b", 2).stored;
    const { entries } = await numbers.list({ pending: true });
    expect(entries.map(({ key, isPending }) => [key, isPending])).toEqual([
      ["a", undefined],
      ["b", true],
    ]);
    served.intercept = () => false;
  });
});
