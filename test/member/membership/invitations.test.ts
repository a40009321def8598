/** Invitations to a room: who comes in by one, as what, how often, until when, and what ends it. */
import { describe, expect, test } from "vitest";
import { utf8Encode } from "../../../src/base/utf8.ts";
import { GUESTS_MAX, INVITATIONS_MAX, NO_INVITATIONS } from "../../../src/member/membership/invitations.ts";
import { enterBy, guestWithKey, invite, inviteRefusal, revoke } from "../../../src/member/membership/invitations.ts";
import { keyOf } from "../../../src/member/membership/member-keys.ts";
import { leaseGrantRequest, leaseKeepAliveRequest } from "../../../src/protocol/api/lease.ts";
import { PeerGate } from "../../../src/member/node/peer-gate.ts";
import { putRequest, rangeRequest } from "../../../src/protocol/api/kv.ts";
import { encodeFrame } from "../../../src/protocol/peer/frame.ts";
import type { FrameBody } from "../../../src/protocol/peer/frame-schema.ts";
import type { Invitation, Invitations, Invite } from "../../../src/protocol/peer/invitations-schema.ts";
import { forgedFrames } from "../../sim/forged-frames.ts";
import { CALL, CLUSTER_ID, Cluster } from "../support/cluster.ts";
import type { Node } from "../support/cluster.ts";

const HOUR_MS = 3_600_000;
const AUTOPILOT = { votersMax: 5, replaceAfterMs: 4_000, goneAfterMs: 60_000 };
const hash = (byte: number): Uint8Array => new Uint8Array(32).fill(byte);
const ALICE = hash(0xa1);
const BOB = hash(0xb0);
const EVE = hash(0xee);
const CODE = 0x10;
const ROOM = { greeting: hash(0x01), relay: hash(0x02) };

function inviteOf(set: Partial<Invitation> = {}, nowMs = 0): Invite {
  const keys = { id: hash(CODE), greetingKey: hash(0x03), registryHash: hash(0x04) };
  const rights = { role: "member", usesLeft: 1, expiresMs: nowMs + HOUR_MS, isRevoked: false } as const;
  return { invitation: { ...keys, ...rights, ...set }, room: ROOM, nowMs };
}

/** A room that member 1 has founded. */
async function founded(): Promise<{ readonly cluster: Cluster; readonly leader: Node }> {
  const cluster = new Cluster(1, { autopilot: AUTOPILOT });
  const members = [{ id: 1n, name: "m1", peerUrls: [], clientUrls: [], isLearner: false }];
  cluster.proofs.set(1n, { key: ALICE });
  const leader = await cluster.start(1n, { type: "found", members }, undefined, { key: ALICE });
  await cluster.elected();
  return { cluster, leader };
}

async function changed(cluster: Cluster, { member }: Node, what: Invite | Uint8Array): Promise<string> {
  return cluster.settled(
    new Promise<string>((resolve) => {
      const done: Parameters<typeof member.changes.invite>[1] = (outcome) =>
        resolve(outcome.ok ? "done" : outcome.error.message);
      if (what instanceof Uint8Array) member.changes.revokeInvitation(what, done);
      else member.changes.invite(what, done);
    }),
  );
}

/** A browser with that key, which holds an invitation and does not know the room's secret. */
async function comes(
  cluster: Cluster,
  id: bigint,
  key: Uint8Array,
  invitation = hash(CODE),
  dials = [1n],
): Promise<Node> {
  cluster.strangers.add(id);
  cluster.proofs.set(id, { key, invitation, knowsSecret: false });
  const node = await cluster.start(id, { type: "join" }, undefined, { key });
  node.member.dial(dials);
  return node;
}

async function joined(cluster: Cluster, id: bigint, key: Uint8Array, invitation = hash(CODE)): Promise<Node> {
  const node = await comes(cluster, id, key, invitation);
  await cluster.clock.until(() => has(node, id), "let in");
  return node;
}

const has = ({ member }: Node, id: bigint): boolean => member.machine.membership.has(id);
const usesLeft = ({ member }: Node): number | undefined => member.machine.membership.invitations.made[0]?.usesLeft;
const put = (node: Node, value: string): Promise<unknown> =>
  node.services.kv.put(putRequest({ key: utf8Encode("key"), value: utf8Encode(value) }), CALL);
