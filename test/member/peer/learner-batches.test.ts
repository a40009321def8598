import { beforeEach, describe, expect, test } from "vitest";
import { LearnerBatches } from "../../../src/member/peer/learner-batches.ts";
import { putRequest, rangeRequest } from "../../../src/protocol/api/kv.ts";
import type { AppendMessage, ConfState, Entry, RaftMessage } from "../../../src/protocol/peer/raft-message.ts";
import { CALL, Cluster } from "../support/cluster.ts";
import type { Node } from "../support/cluster.ts";
import { VirtualClock } from "../support/virtual-clock.ts";

const DELAY_MS = 25;
const LEARNERS = Array.from({ length: 12 }, (_, at) => BigInt(10 + at));

function entry(index: number, bytes = 1, type: "normal" | "conf-change" = "normal"): Entry {
  return { type, term: 2, index, data: new Uint8Array(bytes) };
}

function append(to: bigint, index: number, bytes = 1): AppendMessage {
  const entries = bytes === 0 ? [] : [entry(index, bytes)];
  return { type: "append", from: 1n, to, term: 2, prevIndex: index - 1, prevTerm: 2, entries, commit: index - 1 };
}

class World {
  readonly clock = new VirtualClock();
  readonly sent: RaftMessage[] = [];
  conf: ConfState = { voters: [1n, 2n], votersOutgoing: [], learners: LEARNERS, learnersNext: [], autoLeave: false };
  readonly batches: LearnerBatches;

  constructor(delayMs = DELAY_MS) {
    this.batches = new LearnerBatches({
      delayMs,
      clock: this.clock,
      send: (messages) => this.sent.push(...messages),
      confState: () => this.conf,
    });
  }

  /** To whom the appends of an entry leave at once. */
  appended(index: number, peers: readonly bigint[] = [2n, ...LEARNERS], bytes = 1): readonly bigint[] {
    return this.batches
      .holdBack(
        peers.map((to) => append(to, index, bytes)),
        [],
      )
      .map(({ to }) => to);
  }
}

let world: World;

beforeEach(() => {
  world = new World();
});

describe("M75 what is for the learners of a large room", () => {
  test("leaves in batches, and that of voters at once", async () => {
    for (let index = 1; index <= 5; index++) {
      expect(world.appended(index)).toEqual([2n]);
      await world.clock.advance(4);
    }
    expect(world.sent).toEqual([]);
    world.batches.holdBack([], [entry(5)]);
    await world.clock.advance(DELAY_MS - 20);
    expect(world.sent).toEqual(LEARNERS.flatMap((to) => [1, 2, 3, 4, 5].map((index) => append(to, index))));
    expect(world.clock.timerCount).toBe(0);
  });

  test("leaves when it is committed, or after three ticks", async () => {
    const [first = 0n] = LEARNERS;
    world.appended(1, [first]);
    await world.clock.advance(DELAY_MS + 10);
    expect(world.sent).toEqual([]);
    world.batches.holdBack([append(first, 2, 0)], [entry(1)]);
    await world.clock.advance(DELAY_MS - 10);
    expect(world.sent).toEqual([append(first, 1), append(first, 2, 0)]);
    world.appended(2, [first]);
    await world.clock.advance(3 * DELAY_MS - 1);
    expect(world.sent).toHaveLength(2);
    await world.clock.advance(1);
    expect(world.sent).toHaveLength(3);
    expect(world.clock.timerCount).toBe(0);
  });

  test("leaves at once in a small room, and without a delay", () => {
    world.conf = { ...world.conf, learners: LEARNERS.slice(0, 7) };
    expect(world.appended(1, LEARNERS.slice(0, 7))).toHaveLength(7);
    expect(new World(0).appended(1)).toHaveLength(13);
  });

  test("leaves at once to a learner that asked lately, behind what waited for it", async () => {
    const [first = 0n, second = 0n] = LEARNERS;
    world.appended(1, [first, second]);
    world.batches.recordRequest(first);
    expect(world.batches.holdBack([append(first, 2), append(second, 2)], [])).toEqual([
      append(first, 1),
      append(first, 2),
    ]);
    await world.clock.advance(1_000);
    world.sent.length = 0;
    expect(world.appended(3, [first])).toEqual([]);
  });

  test("leaves at once to the last eight that asked, and no more", () => {
    for (const learner of LEARNERS) world.batches.recordRequest(learner);
    expect(world.appended(1)).toEqual([2n, ...LEARNERS.slice(-8)]);
  });

  test("leaves when it is much, and an append without entries gives way to the next", async () => {
    const [first = 0n] = LEARNERS;
    expect(world.appended(1, [first], 128 * 1024)).toEqual([first]);
    for (let index = 2; index < 65; index++) expect(world.appended(index, [first])).toEqual([]);
    expect(world.appended(65, [first])).toHaveLength(64);
    world.appended(66, [first], 0);
    world.appended(67, [first], 0);
    await world.clock.advance(DELAY_MS);
    expect(world.sent).toEqual([append(first, 67, 0)]);
  });

  test("leaves before anything else for the same learner, but heartbeats, and when the members change", () => {
    const [first = 0n] = LEARNERS;
    world.appended(1, [first]);
    const beat: RaftMessage = {
      type: "heartbeat",
      from: 1n,
      to: first,
      term: 2,
      commit: 0,
      context: new Uint8Array(0),
    };
    expect(world.batches.holdBack([beat], [])).toEqual([beat]);
    const handOver: RaftMessage = { type: "timeout-now", from: 1n, to: first, term: 2, lastIndex: 1, lastTerm: 2 };
    expect(world.batches.holdBack([handOver], [])).toEqual([append(first, 1), handOver]);
    world.appended(2, [first]);
    expect(world.batches.holdBack([append(first, 3)], [entry(2, 1, "conf-change")])).toHaveLength(2);
  });

  test("is forgotten with the leadership", async () => {
    world.appended(1);
    world.batches.reset();
    await world.clock.advance(DELAY_MS);
    expect(world.sent).toEqual([]);
  });
});

