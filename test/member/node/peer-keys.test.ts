/** Membership is personal: the log says whose key is whose, and a peer with another key is nobody. */
import { describe, expect, test } from "vitest";
import { utf8Encode } from "../../../src/base/utf8.ts";
import { bind, isKeyRemoved, keyOf, memberWithKey, NO_KEYS } from "../../../src/member/membership/member-keys.ts";
import { REMOVED_KEYS_MAX, unbind } from "../../../src/member/membership/member-keys.ts";
import type { NodeOptions } from "../support/cluster.ts";
import { CALL, CLUSTER_ID, Cluster } from "../support/cluster.ts";
import type { Node } from "../support/cluster.ts";
import { keyChange } from "../../../src/member/membership/own-key.ts";
import { PeerGate } from "../../../src/member/node/peer-gate.ts";
import { putRequest, rangeRequest } from "../../../src/protocol/api/kv.ts";
import { encodeFrame } from "../../../src/protocol/peer/frame.ts";

const NOTHING = new Uint8Array(0);
const keyFor = (byte: number): Uint8Array => new Uint8Array(32).fill(byte);
const ALICE = keyFor(0xa1);
const BOB = keyFor(0xb0);
const EVE = keyFor(0xee);
const AUTOPILOT = { votersMax: 5, replaceAfterMs: 4_000, goneAfterMs: 60_000 };

/** A room that member 1 has founded. */
async function founded(options: NodeOptions = {}): Promise<{ readonly cluster: Cluster; readonly leader: Node }> {
  const cluster = new Cluster(1, { autopilot: AUTOPILOT });
  const members = [{ id: 1n, name: "m1", peerUrls: [], clientUrls: [], isLearner: false }];
  cluster.proofs.set(1n, { key: ALICE });
  const leader = await cluster.start(1n, { type: "found", members }, undefined, { key: ALICE, ...options });
  await cluster.elected();
  return { cluster, leader };
}

async function comes(cluster: Cluster, id: bigint, key: Uint8Array): Promise<Node> {
  cluster.proofs.set(id, { key });
  const node = await cluster.start(id, { type: "join" }, undefined, { key });
  node.member.dial([1n]);
  return node;
}

const boundAt = ({ member }: Node, id: bigint): Uint8Array | undefined => keyOf(member.machine.membership.keys, id);
const has = ({ member }: Node, id: bigint): boolean => member.machine.membership.has(id);
const put = (node: Node, value: string): Promise<unknown> =>
  node.services.kv.put(putRequest({ key: utf8Encode("key"), value: utf8Encode(value) }), CALL);

async function joined(cluster: Cluster, id: bigint, key: Uint8Array): Promise<Node> {
  const node = await comes(cluster, id, key);
  await cluster.clock.until(() => has(node, id), "let in");
  return node;
}

describe("M60 each member's key is in the log", () => {
  test("of the founder, of those that joined, and of one from before there were keys", async () => {
    const { cluster, leader } = await founded();
    const bob = await joined(cluster, 2n, BOB);
    const old = await cluster.start(3n, { type: "join" });
    old.member.dial([1n]);
    await cluster.clock.until(() => has(old, 3n), "let in without a key");
    expect([boundAt(bob, 1n), boundAt(bob, 2n), boundAt(bob, 3n)]).toEqual([ALICE, BOB, undefined]);
    // It comes back with a version that has keys.
    const image = cluster.crash(3n);
    cluster.proofs.set(3n, { key: EVE });
    await cluster.start(3n, { type: "join" }, image, { key: EVE });
    await cluster.clock.until(() => boundAt(bob, 3n) !== undefined, "its key is written");
    expect(boundAt(leader, 3n)).toEqual(EVE);
  });

  test("what a newcomer says of its key counts for nothing: only what its transport proves", async () => {
    const { cluster, leader } = await founded();
    cluster.proofs.set(2n, { key: BOB });
    const station = cluster.network.transportFor(2n);
    station.start({ onFrame: () => {}, onPeerUp: () => {}, onPeerDown: () => {} });
    station.setPeers([1n]);
    const lie = { type: "join", memberId: 2n, name: "liar", key: EVE, invitation: NOTHING } as const;
    station.send(1n, encodeFrame({ clusterId: CLUSTER_ID, from: 2n, to: 1n }, lie));
    await cluster.clock.until(() => has(leader, 2n), "let in");
    expect(boundAt(leader, 2n)).toEqual(BOB);
  });

  test("a snapshot brings the keys, and the removed ones", async () => {
    const limits = { logEntries: 20, catchUpEntries: 5 };
    const { cluster, leader } = await founded({ limits });
    await joined(cluster, 2n, BOB);
    await cluster.settled(leader.services.cluster.memberRemove({ id: 2n }, CALL));
    for (let at = 0; at < 60; at++) await cluster.settled(put(leader, `${at}`));
    const late = await joined(cluster, 3n, EVE);
    await cluster.clock.until(() => late.member.applied === leader.member.applied, "caught up");
    expect(late.member.machine.membership.keys).toEqual(leader.member.machine.membership.keys);
    expect(isKeyRemoved(late.member.machine.membership.keys, BOB)).toBe(true);
  });
});

