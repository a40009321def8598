/** Groups of an object and tabs, as real members in one process: M69 where the log says who votes. */
import { describe, expect, test } from "vitest";
import { member as memberRecord } from "../../../src/protocol/api/cluster.ts";
import { putRequest, rangeRequest } from "../../../src/protocol/api/kv.ts";
import type { ClusterShape, ShapeName } from "../../../src/protocol/peer/cluster-shape-schema.ts";
import { utf8Encode } from "../../../src/base/utf8.ts";
import { CALL, Cluster } from "../support/cluster.ts";
import type { Node } from "../support/cluster.ts";

const OBJECT = 1n;
const AUTOPILOT = { votersMax: 5, replaceAfterMs: 4_000, goneAfterMs: 60_000 };

const shapeOf = (shape: ShapeName): ClusterShape => ({ shape, objects: [OBJECT] });
const votersAt = ({ member }: Node): readonly bigint[] => member.machine.membership.confState.voters;
const put = (node: Node, value: string): Promise<unknown> =>
  node.services.kv.put(putRequest({ key: utf8Encode("key"), value: utf8Encode(value) }), CALL);

class Room {
  readonly cluster: Cluster = new Cluster(1, { autopilot: AUTOPILOT, quiesceAfterTicks: 20 });

  static async founded(shape: ShapeName, tabs: number): Promise<Room> {
    const room = new Room();
    const members = [memberRecord({ id: OBJECT, name: "m1" })];
    const resumption = { saved: undefined, save: () => {} };
    await room.cluster.start(OBJECT, { type: "found", members, shape: shapeOf(shape) }, undefined, { resumption });
    await room.cluster.elected();
    for (let at = 0; at < tabs; at++) await room.comes(BigInt(at + 2));
    return room;
  }

  async comes(id: bigint): Promise<Node> {
    const node = await this.cluster.start(id, { type: "join" });
    node.member.dial([OBJECT]);
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

  test("a shape without objects, or none, is refused and changes nothing", async () => {
    const room = await Room.founded("edge", 0);
    for (const shape of [
      { shape: "mixed", objects: [] },
      { shape: "none", objects: [OBJECT] },
    ] as const) {
      expect(await room.reshape(1n, shape)).toMatch(/shape is edge or mixed/);
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
