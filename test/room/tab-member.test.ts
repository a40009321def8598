/** A tab from start to end with the real member, over storage and network in memory and a registry in this process. */
import { afterEach, describe, expect, test } from "vitest";
import { concatAll } from "../../src/base/bytes.ts";
import { createClient } from "../../src/client/client.ts";
import type { Client } from "../../src/client/client.ts";
import type { Clock } from "../../src/member/clock.ts";
import { memberOptionsOf } from "../../src/member/flags.ts";
import type { FlaggedOptions } from "../../src/member/flags.ts";
import { memberView } from "../../src/member/services/member-view.ts";
import type { StateTables } from "../../src/mvcc/tables/tables.ts";
import type { Identity } from "../../src/storage/storage.ts";
import { ReadOnlyStorage } from "../../src/storage/common/read-only.ts";
import { MemoryStorage } from "../../src/storage/memory/memory.ts";
import type { MemoryImage } from "../../src/storage/memory/memory.ts";
import { StorageCorruptError, StorageError } from "../../src/storage/storage-error.ts";
import { RoomRefusal } from "../../src/transport/room.ts";
import { MemoryNetwork } from "../../src/transport/memory.ts";
import { newKeyPair, signingKey } from "../../src/transport/greeting/signing-key.ts";
import type { SigningKey } from "../../src/transport/greeting/signing-key.ts";
import { switchableServices } from "../../src/room/common/switchable-services.ts";
import { TabMember } from "../../src/room/member/tab-member.ts";
import type { TabState } from "../../src/room/common/tab-state.ts";
import { FakeRegistry } from "./support/registry.ts";

/** Twenty times as fast as the wall's: an election takes 0.1 s. */
const FAST = 20;
/** Timers that are set meanwhile do not fire. */
let isStandingStill = false;
const clock: Clock = {
  nowMs: () => performance.now() * FAST,
  setTimer(delayMs, fire) {
    if (isStandingStill) return () => {};
    const timer = setTimeout(fire, delayMs / FAST);
    return () => clearTimeout(timer);
  },
  defer: (run) => queueMicrotask(run),
};

/** A tab that never rests would hang the test instead of failing it. */
const OPENINGS_MAX = 100;
const FULL = "The browser gives no more room to this site.";

const running: TabMember[] = [];

afterEach(() => {
  isStandingStill = false;
  for (const tab of running.splice(0)) tab.stop("stopped", "the test is over");
});

/** What the disk of a new member holds that begins with that state. */
async function imageOf(identity: Identity, fill: (tables: StateTables) => void): Promise<MemoryImage> {
  const storage = new MemoryStorage();
  await new Promise<void>((resolve) => storage.bootstrap(identity, () => resolve()));
  const staged = storage.stage();
  fill(staged.tables);
  const confState = {
    voters: [identity.memberId],
    learners: [],
    votersOutgoing: [],
    learnersNext: [],
    autoLeave: false,
  };
  const install = { snapshot: { index: 1, term: 1, confState }, staged };
  const hardState = { term: 1, vote: 0n, commit: 1 };
  await new Promise<void>((resolve) => storage.append({ hardState, entries: [], install }, () => resolve()));
  return storage.crash();
}

/** What a disk holds that is too full to be written, as it is read from a browser's database. */
function readOnly(image: MemoryImage): ReadOnlyStorage | undefined {
  const { identity, log, tables, hardState, appliedAtOpen: applied, sizeBytes } = new MemoryStorage({ image });
  if (identity === undefined) return undefined;
  const held = { log: 0, state: sizeBytes };
  return new ReadOnlyStorage({ identity, log, tables, hardState, applied, held }, new StorageError("quota", FULL));
}

class Profile {
  readonly registry: FakeRegistry;
  readonly #network: MemoryNetwork;
  image: MemoryImage | undefined;
  storage: MemoryStorage | undefined;
  state: TabState = { type: "opening" };
  refuse: Error | undefined;
  refuseReplacing: Error | undefined;
  isFull = false;
  openings = 0;
  readings = 0;
  /** So often a small write fits where a member's do not. */
  roomLies = 0;
  failsFirstWrite = false;
  refuseReading: Error | undefined;
  readonly seen: Set<TabState["type"]> = new Set();
  /** It outlives the store. */
  key: Promise<SigningKey> | undefined;
  refusals = 0;
  deletions = 0;
  readonly #waiting: Set<() => void> = new Set();

