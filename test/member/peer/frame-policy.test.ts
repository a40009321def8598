/**
 * Forged frames of every kind from every kind of sender, over the transports that members of one process can have. The
 * frames are made from the tables themselves: a new kind of frame must get a row and a forgery, or the test fails.
 */
import { describe, expect, test } from "vitest";
import { utf8Encode } from "../../../src/base/utf8.ts";
import { FRAME_RULES, RAFT_RULES, RPC_RULES } from "../../../src/member/peer/frame-policy.ts";
import type { Member } from "../../../src/member/node/member.ts";
import { encodeMember } from "../../../src/member/membership/membership.ts";
import { member as memberRecord } from "../../../src/protocol/api/cluster.ts";
import { decodeFrame, encodeFrame } from "../../../src/protocol/peer/frame.ts";
import type { FrameBody } from "../../../src/protocol/peer/frame-schema.ts";
import { putRequest, rangeRequest } from "../../../src/protocol/api/kv.ts";
import { MAX_FRAME_BYTES } from "../../../src/transport/transport.ts";
import { CALL, CLUSTER_ID, Cluster } from "../support/cluster.ts";
import type { Node } from "../support/cluster.ts";
import { forgedFrames } from "../../sim/forged-frames.ts";
import type { Forgery, Victim } from "../../sim/forged-frames.ts";
import { HttpTransports } from "../support/http-transports.ts";

const LEARNER = 4n;
const FORMER = 5n;
/** The transport has not authenticated the first one, and has authenticated the second. */
const STRANGER = 66n;
const PROVEN = 67n;
const QUIET = { quiesceAfterTicks: 20 };

/** The rows that a learner may use. They are repeated here, so that a relaxed row is noticed. */
const LEARNERS_MAY: ReadonlySet<string> = new Set([
  "snapshot-ack",
  "join",
  "ping",
  "pong",
  "goodbye",
  "rpc-response",
  "wake",
  "not-leading",
  "raft/append-response",
  "raft/heartbeat-response",
  "raft/propose",
  "raft/read-index",
  "raft/transfer-leader",
  "rpc/cluster/change",
  "rpc/hashkv",
  "rpc/lease/remaining",
  "rpc/lease/renew",
  "rpc/constructor",
]);
const rowOf = ({ name }: Forgery): string => name.split(" ")[0] ?? "";

interface World {
  readonly cluster: Cluster;
  readonly leader: Node;
  readonly follower: Node;
  /** Frames sent back to the attacker. */
  readonly received: Map<bigint, FrameBody[]>;
  /** Delivers the frame, with all its immediate effects. The clock stands still. */
  readonly attack: (from: bigint, to: Node, frame: Uint8Array) => Promise<void>;
}

type TransportKind = "memory" | "http";

/** Three voters, a learner, a removed member, and data. */
async function openWorld(kind: TransportKind, options: typeof QUIET | undefined): Promise<World> {
  const cluster = new Cluster(1, options);
  cluster.strangers.add(STRANGER);
  const http = new HttpTransports(cluster.clock);
  if (kind === "http") cluster.transports = http;
  await cluster.found(3);
  const leader = await cluster.elected();
  for (const id of [LEARNER, FORMER]) {
    leader.member.changeMembership("add-learner", id, encodeMember(memberRecord({ id, name: `m${id}` })));
    const learner = await cluster.start(id, { type: "join" });
    await cluster.clock.until(() => learner.member.machine.membership.has(id), "let in");
  }
  leader.member.changeMembership("remove-node", FORMER, new Uint8Array(0));
  await cluster.clock.until(() => cluster.node(FORMER).member.problem !== undefined, "removed");
  cluster.nodes.delete(FORMER);
  await cluster.settled(leader.services.kv.put(putRequest({ key: utf8Encode("own"), value: utf8Encode("own") }), CALL));
  await cluster.clock.until(() => settled(cluster), "all members have all entries");
  const follower = [...cluster.nodes.values()].find(({ id }) => id !== leader.id && id !== LEARNER) as Node;
  const received = new Map<bigint, FrameBody[]>();
  const attack = kind === "http" ? overHttp(cluster, http) : overMemory(cluster, received);
  return { cluster, leader, follower, received, attack };
}

function settled(cluster: Cluster): boolean {
  const [first, ...rest] = [...cluster.nodes.values()].map(({ member }) => member.applied);
  return rest.every((applied) => applied === first);
}

function overMemory(cluster: Cluster, received: World["received"]): World["attack"] {
  const stations = new Set<bigint>();
  return async (from, to, frame) => {
    if (!stations.has(from) && !cluster.nodes.has(from)) {
      stations.add(from);
      const bodies: FrameBody[] = [];
      received.set(from, bodies);
      const transport = cluster.network.transportFor(from);
      transport.start({
        onFrame: (_from, answer) => bodies.push(decodeFrame(answer, { maxBytes: MAX_FRAME_BYTES }).body),
        onPeerUp: () => {},
        onPeerDown: () => {},
      });
      transport.setPeers([...cluster.nodes.keys()]);
      await cluster.clock.advance(0);
    }
    cluster.network.post(from, to.id, frame);
    await cluster.clock.advance(0);
  };
}

