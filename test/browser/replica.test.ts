/** Replicas on a real IndexedDB, of a real member in this page. */
import { openDB } from "idb";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { text } from "../../src/client/app/codec.ts";
import type { ReplicaClient } from "../../src/replica/replica-types.ts";
import { indexedDbReplicaStore } from "../../src/replica/store/indexeddb-replica-store.ts";
import type { ReplicaStore } from "../../src/replica/store/replica-store.ts";
import { describeReplicaStore } from "../contract/replica-store.ts";
import { World } from "../replica/support/replica-kit.ts";

let names: string[] = [];
let opened: ReplicaStore[] = [];

function newName(): string {
  const name = `quorate/replica/test/${crypto.randomUUID()}`;
  names.push(name);
  return name;
}

async function open(name: string): Promise<ReplicaStore> {
  const store = await indexedDbReplicaStore(name);
  opened.push(store);
  return store;
}

afterEach(() => {
  for (const store of opened.splice(0)) store.close();
  for (const name of names.splice(0)) indexedDB.deleteDatabase(name);
});

describeReplicaStore("IndexedDB", async () => {
  const name = newName();
  return () => open(name);
});

describe("RI a replica's database", () => {
  let world: World;
  let name: string;

  beforeEach(async () => {
    world = await World.begin();
    name = newName();
    const { kv } = world.client();
    for (const key of ["a/1", "a/2", "a/3"]) await kv.put(key, `first ${key}`);
  });
  afterEach(() => world.end());

  async function page(): Promise<ReplicaClient> {
    const store = await open(name);
    return world.replica(["a/"], () => store);
  }

  async function stored(): Promise<void> {
    const replica = await page();
    await vi.waitFor(() => expect(replica.connection.getSnapshot().state).toBe("connected"), { timeout: 60_000 });
    await replica.close();
  }

  async function held(replica: ReplicaClient): Promise<readonly string[]> {
    const { entries } = await replica.namespace("a/", { codec: text }).list({ serializable: true });
    return entries.map(({ key, value }) => `${key}=${value}`);
  }

  const ALL = ["1=first a/1", "2=first a/2", "3=first a/3"];

  test("RI1 another page reads it without a network", async () => {
    await stored();
    world.cut();
    const again = await page();
    await again.ready;
    expect(await held(again)).toEqual(ALL);
    expect(again.replica.getSnapshot()).toMatchObject({ storage: "indexeddb", revision: 4 });
  });

  const key = new TextEncoder().encode("a/2");
  const good = { value: key, createRevision: 3, modRevision: 3, version: 1, lease: "0" };
  const damages: readonly (readonly [string, string, IDBValidKey, unknown])[] = [
    ["a row that is none", "pairs", key, "gone"],
    ["a value that is text", "pairs", key, { ...good, value: "text" }],
    ["a revision after the copy's", "pairs", key, { ...good, modRevision: 5 }],
    ["a revision before its creation", "pairs", key, { ...good, createRevision: 4 }],
    ["a version of a deleted key", "pairs", key, { ...good, version: 0 }],
    ["a lease that is no number", "pairs", key, { ...good, lease: "many" }],
    ["another size", "pairs", key, good],
    ["one key more", "pairs", new TextEncoder().encode("a/4"), good],
    ["a key of nobody", "pairs", new TextEncoder().encode("b/4"), good],
    ["a key that is text", "pairs", "a/4", good],
    ["a mark that is none", "mark", "copy", 7],
    ["another format", "mark", "copy", { format: 2 }],
    ["a wrong cluster", "mark", "copy", { format: 1, cluster: "x", revision: 4, denied: [], currentAtMs: 1 }],
    [
      "numbers without end",
      "mark",
      "copy",
      { format: 1, cluster: "1", revision: 4, denied: [], currentAtMs: 1, pairCount: 1e15, pairBytes: 3 },
    ],
  ];

  test.each(damages)("RI2 a copy with %s is not believed, but listed anew", async (_, store, at, row) => {
    await stored();
    const database = await openDB(name);
    await database.put(store, row, at);
    database.close();
    world.cut();
    const offline = await page();
    await vi.waitFor(() => expect(offline.replica.getSnapshot().storage).toBe("indexeddb"), { timeout: 60_000 });
    expect(offline.replica.getSnapshot().revision).toBe(0);
    world.isReachable = true;
    await offline.ready;
    expect(await held(offline)).toEqual(ALL);
    await offline.close();
    world.cut();
    const again = await page();
    await again.ready;
    expect(await held(again)).toEqual(ALL);
  });

  test("RI3 a row less is noticed", async () => {
    await stored();
    const database = await openDB(name);
    await database.delete("pairs", key);
    database.close();
    world.cut();
    const offline = await page();
    await vi.waitFor(() => expect(offline.replica.getSnapshot().storage).toBe("indexeddb"), { timeout: 60_000 });
    expect(offline.replica.getSnapshot().revision).toBe(0);
  });

  test("RI4 a database of a newer version is left alone, and the copy is in memory", async () => {
    (await openDB(name, 9)).close();
    const store = indexedDbReplicaStore(name);
    await expect(store).rejects.toMatchObject({
      kind: "failed",
      message: expect.stringContaining("newer version") as string,
    });
  });

  test("RI5 when the site's data are cleared, the page goes on in memory and says so", async () => {
    const replica = await page();
    await vi.waitFor(() => expect(replica.connection.getSnapshot().state).toBe("connected"), { timeout: 60_000 });
    await new Promise((resolve) => {
      indexedDB.deleteDatabase(name).onsuccess = resolve;
    });
    await vi.waitFor(() => expect(replica.replica.getSnapshot().storage).toBe("memory"), { timeout: 60_000 });
    expect(replica.replica.getSnapshot().storageReason).toContain("deleted");
    await world.client().kv.put("a/5", "on");
    await vi.waitFor(async () => expect(await held(replica)).toHaveLength(4), { timeout: 60_000 });
  });
});
