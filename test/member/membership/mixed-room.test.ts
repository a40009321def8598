/** Groups of an object and tabs, as real members in one process: M69 where the log says who votes. */
import { describe, expect, test } from "vitest";
import { member as memberRecord } from "../../../src/protocol/api/cluster.ts";
import { putRequest, rangeRequest } from "../../../src/protocol/api/kv.ts";
import type { ClusterShape, ShapeName } from "../../../src/protocol/peer/cluster-shape-schema.ts";
import { utf8Decode, utf8Encode } from "../../../src/base/utf8.ts";
import type { MemoryImage } from "../../../src/storage/memory/memory.ts";
import { CALL, Cluster } from "../support/cluster.ts";
import type { Node } from "../support/cluster.ts";

const OBJECT = 1n;
const AUTOPILOT = { votersMax: 5, replaceAfterMs: 4_000, goneAfterMs: 60_000 };

const shapeOf = (shape: ShapeName): ClusterShape => ({ shape, objects: [OBJECT] });
const votersAt = ({ member }: Node): readonly bigint[] => member.machine.membership.confState.voters;
const put = (node: Node, value: string): Promise<unknown> =>
  node.services.kv.put(putRequest({ key: utf8Encode("key"), value: utf8Encode(value) }), CALL);

class Room {
  readonly cluster: Cluster;

  constructor(quiesceAfterTicks = 20) {
    this.cluster = new Cluster(1, { autopilot: AUTOPILOT, quiesceAfterTicks });
  }

  static async founded(shape: ShapeName, tabs: number): Promise<Room> {
    const room = new Room();
    const members = [memberRecord({ id: OBJECT, name: "m1" })];
    const resumption = { saved: undefined, save: () => {} };
    await room.cluster.start(OBJECT, { type: "found", members, shape: shapeOf(shape) }, undefined, { resumption });
    await room.cluster.elected();
    for (let at = 0; at < tabs; at++) await room.comes(BigInt(at + 2));
    return room;
  }

  /** Of tabs only: 2 founded it. */
  static async ofTabs(tabs: number): Promise<Room> {
    const room = new Room(0);
    const members = [memberRecord({ id: 2n, name: "m2" })];
    await room.cluster.start(2n, { type: "found", members });
    await room.cluster.elected();
    for (let at = 1; at < tabs; at++) await room.comes(BigInt(at + 2), 2n);
    return room;
  }

  /** It waits for members that add it. */
  async objectIsMade(image?: MemoryImage): Promise<Node> {
    return this.cluster.start(OBJECT, { type: "join" }, image, { startsQuiet: true });
  }

  async comes(id: bigint, by: bigint = OBJECT): Promise<Node> {
    const node = await this.cluster.start(id, { type: "join" });
    node.member.dial([by]);
    await this.until(() => node.member.machine.membership.has(id), `${id} is let in`);
    return node;
  }

  /** The object leads, sleeps, and rests soon when it wrote nothing since. */
  async letObjectLead(): Promise<void> {
    const { member } = this.cluster.leader as Node;
    if (member.id !== OBJECT) {
      member.transferLeader(OBJECT);
      await this.until(() => this.cluster.leader?.id === OBJECT, "leads");
    }
    await this.asleep();
  }

  get object(): Node {
    return this.cluster.node(OBJECT);
  }

  until(holds: () => boolean, what: string): Promise<unknown> {
    return this.cluster.clock.until(holds, what);
  }

  /** No clock of any member runs. */
  asleep(): Promise<unknown> {
    return this.until(() => this.cluster.clock.timerCount === 0, "asleep");
  }

  async untilVoters(at: bigint, ...ids: readonly bigint[]): Promise<void> {
    await this.until(() => votersAt(this.cluster.node(at)).join() === ids.join(), `${ids.join()} vote`);
    await this.until(() => !isJoint(this.cluster.node(at)), "alone");
  }

  async reshape(at: bigint, shape: ClusterShape): Promise<string> {
    const { member } = this.cluster.node(at);
    return this.cluster.settled(
      new Promise<string>((resolve) => {
        member.changes.reshape(shape, (outcome) => resolve(outcome.ok ? "done" : outcome.error.message));
      }),
    );
  }
}