function overHttp(cluster: Cluster, http: HttpTransports): World["attack"] {
  return async (from, to, frame) => {
    await cluster.settled(http.post(from, to.id, frame));
  };
}

function victimOf({ id, member }: Node): Victim {
  const { term, lastIndex, confState } = member.status();
  return { id, clusterId: CLUSTER_ID, term, lastIndex, lastTerm: member.logTerm(lastIndex) ?? 0, confState };
}

/**
 * Everything that a frame could change, except what passes with time. In a quiesced cluster contact is not compared,
 * because a member that hears no leader requests the member list from the others. Nor is whether a learner wakes it: it
 * may.
 */
function stateOf({ member }: Node, from: bigint, wasQuiet: boolean): unknown {
  const { term, vote, role, leader, commit, applied, lastIndex, confState } = member.status();
  const { membership, store } = member.machine;
  return {
    raft: { term, vote, role, leader, commit, applied, lastIndex, confState },
    membership: [membership.members, membership.removed],
    revision: store.revision,
    sender: wasQuiet && from === LEARNER ? [] : [member.isWaking, ...whatIsKnownOf(from, member)],
    received: wasQuiet ? [] : [[...member.metrics.peers.peers.keys()], member.counters.framesReceived],
    problem: member.problem,
    refusal: member.joinRefusal,
  };
}

function whatIsKnownOf(from: bigint, member: Member): readonly unknown[] {
  const { peers } = member.metrics.peers;
  return [member.isActive(from), peers.has(from), peers.get(from)?.receivedBytes];
}

async function mustChangeNothing(
  world: World,
  from: bigint,
  isRefused: (forgery: Forgery) => boolean,
  frameOf: (forgery: Forgery, to: Node) => Uint8Array,
): Promise<number> {
  let count = 0;
  const wasQuiet = world.leader.member.settings.quiesceAfterTicks > 0;
  for (const victim of [world.leader, world.follower]) {
    for (const forgery of forgedFrames(from, victimOf(victim)).filter(isRefused)) {
      const before = stateOf(victim, from, wasQuiet);
      const { framesRejected } = victim.member.counters;
      await world.attack(from, victim, frameOf(forgery, victim));
      expect({ name: forgery.name, state: stateOf(victim, from, wasQuiet) }).toEqual({
        name: forgery.name,
        state: before,
      });
      expect([forgery.name, victim.member.counters.framesRejected - framesRejected]).toEqual([forgery.name, 1]);
      count++;
    }
  }
  return count;
}

async function mustOnlyWake(
  { attack, leader, follower }: World,
  isRefused: (forgery: Forgery) => boolean,
): Promise<void> {
  for (const victim of [follower, leader]) {
    const { term, leader: followed } = victim.member.basicStatus();
    for (const forgery of forgedFrames(PROVEN, victimOf(victim)).filter(isRefused)) {
      await attack(PROVEN, victim, plain(PROVEN)(forgery, victim));
      const now = victim.member.basicStatus();
      expect([forgery.name, now.term, now.leader]).toEqual([forgery.name, term, followed]);
    }
  }
}

async function mustGoOn({ cluster, leader }: World, term: number): Promise<void> {
  await cluster.clock.advance(3_000);
  const { role, term: now, confState } = leader.member.status();
  expect({ role, now, voters: confState.voters.length, learners: confState.learners }).toEqual({
    role: "leader",
    now: term,
    voters: 3,
    learners: [LEARNER],
  });
  const forged = await cluster.settled(leader.services.kv.range(rangeRequest({ key: utf8Encode("forged") }), CALL));
  expect(forged.count).toBe(0);
}

const plain =
  (from: bigint) =>
  ({ body }: Forgery, to: Node): Uint8Array =>
    encodeFrame({ clusterId: CLUSTER_ID, from, to: to.id }, body);

test("M16 every row of the tables is forged", () => {
  const rows = new Set(forgedFrames(1n, EXAMPLE).map(rowOf));
  const frames = Object.keys(FRAME_RULES).filter((kind) => kind !== "raft" && kind !== "rpc");
  const messages = Object.keys(RAFT_RULES).map((type) => `raft/${type}`);
  const methods = Object.keys(RPC_RULES).map((method) => `rpc/${method}`);
  expect([...frames, ...messages, ...methods].filter((row) => !rows.has(row))).toEqual([]);
  expect([...LEARNERS_MAY].filter((row) => !rows.has(row))).toEqual([]);
});

test("M16 every call that a member serves has its row", async () => {
  const cluster = await Cluster.founded(1);
  expect(cluster.node(1n).member.rpc.methods.toSorted()).toEqual(Object.keys(RPC_RULES).toSorted());
});

