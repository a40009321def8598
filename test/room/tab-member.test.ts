/** A tab from start to end with the real member, over storage and network in memory and a registry in this process. */
import { afterEach, expect, test } from "vitest";
import { createClient } from "../../src/client/client.ts";
import type { Client } from "../../src/client/client.ts";
import type { Clock } from "../../src/member/clock.ts";
import { memberOptionsOf } from "../../src/member/flags.ts";
import type { FlaggedOptions } from "../../src/member/flags.ts";
import { memberView } from "../../src/member/services/member-view.ts";
import type { MemberId } from "../../src/protocol/peer/raft-message.ts";
import { MemoryStorage } from "../../src/storage/memory/memory.ts";
import type { MemoryImage } from "../../src/storage/memory/memory.ts";
import { StorageCorruptError } from "../../src/storage/storage-error.ts";
import { RoomRefusal } from "../../src/transport/room.ts";
import { MemoryNetwork } from "../../src/transport/memory.ts";
import { switchableServices } from "../../src/room/switchable-services.ts";
import { TabMember } from "../../src/room/tab-member.ts";
import type { TabState } from "../../src/room/tab-state.ts";
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

const running: TabMember[] = [];

afterEach(() => {
  isStandingStill = false;
  for (const tab of running.splice(0)) tab.stop("stopped", "the test is over");
});

class Profile {
  readonly registry: FakeRegistry;
  readonly #network: MemoryNetwork;
  image: MemoryImage | undefined;
  storage: MemoryStorage | undefined;
  state: TabState = { type: "opening" };
  refuse: Error | undefined;
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
        this.storage = new MemoryStorage(this.image === undefined ? {} : { image: this.image });
        return this.storage;
      },
      deleteStorage: async () => {
        this.image = undefined;
        this.deletions += 1;
      },
      openTransport: async (id: MemberId, onSignalling) => {
        this.registry.online = [...this.registry.online, id];
        onSignalling("open", "others can find this member");
        return Object.assign(this.#network.transportFor(id), { retryNow: () => {} });
      },
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
        for (const look of this.#waiting) look();
      },
    });
    running.push(tab);
    void tab.open();
    return { tab, client: createClient(late.services) };
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
  const network = new MemoryNetwork();
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
