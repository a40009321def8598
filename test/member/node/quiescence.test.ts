import { describe, expect, test } from "vitest";
import { utf8Decode, utf8Encode } from "../../../src/base/utf8.ts";
import type { Resumption } from "../../../src/member/options.ts";
import { member as memberRecord } from "../../../src/protocol/api/cluster.ts";
import { putRequest, rangeRequest } from "../../../src/protocol/api/kv.ts";
import { encodeFrame } from "../../../src/protocol/peer/frame.ts";
import type { ResumePoint } from "../../../src/raft/config.ts";
import { CALL, CLUSTER_ID, Cluster } from "../support/cluster.ts";
import type { Node } from "../support/cluster.ts";

const OPTIONS = { quiesceAfterTicks: 20 };

function put(node: Node, value: string): Promise<unknown> {
  return node.services.kv.put(putRequest({ key: utf8Encode("key"), value: utf8Encode(value) }), CALL);
}

async function read(cluster: Cluster, node: Node): Promise<string | undefined> {
  const { kvs } = await cluster.settled(node.services.kv.range(rangeRequest({ key: utf8Encode("key") }), CALL));
  return kvs[0] === undefined ? undefined : utf8Decode(kvs[0].value);
}

async function quiesced(cluster: Cluster): Promise<void> {
  await cluster.clock.until(() => cluster.clock.timerCount === 0, "quiesced");
}

const others = (cluster: Cluster, node: Node): readonly Node[] =>
  [...cluster.nodes.values()].filter(({ id }) => id !== node.id);