  constructor(registry: FakeRegistry, network: MemoryNetwork) {
    this.registry = registry;
    this.#network = network;
  }

  open(settings: FlaggedOptions = {}): { readonly tab: TabMember; readonly client: Client } {
    const late = switchableServices((view) => view ?? ({ id: "0" } as never));
    const tab: TabMember = new TabMember({
      registry: this.registry,
      openStorage: async () => {
        if (this.refuse !== undefined) throw this.refuse;
        this.openings += 1;
        if (this.openings > OPENINGS_MAX) throw new Error("the store is opened again and again");
        if (this.isFull) throw new StorageError("quota", FULL);
        this.storage = new MemoryStorage(this.image === undefined ? {} : { image: this.image });
        if (this.failsFirstWrite) this.storage.failWrites(new StorageError("quota", FULL));
        return this.storage;
      },
      readStorage: async () => {
        this.readings += 1;
        if (this.refuseReading !== undefined) throw this.refuseReading;
        return this.image === undefined ? undefined : readOnly(this.image);
      },
      hasRoom: async () => {
        if (this.roomLies-- > 0) return true;
        if (this.isFull) return false;
        if (this.storage !== undefined) this.image = this.storage.image;
        return true;
      },
      deleteStorage: async () => {
        this.image = undefined;
        this.deletions += 1;
      },
      replaceStorage: async (identity, fill) => {
        // What was there stays there.
        this.image = this.storage?.image;
        if (this.refuseReplacing !== undefined) throw this.refuseReplacing;
        this.image = await imageOf(identity, fill);
      },
      edge: () => undefined,
      openTransport: async ({ memberId: id }, key, _edge, onSignalling) => {
        if (key !== undefined) this.registry.keys.set(id, key.fingerprint);
        this.registry.online = [...this.registry.online, id];
        onSignalling("open", "others can find this member");
        return Object.assign(this.#network.transportFor(id), { retryNow: () => {} });
      },
      ownKey: () => (this.key ??= newKeyPair().then(signingKey)),
      clock,
      settings,
      newId: () => BigInt(Math.floor(Math.random() * 2 ** 48) + 1),
      late,
      onRefused: () => {
        this.refusals += 1;
      },
      onRunning: () => {},
      onChange: (state) => {
        this.state = state;
        this.seen.add(state.type);
        for (const look of this.#waiting) look();
      },
    });
    running.push(tab);
    void tab.open();
    return { tab, client: createClient(late.services) };
  }

  /** From now on nothing can be written. */
  fillDisk(): void {
    this.isFull = true;
    this.storage?.failWrites(new StorageError("quota", FULL));
  }

  /** As a tab that is closed; what its disk holds stays. */
  close(tab: TabMember): void {
    tab.stop("stopped", "closed");
    this.image = this.storage?.crash();
  }

  until(condition: (state: TabState) => boolean): Promise<TabState> {
    return new Promise((resolve) => {
      const look = (): void => {
        if (!condition(this.state)) return;
        this.#waiting.delete(look);
        resolve(this.state);
      };
      this.#waiting.add(look);
      look();
    });
  }
}

function room(): { readonly registry: FakeRegistry; readonly profile: () => Profile } {
  const registry = new FakeRegistry();
  const network = new MemoryNetwork({
    proofOf: (peer) => ({ key: registry.keys.get(peer), knowsSecret: true, invitation: undefined, isHost: false }),
  });
  return { registry, profile: () => new Profile(registry, network) };
}

/** Calls again until it is answered: a member that has not got anywhere yet refuses. */
async function eventually<Value>(call: () => Promise<Value>): Promise<Value> {
  for (;;) {
    try {
      return await call();
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
}

test("the first tab founds the room and confirms it before it serves, the next ones join", async () => {
  const { registry, profile } = room();
  const founder = profile().open();
  await eventually(() => founder.client.kv.put("a", "1"));
  expect(registry.founding).toMatchObject({ confirmed: true, member: `${founder.tab.member?.id}` });
  const [second, third] = [profile().open(), profile().open()];
  expect((await eventually(() => second.client.kv.range("a"))).count).toBe(1);
  expect((await eventually(() => third.client.kv.range("a"))).count).toBe(1);
  expect(new Set([founder, second, third].map(({ tab }) => tab.member?.clusterId)).size).toBe(1);
});

test("a tab that waits before it asks its server again asks at once when the page or its network is back", async () => {
  const { registry, profile } = room();
  registry.isReachable = false;
  isStandingStill = true;
  const lonely = profile();
  const { tab, client } = lonely.open();
  await lonely.until((now) => now.type === "asking" && now.trouble !== undefined);
  registry.isReachable = true;
  isStandingStill = false;
  tab.retryNow();
  await eventually(() => client.kv.put("a", "1"));
});

test("a fresh tab whose server does not answer says so, and goes on when it does", async () => {
  const { registry, profile } = room();
  registry.isReachable = false;
  const lonely = profile();
  const { client } = lonely.open();
  const state = await lonely.until(({ type }) => type === "asking");
  await lonely.until((now) => now.type === "asking" && now.trouble !== undefined);
  expect(state.type).toBe("asking");
  await expect(client.kv.put("a", "1")).rejects.toThrow("has not started");
  registry.isReachable = true;
  await eventually(() => client.kv.put("a", "1"));
});

test("a tab with a past serves without the server, and tells a server that forgot whose room it is", async () => {
  const { registry, profile } = room();
  const home = profile();
  const first = home.open();
  await eventually(() => first.client.kv.put("a", "1"));
  const cluster = first.tab.member?.clusterId;
  home.close(first.tab);
  registry.isReachable = false;
  registry.founding = undefined;
  const again = home.open();
  expect((await eventually(() => again.client.kv.range("a"))).count).toBe(1);
  registry.isReachable = true;
  await eventually(async () => {
    expect(registry.founding).toMatchObject({ cluster: `${cluster}`, confirmed: true });
  });
});

test("a room that became another cluster's is a conflict for a tab with data, and the tab goes on", async () => {
  const { registry, profile } = room();
  const home = profile();
  const first = home.open();
  await eventually(() => first.client.kv.put("a", "1"));
  const cluster = first.tab.member?.clusterId;
  home.close(first.tab);
  registry.founding = { cluster: "77", member: "7", sinceMs: 0, confirmed: true };
  const again = home.open();
  await home.until((state) => state.type === "running" && state.isConflict);
  expect(again.tab.member?.clusterId).toBe(cluster);
  expect((await eventually(() => again.client.kv.range("a"))).count).toBe(1);
  expect(registry.founding.cluster).toBe("77");
  await again.tab.leave();
  expect(home.image).toBeUndefined();
});

test("an empty founding that lost its room to somebody else gives way without asking", async () => {
  const { registry, profile } = room();
  const home = profile();
  const first = home.open();
  await home.until(({ type }) => type === "running");
  const former = first.tab.member?.clusterId;
  home.close(first.tab);
  registry.founding = undefined;
  const other = profile().open();
  await eventually(() => other.client.kv.put("theirs", "1"));
  const again = home.open();
  expect((await eventually(() => again.client.kv.range("theirs"))).count).toBe(1);
  expect(again.tab.member?.clusterId).not.toBe(former);
});

test("who waits in vain may found the room anew, and nobody else may make it forget", async () => {
  const { registry, profile } = room();
  registry.founding = { cluster: "77", member: "7", sinceMs: 0, confirmed: true };
  const waiting = profile();
  const { tab, client } = waiting.open();
  await waiting.until((state) => state.type === "running" && state.room !== undefined);
  await tab.foundAnew();
  await eventually(() => client.kv.put("new", "1"));
  expect(registry.founding).toMatchObject({ cluster: `${tab.member?.clusterId}`, confirmed: true });
  const before = registry.founding;
  await tab.foundAnew();
  expect(registry.founding).toEqual(before);
});

type Opened = ReturnType<Profile["open"]>;

/** A room of three voters, of which two are closed for good. */
async function withoutQuorum(network?: MemoryNetwork): Promise<{
  readonly registry: FakeRegistry;
  readonly last: Profile;
  readonly tab: TabMember;
  readonly client: Client;
  readonly gone: readonly Profile[];
}> {
  const registry = new FakeRegistry();
  const shared = network ?? new MemoryNetwork();
  const [last, ...gone] = [1, 2, 3].map(() => new Profile(registry, shared)) as [Profile, Profile, Profile];
  const { tab, client } = last.open();
  await eventually(() => client.kv.put("kept", "1"));
  const others = gone.map((profile) => profile.open());
  await eventually(async () => expect((await client.status()).members.filter((one) => !one.learner)).toHaveLength(3));
  await client.kv.put("kept", "2");
  gone.forEach((profile, at) => profile.close((others[at] as { readonly tab: TabMember }).tab));
  await eventually(async () => expect((await client.status()).problem?.code).toBe("no-quorum"));
  return { registry, last, tab, client, gone };
}

const textAt = async (client: Client, key: string): Promise<string | undefined> => {
  const { kvs } = await client.kv.range(key);
  return kvs[0] === undefined ? undefined : client.toText(kvs[0].value);
};

test("a room that lost its quorum for good goes on from one tab's data, as another cluster that the former members see", async () => {
  const frames: Uint8Array[] = [];
  const network = new MemoryNetwork({
    schedule: ({ frame, deliver }) => {
      if (frame.length > 0) frames.push(frame);
      queueMicrotask(deliver);
    },
  });
  const { registry, tab, client, gone } = await withoutQuorum(network);
  const former = await client.status();
  await tab.recover();
  await eventually(() => client.kv.put("after", "1"));
  expect(await textAt(client, "kept")).toBe("2");
  const status = await client.status();
  expect(status.clusterId).not.toBe(former.clusterId);
  expect(status.id).not.toBe(former.id);
  expect(status.members.map(({ id }) => id)).toEqual([status.id]);
  expect(status.revision).toBe(former.revision + 1);
  await eventually(async () => expect(registry.founding).toMatchObject({ cluster: status.clusterId, confirmed: true }));

  // Whatever the former members have ever said to each other means nothing to the new one.
  const { member } = tab;
  if (member === undefined) throw new Error("the tab has a member");
  const rejected = member.counters.framesRejected;
  const before = member.status();
  const said = [...frames];
  expect(said.length).toBeGreaterThan(50);
  for (const from of [...former.members.map(({ id }) => BigInt(id)), 99n]) {
    for (const frame of said) network.post(from, member.id, frame);
  }
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(member.counters.framesRejected - rejected).toBe(said.length * 4);
  expect(member.status()).toMatchObject({ term: before.term, role: "leader", confState: before.confState });

  // They were two of three, and are a cluster still; each has its own.
  const back = gone.map((profile) => profile.open());
  await Promise.all(gone.map((profile) => profile.until((state) => state.type === "running" && state.isConflict)));
  const old = (back[0] as { readonly client: Client }).client;
  await eventually(() => old.kv.put("kept", "theirs"));
  expect(await textAt(client, "kept")).toBe("2");
  expect(await textAt(old, "after")).toBeUndefined();
  expect((await old.status()).clusterId).toBe(former.clusterId);
});

test("a recovery that cannot be stored, or whose room cannot be taken, leaves the member as it was", async () => {
  const { registry, last, tab, client } = await withoutQuorum();
  const { id, clusterId } = await client.status();
  registry.isReachable = false;
  await expect(tab.recover()).rejects.toThrow("could not be asked");
  registry.isReachable = true;
  last.refuseReplacing = new Error("no more room");
  await expect(tab.recover()).rejects.toThrow("no more room");
  await eventually(async () => expect(await client.status()).toMatchObject({ id, clusterId }));
  await expect(tab.recover(new Uint8Array(4096))).rejects.toThrow(/bbolt|etcd/);
  expect(await client.status()).toMatchObject({ id, clusterId });
});

test("a snapshot is restored into a room: its keys replace all others, and revisions go on above the former ones", async () => {
  const source = room().profile().open();
  await eventually(() => source.client.kv.put("from", "a snapshot"));
  const parts: Uint8Array[] = [];
  for await (const part of source.client.maintenance.snapshot()) parts.push(part);
  const { tab, client } = room().profile().open();
  for (let at = 0; at < 5; at++) await eventually(() => client.kv.put("former", `${at}`));
  const { revision, clusterId } = await client.status();
  await tab.recover(concatAll(parts));
  expect(await eventually(() => textAt(client, "from"))).toBe("a snapshot");
  expect(await textAt(client, "former")).toBeUndefined();
  const status = await client.status();
  expect(status.revision).toBeGreaterThan(revision);
  expect(status.clusterId).not.toBe(clusterId);
  const damaged = concatAll(parts);
  damaged[5_000] = (damaged[5_000] ?? 0) ^ 1;
  await expect(tab.recover(damaged)).rejects.toThrow("damaged");
  expect((await client.status()).clusterId).toBe(status.clusterId);
});

test("a profile that lost its store replaces the voter that it was at once, because it still has its key", async () => {
  const { profile } = room();
  const profiles = [profile(), profile(), profile()] as const;
  const [first, , lost] = profiles.map((one) => one.open()) as [Opened, Opened, Opened];
  const votersOf = async ({ client }: Opened): Promise<readonly string[]> =>
    (await client.status()).members.filter(({ learner }) => !learner).map(({ id }) => id);
  await eventually(async () => expect(await votersOf(first)).toHaveLength(3));
  const former = `${lost.tab.member?.id}`;
  profiles[2].close(lost.tab);
  profiles[2].image = undefined;
  const again = profiles[2].open();
  // The autopilot alone would leave it as a learner.
  await eventually(async () => {
    expect((await first.client.status()).members.map(({ id }) => id)).not.toContain(former);
    expect(await votersOf(first)).toContain(`${again.tab.member?.id}`);
  });
});

test("a member keeps to its room's settings", async () => {
  const settings = memberOptionsOf((flag) => (flag === "max-txn-ops" ? "1" : undefined));
  const { client, tab } = room().profile().open(settings);
  await eventually(() => client.kv.put("a", "1"));
  const two = client.kv.txn().then(client.op.put("a", "2"), client.op.put("b", "2"));

  await expect(two.commit()).rejects.toThrow("etcdserver: too many operations in txn request");
  expect(tab.member?.settings.limits.txnOperations).toBe(1);
});

test("a store that cannot be opened stops the tab with its reason, and every call with it", async () => {
  const { profile } = room();
  const broken = profile();
  broken.refuse = new StorageCorruptError("log", "3", "checksum");
  const { client } = broken.open();
  const state = await broken.until(({ type }) => type === "stopped");
  expect(state).toMatchObject({ code: "storage", isDamaged: true });
  await expect(client.kv.put("a", "1")).rejects.toMatchObject({ code: 9 });
  await expect(client.kv.range("a", { serializable: true })).rejects.toThrow("damaged");
});

test("a stopped tab's member sends and writes nothing any more", async () => {
  const { profile } = room();
  const home = profile();
  const { tab, client } = home.open();
  await eventually(() => client.kv.put("a", "1"));
  const { member } = tab;
  tab.stop("stopped", "Another tab of this browser has taken this room over.");
  expect(tab.member).toBeUndefined();
  await expect(client.kv.put("a", "2")).rejects.toThrow("taken this room over");
  expect(member === undefined ? "" : memberView(member).problem?.code).toBe("stopped");
});

test("a tab that the registry refuses stops at once, says why, and keeps nothing", async () => {
  const { registry, profile } = room();
  registry.refusal = "key-wrong";
  const stranger = profile();
  const { client } = stranger.open();
  const state = await stranger.until(({ type }) => type === "stopped");
  expect(state).toMatchObject({ code: "refused", text: expect.stringContaining("nothing of the room is shown") });
  expect([stranger.refusals, stranger.deletions, registry.founding]).toEqual([1, 1, undefined]);
  await expect(client.kv.put("key", "value")).rejects.toThrow("not the secret of this room");
});

test("a founder whose claim was taken over meanwhile throws its cluster away", async () => {
  const { registry, profile } = room();
  registry.confirm = async () => {
    registry.refusal = "key-wrong";
    throw new RoomRefusal("key-wrong");
  };
  const founder = profile();
  founder.open();
  expect(await founder.until(({ type }) => type === "stopped")).toMatchObject({ code: "refused" });
  expect([founder.refusals, founder.deletions]).toEqual([1, 1]);
});

test("a member with a past goes on by itself where the registry refuses it, and says so", async () => {
  const { registry, profile } = room();
  const founder = profile();
  const first = founder.open();
  await eventually(() => first.client.kv.put("key", "value"));
  founder.close(first.tab);
  registry.refusal = "key-wrong";
  const again = founder.open();
  await eventually(() => again.client.kv.put("key", "more"));
  const state = await founder.until((now) => now.type === "running" && now.roomTrouble !== undefined);
  expect(state).toMatchObject({ roomTrouble: "the room is closed by another secret" });
  expect([founder.refusals, founder.deletions]).toEqual([0, 0]);
});

describe("a full disk", () => {
  test("stops no reads of what is here, and the member goes on as it was when there is room, in the same tab", async () => {
    const { profile } = room();
    const home = profile();
    const { tab, client } = home.open();
    await eventually(() => client.kv.put("a", "1"));
    const id = tab.member?.id;
    home.seen.clear();
    home.fillDisk();
    const message = expect.stringContaining(`${FULL} This write was proposed before`);
    await expect(client.kv.put("a", "2")).rejects.toMatchObject({ code: 8, message });
    expect((await client.kv.range("a", { serializable: true })).kvs[0]?.version).toBe(1);
    await expect(client.kv.range("a")).rejects.toMatchObject({ code: 8, message: FULL });
    await expect(client.kv.put("a", "3")).rejects.toMatchObject({ code: 8, message: FULL });
    expect((await client.status()).problem).toMatchObject({ code: "disk-full", text: FULL });
    expect(home.state.type).toBe("running");
    home.isFull = false;
    await eventually(() => client.kv.put("a", "4"));
    expect(tab.member?.id).toBe(id);
    // The page would forget the member whose memory answers.
    expect([...home.seen]).toEqual(["running"]);
    // Of the write that found no room nothing is left.
    expect((await client.kv.range("a")).kvs[0]?.version).toBe(2);
  });

  test("of a leader stops no writes of the others: it comes back to them as it was", async () => {
    const { profile } = room();
    const home = profile();
    const first = home.open();
    await eventually(() => first.client.kv.put("a", "1"));
    const others = [profile().open(), profile().open()];
    for (const { client } of others) await eventually(() => client.kv.range("a"));
    await eventually(async () => {
      const { members } = await first.client.status();
      expect(members.filter(({ learner }) => !learner)).toHaveLength(3);
    });
    const leader = first.tab.member;
    expect(leader?.leader).toBe(leader?.id);
    home.fillDisk();
    const [one, two] = others;
    await expect(first.client.kv.put("a", "2")).rejects.toThrow(FULL);
    await eventually(() => Promise.resolve(one?.client.kv.put("b", "1")));
    expect((await two?.client.kv.range("b"))?.count).toBe(1);
    home.isFull = false;
    expect((await eventually(() => first.client.kv.range("b"))).count).toBe(1);
    expect(first.tab.member?.id).toBe(leader?.id);
  });

  test("keeps a tab that has no copy in memory outside, with the reason, until there is room", async () => {
    const { profile } = room();
    const home = profile();
    home.isFull = true;
    const { client } = home.open();
    expect(await home.until((now) => now.type === "opening" && now.trouble !== undefined)).toMatchObject({
      trouble: FULL,
    });
    await expect(client.kv.put("a", "1")).rejects.toMatchObject({ code: 14, message: FULL });
    home.isFull = false;
    await eventually(() => client.kv.put("a", "1"));
  });

  test("when the room is opened leaves what is stored to be read and watched, and the tab goes on by itself when there is room", async () => {
    const { registry, profile } = room();
    const home = profile();
    const first = home.open();
    await eventually(() => first.client.kv.put("a", "1"));
    await eventually(() => first.client.kv.put("a", "2"));
    const id = first.tab.member?.id;
    home.close(first.tab);
    const online = registry.online.length;
    home.isFull = true;
    const { tab, client } = home.open();
    await home.until(({ type }) => type === "running");
    expect((await client.kv.range("a", { serializable: true })).kvs[0]?.version).toBe(2);
    expect((await client.status()).problem).toMatchObject({ code: "disk-full", text: FULL });
    await expect(client.kv.put("a", "3")).rejects.toMatchObject({ code: 8, message: FULL });
    await expect(client.kv.range("a")).rejects.toMatchObject({ code: 8, message: FULL });
    expect([registry.online.length, home.storage?.pendingWrites]).toEqual([online, 0]);
    const seen: number[] = [];
    const watcher = client.watch("a", { startRevision: 1 });
    const watching = (async (): Promise<void> => {
      for await (const { events } of watcher) {
        seen.push(...events.map(({ kv }) => kv.modRevision));
        if (seen.length === 3) break;
      }
    })();
    await eventually(async () => expect(seen).toEqual([2, 3]));
    home.seen.clear();
    home.isFull = false;
    await eventually(() => client.kv.put("a", "3"));
    await watching;
    expect(seen).toEqual([2, 3, 4]);
    expect(tab.member?.id).toBe(id);
    // Nobody is told of the attempts to open it.
    expect([...home.seen]).toEqual(["running"]);
  });

  test("when the room is opened is asked for again while what is stored is read, and read once", async () => {
    const { profile } = room();
    const home = profile();
    const first = home.open();
    await eventually(() => first.client.kv.put("a", "1"));
    home.close(first.tab);
    home.isFull = true;
    home.roomLies = 3;
    const { client } = home.open();
    const before = home.openings;
    await eventually(async () => expect(home.openings).toBeGreaterThan(before + 2));
    expect(home.readings).toBe(1);
    expect((await client.kv.range("a", { serializable: true })).count).toBe(1);
  });

  test("of which the first write of an opened store hears leaves all of its log to be read", async () => {
    const { profile } = room();
    const home = profile();
    const first = home.open();
    await eventually(() => first.client.kv.put("a", "1"));
    home.close(first.tab);
    home.failsFirstWrite = true;
    const { client } = home.open();
    await eventually(async () => expect((await client.status()).problem).toMatchObject({ code: "disk-full" }));
    expect((await client.kv.range("a", { serializable: true })).count).toBe(1);
    home.failsFirstWrite = false;
    await eventually(() => client.kv.put("a", "2"));
  });

  test("and a store that is damaged stop the tab, as without a full disk", async () => {
    const { profile } = room();
    const home = profile();
    home.isFull = true;
    home.refuseReading = new StorageCorruptError("log", "3", "checksum");
    home.open();
    expect(await home.until(({ type }) => type === "stopped")).toMatchObject({ code: "storage", isDamaged: true });
  });

  test("and a tab that is closed while it reads end with it: nobody answers any more", async () => {
    const { profile } = room();
    const home = profile();
    const first = home.open();
    await eventually(() => first.client.kv.put("a", "1"));
    home.close(first.tab);
    home.isFull = true;
    const { tab, client } = home.open();
    await home.until(({ type }) => type === "running");
    const { member } = tab;
    await tab.close("closed");
    await expect(client.kv.range("a", { serializable: true })).rejects.toThrow("closed");
    expect(member?.problem?.code).toBe("stopped");
    expect(home.image).toBeDefined();
  });

  test("is not looked at any more by a tab that was closed meanwhile", async () => {
    const { profile } = room();
    const home = profile();
    home.isFull = true;
    const { tab } = home.open();
    await home.until((now) => now.type === "opening" && now.trouble !== undefined);
    await tab.close("closed");
    expect(home.openings).toBeLessThan(OPENINGS_MAX);
    expect(home.state).toMatchObject({ type: "stopped", text: "closed" });
  });

  test("is looked at again at once when the page or its network is back", async () => {
    const { profile } = room();
    const home = profile();
    const { tab, client } = home.open();
    await eventually(() => client.kv.put("a", "1"));
    home.fillDisk();
    isStandingStill = true;
    await expect(client.kv.put("a", "2")).rejects.toThrow(FULL);
    await new Promise((resolve) => setTimeout(resolve, 20));
    home.isFull = false;
    isStandingStill = false;
    tab.retryNow();
    await eventually(() => client.kv.put("a", "3"));
  });
});