const failed = (cluster: Cluster, call: Promise<unknown>): Promise<unknown> =>
  cluster.settled(
    call.then(
      () => "done",
      (error: unknown) => (error instanceof Error ? error.message : error),
    ),
  );

/** What the leader's transport tells a peer in the greeting. */
function greeted(cluster: Cluster, { member }: Node, id: bigint): string | undefined {
  const { clock, network, proofs } = cluster;
  const proof = { key: undefined, knowsSecret: false, invitation: undefined, isHost: false, ...proofs.get(id) };
  return new PeerGate({ transport: network.transportFor(99n), clock, machine: member.machine }).refusalOf(id, proof);
}

async function refused(cluster: Cluster, node: Node): Promise<string | undefined> {
  await cluster.clock.advance(5_000);
  expect(has(node, node.id)).toBe(false);
  expect(greeted(cluster, cluster.node(1n), node.id)).toBe(node.member.joinRefusal);
  return node.member.joinRefusal;
}

describe("M65 an invitation lets in whoever holds it", () => {
  test("who becomes a member like another, also where a member that does not lead lets it in", async () => {
    const { cluster, leader } = await founded();
    cluster.proofs.set(2n, { key: BOB });
    const bob = await cluster.start(2n, { type: "join" }, undefined, { key: BOB });
    bob.member.dial([1n]);
    await cluster.clock.until(() => has(bob, 2n), "let in by the secret");
    expect(await changed(cluster, bob, inviteOf())).toBe("done");
    const eve = await comes(cluster, 3n, EVE, hash(CODE), [2n]);
    await cluster.clock.until(() => has(eve, 3n), "let in");
    expect(keyOf(leader.member.machine.membership.keys, 3n)).toEqual(EVE);
    await cluster.clock.until(() => leader.member.status().confState.voters.length === 3, "three voters");
    expect(await failed(cluster, put(eve, "from a guest"))).toBe("done");
    expect(eve.member.machine.membership.guest(3n)).toEqual({ key: EVE, role: "member", invitation: hash(CODE) });
    expect(eve.member.machine.membership.invitations.room).toEqual(ROOM);
  });

  test("nobody else: no other invitation, no invitation without a key, and nothing that a newcomer says of itself", async () => {
    const { cluster, leader } = await founded();
    await changed(cluster, leader, inviteOf());
    expect(await refused(cluster, await comes(cluster, 2n, EVE, hash(0x99)))).toBe("invitation-unknown");
    cluster.strangers.add(3n);
    cluster.proofs.set(3n, { invitation: hash(CODE) });
    const station = cluster.network.transportFor(3n);
    station.start({ onFrame: () => {}, onPeerUp: () => {}, onPeerDown: () => {} });
    station.setPeers([1n]);
    const lie = { type: "join", memberId: 3n, name: "liar", key: EVE, invitation: hash(CODE) } as const;
    station.send(1n, encodeFrame({ clusterId: CLUSTER_ID, from: 3n, to: 1n }, lie));
    cluster.proofs.set(4n, { key: EVE, knowsSecret: false });
    cluster.strangers.add(4n);
    const other = cluster.network.transportFor(4n);
    other.start({ onFrame: () => {}, onPeerUp: () => {}, onPeerDown: () => {} });
    other.setPeers([1n]);
    other.send(1n, encodeFrame({ clusterId: CLUSTER_ID, from: 4n, to: 1n }, { ...lie, memberId: 4n }));
    await cluster.clock.advance(2_000);
    expect([has(leader, 3n), has(leader, 4n), usesLeft(leader)]).toEqual([false, false, 1]);
  });

  test("until its time, by the clock of the member that admits", async () => {
    const { cluster, leader } = await founded();
    await changed(cluster, leader, inviteOf({ usesLeft: 5, expiresMs: cluster.clock.wallMs() + 60_000 }));
    await joined(cluster, 2n, BOB);
    await cluster.clock.advance(61_000);
    expect(await refused(cluster, await comes(cluster, 3n, EVE))).toBe("invitation-expired");
    expect(usesLeft(leader)).toBe(4);
  });

  test("until it is revoked; members that came by it stay", async () => {
    const { cluster, leader } = await founded();
    await changed(cluster, leader, inviteOf({ usesLeft: 5 }));
    const bob = await joined(cluster, 2n, BOB);
    expect(await changed(cluster, leader, hash(CODE))).toBe("done");
    expect(await refused(cluster, await comes(cluster, 3n, EVE))).toBe("invitation-revoked");
    expect(await failed(cluster, put(bob, "still here"))).toBe("done");
    expect(await changed(cluster, leader, hash(0x99))).toBe("quorate: the room has no such invitation");
  });

  test("as often as it says: of two who take the last use at once, one is let in", async () => {
    const { cluster, leader } = await founded();
    await changed(cluster, leader, inviteOf());
    const both = [await comes(cluster, 2n, BOB), await comes(cluster, 3n, EVE)];
    await cluster.clock.advance(8_000);
    const inside = both.filter((node) => has(leader, node.id));
    expect(inside).toHaveLength(1);
    expect(usesLeft(leader)).toBe(0);
    const outside = both.find((node) => !inside.includes(node));
    expect(outside?.member.joinRefusal).toBe("invitation-used");
    expect(leader.member.machine.membership.invitations.guests).toHaveLength(1);
  });

  test("also when both admissions are in the log", async () => {
    const { cluster, leader } = await founded();
    await changed(cluster, leader, inviteOf());
    const { membership } = leader.member.machine;
    const { memberChange, memberChangeSchema } = await import("../../../src/protocol/peer/member-change-schema.ts");
    const { encode } = await import("../../../src/protocol/codec/proto-codec.ts");
    const admission = (id: bigint, key: Uint8Array): Parameters<typeof membership.validate>[0] => ({
      id,
      transition: "auto",
      changes: [{ type: "add-learner", nodeId: id }],
      context: encode(memberChangeSchema, memberChange({ id, key, invitation: hash(CODE) })),
    });
    const [first, second] = [admission(2n, BOB), admission(3n, EVE)];
    expect([membership.validate(first), membership.validate(second)]).toEqual(["apply", "apply"]);
    membership.apply(first, { ...membership.confState, learners: [2n] });
    expect(membership.validate(second)).toBe("ignore");
  });

  test("a snapshot brings invitations and guests", async () => {
    const { cluster, leader } = await founded();
    await changed(cluster, leader, inviteOf({ usesLeft: 2 }));
    await joined(cluster, 2n, BOB);
    for (let at = 0; at < 30; at++) await cluster.settled(put(leader, `${at}`));
    const image = cluster.crash(1n);
    const again = await cluster.start(1n, { type: "join" }, image, {
      key: ALICE,
      limits: { logEntries: 5, catchUpEntries: 1 },
    });
    await cluster.clock.until(() => again.member.status().role === "leader", "leads again");
    for (let at = 0; at < 30; at++) await cluster.settled(put(again, `${at}`));
    const eve = await joined(cluster, 3n, EVE);
    await cluster.clock.until(() => eve.member.applied === again.member.applied, "caught up");
    expect(eve.member.machine.membership.invitations).toEqual(again.member.machine.membership.invitations);
    expect(eve.member.machine.membership.invitations.guests.map(({ key }) => key)).toEqual([BOB, EVE]);
  });
});

