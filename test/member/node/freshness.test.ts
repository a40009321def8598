import { expect, test } from "vitest";
import { CALL, Cluster } from "../support/cluster.ts";
import type { Node } from "../support/cluster.ts";
import { utf8Encode } from "../../../src/base/utf8.ts";
import { EtcdError, GrpcCode } from "../../../src/protocol/errors.ts";
import { putRequest, rangeRequest } from "../../../src/protocol/api/kv.ts";
import { MemoryNetwork } from "../../../src/transport/memory.ts";
import type { Problem } from "../../../src/member/node/lifecycle.ts";
import type { OutageResponse } from "../../../src/member/options.ts";

const ROOM = { confirmsFreshness: true } as const;

const put = (node: Node, key: string): Promise<unknown> =>
  node.services.kv.put(putRequest({ key: utf8Encode(key), value: utf8Encode("v") }), CALL);

function isolate(cluster: Cluster, node: Node, isUp: boolean, network = cluster.network): void {
  for (const { id } of cluster.nodes.values()) if (id !== node.id) network.setLink(node.id, id, isUp);
}

async function leaderAndFollower(cluster: Cluster): Promise<readonly [Node, Node]> {
  const leader = await cluster.elected();
  const follower = [...cluster.nodes.values()].find(({ id }) => id !== leader.id) as Node;
  await cluster.clock.until(() => follower.member.unavailable === undefined, "the follower is current");
  return [leader, follower];
}

test("M53 a member that was cut off is unavailable until it holds what was committed, and says how far behind since when", async () => {
  const cluster = new Cluster(1, { ...ROOM, limits: { appendBytes: 100 } });
  const delayed = ({ deliver }: { readonly deliver: () => void }): void => void cluster.clock.setTimer(20, deliver);
  const network = new MemoryNetwork({ schedule: delayed });
  cluster.transports = network;
  await cluster.found(3);
  const [leader, follower] = await leaderAndFollower(cluster);
  await cluster.clock.advance(5_000);
  const cutOffMs = cluster.clock.nowMs();
  isolate(cluster, follower, false, network);
  for (let at = 0; at < 300; at++) await cluster.settled(put(leader, `k${at}`));
  await cluster.clock.until(() => follower.member.unavailable?.code === "no-quorum", "it knows that it is cut off");
  await cluster.clock.advance(20_000);
  const { revision } = leader.member.machine.store;
  const seen: (Problem | undefined)[] = [];
  let heldWhenCurrent = 0;
  follower.member.whenAvailabilityChanges(() => {
    seen.push(follower.member.unavailable);
    if (follower.member.unavailable === undefined) heldWhenCurrent ||= follower.member.machine.store.revision;
  });
  isolate(cluster, follower, true, network);
  await cluster.clock.until(() => heldWhenCurrent > 0, "it is current again");
  expect(heldWhenCurrent).toBe(revision);
  const catchingUp = seen.filter((problem) => problem?.code === "catching-up");
  expect(catchingUp.map((problem) => problem?.text).join()).toMatch(/about \d+ entries behind the leader/);
  const since = catchingUp.map((problem) => problem?.sinceWallMs ?? 0);
  for (const ms of since) {
    expect(ms).toBeGreaterThanOrEqual(cutOffMs - 200);
    expect(ms).toBeLessThan(cutOffMs + 2_500);
  }
});

test("M53 a member whose clock stood still is not current, before anything else runs on it, and confirms that it is", async () => {
  const cluster = await Cluster.founded(1, ROOM);
  const leader = await cluster.elected();
  await cluster.clock.until(() => leader.member.unavailable === undefined, "it is current");
  // The wall clock goes on while timers do not, as in a machine that sleeps.
  cluster.clock.sleptMs = 3_600_000;
  expect(leader.member.unavailable?.code).toBe("catching-up");
  await cluster.clock.until(() => leader.member.unavailable === undefined, "it is current again");
});

test("M53 a learner whose leader is gone says so, and how many voters it hears", async () => {
  const cluster = await Cluster.founded(1, ROOM);
  const leader = await cluster.elected();
  const learner = await cluster.start(2n, { type: "join" });
  learner.member.dial([leader.id]);
  await cluster.clock.until(() => learner.member.unavailable === undefined, "it has joined");
  cluster.crash(leader.id);
  await cluster.clock.until(() => learner.member.unavailable?.code === "no-quorum", "it notices");
  expect(learner.member.unavailable?.voters).toEqual({ here: 0, total: 1 });
  expect((await learner.services.inspect.view()).leader).toBe("0");
});

test("M53 a stopped member leads nobody and knows no leader", async () => {
  const cluster = await Cluster.founded(1, ROOM);
  const leader = await cluster.elected();
  leader.member.stop();
  expect(await leader.services.inspect.view()).toMatchObject({
    role: "follower",
    leader: "0",
    problem: { code: "stopped" },
  });
});

const outage = ({ code, voters }: Problem): OutageResponse => ({
  failAfterMs: code === "no-quorum" ? 1_000 : 7_000,
  error: (isUnknown) =>
    new EtcdError(GrpcCode.Unavailable, `${code}: ${voters?.here} of ${voters?.total}${isUnknown ? ", unknown" : ""}`),
});

/** Returns how the call failed, and after how many milliseconds. */
async function failureOf(cluster: Cluster, call: Promise<unknown>): Promise<readonly [string, number]> {
  const fromMs = cluster.clock.nowMs();
  const error = await cluster.settled(call.catch((thrown: unknown) => thrown));
  return [error instanceof EtcdError ? error.message : String(error), cluster.clock.nowMs() - fromMs];
}

test("M54 without a quorum a request fails within a second, for the reason that is known", async () => {
  const cluster = await Cluster.founded(3, { ...ROOM, outage });
  const [, follower] = await leaderAndFollower(cluster);
  isolate(cluster, follower, false);
  // It has not noticed yet, so the request waits until the loss is known.
  const early = failureOf(cluster, put(follower, "early"));
  expect((await early)[0]).toBe("no-quorum: 1 of 3, unknown");
  const [text, afterMs] = await failureOf(cluster, put(follower, "late"));
  expect(text).toBe("no-quorum: 1 of 3");
  expect(afterMs).toBeGreaterThanOrEqual(1_000);
  expect(afterMs).toBeLessThanOrEqual(1_100);
  const read = follower.services.kv.range(rangeRequest({ key: utf8Encode("k") }), CALL);
  expect(await failureOf(cluster, read)).toEqual(["no-quorum: 1 of 3", afterMs]);
  isolate(cluster, follower, true);
  await cluster.clock.until(() => follower.member.unavailable === undefined, "the quorum is back");
  await cluster.settled(put(follower, "again"));
  // What failed was never proposed, so it does not appear later.
  const { kvs } = await cluster.settled(follower.services.kv.range(rangeRequest({ key: utf8Encode("late") }), CALL));
  expect(kvs).toEqual([]);
});

test("M4 without that option a request ends with etcd's time-out and text", async () => {
  const cluster = await Cluster.founded(3);
  const [, follower] = await leaderAndFollower(cluster);
  isolate(cluster, follower, false);
  await cluster.clock.until(() => follower.member.unavailable?.code === "no-quorum", "it knows");
  const [text, afterMs] = await failureOf(cluster, put(follower, "k"));
  expect(text).toBe("etcdserver: request timed out, possibly due to previous leader failure");
  expect(afterMs).toBeGreaterThanOrEqual(7_000);
});