function isJoint({ member }: Node): boolean {
  return member.machine.membership.confState.votersOutgoing.length > 0;
}

describe("M69 a room of an object and tabs", () => {
  test("one tab learns; with the second, three vote; a tab that says goodbye takes one with it", async () => {
    const room = await Room.founded("mixed", 1);
    await room.cluster.clock.advance(3_000);
    expect(votersAt(room.object)).toEqual([1n]);
    await room.comes(3n);
    await room.untilVoters(1n, 1n, 2n, 3n);
    room.cluster.node(3n).member.sayGoodbye();
    await room.cluster.clock.advance(20);
    room.cluster.crash(3n);
    await room.cluster.clock.advance(1_000);
    expect(votersAt(room.object)).toEqual([1n]);
    await room.cluster.settled(put(room.object, "on"));
  });

  test("a tab that crashes while the room sleeps loses its vote, though the leader's clock stood still", async () => {
    const room = await Room.founded("mixed", 3);
    await room.untilVoters(1n, 1n, 2n, 3n);
    const leader = room.cluster.leader as Node;
    await room.asleep();
    const victim = [2n, 3n].find((id) => id !== leader.id) as bigint;
    room.cluster.crash(victim);
    const rest = [1n, 2n, 3n, 4n].filter((id) => id !== victim);
    await room.untilVoters(leader.id, ...rest);
    await room.asleep();
  });

  test("without the object three tabs go on; it gets its vote back, and the shape after a restart", async () => {
    const room = await Room.founded("mixed", 3);
    await room.untilVoters(1n, 1n, 2n, 3n);
    const image = room.cluster.crash(OBJECT);
    await room.untilVoters(2n, 2n, 3n, 4n);
    await room.cluster.settled(put(room.cluster.node(2n), "without"));
    await room.cluster.start(OBJECT, { type: "join" }, image);
    expect(room.object.member.machine.membership.shape).toEqual(shapeOf("mixed"));
    await room.until(() => votersAt(room.cluster.node(2n)).includes(OBJECT), "votes again");
    expect(votersAt(room.cluster.node(2n))).toHaveLength(3);
  });

  test("an object that comes back while the tabs sleep gets its vote, though it wakes nobody when it is loaded", async () => {
    const room = await Room.founded("mixed", 3);
    await room.untilVoters(1n, 1n, 2n, 3n);
    const image = room.cluster.crash(OBJECT);
    await room.untilVoters(2n, 2n, 3n, 4n);
    await room.asleep();
    await room.cluster.start(OBJECT, { type: "join" }, image, { startsQuiet: true });
    await room.until(() => votersAt(room.cluster.node(2n)).includes(OBJECT), "votes again");
    await room.asleep();
  });

  test("a leader that rests after a few ticks stays awake until it has looked who is gone", async () => {
    for (const naps of [0, 1, 2]) {
      const room = await Room.founded("mixed", 2);
      await room.untilVoters(1n, 1n, 2n, 3n);
      // Its term goes on, so it rests soon.
      await room.letObjectLead();
      for (let at = 0; at < naps; at++) {
        await room.cluster.settled(room.object.services.kv.range(rangeRequest({ key: utf8Encode("key") }), CALL));
        await room.asleep();
      }
      room.cluster.crash(3n);
      await room.untilVoters(1n, 1n);
    }
  });

  test("an object that all have left without a quorum stops its clock, until the first one is back", async () => {
    const room = await Room.founded("mixed", 2);
    await room.untilVoters(1n, 1n, 2n, 3n);
    const images = [2n, 3n].map((id) => room.cluster.crash(id));
    await room.asleep();
    await room.cluster.clock.advance(60_000);
    expect(room.cluster.clock.timerCount).toBe(0);
    await room.cluster.start(2n, { type: "join" }, images[0]);
    await room.untilVoters(2n, OBJECT);
    await room.cluster.settled(put(room.cluster.node(2n), "two of three were enough"));
  });
});