describe("M66 a reader reads, and changes nothing", () => {
  async function withReader(): Promise<{ readonly cluster: Cluster; readonly leader: Node; readonly reader: Node }> {
    const { cluster, leader } = await founded();
    await changed(cluster, leader, inviteOf({ role: "reader" }));
    const reader = await joined(cluster, 2n, BOB);
    await cluster.settled(put(leader, "shown"));
    await cluster.clock.until(() => reader.member.applied === leader.member.applied, "caught up");
    return { cluster, leader, reader };
  }

  test("its client reads, linearizably as well, and is told why it writes nothing", async () => {
    const { cluster, leader, reader } = await withReader();
    const read = await cluster.settled(reader.services.kv.range(rangeRequest({ key: utf8Encode("key") }), CALL));
    expect(read.count).toBe(1);
    const word = "quorate: this member was invited to read only";
    const { lease, cluster: members } = reader.services;
    const { id } = await cluster.settled(leader.services.lease.grant(leaseGrantRequest({ ttl: 60 }), CALL));
    expect(await failed(cluster, put(reader, "no"))).toBe(word);
    expect(await failed(cluster, lease.grant(leaseGrantRequest({ ttl: 60 }), CALL))).toBe(word);
    expect(await failed(cluster, members.memberRemove({ id: 1n }, CALL))).toBe(word);
    expect(await failed(cluster, lease.keepAlive(leaseKeepAliveRequest({ id }), CALL))).toBe(word);
    expect(await changed(cluster, reader, inviteOf({ id: hash(0x11) }))).toBe(word);
  });

  test("its forged frames have no effect, at a leader and at a follower", async () => {
    const { cluster, leader } = await withReader();
    const { id, member } = leader;
    const { term, lastIndex, confState } = member.status();
    const victim = { id, clusterId: CLUSTER_ID, term, lastIndex, lastTerm: member.logTerm(lastIndex) ?? 0, confState };
    const may =
      /^(snapshot-ack|join|ping|pong|goodbye|wake|not-leading|rpc-response|rpc\/hashkv|rpc\/lease\/remaining|raft\/(append-response|heartbeat-response|read-index))/;
    const forged = forgedFrames(2n, victim).filter(({ name }) => !may.test(name) || name.includes("for another"));
    expect(forged.map(({ name }) => name)).toContain("raft/propose");
    expect(forged.map(({ name }) => name)).toContain("rpc/cluster/change");
    for (const { name, body } of forged) {
      const before = member.counters.framesRejected;
      cluster.network.post(2n, id, encodeFrame({ clusterId: CLUSTER_ID, from: 2n, to: id }, body));
      await cluster.clock.advance(0);
      expect([name, member.counters.framesRejected - before]).toEqual([name, 1]);
    }
    await cluster.clock.advance(2_000);
    expect(member.status().lastIndex).toBe(lastIndex);
    expect(has(leader, 1n)).toBe(true);
  });

  test("it forwards nobody's request to join", async () => {
    const { cluster, leader } = await withReader();
    const lie = { type: "join", memberId: 9n, name: "friend", key: EVE, invitation: new Uint8Array(0) } as const;
    cluster.network.post(2n, 1n, encodeFrame({ clusterId: CLUSTER_ID, from: 2n, to: 1n }, lie));
    await cluster.clock.advance(2_000);
    expect(has(leader, 9n)).toBe(false);
  });

  test("it never votes: not by the autopilot, by nobody's wish, and by no change in the log", async () => {
    const { cluster, leader } = await withReader();
    cluster.proofs.set(3n, { key: EVE });
    const third = await cluster.start(3n, { type: "join" }, undefined, { key: EVE });
    third.member.dial([1n]);
    await cluster.clock.until(() => has(third, 3n), "let in by the secret");
    await cluster.clock.advance(20_000);
    expect(leader.member.status().confState.voters).toEqual([1n]);
    const word = "quorate: this member was invited to read only";
    expect(await failed(cluster, leader.services.cluster.memberPromote({ id: 2n }, CALL))).toBe(word);
    leader.member.changeMembership("add-node", 2n, new Uint8Array(0));
    await cluster.clock.advance(1_000);
    expect(leader.member.status().confState.voters).toEqual([1n]);
  });

  test("before its admission is applied, it is taken for one", async () => {
    const cluster = await Cluster.founded(3);
    const leader = await cluster.elected();
    await changed(cluster, leader, inviteOf());
    const others = [1n, 2n, 3n].filter((id) => id !== leader.id);
    for (const id of others) cluster.crash(id);
    await comes(cluster, 4n, BOB, hash(CODE), [leader.id]);
    const { member } = leader;
    const before = member.status().lastIndex;
    await cluster.clock.until(() => member.status().lastIndex > before, "its admission is proposed");
    expect([has(leader, 4n), member.status().role]).toEqual([false, "leader"]);
    const { term, lastIndex, confState } = member.status();
    const at = { id: leader.id, clusterId: CLUSTER_ID, term, lastIndex, lastTerm: term, confState };
    const forged = forgedFrames(4n, at).filter(({ name }) => ["raft/propose", "raft/transfer-leader"].includes(name));
    expect(forged).toHaveLength(2);
    for (const { name, body } of forged) {
      const rejected = member.counters.framesRejected;
      cluster.network.post(4n, leader.id, encodeFrame({ clusterId: CLUSTER_ID, from: 4n, to: leader.id }, body));
      await cluster.clock.advance(0);
      expect([name, member.counters.framesRejected - rejected]).toEqual([name, 1]);
    }
    expect(member.status().lastIndex).toBe(lastIndex);
  });
});

