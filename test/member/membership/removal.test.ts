import { describe, expect, test } from "vitest";
import { utf8Encode } from "../../../src/base/utf8.ts";
import { putRequest } from "../../../src/protocol/api/kv.ts";
import { decodeFrame, encodeFrame } from "../../../src/protocol/peer/frame.ts";
import { member as memberRecord } from "../../../src/protocol/api/cluster.ts";
import { CALL, CLUSTER_ID, Cluster } from "../support/cluster.ts";
import type { Node } from "../support/cluster.ts";

const NOTHING = new Uint8Array(0);
const REMOVED = "This member was removed from the cluster.";

const others = (cluster: Cluster, node: Node): readonly Node[] =>
  [...cluster.nodes.values()].filter(({ id }) => id !== node.id);

function put(node: Node): Promise<unknown> {
  return node.services.kv.put(putRequest({ key: utf8Encode("key"), value: utf8Encode("value") }), CALL);
}

describe("a member that is removed", () => {
  test("M14 stops, reports why, and does not start again", async () => {
    const cluster = await Cluster.founded(3);
    const leader = await cluster.elected();
    const leaving = others(cluster, leader)[0] as Node;
    leader.member.changeMembership("remove-node", leaving.id, NOTHING);
    await cluster.clock.until(() => leaving.member.problem?.text === REMOVED, "removed");
    const image = leaving.storage;
    image.completeWrites();
    const again = await cluster.start(leaving.id, { type: "join" }, cluster.crash(leaving.id));
    await cluster.clock.until(() => again.member.problem?.text === REMOVED, "removed again");
    await cluster.settled(put(leader));
  });

  test("M14 while it was away learns it from the first member that it contacts, as a voter and as a learner", async () => {
    for (const kind of ["voter", "learner"] as const) {
      const cluster = await Cluster.founded(3);
      const leader = await cluster.elected();
      let leaving = others(cluster, leader)[0] as Node;
      if (kind === "learner") {
        leaving = await cluster.start(4n, { type: "join" });
        leaving.member.dial([leader.id]);
        await cluster.clock.until(() => leaving.member.machine.membership.has(4n), "let in");
      }
      const image = cluster.crash(leaving.id);
      leader.member.changeMembership("remove-node", leaving.id, NOTHING);
      await cluster.clock.until(() => leader.member.machine.membership.wasRemoved(leaving.id), "removed");
      const again = await cluster.start(leaving.id, { type: "join" }, image);
      await cluster.clock.until(() => again.member.problem?.text === REMOVED, "removed");
    }
  });

  test("M14 with all the voters that it knew learns it from a member that it knew as a learner", async () => {
    const cluster = await Cluster.founded(3);
    const leader = await cluster.elected();
    const [away, other] = others(cluster, leader) as [Node, Node];
    const learner = await cluster.start(4n, { type: "join" });
    learner.member.dial([leader.id]);
    await cluster.clock.until(() => away.member.machine.membership.has(4n), "known to all members");
    const known = away.member.applied;
    await cluster.settled(put(leader));
    await cluster.clock.until(() => away.storage.durableApplied >= known, "known durably");
    const image = cluster.crash(away.id);
    const change = async (type: "add-node" | "remove-node", id: bigint): Promise<void> => {
      const { applied } = learner.member;
      const now = [...cluster.nodes.values()].find(({ member }) => member.status().role === "leader") ?? learner;
      now.member.changeMembership(type, id, NOTHING);
      await cluster.clock.until(() => learner.member.applied > applied, `${type} ${id}`);
    };
    await change("add-node", 4n);
    for (const gone of [away, other, leader]) {
      await change("remove-node", gone.id);
      await cluster.clock.until(() => learner.member.machine.membership.wasRemoved(gone.id), "removed");
      await cluster.clock.advance(1_000);
      cluster.nodes.delete(gone.id);
    }
    await cluster.settled(put(learner));
    const again = await cluster.start(away.id, { type: "join" }, image);
    await cluster.clock.until(() => again.member.problem?.text === REMOVED, "removed");
  });

  test("M14 is referred by another removed member to current members", async () => {
    const cluster = await Cluster.founded(3);
    const leader = await cluster.elected();
    const [away, removed] = others(cluster, leader) as [Node, Node];
    const image = cluster.crash(away.id);
    const stranger = await cluster.start(9n, { type: "join" });
    stranger.member.dial([leader.id, removed.id]);
    await cluster.clock.until(() => stranger.member.machine.membership.has(9n), "let in");
    leader.member.changeMembership("add-node", 9n, NOTHING);
    await cluster.clock.until(() => leader.member.status().confState.voters.includes(9n), "promoted");
    leader.member.changeMembership("remove-node", away.id, NOTHING);
    await cluster.clock.until(() => stranger.member.machine.membership.wasRemoved(away.id), "removed");
    // All members that it knew are unreachable. A tombstone responds in the place of one of them.
    cluster.network.setLink(away.id, leader.id, false);
    cluster.crash(removed.id);
    const tombstone = cluster.network.transportFor(removed.id);
    const members = [memberRecord({ id: 9n })];
    const frame = { type: "join-response", refusal: "", clusterId: CLUSTER_ID, members } as const;
    tombstone.start({
      onFrame: (from, _frame, done) => {
        tombstone.send(from, encodeFrame({ clusterId: CLUSTER_ID, from: removed.id, to: from }, frame));
        done();
      },
      onPeerUp: () => {},
      onPeerDown: () => {},
    });
    tombstone.setPeers([away.id]);
    const again = await cluster.start(away.id, { type: "join" }, image);
    await cluster.clock.until(() => again.member.problem?.text === REMOVED, "removed");
  });

  test("M15 while it leads transfers leadership first: the others need no election timeout", async () => {
    const cluster = await Cluster.founded(3);
    const leader = await cluster.elected();
    leader.member.changeMembership("remove-node", leader.id, NOTHING);
    const startMs = cluster.clock.nowMs();
    await cluster.clock.until(() => leader.member.problem?.text === REMOVED, "gone");
    cluster.nodes.delete(leader.id);
    const next = await cluster.elected();
    expect(cluster.clock.nowMs() - startMs).toBeLessThan(1_000);
    expect(next.member.status().confState.voters).not.toContain(leader.id);
    await cluster.settled(put(next));
  });

  test.each(["alone", "beside a learner that knows"])(
    "while it leads stays until the remaining voter knows, if that one does not get the message, %s",
    async (where) => {
      const cluster = await Cluster.founded(2);
      const leader = await cluster.elected();
      const rest = others(cluster, leader)[0] as Node;
      if (where !== "alone") {
        const learner = await cluster.start(4n, { type: "join" });
        learner.member.dial([leader.id]);
        await cluster.clock.until(() => learner.member.machine.membership.has(4n), "let in");
        await cluster.settled(put(rest));
      }
      const { lastIndex } = leader.member.status();
      const { network } = cluster;
      const post = network.post.bind(network);
      network.post = (from, to, frame) => {
        // The entry arrives, and its acknowledgement; its commit does not.
        if (to !== rest.id || rest.member.status().lastIndex === lastIndex) post(from, to, frame);
      };
      let answers = 0;
      leader.member.changes.remove(leader.id, () => answers++);
      await cluster.clock.until(() => leader.member.machine.membership.wasRemoved(leader.id), "applied");
      await cluster.clock.advance(3_000);
      expect([leader.member.problem, answers]).toEqual([undefined, 0]);
      // The other one is elected by both votes, and continues without knowing: it needs acknowledgements, too.
      network.post = (from, to, frame) => {
        const { body } = decodeFrame(frame, { maxBytes: frame.length });
        const isAnswer = body.type === "raft" && body.messages.some(({ type }) => type === "append-response");
        if (from !== leader.id || !isAnswer) post(from, to, frame);
      };
      await cluster.clock.until(() => rest.member.status().role === "leader", "elected");
      await cluster.clock.advance(700);
      expect([leader.member.problem, answers]).toEqual([undefined, 0]);
      network.post = post;
      await cluster.clock.until(() => leader.member.problem?.text === REMOVED, "removed");
      expect(answers).toBe(1);
      cluster.nodes.delete(leader.id);
      await cluster.settled(put(rest));
    },
  );

  test("while it leads one other leaves that one able to continue", async () => {
    const cluster = await Cluster.founded(2);
    const leader = await cluster.elected();
    const rest = others(cluster, leader)[0] as Node;
    leader.member.changeMembership("remove-node", leader.id, NOTHING);
    await cluster.clock.until(() => leader.member.problem?.text === REMOVED, "gone");
    await cluster.settled(put(rest));
  });

  test("M11 is not added again under its id", async () => {
    const cluster = await Cluster.founded(3);
    const leader = await cluster.elected();
    const leaving = others(cluster, leader)[0] as Node;
    leader.member.changeMembership("remove-node", leaving.id, NOTHING);
    await cluster.clock.until(() => leader.member.machine.membership.wasRemoved(leaving.id), "removed");
    const { applied } = leader.member;
    leader.member.changeMembership("add-learner", leaving.id, NOTHING);
    await cluster.clock.until(() => leader.member.applied > applied, "applied");
    expect(leader.member.status().confState.learners).toEqual([]);
    expect(leader.member.machine.membership.has(leaving.id)).toBe(false);
  });
});

describe("leadership", () => {
  test("is transferred to the requested member, also through a follower", async () => {
    const cluster = await Cluster.founded(3);
    const leader = await cluster.elected();
    const [one, two] = others(cluster, leader) as [Node, Node];
    leader.member.transferLeader(one.id);
    await cluster.clock.until(() => one.member.status().role === "leader", "handed over");
    await cluster.clock.until(() => two.member.leader === one.id, "known");
    two.member.transferLeader(two.id);
    await cluster.clock.until(() => two.member.status().role === "leader", "handed over again");
    await cluster.settled(put(one));
  });
});
