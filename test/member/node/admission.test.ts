/** Which newcomers are admitted, which peers are trusted, and that a member that missed everything returns. */
import { describe, expect, test } from "vitest";
import { utf8Encode } from "../../../src/base/utf8.ts";
import { encodeMember } from "../../../src/member/membership/membership.ts";
import type { AdmissionPolicy } from "../../../src/member/options.ts";
import { member as memberRecord } from "../../../src/protocol/api/cluster.ts";
import { decodeFrame, encodeFrame } from "../../../src/protocol/peer/frame.ts";
import type { FrameBody } from "../../../src/protocol/peer/frame-schema.ts";
import { putRequest } from "../../../src/protocol/api/kv.ts";
import type { RaftMessage } from "../../../src/protocol/peer/raft-message.ts";
import { CALL, CLUSTER_ID, Cluster } from "../support/cluster.ts";
import type { Node, NodeOptions } from "../support/cluster.ts";
import { forgedFrames } from "../../sim/forged-frames.ts";

const NOTHING = new Uint8Array(0);
const NEWCOMER = 9n;
const STRANGER = 66n;

const put = (node: Node): Promise<unknown> =>
  node.services.kv.put(putRequest({ key: utf8Encode("key"), value: utf8Encode("value") }), CALL);

const has = (node: Node, id: bigint): boolean => node.member.machine.membership.has(id);

async function joining(cluster: Cluster, leader: Node, id = NEWCOMER, name?: string): Promise<Node> {
  const newcomer = await cluster.start(id, { type: "join" }, undefined, {}, name);
  newcomer.member.dial([leader.id]);
  return newcomer;
}

