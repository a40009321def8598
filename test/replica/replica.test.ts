/** Replicas of a real member: what their readers see, and what becomes of them while the cluster changes or is away. */
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { EtcdError, GrpcCode } from "../../src/protocol/errors.ts";
import { text } from "../../src/client/app/codec.ts";
import type { Live } from "../../src/client/app/live.ts";
import type { ReplicaClient } from "../../src/replica/replica-types.ts";
import { Disk } from "./support/memory-replica-store.ts";
import { ANN, ROOT, World } from "./support/replica-kit.ts";

let world: World;
let disk: Disk;

beforeEach(async () => {
  world = await World.begin();
  disk = new Disk();
});
afterEach(() => world.end());

async function eventually(holds: () => void | Promise<void>): Promise<void> {
  await vi.waitFor(holds, { timeout: 60_000, interval: 5 });
}

const page = (...prefixes: readonly string[]): ReplicaClient => world.replica(prefixes, () => disk.open());

const stateOf = (replica: ReplicaClient): string => replica.connection.getSnapshot().state;
const isCurrent = (replica: ReplicaClient): Promise<void> =>
  eventually(() => expect(stateOf(replica)).toBe("connected"));

/** What the copy has under the prefix, without the network. */
async function held(replica: ReplicaClient, prefix: string): Promise<Readonly<Record<string, string>>> {
  const { entries } = await replica.namespace(prefix, { codec: text }).list({ serializable: true });
  return Object.fromEntries(entries.map(({ key, value }) => [key, value]));
}

