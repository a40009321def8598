import { beforeEach, describe, expect, test, vi } from "vitest";
import { QuorumFirst } from "../../../src/member/peer/quorum-first.ts";
import { putRequest, rangeRequest } from "../../../src/protocol/api/kv.ts";
import type {
  AppendMessage,
  ConfState,
  Entry,
  HeartbeatMessage,
  RaftMessage,
} from "../../../src/protocol/peer/raft-message.ts";
import { CALL, Cluster } from "../support/cluster.ts";
import { VirtualClock } from "../support/virtual-clock.ts";

const DELAY_MS = 20;
const NOTHING = { committed: [], hasReads: false };
const READS = { committed: [], hasReads: true };

function entry(index: number, type: "normal" | "conf-change" = "normal", bytes = 1): Entry {
  return { type, term: 2, index, data: new Uint8Array(bytes) };
}

function append(to: bigint, index: number, bytes = 1): AppendMessage {
  const entries = [entry(index, "normal", bytes)];
  return { type: "append", from: 1n, to, term: 2, prevIndex: index - 1, prevTerm: 2, entries, commit: 0 };
}

/** What ends at `index` is committed. */
function committed(index: number): { readonly committed: readonly Entry[]; readonly hasReads: boolean } {
  return { committed: [entry(index)], hasReads: false };
}

function heartbeat(to: bigint, context: number): HeartbeatMessage {
  const bytes = context === 0 ? new Uint8Array(0) : Uint8Array.of(context);
  return { type: "heartbeat", from: 1n, to, term: 2, commit: 0, context: bytes };
}

class World {
  readonly clock = new VirtualClock();
  readonly sent: RaftMessage[] = [];
  readonly asking: Set<bigint> = new Set();
  conf: ConfState = {
    voters: [1n, 2n, 3n],
    votersOutgoing: [],
    learners: [],
    learnersNext: [],
    autoLeave: false,
  };
  readonly first: QuorumFirst;

  constructor(delayMs = DELAY_MS) {
    this.first = new QuorumFirst({
      id: 1n,
      delayMs,
      clock: this.clock,
      send: (messages) => this.sent.push(...messages),
      confState: () => this.conf,
      isAsking: (follower) => this.asking.has(follower),
    });
    this.first.holdBack([], READS);
  }

  /** To whom the appends of an entry leave at once. */
  appended(index: number, peers: readonly bigint[] = [2n, 3n]): readonly bigint[] {
    return this.first
      .holdBack(
        peers.map((to) => append(to, index)),
        NOTHING,
      )
      .map(({ to }) => to);
  }
}

let world: World;

beforeEach(() => {
  world = new World();
});

describe("M71 an append", () => {
  test("leaves at once to as many voters as a majority needs, and those of the others leave together", async () => {
    for (let index = 1; index <= 5; index++) {
      expect(world.appended(index)).toEqual([2n]);
      await world.clock.advance(2);
      world.first.holdBack([], committed(index));
    }
    expect(world.sent).toEqual([]);
    await world.clock.advance(DELAY_MS);
    expect(world.sent).toEqual([1, 2, 3, 4, 5].map((index) => append(3n, index)));
    expect(world.clock.timerCount).toBe(0);
  });

  test("leaves to the others when the majority is late, who then are needed", async () => {
    expect(world.appended(1)).toEqual([2n]);
    await world.clock.advance(14);
    expect(world.sent).toEqual([]);
    await world.clock.advance(1);
    expect(world.sent).toEqual([append(3n, 1)]);
    expect(world.appended(2)).toEqual([3n]);
  });

  test("is late after three times the usual time, in whole milliseconds", async () => {
    const setTimer = vi.spyOn(world.clock, "setTimer");
    for (let index = 1; index <= 40; index++) {
      world.appended(index);
      await world.clock.advance(1);
      world.first.holdBack([], committed(index));
    }
    await world.clock.advance(2 * DELAY_MS);
    world.sent.length = 0;
    world.appended(41);
    await world.clock.advance(5);
    expect(world.sent).toEqual([append(3n, 41)]);
    expect(setTimer.mock.calls.map(([delayMs]) => delayMs % 1)).toEqual(setTimer.mock.calls.map(() => 0));
  });

  test("of five voters leaves to two", () => {
    world.conf = { ...world.conf, voters: [1n, 2n, 3n, 4n, 5n] };
    expect(world.appended(1, [2n, 3n, 4n, 5n])).toEqual([2n, 3n]);
  });

  test.each([
    ["two voters", { voters: [1n, 2n] }, [2n]],
    ["a joint configuration", { votersOutgoing: [1n, 2n, 3n, 4n] }, [2n, 3n]],
    ["a leader that was removed", { voters: [2n, 3n, 4n] }, [2n, 3n]],
    ["learners", { voters: [1n, 2n], learners: [3n] }, [2n, 3n]],
  ])("waits for nothing with %s", (_, conf, peers) => {
    world.conf = { ...world.conf, ...conf };
    expect(world.appended(1, peers)).toEqual(peers);
  });

  test("waits for nothing to a follower whose clients may wait, while the configuration changes, and without a delay", () => {
    world.asking.add(3n);
    expect(world.appended(1)).toEqual([2n, 3n]);
    world.asking.clear();
    const urgent = { committed: [entry(1, "conf-change")], hasReads: false };
    expect(world.first.holdBack([append(3n, 2)], urgent)).toEqual([append(3n, 2)]);
    expect(new World(0).appended(1)).toEqual([2n, 3n]);
  });

  test("waits for nothing after a pause, until a majority has answered", async () => {
    await world.clock.advance(1_001);
    expect(world.appended(1)).toEqual([2n, 3n]);
    expect(world.appended(2)).toEqual([2n, 3n]);
    world.first.holdBack([], committed(1));
    expect(world.appended(3)).toEqual([2n]);
  });

  test("of many or large ones leaves at once, with those that waited, in order", () => {
    for (let index = 1; index < 64; index++) expect(world.appended(index, [3n])).toEqual([]);
    expect(world.first.holdBack([append(3n, 64)], NOTHING).length).toBe(64);
    expect(world.appended(65, [3n])).toEqual([]);
    const large = append(3n, 66, 128 * 1024);
    expect(world.first.holdBack([large], NOTHING)).toEqual([append(3n, 65), large]);
    expect(world.sent).toEqual([]);
  });

  test("is not overtaken by a message of another kind, and is dropped with its leader", async () => {
    world.appended(1, [3n]);
    const timeoutNow: RaftMessage = { type: "timeout-now", from: 1n, to: 3n, term: 2, lastIndex: 1, lastTerm: 2 };
    expect(world.first.holdBack([timeoutNow], NOTHING)).toEqual([append(3n, 1), timeoutNow]);
    world.appended(2, [3n]);
    world.first.reset();
    await world.clock.advance(1_000);
    expect([world.sent, world.clock.timerCount]).toEqual([[], 0]);
  });
});