describe("a newcomer that requests to join", () => {
  const POLICIES: readonly {
    readonly what: string;
    readonly admission: AdmissionPolicy | undefined;
    readonly isProven: boolean;
    readonly isAdmitted: boolean;
  }[] = [
    { what: "no newcomer is admitted by default", admission: undefined, isProven: true, isAdmitted: false },
    { what: "an authenticated newcomer", admission: "authenticated", isProven: true, isAdmitted: true },
    { what: "no unauthenticated newcomer", admission: "authenticated", isProven: false, isAdmitted: false },
    { what: "every newcomer, in an open room", admission: "all", isProven: false, isAdmitted: true },
    {
      what: "a newcomer that a function admits",
      admission: ({ name }) => name === "m9",
      isProven: false,
      isAdmitted: true,
    },
    {
      what: "no newcomer that a function refuses",
      admission: ({ isAuthenticated }) => isAuthenticated,
      isProven: false,
      isAdmitted: false,
    },
  ];

  test.each(POLICIES)("M17 $what: $admission, proven: $isProven", async ({ admission, isProven, isAdmitted }) => {
    const cluster = await Cluster.founded(3, { admission } as NodeOptions);
    const leader = await cluster.elected();
    if (!isProven) cluster.strangers.add(NEWCOMER);
    const newcomer = await joining(cluster, leader);
    if (isAdmitted) {
      await cluster.clock.until(() => has(newcomer, NEWCOMER), "admitted");
      expect(newcomer.member.joinRefusal).toBeUndefined();
    } else {
      const refusedBefore = (): boolean => newcomer.member.joinRefusal !== undefined;
      // Where authentication is required, it trusts no unauthenticated peer, not even its refusal.
      if (admission === undefined || typeof admission === "function" || isProven) {
        await cluster.clock.until(refusedBefore, "refused");
        expect(newcomer.member.joinRefusal).toBe("not-admitted");
      }
      await cluster.clock.advance(5_000);
      expect(has(leader, NEWCOMER)).toBe(false);
      expect(leader.member.isActive(NEWCOMER)).toBe(false);
      expect([...leader.member.metrics.peers.peers.keys()]).not.toContain(NEWCOMER);
    }
  });

  test("M17 of a follower is admitted by that one, whatever the leader's transport knows", async () => {
    const cluster = await Cluster.founded(3);
    const leader = await cluster.elected();
    const follower = [...cluster.nodes.values()].find(({ id }) => id !== leader.id) as Node;
    const newcomer = await joining(cluster, follower);
    await cluster.clock.until(() => has(newcomer, NEWCOMER), "admitted");
    cluster.strangers.add(STRANGER);
    const stranger = await joining(cluster, follower, STRANGER);
    await cluster.clock.until(() => stranger.member.joinRefusal === "not-admitted", "refused");
    expect(has(leader, STRANGER)).toBe(false);
  });

  test("M17 gets the response that the room is full, and is admitted once there is room", async () => {
    const cluster = await Cluster.founded(1, { limits: { joinedLearners: 2 } });
    const leader = await cluster.elected();
    for (const id of [21n, 22n]) {
      const early = await joining(cluster, leader, id);
      await cluster.clock.until(() => has(early, id), "admitted");
    }
    const late = await joining(cluster, leader);
    await cluster.clock.until(() => late.member.joinRefusal === "full", "refused");
    expect(await late.services.inspect.view()).toMatchObject({ joinRefusal: "full", problem: { code: "joining" } });
    leader.member.changeMembership("remove-node", 21n, NOTHING);
    await cluster.clock.until(() => has(late, NEWCOMER), "admitted");
    expect(late.member.joinRefusal).toBeUndefined();
  });

  test("M17 takes the place of a learner that has been gone for long", async () => {
    const autopilot = { votersMax: 5, goneAfterMs: 60_000, learnerGoneAfterMs: 20_000 };
    const cluster = await Cluster.founded(1, { autopilot, limits: { joinedLearners: 1 } });
    const leader = await cluster.elected();
    const early = await joining(cluster, leader, 21n);
    await cluster.clock.until(() => has(early, 21n), "admitted");
    const late = await joining(cluster, leader);
    // It keeps its position while it is present.
    await cluster.clock.advance(60_000);
    expect(has(leader, 21n)).toBe(true);
    expect(late.member.joinRefusal).toBe("full");
    cluster.crash(21n);
    await cluster.clock.until(() => has(late, NEWCOMER), "admitted");
    expect(has(leader, 21n)).toBe(false);
  });

  test("M17 under an invalid name is refused", async () => {
    const cluster = await Cluster.founded(1);
    const newcomer = await joining(cluster, await cluster.elected(), NEWCOMER, "n".repeat(129));
    await cluster.clock.until(() => newcomer.member.joinRefusal === "bad-name", "refused");
  });

  test("M17 a hundred times a second is handled at a limited rate", async () => {
    let asked = 0;
    const admission = (): boolean => {
      asked++;
      return false;
    };
    const cluster = await Cluster.founded(1, { admission });
    const leader = await cluster.elected();
    const transport = cluster.network.transportFor(STRANGER);
    transport.start({ onFrame: () => {}, onPeerUp: () => {}, onPeerDown: () => {} });
    transport.setPeers([leader.id]);
    const nothing = new Uint8Array(0);
    const body = { type: "join", memberId: STRANGER, name: "", key: nothing, invitation: nothing } as const;
    for (let second = 0; second < 10; second++) {
      await cluster.clock.advance(1_000);
      for (let at = 0; at < 100; at++) transport.send(leader.id, framed(STRANGER, leader, body));
    }
    await cluster.clock.advance(0);
    expect(asked).toBeGreaterThan(300);
    expect(asked).toBeLessThan(400);
  });
});

