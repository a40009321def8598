import { expect, test } from "vitest";
import { CALL, Cluster } from "../support/cluster.ts";
import type { Node } from "../support/cluster.ts";
import { putRequest } from "../../../src/protocol/api/kv.ts";
import { utf8Encode } from "../../../src/base/utf8.ts";

const codesOf = ({ member }: Node): (string | undefined)[] => {
  const codes: (string | undefined)[] = [];
  member.whenAvailabilityChanges(() => void codes.push(member.unavailable?.code));
  return codes;
};

const followerOf = (cluster: Cluster, leader: Node): Node =>
  [...cluster.nodes.values()].find(({ id }) => id !== leader.id) as Node;

test("M52 a member notifies when it loses its leader, its quorum, and when it can serve again, and no other time", async () => {
  const cluster = await Cluster.founded(3);
  const leader = await cluster.elected();
  const follower = followerOf(cluster, leader);
  await cluster.clock.until(() => follower.member.unavailable === undefined, "the follower knows the leader");
  const codes = codesOf(follower);
  await cluster.settled(
    leader.services.kv.put(putRequest({ key: utf8Encode("key"), value: utf8Encode("value") }), CALL),
  );
  await cluster.clock.advance(10_000);
  expect(codes).toEqual([]);

  const isolate = (isUp: boolean): void => {
    for (const { id } of cluster.nodes.values()) {
      if (id !== follower.id) cluster.network.setLink(follower.id, id, isUp);
    }
  };
  isolate(false);
  await cluster.clock.until(() => codes.includes("no-quorum"), "the loss of the quorum is told");
  isolate(true);
  await cluster.clock.until(() => codes.includes(undefined), "the recovery is told");
  expect(new Set(codes)).toEqual(new Set(["no-leader", "no-quorum", undefined]));
  expect(codes.at(-1)).toBeUndefined();
  const count = codes.length;
  await cluster.clock.advance(10_000);
  expect(codes.length).toBe(count);
});

test("M52 a newcomer notifies when it has been added, and when it stops", async () => {
  const cluster = await Cluster.founded(1);
  await cluster.elected();
  const newcomer = await cluster.start(2n, { type: "join" });
  newcomer.member.dial([1n]);
  expect(newcomer.member.unavailable?.code).toBe("joining");
  const codes = codesOf(newcomer);
  await cluster.clock.until(() => codes.includes(undefined), "added");
  newcomer.member.stop();
  await cluster.clock.advance(1);
  expect(codes.at(-1)).toBe("stopped");
});

test("M52 a listener that has left is not notified, and one that calls the member does so in a turn of its own", async () => {
  const cluster = await Cluster.founded(1);
  const leader = await cluster.elected();
  const heard: string[] = [];
  const leave = leader.member.whenAvailabilityChanges(() => void heard.push("left"));
  let isStopping = false;
  leader.member.whenAvailabilityChanges(() => void heard.push(isStopping ? "in the same turn" : "later"));
  leave();
  isStopping = true;
  leader.member.stop();
  isStopping = false;
  await cluster.clock.advance(1);
  expect(heard).toEqual(["later"]);
});