describe("a quiesced cluster", () => {
  test("M23 serves a write and a read on each of its members within a second", async () => {
    const cluster = await Cluster.founded(3, OPTIONS);
    await cluster.elected();
    for (const node of cluster.nodes.values()) {
      await quiesced(cluster);
      const sinceMs = cluster.clock.nowMs();
      await cluster.settled(put(node, `at ${node.id}`));
      expect(await read(cluster, node)).toBe(`at ${node.id}`);
      expect(cluster.clock.nowMs() - sinceMs).toBeLessThan(1_000);
    }
  });

  test("M23 does not quiesce while a member is behind", async () => {
    const cluster = await Cluster.founded(3, OPTIONS);
    const leader = await cluster.elected();
    const [away] = others(cluster, leader) as [Node];
    const image = cluster.crash(away.id);
    await cluster.settled(put(leader, "x"));
    await cluster.clock.advance(10_000);
    expect(cluster.clock.timerCount).toBeGreaterThan(0);
    await cluster.start(away.id, { type: "join" }, image);
    await quiesced(cluster);
  });

  test("M58 quiesces without a learner that is not there, which gets what it missed when it is back", async () => {
    const cluster = await Cluster.founded(3, OPTIONS);
    const leader = await cluster.elected();
    const learner = await cluster.start(4n, { type: "join" });
    learner.member.dial([leader.id]);
    await cluster.clock.until(() => leader.member.machine.membership.has(4n), "let in");
    await quiesced(cluster);
    const image = cluster.crash(4n);
    await cluster.settled(put(leader, "missed"));
    await quiesced(cluster);
    const back = await cluster.start(4n, { type: "join" }, image);
    await cluster.clock.until(() => back.member.applied === leader.member.applied, "caught up");
    await quiesced(cluster);
  });

  test("M59 members that quiesced are current while they are connected with the leader, and confirm after that", async () => {
    const cluster = await Cluster.founded(3, { ...OPTIONS, confirmsFreshness: true });
    const leader = await cluster.elected();
    await cluster.settled(put(leader, "old"));
    const [away] = others(cluster, leader) as [Node];
    await cluster.clock.until(() => away.member.unavailable === undefined, "confirmed");
    await quiesced(cluster);
    await cluster.clock.advance(60_000);
    expect(cluster.clock.timerCount).toBe(0);
    expect(away.member.unavailable).toBe(undefined);
    for (const { id } of others(cluster, away)) cluster.network.setLink(away.id, id, false);
    await cluster.clock.advance(0);
    expect(away.member.unavailable?.code).toBe("catching-up");
    await cluster.settled(put(leader, "new"));
    for (const { id } of others(cluster, away)) cluster.network.setLink(away.id, id, true);
    await cluster.clock.until(() => away.member.unavailable === undefined, "confirmed again");
    expect(away.member.applied).toBe(leader.member.applied);
    await quiesced(cluster);
    // Also where nothing was written meanwhile, so that nobody else wakes it.
    for (const isUp of [false, true]) {
      for (const { id } of others(cluster, away)) cluster.network.setLink(away.id, id, isUp);
      await cluster.clock.advance(0);
    }
    await cluster.clock.until(() => away.member.unavailable === undefined, "confirmed without a write");
  });

  test("M24 trusts no leader: one that was quiesced during an election serves no old read", async () => {
    const cluster = await Cluster.founded(3, OPTIONS);
    const old = await cluster.elected();
    await cluster.settled(put(old, "old"));
    await quiesced(cluster);
    const [one, two] = others(cluster, old) as [Node, Node];
    cluster.network.setLink(old.id, one.id, false);
    cluster.network.setLink(old.id, two.id, false);
    await cluster.settled(put(one, "new"));
    await expect(read(cluster, old)).rejects.toThrow("etcdserver: request timed out");
    cluster.network.setLink(old.id, one.id, true);
    cluster.network.setLink(old.id, two.id, true);
    expect(await read(cluster, old)).toBe("new");
    await quiesced(cluster);
  });

  test("M24 whose leader is gone permanently elects another within a second of the first request", async () => {
    const cluster = await Cluster.founded(3, OPTIONS);
    const leader = await cluster.elected();
    await cluster.settled(put(leader, "kept"));
    await quiesced(cluster);
    cluster.crash(leader.id);
    const [one] = others(cluster, leader) as [Node];
    const sinceMs = cluster.clock.nowMs();
    expect(await read(cluster, one)).toBe("kept");
    expect(cluster.clock.nowMs() - sinceMs).toBeLessThan(1_000);
  });

  test("M23 is joined by a member that missed the notice, also a learner", async () => {
    const cluster = await Cluster.founded(3, OPTIONS);
    const leader = await cluster.elected();
    const learner = await cluster.start(4n, { type: "join" });
    learner.member.dial([leader.id]);
    await cluster.clock.until(() => learner.member.applied === leader.member.applied, "caught up");
    for (const missing of [learner, ...others(cluster, leader).slice(0, 1)]) {
      await cluster.settled(put(leader, `before ${missing.id}`));
      await cluster.clock.until(() => missing.member.applied === leader.member.applied, "caught up");
      for (const peer of others(cluster, missing)) cluster.network.setLink(missing.id, peer.id, false);
      await cluster.clock.advance(2_500);
      for (const peer of others(cluster, missing)) cluster.network.setLink(missing.id, peer.id, true);
      await quiesced(cluster);
    }
  });

  /** What the leader sends while all clocks stand still is lost, unless its own was started: then it is sent again. */
  async function cutOffFor(cluster: Cluster, leader: Node, ms: number): Promise<void> {
    const cut = others(cluster, leader).filter(({ id }) => id < 4n);
    for (const { id } of cut) cluster.network.setLink(leader.id, id, false);
    await cluster.clock.advance(ms);
    for (const { id } of cut) cluster.network.setLink(leader.id, id, true);
  }

  test("M23 is woken by a newcomer that requests to join", async () => {
    const cluster = await Cluster.founded(3, OPTIONS);
    const leader = await cluster.elected();
    await quiesced(cluster);
    const newcomer = await cluster.start(4n, { type: "join" });
    newcomer.member.dial([leader.id]);
    await cutOffFor(cluster, leader, 700);
    newcomer.member.dial([]);
    await cluster.clock.until(() => leader.member.machine.membership.has(4n), "let in");
    newcomer.member.dial([leader.id]);
    await cluster.clock.until(() => newcomer.member.applied === leader.member.applied, "caught up");
    await quiesced(cluster);
    expect(leader.member.status().confState.learners).toEqual([4n]);
  });

  test("M23 is woken by a membership change", async () => {
    const cluster = await Cluster.founded(3, OPTIONS);
    const leader = await cluster.elected();
    await quiesced(cluster);
    const leaving = others(cluster, leader)[0] as Node;
    const cut = cutOffFor(cluster, leader, 300);
    expect(leader.member.changeMembership("remove-node", leaving.id, new Uint8Array(0))).toBe("accepted");
    await cut;
    await cluster.clock.until(() => leaving.member.problem !== undefined, "removed");
    await quiesced(cluster);
  });
});