describe("a member that missed that all others were replaced", () => {
  /** Removes all initial members but one, one by one, while that one is away. Three others replace them. */
  async function replaced(
    isAllGone: boolean,
  ): Promise<{ readonly cluster: Cluster; readonly away: bigint; image: Image }> {
    const cluster = await Cluster.founded(3);
    const leader = await cluster.elected();
    const [one, other] = [...cluster.nodes.values()].filter(({ id }) => id !== leader.id) as [Node, Node];
    await cluster.settled(put(leader));
    await cluster.clock.advance(1_000);
    const image = cluster.crash(other.id);
    for (const id of [11n, 12n, 13n]) await grow(cluster, id);
    for (const { id } of isAllGone ? [one, leader] : [leader]) await shrink(cluster, id);
    await cluster.settled(put(await cluster.elected()));
    return { cluster, away: other.id, image };
  }

  test("M18 follows leaders that its transport has authenticated, though it knows none of them", async () => {
    const { cluster, away, image } = await replaced(true);
    const back = await cluster.start(away, { type: "join" }, image);
    await cluster.clock.until(() => back.member.applied === cluster.leader?.member.applied, "caught up");
    expect(has(back, 13n)).toBe(true);
  });

  test("M18 returns without authentication as long as one known member is present", async () => {
    const { cluster, away, image } = await replaced(false);
    for (const id of [11n, 12n, 13n]) cluster.strangers.add(id);
    cluster.leader?.member.transferLeader(13n);
    await cluster.clock.until(() => cluster.node(13n).member.status().role === "leader", "one of the new ones leads");
    const back = await cluster.start(away, { type: "join" }, image);
    await cluster.clock.until(() => back.member.applied === cluster.leader?.member.applied, "caught up");
    expect(has(back, 13n)).toBe(true);
  });

  test("M18 follows no leader that is neither known nor authenticated", async () => {
    const { cluster, away, image } = await replaced(true);
    for (const id of [11n, 12n, 13n]) cluster.strangers.add(id);
    const back = await cluster.start(away, { type: "join" }, image);
    const { lastIndex } = back.member.status();
    await cluster.clock.advance(60_000);
    expect([back.member.status().lastIndex, back.member.leader]).toEqual([lastIndex, 0n]);
  });
});

type Image = ReturnType<Cluster["crash"]>;

async function grow(cluster: Cluster, id: bigint): Promise<void> {
  const leader = await cluster.elected();
  leader.member.changeMembership("add-learner", id, encodeMember(memberRecord({ id, name: `m${id}` })));
  const node = await cluster.start(id, { type: "join" });
  await cluster.clock.until(() => has(node, id), "added");
  leader.member.changeMembership("add-node", id, NOTHING);
  await cluster.clock.until(() => node.member.status().confState.voters.includes(id), "promoted");
}

async function shrink(cluster: Cluster, id: bigint): Promise<void> {
  const leader = await cluster.elected();
  leader.member.changeMembership("remove-node", id, NOTHING);
  await cluster.clock.until(() => cluster.node(id).member.problem !== undefined, "removed");
  cluster.nodes.delete(id);
}

describe("a member that hears no other", () => {
  test("M18 accepts nothing from an unknown peer: no term, no leader, no state, and no removal", async () => {
    const cluster = await Cluster.founded(3);
    cluster.strangers.add(STRANGER);
    const leader = await cluster.elected();
    const alone = [...cluster.nodes.values()].find(({ id }) => id !== leader.id) as Node;
    for (const { id } of cluster.nodes.values()) if (id !== alone.id) cluster.network.setLink(alone.id, id, false);
    await cluster.clock.until(() => alone.member.leader === 0n, "alone");
    const station = cluster.network.transportFor(STRANGER);
    station.start({ onFrame: () => {}, onPeerUp: () => {}, onPeerDown: () => {} });
    station.setPeers([alone.id]);
    await cluster.clock.advance(0);
    const { term, lastIndex, confState } = alone.member.status();
    const victim = { id: alone.id, clusterId: CLUSTER_ID, term, lastIndex, lastTerm: term, confState };
    for (const { body } of forgedFrames(STRANGER, victim)) station.send(alone.id, framed(STRANGER, alone, body));
    await cluster.clock.advance(5_000);
    const now = alone.member.status();
    expect([now.term, now.leader, now.lastIndex, alone.member.problem]).toEqual([term, 0n, lastIndex, undefined]);
  });

  test("M18 does not accept its removal from an authenticated peer, nor indirectly", async () => {
    const cluster = await Cluster.founded(3);
    const leader = await cluster.elected();
    const alone = [...cluster.nodes.values()].find(({ id }) => id !== leader.id) as Node;
    for (const { id } of cluster.nodes.values()) if (id !== alone.id) cluster.network.setLink(alone.id, id, false);
    await cluster.clock.until(() => alone.member.leader === 0n, "alone");
    const proven = cluster.network.transportFor(67n);
    proven.start({ onFrame: () => {}, onPeerUp: () => {}, onPeerDown: () => {} });
    proven.setPeers([alone.id]);
    await cluster.clock.advance(0);
    const list = { type: "join-response", clusterId: CLUSTER_ID, members: [memberRecord({ id: 67n })] } as const;
    proven.send(alone.id, framed(67n, alone, { ...list, refusal: "" }));
    proven.send(alone.id, framed(67n, alone, { ...list, refusal: "removed" }));
    await cluster.clock.advance(1_000);
    expect(alone.member.problem).toBeUndefined();
  });
});