describe("M75 a large room", () => {
  async function founded(learners: number, learnerDelayMs: number): Promise<{ cluster: Cluster; leader: Node }> {
    const cluster = await Cluster.founded(1, { learnerDelayMs });
    const leader = await cluster.elected();
    for (let at = 0; at < learners; at++) {
      const { id, member } = await cluster.start(BigInt(100 + at), { type: "join" });
      member.dial([leader.id]);
      await cluster.clock.until(() => member.machine.membership.has(id), "it is in");
    }
    await cluster.clock.advance(500);
    return { cluster, leader };
  }

  /** Frames that the leader sends for each of so many puts in a second, with so many learners. */
  async function framesPerPut(learners: number, puts: number, learnerDelayMs: number): Promise<number> {
    const { cluster, leader } = await founded(learners, learnerDelayMs);
    const before = leader.member.counters.framesSent;
    for (let at = 0; at < puts; at++) {
      await cluster.settled(leader.services.kv.put(putRequest({ key: Uint8Array.of(1, at % 250) }), CALL));
      await cluster.clock.advance(1_000 / puts);
    }
    await cluster.clock.advance(200);
    for (const { member } of cluster.nodes.values()) expect(member.applied).toBe(leader.member.applied);
    return (leader.member.counters.framesSent - before) / puts;
  }

  test("has a leader that sends each learner no more than a batch a tick, however much is written", async () => {
    const [at20, at80] = [await framesPerPut(20, 20, DELAY_MS), await framesPerPut(20, 80, DELAY_MS)];
    // 40 batches in a second, and heartbeats.
    expect(at80 * 80).toBeLessThan(at20 * 20 * 2.5);
    expect(at80).toBeLessThan((await framesPerPut(20, 80, 0)) / 2);
  });

  test("answers a learner's own put without the delay, and it reads what it wrote", async () => {
    const { cluster } = await founded(10, DELAY_MS);
    const learner = cluster.node(104n);
    const sinceMs = cluster.clock.nowMs();
    await cluster.settled(learner.services.kv.put(putRequest({ key: Uint8Array.of(7) }), CALL));
    expect(cluster.clock.nowMs() - sinceMs).toBeLessThan(DELAY_MS);
    const { count } = await cluster.settled(learner.services.kv.range(rangeRequest({ key: Uint8Array.of(7) }), CALL));
    expect(count).toBe(1);
  });

  test("R56 has a leader that sends each idle learner five frames in two seconds, and hears as many", async () => {
    const { cluster, leader } = await founded(20, DELAY_MS);
    await cluster.clock.advance(1_000);
    const { framesSent, framesReceived } = leader.member.counters;
    await cluster.clock.advance(2_000);
    expect(leader.member.counters.framesSent - framesSent).toBe(20 * 5);
    expect(leader.member.counters.framesReceived - framesReceived).toBe(20 * 5);
  });
});