describe("M61 a peer with the id of a member and another key is nobody", () => {
  test.each<[string, Uint8Array | undefined]>([
    ["another key", EVE],
    ["no key", undefined],
  ])("an absent voter's place is not taken with %s, by its store either", async (_, key) => {
    const { cluster, leader } = await founded();
    await joined(cluster, 2n, BOB);
    await joined(cluster, 3n, keyFor(3));
    await cluster.clock.until(() => leader.member.status().confState.voters.length === 3, "three voters");
    const image = cluster.crash(2n);
    cluster.proofs.set(2n, { key });
    const thief = await cluster.start(2n, { type: "join" }, image, { key });
    const rejectedBefore = leader.member.counters.framesRejected;
    thief.member.dial([1n, 3n]);
    const written = put(leader, "after");
    await cluster.settled(written);
    await cluster.clock.advance(3_000);
    expect(leader.member.counters.framesRejected).toBeGreaterThan(rejectedBefore);
    expect(leader.member.isActive(2n)).toBe(false);
    expect(thief.member.leader).not.toBe(2n);
    const read = thief.services.kv.range(rangeRequest({ key: utf8Encode("key"), serializable: true }), CALL);
    expect((await cluster.settled(read)).kvs).toEqual([]);
  });

  test("the word for it", async () => {
    const { cluster, leader } = await founded();
    await joined(cluster, 2n, BOB);
    const gate = (id: bigint, key: Uint8Array | undefined): string | undefined =>
      new PeerGate({
        transport: cluster.network.transportFor(99n),
        clock: cluster.clock,
        machine: leader.member.machine,
      }).refusalOf(id, {
        ...{ key, knowsSecret: true, invitation: undefined, isHost: false },
      });
    expect(gate(2n, BOB)).toBeUndefined();
    expect(gate(2n, EVE)).toBe("other-key");
    expect(gate(2n, undefined)).toBe("other-key");
    expect(gate(7n, EVE)).toBeUndefined();
  });
});

describe("M62 the key of a removed member does not come back", () => {
  test("under another id either; the others do", async () => {
    const { cluster, leader } = await founded();
    const bob = await joined(cluster, 2n, BOB);
    await cluster.settled(leader.services.cluster.memberRemove({ id: 2n }, CALL));
    await cluster.clock.until(() => bob.member.problem !== undefined, "told of its removal");
    cluster.crash(2n);
    const again = await comes(cluster, 4n, BOB);
    await cluster.clock.advance(5_000);
    expect([has(leader, 4n), has(again, 4n)]).toEqual([false, false]);
    await joined(cluster, 5n, EVE);
    // Another member cannot bring it in.
    leader.member.changeMembership("add-learner", 6n, keyChange(6n, BOB));
    await cluster.clock.advance(1_000);
    expect(has(leader, 6n)).toBe(false);
  });

  test("a member that the room cleared away to make room for another may come back", async () => {
    const autopilot = { ...AUTOPILOT, learnerGoneAfterMs: 5_000 };
    const { cluster, leader } = await founded({ autopilot, limits: { joinedLearners: 1 } });
    await joined(cluster, 2n, BOB);
    cluster.crash(2n);
    await cluster.clock.advance(7_000);
    await joined(cluster, 3n, EVE);
    expect(has(leader, 2n)).toBe(false);
    cluster.crash(3n);
    await cluster.clock.advance(7_000);
    await joined(cluster, 4n, BOB);
    expect(boundAt(leader, 4n)).toEqual(BOB);
  });

  test("a bounded number of keys is remembered, the latest", () => {
    let keys = NO_KEYS;
    const numbered = (at: number): Uint8Array => Uint8Array.of(at >> 8, at & 255);
    for (let at = 0; at < REMOVED_KEYS_MAX + 2; at++) {
      keys = unbind(bind(keys, BigInt(at + 1), numbered(at)), BigInt(at + 1), "removed");
    }
    expect(keys.removed).toHaveLength(REMOVED_KEYS_MAX);
    expect([0, 1, 2, REMOVED_KEYS_MAX + 1].map((at) => isKeyRemoved(keys, numbered(at)))).toEqual([
      false,
      false,
      true,
      true,
    ]);
  });
});

describe("M63 a key has one member", () => {
  test("whoever comes with the key of a member under a new id replaces that member, with one change", async () => {
    const { cluster, leader } = await founded();
    await joined(cluster, 2n, BOB);
    await joined(cluster, 3n, EVE);
    await cluster.clock.until(() => leader.member.status().confState.voters.length === 3, "three voters");
    cluster.crash(2n);
    const again = await comes(cluster, 4n, BOB);
    await cluster.clock.until(() => has(again, 4n), "let in");
    expect([has(leader, 2n), boundAt(leader, 4n), boundAt(leader, 2n)]).toEqual([false, BOB, undefined]);
    await cluster.clock.until(() => leader.member.status().confState.voters.includes(4n), "a voter again");
    expect(memberWithKey(leader.member.machine.membership.keys, BOB)).toBe(4n);
  });

  test("and a member keeps its first one", async () => {
    const { cluster, leader } = await founded();
    await joined(cluster, 2n, BOB);
    leader.member.changeMembership("update-node", 2n, keyChange(2n, EVE));
    await cluster.clock.advance(1_000);
    expect(boundAt(leader, 2n)).toEqual(BOB);
  });
});