function textOf(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

function shown(live: Live<string>): Readonly<Record<string, string>> {
  return Object.fromEntries([...live.entries].map(([key, { value }]) => [key, value]));
}

async function fill(): Promise<void> {
  const { kv } = world.client();
  for (const key of ["a/1", "a/2", "b/1", "c/1"]) await kv.put(key, `first ${key}`);
}

describe("RP reads", () => {
  test("RP1 only its prefixes are held, and reads marked serializable ask nobody", async () => {
    await fill();
    const replica = page("a/", "b/");
    await replica.ready;
    const before = world.ranges.length;
    expect(await held(replica, "a/")).toEqual({ 1: "first a/1", 2: "first a/2" });
    expect(await held(replica, "b/")).toEqual({ 1: "first b/1" });
    const { header, kvs, count } = await replica.kv.range("a/", { prefix: true, serializable: true, limit: 1 });
    expect([header.revision, header.clusterId, kvs.length, count]).toEqual([5, "18364758544493064720", 1, 2]);
    expect(world.ranges.length).toBe(before);
    // All others are the cluster's.
    expect((await replica.kv.range("a/1")).kvs).toHaveLength(1);
    expect((await replica.kv.range("c/1", { serializable: true })).kvs).toHaveLength(1);
    expect((await replica.kv.range("a", { serializable: true, rangeEnd: "b0" })).kvs).toHaveLength(3);
    expect(world.ranges.length).toBe(before + 3);
  });

  test("RP2 what is written comes to the copy, also by the replica's own client, and live maps follow", async () => {
    await fill();
    const replica = page("a/");
    const live = replica.namespace("a/", { codec: text }).live();
    await live.ready;
    expect(shown(live)).toEqual({ 1: "first a/1", 2: "first a/2" });
    await isCurrent(replica);
    await eventually(() => expect(live.isStale).toBe(false));
    const watches = world.watches;
    await replica.kv.put("a/3", "own");
    await world.client().kv.deleteRange("a/1");
    await eventually(() => expect(shown(live)).toEqual({ 2: "first a/2", 3: "own" }));
    expect(live.revision).toBe(replica.replica.getSnapshot().revision);
    expect(world.watches).toBe(watches);
  });

  test("RP3 a txn under two prefixes is seen whole, in the order of the cluster", async () => {
    const { kv, op } = world.client();
    await kv.txn().then(op.put("a/n", "0"), op.put("b/n", "0")).commit();
    const replica = page("a/", "b/");
    await replica.ready;
    await isCurrent(replica);
    const seen = new Set<string>();
    const stop = replica.replica.subscribe(() => {
      void (async () => {
        const [a, b] = await Promise.all([held(replica, "a/"), held(replica, "b/")]);
        seen.add(`${a["n"]} ${b["n"]}`);
      })();
    });
    for (let at = 1; at <= 200; at++) {
      const value = String(at);
      await kv.txn().then(op.put("a/n", value), op.put("b/n", value)).commit();
    }
    await eventually(async () => expect(await held(replica, "b/")).toEqual({ n: "200" }));
    stop();
    expect([...seen].filter((pair) => pair.split(" ")[0] !== pair.split(" ")[1])).toEqual([]);
    expect(seen.size).toBeGreaterThan(1);
  });

  test("RP4 a watch without an old revision is answered here, an older one by the cluster", async () => {
    await fill();
    const replica = page("a/");
    await replica.ready;
    await isCurrent(replica);
    const opened = world.watches;
    const fresh = replica.watch("a/", { prefix: true, prevKv: true });
    await fresh.created;
    expect(world.watches).toBe(opened);
    await world.client().kv.put("a/1", "second");
    const { value } = await fresh.next();
    expect(value?.events.map(({ kv, prevKv }) => [kv.modRevision, replica.toText(prevKv?.value ?? kv.key)])).toEqual([
      [6, "first a/1"],
    ]);
    await fresh.return();
    const old = replica.watch("a/", { prefix: true, startRevision: 2 });
    expect((await old.next()).value?.events[0]?.kv.modRevision).toBe(2);
    expect(world.watches).toBe(opened + 1);
    await old.return();
  });

  test("RP5 a namespace of thousands is listed and read in pages of one revision", async () => {
    const { kv } = world.client();
    await Promise.all(
      Array.from({ length: 3_000 }, (_, at) => kv.put(`a/${String(at).padStart(5, "0")}`, "x".repeat(90))),
    );
    const replica = page("a/");
    await replica.ready;
    expect(new Set(world.ranges.map(({ revision }) => revision)).size).toBe(2);
    expect(world.ranges.length).toBeGreaterThan(3);
    expect(Object.keys(await held(replica, "a/"))).toHaveLength(3_000);
  });
});

describe("RP without WebSockets", () => {
  test.each([["a/"], ["a/", "b/", "c/"]])(
    "RP21 the prefixes %s are watched apart, and are of one revision",
    async (...prefixes) => {
      await fill();
      world.isHalfDuplex = true;
      const replica = page(...prefixes);
      const live = replica.namespace("a/", { codec: text }).live();
      await isCurrent(replica);
      const { kv, op } = world.client();
      for (let at = 0; at < 5; at++) {
        await kv
          .txn()
          .then(op.put("a/n", `${at}`), op.put("b/n", `${at}`))
          .commit();
        await eventually(() => expect(shown(live)["n"]).toBe(`${at}`));
      }
      if (prefixes.length > 1) await eventually(async () => expect((await held(replica, "b/"))["n"]).toBe("4"));
      await isCurrent(replica);
      world.isHalfDuplex = false;
    },
  );

  test("RP22 more prefixes than a browser has connections wait for a WebSocket", async () => {
    await fill();
    world.isHalfDuplex = true;
    const replica = page("a/", "b/", "c/", "d/");
    await eventually(() => expect(replica.connection.getSnapshot().reason).toContain("need a WebSocket"));
    world.isHalfDuplex = false;
    await isCurrent(replica);
  });
});

describe("RP away and back", () => {
  test("RP6 a page that is opened again reads without a network, says since when, and goes on from its revision", async () => {
    await fill();
    const first = page("a/", "b/");
    await first.ready;
    await isCurrent(first);
    await first.close();
    world.cut();
    world.ranges = [];
    const again = page("a/", "b/");
    await again.ready;
    expect(stateOf(again)).toBe("catching-up");
    expect(await held(again, "a/")).toEqual({ 1: "first a/1", 2: "first a/2" });
    const live = again.namespace("b/", { codec: text }).live();
    await live.ready;
    expect([shown(live), live.isStale]).toEqual([{ 1: "first b/1" }, true]);
    await eventually(() => expect(stateOf(again)).toBe("disconnected"));
    const { since, reason } = again.connection.getSnapshot();
    expect(reason).toBe("nobody answers");
    expect(Math.abs(Date.now() - since)).toBeLessThan(120_000);
    expect(since).toBe(disk.mark?.currentAtMs);
    await expect(again.kv.put("a/3", "x")).rejects.toMatchObject({ code: GrpcCode.Unavailable });
    await world.client().kv.put("a/3", "meanwhile");
    world.isReachable = true;
    await isCurrent(again);
    expect(await held(again, "a/")).toEqual({ 1: "first a/1", 2: "first a/2", 3: "meanwhile" });
    // One key was compared, and nothing was listed.
    expect(world.ranges.map(({ rangeEnd }) => rangeEnd.length)).toEqual([0]);
    await eventually(() => expect(live.isStale).toBe(false));
  });

  test("RP7 what was compacted while the page was away is listed again, and replaced at once", async () => {
    await fill();
    const replica = page("a/", "b/");
    const live = replica.namespace("a/", { codec: text }).live();
    await live.ready;
    await isCurrent(replica);
    world.cut();
    const { kv } = world.client();
    await kv.deleteRange("a/1");
    await kv.put("b/2", "new");
    const { header } = await kv.put("a/2", "changed");
    await kv.compact(header.revision);
    await eventually(() => expect(stateOf(replica)).toBe("disconnected"));
    world.isReachable = true;
    await eventually(() => expect(shown(live)).toEqual({ 2: "changed" }));
    await isCurrent(replica);
    expect(await held(replica, "b/")).toEqual({ 1: "first b/1", 2: "new" });
    await eventually(() => expect(disk.keys()).toEqual(["a/2", "b/1", "b/2"]));
  });

  test("RP8 another cluster at the address is copied anew, and nothing of the former stays", async () => {
    await fill();
    const replica = page("a/");
    const live = replica.namespace("a/", { codec: text }).live();
    await live.ready;
    await isCurrent(replica);
    await eventually(() => expect(disk.keys()).toHaveLength(2));
    await world.becomesAnother(0xabcn);
    await world.client().kv.put("a/9", "another");
    await eventually(() => expect(shown(live)).toEqual({ 9: "another" }));
    await isCurrent(replica);
    await eventually(() => expect([disk.mark?.cluster, disk.keys()]).toEqual([0xabcn, ["a/9"]]));
  });

  test("RP8 another cluster counts as another, also when it has the same keys at the same revision", async () => {
    await fill();
    const replica = page("a/");
    await isCurrent(replica);
    await replica.close();
    await world.becomesAnother(0xabcn);
    await fill();
    const again = page("a/");
    await isCurrent(again);
    expect((await again.kv.range("a/1", { serializable: true })).header.clusterId).toBe(String(0xabc));
    await eventually(() => expect(disk.mark?.cluster).toBe(0xabcn));
  });

  test("RP9 the same cluster with another history, as after a restore, is copied anew, at a higher revision too", async () => {
    await fill();
    const first = page("a/");
    await first.ready;
    await isCurrent(first);
    await first.close();
    await world.becomesAnother();
    const { kv } = world.client();
    for (const key of ["x/1", "x/2", "x/3", "x/4", "a/1", "a/8"]) await kv.put(key, "restored");
    const again = page("a/");
    await eventually(async () => expect(await held(again, "a/")).toEqual({ 1: "restored", 8: "restored" }));
    await isCurrent(again);
    await eventually(() => expect(disk.keys()).toEqual(["a/1", "a/8"]));
  });

  test("RP10 the same cluster that went back to an earlier revision is copied anew", async () => {
    await fill();
    const replica = page("a/");
    const live = replica.namespace("a/", { codec: text }).live();
    await live.ready;
    await isCurrent(replica);
    await world.becomesAnother();
    await world.client().kv.put("a/7", "earlier");
    await eventually(() => expect(shown(live)).toEqual({ 7: "earlier" }));
    await world.client().kv.put("a/6", "later");
    await eventually(() => expect(shown(live)).toEqual({ 6: "later", 7: "earlier" }));
    await eventually(() => expect(disk.keys()).toEqual(["a/6", "a/7"]));
  });
});

describe("RP rights", () => {
  test("RP11 a prefix that may not be read any more is gone from memory and disk, and the others go on", async () => {
    await fill();
    const root = await world.withUsers();
    const replica = world.replica(["a/", "b/"], () => disk.open(), { user: ANN });
    await replica.ready;
    await isCurrent(replica);
    const lost = replica.namespace("b/", { codec: text }).live();
    const kept = replica.namespace("a/", { codec: text }).live();
    await Promise.all([lost.ready, kept.ready]);
    await eventually(() => expect(disk.keys()).toEqual(["a/1", "a/2", "b/1"]));
    await root.auth.revokePermission("reader", "b/", { prefix: true });
    await root.kv.put("b/2", "not for her");
    await eventually(() => expect(replica.replica.getSnapshot().denied).toEqual(["b/"]));
    await eventually(() => expect(lost.getSnapshot().error?.code).toBe(GrpcCode.PermissionDenied));
    await expect(held(replica, "b/")).rejects.toMatchObject({ code: GrpcCode.PermissionDenied });
    await eventually(() => expect([disk.keys(), disk.mark?.denied]).toEqual([["a/1", "a/2"], ["b/"]]));
    await root.kv.put("a/3", "hers");
    await eventually(() => expect(shown(kept)).toEqual({ 1: "first a/1", 2: "first a/2", 3: "hers" }));
    expect(kept.getSnapshot().error).toBeUndefined();
    await root.auth.grantPermission("reader", "read", "b/", { prefix: true });
    await eventually(async () => expect(await held(replica, "b/")).toEqual({ 1: "first b/1", 2: "not for her" }));
    expect(replica.replica.getSnapshot().denied).toEqual([]);
  });

  test("RP12 rights that ended while the page was closed are noticed before anything new is shown", async () => {
    await fill();
    const root = await world.withUsers();
    const first = world.replica(["a/", "b/"], () => disk.open(), { user: ANN });
    await first.ready;
    await isCurrent(first);
    await first.close();
    await root.auth.revokePermission("reader", "a/", { prefix: true });
    const again = world.replica(["a/", "b/"], () => disk.open(), { user: ANN });
    await isCurrent(again);
    expect(again.replica.getSnapshot().denied).toEqual(["a/"]);
    await eventually(() => expect(disk.keys()).toEqual(["b/1"]));
    expect(await held(again, "b/")).toEqual({ 1: "first b/1" });
  });

  test("RP13 a user who may read nothing, or is none any more, has no copy", async () => {
    await fill();
    const root = await world.withUsers();
    const stranger = world.replica(["c/"], () => new Disk().open(), { user: ANN });
    await expect(stranger.ready).rejects.toMatchObject({ code: GrpcCode.PermissionDenied });
    expect(stateOf(stranger)).toBe("unavailable");
    const replica = world.replica(["a/"], () => disk.open(), { user: ANN });
    await replica.ready;
    await eventually(() => expect(disk.keys()).toHaveLength(2));
    await root.auth.deleteUser("ann");
    await root.kv.put("a/4", "x");
    await eventually(() => expect([disk.keys(), replica.replica.getSnapshot().denied]).toEqual([[], ["a/"]]));
    await expect(held(replica, "a/")).rejects.toMatchObject({ code: GrpcCode.PermissionDenied });
  });

  test("RP14 root reads all keys", async () => {
    await fill();
    await world.withUsers();
    const replica = world.replica([""], () => disk.open(), { user: ROOT });
    await replica.ready;
    expect(Object.keys(await held(replica, ""))).toEqual(["a/1", "a/2", "b/1", "c/1"]);
  });
});

describe("RP room", () => {
  test("RP15 what is larger than it may be is not held, at the start and later", async () => {
    const { kv } = world.client();
    await kv.put("a/1", "x".repeat(600));
    await kv.put("a/2", "x".repeat(600));
    const small = world.replica(["a/"], () => new Disk().open(), { maxBytes: 1_000 });
    await expect(small.ready).rejects.toMatchObject({ code: GrpcCode.ResourceExhausted });
    expect([stateOf(small), small.replica.getSnapshot().error?.message]).toEqual([
      "stopped",
      expect.stringContaining("more than 1000 bytes"),
    ]);
    const growing = world.replica(["a/"], () => disk.open(), { maxBytes: 2_000 });
    await growing.ready;
    await isCurrent(growing);
    // The same key again and again takes no more than once.
    for (let at = 0; at < 50; at++) await kv.put("a/1", `${at}`.padEnd(600));
    await eventually(async () => expect((await held(growing, "a/"))["1"]?.trim()).toBe("49"));
    expect(stateOf(growing)).toBe("connected");
    for (let at = 0; at < 20; at++) await kv.put(`a/more${at}`, "x".repeat(600));
    await eventually(() => expect(stateOf(growing)).toBe("stopped"));
    expect(growing.replica.getSnapshot().error?.code).toBe(GrpcCode.ResourceExhausted);
  });

  test("RP16 a full disk is told, the copy goes on in memory, and is stored when there is room", async () => {
    await fill();
    disk.isFull = true;
    const replica = page("a/");
    await replica.ready;
    await eventually(() => expect(replica.replica.getSnapshot().storage).toBe("memory"));
    expect(replica.replica.getSnapshot().storageReason).toContain("the disk is full");
    await world.client().kv.put("a/3", "in memory");
    await eventually(async () => expect(Object.keys(await held(replica, "a/"))).toHaveLength(3));
    expect(disk.keys()).toEqual([]);
    disk.isFull = false;
    await eventually(() => expect(disk.keys()).toEqual(["a/1", "a/2", "a/3"]));
    await eventually(() =>
      expect(replica.replica.getSnapshot()).toMatchObject({ storage: "indexeddb", storageReason: "" }),
    );
  });

  test("RP17 without a store the copy is in memory, for the reason that is told", async () => {
    await fill();
    const replica = world.replica(["a/"], () => {
      throw new EtcdError(GrpcCode.Unknown, "no store here");
    });
    await replica.ready;
    expect(Object.keys(await held(replica, "a/"))).toHaveLength(2);
    expect(replica.replica.getSnapshot()).toMatchObject({ storage: "memory", storageReason: "no store here" });
  });
});

describe("RP tabs of one profile", () => {
  test("RP18 two pages keep one copy, whoever is faster", async () => {
    await fill();
    const pages = [page("a/"), page("a/")];
    await Promise.all(pages.map((one) => one.ready));
    await Promise.all(pages.map(isCurrent));
    const { kv } = world.client();
    for (let at = 0; at < 100; at++) {
      await kv.put(`a/${at % 7}`, `${at}`);
      if (at % 5 === 0) await kv.deleteRange(`a/${(at + 3) % 7}`);
    }
    const { kvs } = await kv.range("a/", { prefix: true });
    await eventually(() => {
      const stored = new Map([...disk.pairs.values()].map(({ key, modRevision }) => [textOf(key), modRevision]));
      expect(stored).toEqual(new Map(kvs.map(({ key, modRevision }) => [textOf(key), modRevision])));
    });
    for (const one of pages) expect(await held(one, "a/")).toEqual(await held(pages[0] as ReplicaClient, "a/"));
    expect(pages.map((one) => one.replica.getSnapshot().storage)).toEqual(["indexeddb", "indexeddb"]);
  });

  test("RP23 what changed faster than it is stored is stored all the same", async () => {
    const replica = page("a/");
    await isCurrent(replica);
    await eventually(() => expect(disk.mark).toBeDefined());
    const { kv } = world.client();
    await Promise.all(Array.from({ length: 5_000 }, (_, at) => kv.put(`a/${at % 2_500}`, `${at}`)));
    await eventually(() => expect(disk.keys()).toHaveLength(2_500));
    await eventually(() => expect(disk.mark?.revision).toBe(5_001));
    expect(replica.replica.getSnapshot().storage).toBe("indexeddb");
    expect(disk.replaces).toBe(1);
  });

  test("RP19 whoever forgets deletes it for all, and another page goes on in memory", async () => {
    await fill();
    const pages = [page("a/"), page("a/")] as const;
    await Promise.all(pages.map(isCurrent));
    await eventually(() => expect(disk.keys()).toHaveLength(2));
    await pages[0].replica.forget();
    expect(disk.keys()).toEqual([]);
    expect(stateOf(pages[0])).toBe("closed");
    await eventually(() => expect(pages[1].replica.getSnapshot().storage).toBe("memory"));
    await world.client().kv.put("a/5", "on");
    await eventually(async () => expect(Object.keys(await held(pages[1], "a/"))).toHaveLength(3));
    expect(disk.keys()).toEqual([]);
  });

  test("RP20 a closed replica answers nothing, and keeps what it had stored", async () => {
    await fill();
    const replica = page("a/");
    await replica.ready;
    await replica.close();
    await expect(replica.kv.range("a/1", { serializable: true })).rejects.toMatchObject({ code: GrpcCode.Canceled });
    expect(disk.keys()).toEqual(["a/1", "a/2"]);
    const early = page("b/");
    await early.close();
    await expect(early.ready).rejects.toMatchObject({ code: GrpcCode.Canceled });
  });
});