test("M24 a waking member counts each other member once that reports that it does not lead", async () => {
  const cluster = await Cluster.founded(3, OPTIONS);
  const leader = await cluster.elected();
  await quiesced(cluster);
  const [one, two] = others(cluster, leader) as [Node, Node];
  for (const { id } of others(cluster, one)) cluster.network.setLink(one.id, id, false);
  one.member.wake();
  const asks = (): boolean => one.member.status().role !== "follower";
  const answer = async (from: bigint): Promise<void> => {
    cluster.network.setLink(one.id, from, true);
    const header = { clusterId: CLUSTER_ID, from, to: one.id };
    cluster.network.post(from, one.id, encodeFrame(header, { type: "not-leading" }));
    await cluster.clock.advance(0);
    cluster.network.setLink(one.id, from, false);
    await cluster.clock.advance(0);
  };
  for (let times = 0; times < 3; times++) await answer(two.id);
  expect(asks()).toBe(false);
  await answer(leader.id);
  expect(asks()).toBe(true);
});

test.each([1, 3])(
  "M55 a cluster of %i goes on in its term after a restart of all members, with what was saved",
  async (size) => {
    const saved = new Map<bigint, ResumePoint>();
    const resumptionOf = (id: bigint): Resumption => ({
      saved: saved.get(id),
      save: (point) => void saved.set(id, point),
    });
    const cluster = new Cluster(1, OPTIONS);
    const members = Array.from({ length: size }, (_, at) => memberRecord({ id: BigInt(at + 1), name: `m${at + 1}` }));
    const ids = members.map(({ id }) => id);
    await Promise.all(
      ids.map((id) => cluster.start(id, { type: "found", members }, undefined, { resumption: resumptionOf(id) })),
    );
    const leader = await cluster.elected();
    await cluster.settled(put(leader, "kept"));
    const { term } = leader.member.basicStatus();
    for (let times = 0; times < 3; times++) {
      await quiesced(cluster);
      const images = ids.map((id) => cluster.crash(id));
      const started = ids.map((id, at) =>
        cluster.start(id, { type: "join" }, images[at], { resumption: resumptionOf(id) }),
      );
      await Promise.all(started);
      expect(await read(cluster, cluster.node(1n))).toBe("kept");
      expect(cluster.leader?.id).toBe(leader.id);
      expect(cluster.node(1n).member.basicStatus().term).toBe(term);
    }
  },
);

test.each([3, 5])("R55 a cluster of %i whose members all start again at the same moment elects once", async (size) => {
  const cluster = await Cluster.founded(size, OPTIONS);
  await cluster.elected();
  const ids = [...cluster.nodes.keys()];
  for (let times = 0; times < 10; times++) {
    await cluster.settled(put(cluster.node(1n), "kept"));
    const { term } = cluster.node(1n).member.basicStatus();
    const images = ids.map((id) => cluster.crash(id));
    await Promise.all(ids.map((id, at) => cluster.start(id, { type: "join" }, images[at])));
    const sinceMs = cluster.clock.nowMs();
    expect(await read(cluster, cluster.node(ids[times % size] ?? 1n))).toBe("kept");
    expect(cluster.node(1n).member.basicStatus().term).toBe(term + 1);
    expect(cluster.clock.nowMs() - sinceMs).toBeLessThan(1_000);
  }
});

test("M56 a quiet cluster has cut its long log, goes on from there after a restart of all, and a newcomer gets a snapshot", async () => {
  const cluster = await Cluster.founded(3, OPTIONS);
  const leader = await cluster.elected();
  const ids = [...cluster.nodes.keys()];
  const logs = (): readonly (readonly [number, number])[] =>
    ids.map((id) => {
      const { log } = cluster.node(id).storage;
      return [log.firstIndex(), log.lastIndex()];
    });
  for (let times = 0; times < 20; times++) await cluster.settled(put(leader, "short"));
  await quiesced(cluster);
  expect(logs().every(([first]) => first === 1)).toBe(true);
  for (let times = 0; times < 100; times++) await cluster.settled(put(leader, "long"));
  await quiesced(cluster);
  const last = leader.member.applied;
  expect(logs()).toEqual(ids.map(() => [last + 1, last]));

  await cluster.settled(put(leader, "after"));
  await quiesced(cluster);
  const images = ids.map((id) => cluster.crash(id));
  await Promise.all(ids.map((id, at) => cluster.start(id, { type: "join" }, images[at])));
  expect(logs().every(([first]) => first === last + 1)).toBe(true);
  expect(await read(cluster, cluster.node(2n))).toBe("after");
  const learner = await cluster.start(4n, { type: "join" });
  learner.member.dial(ids);
  await cluster.clock.until(() => learner.member.applied >= last, "caught up");
  await cluster.settled(put(cluster.node(3n), "last"));
  expect(await read(cluster, learner)).toBe("last");
  await quiesced(cluster);
});