describe("M67 whoever was invited lets nobody in", () => {
  test("and invites nobody, by its client or by a proposal of its own", async () => {
    const { cluster, leader } = await founded();
    await changed(cluster, leader, inviteOf());
    const bob = await joined(cluster, 2n, BOB);
    expect(await changed(cluster, bob, inviteOf({ id: hash(0x11) }))).toBe(
      "quorate: only members that know the room's secret invite others",
    );
    expect(await changed(cluster, bob, hash(CODE))).toBe(
      "quorate: only members that know the room's secret invite others",
    );
    const { id, member } = leader;
    const { term, lastIndex, confState } = member.status();
    const victim = { id, clusterId: CLUSTER_ID, term, lastIndex, lastTerm: member.logTerm(lastIndex) ?? 0, confState };
    const proposal = forgedFrames(2n, victim).find(({ name }) => name === "raft/propose");
    const rejected = member.counters.framesRejected;
    cluster.network.post(2n, 1n, encodeFrame({ clusterId: CLUSTER_ID, from: 2n, to: 1n }, proposal?.body as FrameBody));
    await cluster.clock.advance(1_000);
    expect([member.counters.framesRejected - rejected, has(leader, 1n)]).toEqual([1, true]);
  });

  test("it answers no newcomer, and forwards none", async () => {
    const { cluster, leader } = await founded();
    await changed(cluster, leader, inviteOf());
    await joined(cluster, 2n, BOB);
    cluster.proofs.set(3n, { key: EVE });
    // As a guest sees it, who has no means to check.
    cluster.strangers.add(3n);
    const third = await cluster.start(3n, { type: "join" }, undefined, { key: EVE, admission: "all" });
    third.member.dial([2n]);
    await cluster.clock.advance(4_000);
    expect([has(leader, 3n), third.member.joinRefusal]).toEqual([false, undefined]);
    cluster.strangers.delete(3n);
    third.member.dial([1n, 2n]);
    await cluster.clock.until(() => has(third, 3n), "let in by one that may");
    const lie = { type: "join", memberId: 9n, name: "friend", key: hash(9), invitation: new Uint8Array(0) } as const;
    cluster.network.post(2n, 1n, encodeFrame({ clusterId: CLUSTER_ID, from: 2n, to: 1n }, lie));
    await cluster.clock.advance(2_000);
    expect(has(leader, 9n)).toBe(false);
  });
});