describe("M71 a heartbeat", () => {
  test("of a read leaves to a majority; of those that wait the newest leaves, when the reads are done", async () => {
    for (let read = 1; read <= 5; read++) {
      expect(world.first.holdBack([heartbeat(2n, read), heartbeat(3n, read)], NOTHING)).toEqual([heartbeat(2n, read)]);
      await world.clock.advance(1);
      world.first.holdBack([], READS);
    }
    expect(world.sent).toEqual([]);
    await world.clock.advance(DELAY_MS);
    expect(world.sent).toEqual([heartbeat(3n, 5)]);
  });

  test("of a tick leaves to all at once, behind nothing that waits", () => {
    world.appended(1, [3n]);
    const beats = [heartbeat(2n, 0), heartbeat(3n, 0)];
    expect(world.first.holdBack(beats, NOTHING)).toEqual(beats);
  });
});

describe("a cluster", () => {
  test("M71 sends a spare voter a fraction of the frames of sequential puts, and all have everything soon", async () => {
    const cluster = await Cluster.founded(3, { spareDelayMs: DELAY_MS });
    const leader = await cluster.elected();
    const framesOf = (): readonly number[] =>
      [...cluster.nodes.values()].filter((node) => node !== leader).map(({ member }) => member.counters.framesReceived);
    const before = framesOf();
    for (let at = 0; at < 50; at++) {
      await cluster.settled(leader.services.kv.put(putRequest({ key: new Uint8Array([at]) }), CALL));
    }
    const frames = framesOf()
      .map((count, at) => count - (before[at] ?? 0))
      .toSorted((one, two) => one - two);
    expect(frames[0]).toBeLessThan((frames[1] ?? 0) / 2);
    await cluster.clock.advance(100);
    for (const { member } of cluster.nodes.values()) expect(member.applied).toBe(leader.member.applied);
  });

  test.each([0, 1])("M71 serves writes and reads when follower %i is cut off", async (at) => {
    const cluster = await Cluster.founded(3, { spareDelayMs: DELAY_MS });
    const leader = await cluster.elected();
    const cut = [...cluster.nodes.keys()].filter((id) => id !== leader.id)[at] ?? 0n;
    for (const id of cluster.nodes.keys()) if (id !== cut) cluster.network.setLink(id, cut, false);
    const sinceMs = cluster.clock.nowMs();
    for (let key = 0; key < 5; key++) {
      await cluster.settled(leader.services.kv.put(putRequest({ key: Uint8Array.of(key) }), CALL));
      const { count } = await cluster.settled(
        leader.services.kv.range(rangeRequest({ key: Uint8Array.of(0), rangeEnd: Uint8Array.of(9) }), CALL),
      );
      expect(count).toBe(key + 1);
    }
    expect(cluster.clock.nowMs() - sinceMs).toBeLessThan(1_000);
  });
});