test("M16 a learner's response makes a leader step down for a plausible term, and for no forged one", async () => {
  const cluster = await Cluster.founded(3);
  const leader = await cluster.elected();
  const learner = await joining(cluster, leader, 4n);
  await cluster.clock.until(() => has(learner, 4n), "admitted");
  const answer = (term: number): Uint8Array => {
    const base = { from: 4n, to: leader.id, term } as const;
    const messages: readonly RaftMessage[] = [
      { ...base, type: "append-response", index: 0, reject: false, rejectHint: 0, hintTerm: 0 },
    ];
    return framed(4n, leader, { type: "raft", messages });
  };
  const { term } = leader.member.status();
  cluster.network.post(4n, leader.id, answer(term + 9));
  await cluster.clock.advance(0);
  expect(leader.member.status()).toMatchObject({ term, role: "leader" });
  cluster.network.post(4n, leader.id, answer(term + 8));
  await cluster.clock.advance(0);
  expect(leader.member.status()).toMatchObject({ term: term + 8, role: "follower" });
});

function framed(from: bigint, to: Node, body: FrameBody): Uint8Array {
  return encodeFrame({ clusterId: CLUSTER_ID, from, to: to.id }, body);
}

test("M18 a voter in the log that is not applied yet is followed, without authentication and without a request", async () => {
  const cluster = await Cluster.founded(3);
  const leader = await cluster.elected();
  await grow(cluster, 11n);
  await cluster.clock.advance(1_000);
  const behind = [...cluster.nodes.values()].find(({ id }) => id !== leader.id && id !== 11n) as Node;
  cluster.strangers.add(12n);
  const { network } = cluster;
  const post = network.post.bind(network);
  let isHeld = true;
  const known = leader.member.status().commit;
  network.post = (from, to, frame) => {
    // The entries arrive; their commit, and any list of the members, does not.
    const passed = isHeld && to === behind.id ? withoutCommit(frame, known) : frame;
    if (passed !== undefined) post(from, to, passed);
  };
  leader.member.changeMembership("add-node", 12n, encodeMember(memberRecord({ id: 12n, name: "m12" })));
  const fresh = await cluster.start(12n, { type: "join" });
  await cluster.clock.until(() => fresh.member.status().confState.voters.includes(12n), "a voter");
  expect(has(behind, 12n)).toBe(false);
  leader.member.transferLeader(12n);
  await cluster.clock.until(() => fresh.member.status().role === "leader", "it leads");
  await cluster.clock.until(() => behind.member.leader === 12n, "it is followed");
  expect(has(behind, 12n)).toBe(false);
  isHeld = false;
  await cluster.clock.until(() => has(behind, 12n), "known");
});

function withoutCommit(frame: Uint8Array, known: number): Uint8Array | undefined {
  const { header, body } = decodeFrame(frame, { maxBytes: frame.length });
  if (body.type !== "raft") return undefined;
  const messages = body.messages.map((message): RaftMessage => {
    const hasCommit = message.type === "append" || message.type === "heartbeat";
    return hasCommit ? { ...message, commit: Math.min(message.commit, known) } : message;
  });
  return encodeFrame(header, { ...body, messages });
}