describe("M68 what a guest may do belongs to its key", () => {
  test("it is the same after a lost store, and takes no further use", async () => {
    const { cluster, leader } = await founded();
    await changed(cluster, leader, inviteOf({ role: "reader" }));
    await joined(cluster, 2n, BOB);
    cluster.crash(2n);
    const again = await joined(cluster, 4n, BOB);
    expect([has(leader, 2n), usesLeft(leader)]).toEqual([false, 0]);
    expect(again.member.machine.membership.guest(4n)?.role).toBe("reader");
    expect(await failed(cluster, put(again, "no"))).toBe("quorate: this member was invited to read only");
  });

  test("it is the same after the room has cleared it away, unless its invitation was revoked meanwhile", async () => {
    const { cluster, leader } = await founded();
    await changed(cluster, leader, inviteOf({ role: "reader", usesLeft: 2 }));
    await joined(cluster, 2n, BOB);
    await joined(cluster, 3n, EVE);
    for (const id of [2n, 3n]) {
      cluster.crash(id);
      leader.member.changeMembership("remove-node", id, new Uint8Array(0));
      await cluster.clock.until(() => !has(leader, id), "cleared away");
    }
    const again = await joined(cluster, 4n, BOB);
    expect(again.member.machine.membership.guest(4n)?.role).toBe("reader");
    await changed(cluster, leader, hash(CODE));
    expect(await refused(cluster, await comes(cluster, 5n, EVE))).toBe("invitation-revoked");
    expect(leader.member.machine.membership.invitations.guests.map(({ key }) => key)).toEqual([BOB]);
  });

  test("a guest that was removed does not come back, by the same invitation or by another one", async () => {
    const { cluster, leader } = await founded();
    await changed(cluster, leader, inviteOf({ usesLeft: 9 }));
    await changed(cluster, leader, inviteOf({ id: hash(0x11), usesLeft: 9 }));
    await joined(cluster, 2n, BOB);
    await cluster.settled(leader.services.cluster.memberRemove({ id: 2n }, CALL));
    cluster.crash(2n);
    for (const [id, code] of [
      [4n, CODE],
      [5n, 0x11],
    ] as const) {
      await comes(cluster, id, BOB, hash(code));
      await cluster.clock.advance(4_000);
      expect([has(leader, id), greeted(cluster, leader, id)]).toEqual([false, "key-removed"]);
    }
    expect(leader.member.machine.membership.invitations.guests).toEqual([]);
  });
});