describe.each(["memory", "http"] as const)("over %s", (kind) => {
  describe.each([
    { what: "awake", options: undefined },
    { what: "quiet", options: QUIET },
  ])("a cluster that is $what", ({ options }) => {
    const begun = async (): Promise<World & { readonly term: number }> => {
      const made = await openWorld(kind, options);
      const { clock } = made.cluster;
      if (options !== undefined) await clock.until(() => clock.timerCount === 0, "quiet");
      return { ...made, term: made.leader.member.status().term };
    };
    const strangers = kind === "memory" ? [STRANGER] : [];

    test.each(strangers)("M16 accepts nothing from an unknown peer", async (stranger) => {
      const begin = await begun();
      const count = await mustChangeNothing(begin, stranger, (forgery) => forgery.name !== "join", plain(stranger));
      expect(count).toBeGreaterThan(100);
      if (options !== undefined) expect(begin.cluster.clock.timerCount).toBe(0);
      expect(begin.received.get(stranger)).toEqual([]);
      await mustGoOn(begin, begin.term);
    });

    test("M16 accepts nothing but a join request from an authenticated peer, while it has a leader", async () => {
      const begin = await begun();
      const isRefused = (forgery: Forgery): boolean => forgery.name !== "join";
      // A quiesced cluster is woken, as by a leader. Then it contacts its own leader, which is present.
      if (options !== undefined) await mustOnlyWake(begin, isRefused);
      else await mustChangeNothing(begin, PROVEN, isRefused, plain(PROVEN));
      await mustGoOn(begin, begin.term);
    });

    test("M14 informs a former member of its removal when it acts as a member, and does nothing else for it", async () => {
      const begin = await begun();
      await mustChangeNothing(begin, FORMER, () => true, plain(FORMER));
      if (options !== undefined) expect(begin.cluster.clock.timerCount).toBe(0);
      for (const body of begin.received.get(FORMER) ?? []) {
        expect(body).toMatchObject({ type: "join-response", refusal: "removed" });
      }
      await mustGoOn(begin, begin.term);
    });

    test("M16 accepts from a learner what its rows allow, and no more", async () => {
      const begin = await begun();
      const may = (forgery: Forgery): boolean => {
        return (
          LEARNERS_MAY.has(rowOf(forgery)) && !forgery.name.includes(" ahead") && !isHiddenAhead(forgery, begin.term)
        );
      };
      await mustChangeNothing(begin, LEARNER, (forgery) => !may(forgery), plain(LEARNER));
      await mustGoOn(begin, begin.term);
    });

    test("M16 accepts nothing from members of another cluster, even if they have our ids", async () => {
      const begin = await begun();
      const frameOf = ({ body }: Forgery, to: Node): Uint8Array =>
        encodeFrame({ clusterId: CLUSTER_ID + 1n, from: LEARNER, to: to.id }, body);
      await mustChangeNothing(begin, LEARNER, () => true, frameOf);
      await mustGoOn(begin, begin.term);
    });

    test("M16 accepts nothing that is sent in the name of another member", async () => {
      const begin = await begun();
      const { leader, follower } = begin;
      const other = (to: Node): Node => (to === leader ? follower : leader);
      const inTheFrame = ({ body }: Forgery, to: Node): Uint8Array =>
        encodeFrame({ clusterId: CLUSTER_ID, from: other(to).id, to: to.id }, body);
      await mustChangeNothing(begin, LEARNER, () => true, inTheFrame);
      const names = (body: FrameBody, to: Node): FrameBody => {
        const from = other(to).id;
        if (body.type === "snapshot-chunk") return { ...body, message: { ...body.message, from } };
        if (body.type !== "raft") return body;
        return { ...body, messages: body.messages.map((message) => ({ ...message, from })) };
      };
      const inTheMessage = ({ body }: Forgery, to: Node): Uint8Array =>
        encodeFrame({ clusterId: CLUSTER_ID, from: LEARNER, to: to.id }, names(body, to));
      const hasName = ({ body }: Forgery): boolean => body.type === "raft" || body.type === "snapshot-chunk";
      await mustChangeNothing(begin, LEARNER, hasName, inTheMessage);
      // Not even a voter, which may send all of that for itself.
      const third = [...begin.cluster.nodes.keys()].find((id) => ![leader.id, follower.id, LEARNER].includes(id)) ?? 0n;
      const ofAVoter = ({ body }: Forgery, to: Node): Uint8Array =>
        encodeFrame({ clusterId: CLUSTER_ID, from: third, to: to.id }, names(body, to));
      await mustChangeNothing(begin, third, hasName, ofAVoter);
      await mustGoOn(begin, begin.term);
    });
  });
});

const EXAMPLE: Victim = {
  id: 2n,
  clusterId: CLUSTER_ID,
  term: 3,
  lastIndex: 9,
  lastTerm: 3,
  confState: { voters: [1n, 2n, 3n], learners: [], votersOutgoing: [], learnersNext: [], autoLeave: false },
};

function isHiddenAhead({ body }: Forgery, term: number): boolean {
  return body.type === "raft" && body.messages.some((message) => message.term > term);
}
