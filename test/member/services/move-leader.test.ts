import { expect, test } from "vitest";
import { moveLeaderRequest } from "../../../src/protocol/api/maintenance.ts";
import { CALL, Cluster } from "../support/cluster.ts";
import type { Node } from "../support/cluster.ts";

async function move(cluster: Cluster, node: Node, targetId: bigint): Promise<string> {
  return cluster.settled(
    node.services.maintenance.moveLeader(moveLeaderRequest({ targetId }), CALL).then(
      (response) => (response.header === undefined ? "moved" : "with a header"),
      (error: Error) => error.message,
    ),
  );
}

function followerOf(cluster: Cluster, leader: Node): Node {
  const found = [...cluster.nodes.values()].find(({ id }) => id !== leader.id);
  if (found === undefined) throw new Error("a cluster of one");
  return found;
}

test("M22 the response comes when the target leads, and has no header", async () => {
  const cluster = await Cluster.founded(3);
  const leader = await cluster.elected();
  const target = followerOf(cluster, leader);
  expect(await move(cluster, leader, target.id)).toBe("moved");
  expect(leader.member.leader).toBe(target.id);
  expect(target.member.status().role).toBe("leader");
});

test("a member that does not lead reports it before it checks the target", async () => {
  const cluster = await Cluster.founded(3);
  const leader = await cluster.elected();
  const follower = followerOf(cluster, leader);
  for (const target of [follower.id, leader.id, 0n, 99n]) {
    expect(await move(cluster, follower, target)).toBe("etcdserver: not leader");
  }
});

test("M22 unknown ids and strangers are refused as targets; the leader itself is accepted", async () => {
  const cluster = await Cluster.founded(3);
  const leader = await cluster.elected();
  expect(await move(cluster, leader, 0n)).toBe("etcdserver: bad leader transferee");
  expect(await move(cluster, leader, 99n)).toBe("etcdserver: bad leader transferee");
  expect(await move(cluster, leader, leader.id)).toBe("moved");
  expect(leader.member.status().role).toBe("leader");
});

test("M22 a target that is down gets nothing, and the call times out", async () => {
  const cluster = await Cluster.founded(3);
  const leader = await cluster.elected();
  const target = followerOf(cluster, leader);
  cluster.crash(target.id);
  expect(await move(cluster, leader, target.id)).toBe("etcdserver: request timed out, leader transfer took too long");
  expect(leader.member.status().role).toBe("leader");
});

test("a quiesced cluster is woken for it", async () => {
  const cluster = await Cluster.founded(3, { quiesceAfterTicks: 30 });
  const leader = await cluster.elected();
  await cluster.clock.advance(20_000);
  const target = followerOf(cluster, leader);
  expect(await move(cluster, leader, target.id)).toBe("moved");
});