describe("M65 the list of invitations", () => {
  const many = (count: number, set: (at: number) => Partial<Invitation>): Invitations =>
    Array.from({ length: count }).reduce<Invitations>(
      (known, _, at) => invite(known, inviteOf({ id: numbered(at), ...set(at) })),
      NO_INVITATIONS,
    );
  const numbered = (at: number): Uint8Array => Uint8Array.from([...hash(0).slice(2), at >> 8, at & 255]);

  test("is bounded: one that is over makes room, the oldest first, and where all are open none is made", () => {
    const open = many(INVITATIONS_MAX, () => ({}));
    expect(inviteRefusal(open, inviteOf())?.message).toBe(
      "quorate: a room has at most 128 invitations that are open or have guests",
    );
    const later = inviteOf({ expiresMs: 9 * HOUR_MS }, 2 * HOUR_MS);
    expect(inviteRefusal(open, later)).toBeUndefined();
    const ended = revoke(
      revoke(open, numbered(5), () => true),
      numbered(7),
      () => true,
    );
    const next = invite(ended, inviteOf());
    expect(next.made).toHaveLength(INVITATIONS_MAX);
    expect([5, 7].map((at) => next.made.some(({ id }) => id.join() === numbered(at).join()))).toEqual([false, true]);
  });

  test.each<[string, Partial<Invitation>]>([
    ["without uses", { usesLeft: 0 }],
    ["with too many uses", { usesLeft: 1_001 }],
    ["that has expired", { expiresMs: 0 }],
    ["that is revoked", { isRevoked: true }],
    ["with a short id", { id: new Uint8Array(31) }],
    ["with a long key", { greetingKey: new Uint8Array(33) }],
    ["without what its holder shows", { registryHash: new Uint8Array(0) }],
  ])("takes none %s", (_, set) => {
    expect(inviteRefusal(NO_INVITATIONS, inviteOf(set))?.message).toBe("quorate: not an invitation that is open");
  });

  test("and a bounded number of guests is remembered: the oldest that is not a member is forgotten", () => {
    let known = invite(NO_INVITATIONS, inviteOf({ usesLeft: 5_000 }));
    const isMember = (key: Uint8Array): boolean => key.join() === numbered(0).join();
    for (let at = 0; at <= GUESTS_MAX; at++) known = enterBy(known, numbered(at), hash(CODE), isMember);
    expect(known.guests).toHaveLength(GUESTS_MAX);
    expect([0, 1, 2].map((at) => guestWithKey(known, numbered(at)) !== undefined)).toEqual([true, false, true]);
  });
});