describe("M70 the shape is changed through the log", () => {
  test("from edge to mixed and back, from any member, while writes go on", async () => {
    const room = await Room.founded("edge", 2);
    await room.cluster.clock.advance(3_000);
    expect(votersAt(room.object)).toEqual([1n]);
    expect(await room.reshape(2n, shapeOf("mixed"))).toBe("done");
    await room.untilVoters(1n, 1n, 2n, 3n);
    await room.cluster.settled(put(room.cluster.node(3n), "mixed"));
    expect(await room.reshape(3n, shapeOf("edge"))).toBe("done");
    await room.untilVoters(1n, 1n);
    await room.cluster.settled(put(room.cluster.node(2n), "edge"));
    expect(room.cluster.node(2n).member.machine.membership.shape).toEqual(shapeOf("edge"));
  });

  test.each([1, 2, 3, 5])("M76 from %s tabs to edge: the object learns, and then it votes alone", async (tabs) => {
    const room = await Room.ofTabs(tabs);
    await room.cluster.settled(put(room.cluster.node(2n), "of tabs"));
    await room.objectIsMade();
    expect(await room.reshape(2n, shapeOf("edge"))).toBe("done");
    await room.untilVoters(2n, OBJECT);
    await room.until(() => room.cluster.leader?.id === OBJECT, "the object leads");
    await room.cluster.settled(put(room.cluster.node(2n), "of the object"));
    const { kvs } = await room.cluster.settled(
      room.object.services.kv.range(rangeRequest({ key: utf8Encode("key") }), CALL),
    );
    expect(kvs.map(({ value }) => utf8Decode(value))).toEqual(["of the object"]);
  });

  test("M76 from tabs to mixed: the object votes with as many tabs as make the number odd", async () => {
    const room = await Room.ofTabs(3);
    await room.untilVoters(2n, 2n, 3n, 4n);
    await room.objectIsMade();
    expect(await room.reshape(4n, shapeOf("mixed"))).toBe("done");
    await room.until(() => votersAt(room.cluster.node(2n)).includes(OBJECT), "it votes");
    expect(votersAt(room.cluster.node(2n))).toHaveLength(3);
  });

  test("M76 an object that never comes changes nothing: the tabs vote, by their own rules, until it is there", async () => {
    const room = await Room.ofTabs(3);
    await room.untilVoters(2n, 2n, 3n, 4n);
    for (const shape of ["edge", "mixed"] as const) {
      expect(await room.reshape(2n, shapeOf(shape))).toBe("done");
      await room.cluster.clock.advance(5_000);
      expect(votersAt(room.cluster.node(2n))).toEqual([2n, 3n, 4n]);
    }
    await room.comes(5n, 2n);
    room.cluster.crash(4n);
    await room.untilVoters(2n, 2n, 3n, 5n);
    await room.objectIsMade();
    await room.until(() => votersAt(room.cluster.node(2n)).includes(OBJECT), "it votes");
  });

  test("M76 the change may be taken back before the object votes", async () => {
    const room = await Room.ofTabs(2);
    expect(await room.reshape(2n, shapeOf("edge"))).toBe("done");
    await room.cluster.clock.advance(1_000);
    expect(await room.reshape(2n, shapeOf("tabs"))).toBe("done");
    await room.objectIsMade();
    await room.cluster.clock.advance(10_000);
    expect(votersAt(room.cluster.node(2n))).toEqual([2n]);
    await room.cluster.settled(put(room.cluster.node(3n), "of tabs"));
  });

  test.each([
    ["edge", 1],
    ["edge", 2],
    ["edge", 3],
    ["mixed", 1],
    ["mixed", 2],
    ["mixed", 4],
  ] as const)("M76 from %s with %s tabs to tabs: the object gives its vote up, and follows", async (shape, tabs) => {
    const room = await Room.founded(shape, tabs);
    await room.cluster.settled(put(room.object, "of the object"));
    expect(await room.reshape(2n, shapeOf("tabs"))).toBe("done");
    await room.until(() => !votersAt(room.cluster.node(2n)).includes(OBJECT), "no object votes");
    await room.until(() => (room.cluster.leader?.id ?? OBJECT) !== OBJECT, "a tab leads");
    const count = tabs % 2 === 1 ? tabs : tabs - 1;
    await room.until(() => votersAt(room.cluster.node(2n)).length === count, "the tabs vote");
    await room.cluster.settled(put(room.cluster.node(2n), "of tabs"));
    await room.until(() => room.object.member.machine.membership.shape.shape === "tabs", "the object knows");
    expect(votersAt(room.object)).not.toContain(OBJECT);
    // It may be deleted now, so the log gives it no vote again.
    expect(await room.reshape(2n, shapeOf("edge"))).toMatch(/given up their votes for good/);
    expect(await room.reshape(2n, { shape: "mixed", objects: [77n] })).toMatch(/given up their votes for good/);
    const promoted = room.cluster.node(2n).services.cluster.memberPromote({ id: OBJECT }, CALL);
    await expect(room.cluster.settled(promoted)).rejects.toThrow(/given up their votes for good/);
  });

  test("M76 from edge to tabs without a tab: the object keeps its vote, and sleeps, until one is there", async () => {
    const room = await Room.founded("edge", 1);
    const image = room.cluster.crash(2n);
    expect(await room.reshape(OBJECT, shapeOf("tabs"))).toBe("done");
    await room.asleep();
    expect(votersAt(room.object)).toEqual([OBJECT]);
    await room.cluster.settled(put(room.object, "alone"));
    await room.cluster.start(2n, { type: "join" }, image);
    await room.until(() => votersAt(room.cluster.node(2n)).join() === "2", "the tab votes");
  });

  test.each(["the object", "the leader"])("M76 from tabs to edge, and %s crashes in every step of it", async (who) => {
    for (let afterMs = 0; afterMs < 1_500; afterMs += 100) {
      const room = await Room.ofTabs(3);
      await room.untilVoters(2n, 2n, 3n, 4n);
      await room.cluster.settled(put(room.cluster.node(2n), "kept"));
      await room.objectIsMade();
      expect(await room.reshape(2n, shapeOf("edge"))).toBe("done");
      await room.cluster.clock.advance(afterMs);
      const victim = who === "the object" ? OBJECT : (room.cluster.leader?.id ?? 2n);
      // An object takes a tab for a leader only where its log says that tabs vote, or says nothing yet.
      if (who === "the object" && votersAt(room.object).join() === "1") {
        for (const id of [2n, 3n, 4n]) room.cluster.strangers.add(id);
      }
      const image = room.cluster.crash(victim);
      await room.cluster.clock.advance(3_000);
      if (victim === OBJECT) await room.objectIsMade(image);
      else await room.cluster.start(victim, { type: "join" }, image);
      const tab = room.cluster.node(3n);
      await room.until(() => votersAt(tab).join() === "1" && !isJoint(tab), `votes, crashed after ${afterMs} ms`);
      const { kvs } = await room.cluster.settled(tab.services.kv.range(rangeRequest({ key: utf8Encode("key") }), CALL));
      expect(kvs.map(({ value }) => utf8Decode(value))).toEqual(["kept"]);
      await room.until(() => room.cluster.leader?.id === OBJECT, "the object leads");
    }
  });

  test("a shape without objects, or none, is refused and changes nothing", async () => {
    const room = await Room.founded("edge", 0);
    for (const shape of [
      { shape: "mixed", objects: [] },
      { shape: "none", objects: [OBJECT] },
    ] as const) {
      expect(await room.reshape(1n, shape)).toMatch(/shape is edge, mixed or tabs/);
    }
    expect(room.object.member.machine.membership.shape).toEqual(shapeOf("edge"));
  });

  test("an object that an operator adds is known to be one", async () => {
    const room = await Room.founded("edge", 1);
    const { cluster } = room.object.services;
    const { member } = await room.cluster.settled(
      cluster.memberAdd({ peerUrls: ["http://m9:2380"], isLearner: true }, CALL),
    );
    expect(room.object.member.machine.membership.shape.objects).toEqual([OBJECT, member?.id]);
    expect(room.cluster.node(2n).member.machine.membership.shape.objects).toContain(member?.id);
  });
});
