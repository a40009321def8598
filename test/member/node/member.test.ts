import { describe, expect, test } from "vitest";
import { utf8Decode, utf8Encode } from "../../../src/base/utf8.ts";
import { EtcdError, errStopped } from "../../../src/protocol/errors.ts";
import { compactionRequest, deleteRangeRequest, putRequest, rangeRequest } from "../../../src/protocol/api/kv.ts";
import { watchCreateRequest } from "../../../src/protocol/api/watch.ts";
import { CALL, Cluster } from "../support/cluster.ts";
import type { Node } from "../support/cluster.ts";

const KEY = utf8Encode("key");

function put(node: Node, key: string, value: string): Promise<unknown> {
  return node.services.kv.put(putRequest({ key: utf8Encode(key), value: utf8Encode(value) }), CALL);
}

async function read(cluster: Cluster, node: Node, key: string, serializable = false): Promise<string | undefined> {
  const request = rangeRequest({ key: utf8Encode(key), serializable });
  const { kvs } = await cluster.settled(node.services.kv.range(request, CALL));
  return kvs[0] === undefined ? undefined : utf8Decode(kvs[0].value);
}

describe("a cluster of three", () => {
  test("M1 a put on the leader returns revision 2 and can be read from every member", async () => {
    const cluster = await Cluster.founded(3);
    const leader = await cluster.elected();
    const response = await cluster.settled(leader.services.kv.put(putRequest({ key: KEY, value: KEY }), CALL));
    expect(response.header).toMatchObject({ clusterId: 7n, memberId: leader.id, revision: 2 });
    for (const node of cluster.nodes.values()) expect(await read(cluster, node, "key")).toBe("key");
  });

  test("M1 a follower forwards a write and responds once it has applied it", async () => {
    const cluster = await Cluster.founded(3);
    const leader = await cluster.elected();
    const follower = [...cluster.nodes.values()].find((node) => node.id !== leader.id) as Node;
    const response = await cluster.settled(follower.services.kv.put(putRequest({ key: KEY, value: KEY }), CALL));
    expect(response.header.memberId).toBe(follower.id);
    expect(await read(cluster, follower, "key", true)).toBe("key");
  });

  test("M1 a crashed leader is replaced, and has everything acknowledged when it comes back", async () => {
    const cluster = await Cluster.founded(3);
    const first = await cluster.elected();
    for (let at = 0; at < 50; at++) await cluster.settled(put(first, `k${at}`, `v${at}`));
    const image = cluster.crash(first.id);
    const second = await cluster.elected();
    expect(second.id).not.toBe(first.id);
    await cluster.settled(put(second, "after", "crash"));
    const again = await cluster.start(first.id, { type: "join" }, image);
    await cluster.clock.until(() => again.member.applied === second.member.applied, "caught up");
    for (let at = 0; at < 50; at++) expect(await read(cluster, again, `k${at}`, true)).toBe(`v${at}`);
    expect(await read(cluster, again, "after")).toBe("crash");
  });

  test("M6 a member partitioned from the quorum serves serializable reads, and all other requests time out", async () => {
    const cluster = await Cluster.founded(3);
    const leader = await cluster.elected();
    await cluster.settled(put(leader, "key", "old"));
    const [one, two] = [...cluster.nodes.values()].filter((node) => node.id !== leader.id) as [Node, Node];
    await cluster.clock.until(() => one.member.applied === leader.member.applied, "applied");
    cluster.network.setLink(one.id, leader.id, false);
    cluster.network.setLink(one.id, two.id, false);
    expect(await read(cluster, one, "key", true)).toBe("old");
    await expect(read(cluster, one, "key")).rejects.toThrow("etcdserver: request timed out");
    await expect(cluster.settled(put(one, "key", "new"))).rejects.toBeInstanceOf(EtcdError);
    const view = await one.services.inspect.view();
    expect(view.problem?.code).toBe("no-quorum");
  });

  test("M4 a member that has just woken up reports an election, and a lost quorum only if none was reachable", async () => {
    const cluster = await Cluster.founded(3);
    await cluster.elected();
    const [image] = [1n, 2n, 3n].map((id) => cluster.crash(id));
    const { services } = await cluster.start(1n, { type: "join" }, image);
    expect((await services.inspect.view()).problem?.code).toBe("no-leader");
    await cluster.clock.advance(1_500);
    expect((await services.inspect.view()).problem?.code).toBe("no-leader");
    await cluster.clock.advance(1_000);
    expect((await services.inspect.view()).problem?.code).toBe("no-quorum");
  });

  test("a watch gets each later put, in order, from any member", async () => {
    const cluster = await Cluster.founded(3);
    const leader = await cluster.elected();
    const other = [...cluster.nodes.values()].find((node) => node.id !== leader.id) as Node;
    const stream = other.services.watch.watch(CALL);
    stream.request({ type: "create", create: watchCreateRequest({ key: utf8Encode("k"), rangeEnd: utf8Encode("l") }) });
    expect((await cluster.settled(stream.next()))?.created).toBe(true);
    for (let at = 0; at < 5; at++) await cluster.settled(put(leader, `k${at}`, "v"));
    const seen: string[] = [];
    while (seen.length < 5) {
      const response = await cluster.settled(stream.next());
      for (const event of response?.events ?? []) seen.push(utf8Decode(event.kv?.key ?? new Uint8Array(0)));
    }
    expect(seen).toEqual(["k0", "k1", "k2", "k3", "k4"]);
    stream.close();
    expect(await stream.next()).toBeUndefined();
  });

  test("a stopped member refuses requests with etcd's text and ends its streams", async () => {
    const cluster = await Cluster.founded(1);
    const node = await cluster.elected();
    const stream = node.services.watch.watch(CALL);
    const next = stream.next();
    node.member.stop();
    expect(await next).toBeUndefined();
    await expect(put(node, "a", "b")).rejects.toBe(errStopped);
  });

  test("compaction with physical waits until the rows are removed", async () => {
    const cluster = await Cluster.founded(3);
    const leader = await cluster.elected();
    for (let at = 0; at < 10; at++) await cluster.settled(put(leader, "key", `v${at}`));
    await cluster.settled(leader.services.kv.compact(compactionRequest({ revision: 11, physical: true }), CALL));
    expect(leader.member.machine.store.keys.rowCount).toBe(1);
    await cluster.settled(leader.services.kv.deleteRange(deleteRangeRequest({ key: KEY }), CALL));
    expect(await read(cluster, leader, "key")).toBeUndefined();
  });
});

describe("a cluster of one", () => {
  test("M10 the only voter leads at once, after its bootstrap and after a restart", async () => {
    const cluster = await Cluster.founded(1);
    await cluster.elected();
    expect(cluster.clock.nowMs()).toBe(0);
    const image = cluster.crash(1n);
    await cluster.start(1n, { type: "join" }, image);
    await cluster.elected();
    expect(cluster.clock.nowMs()).toBe(0);
  });

  test("M10 one initial member of three does not count as the only voter", async () => {
    const cluster = await Cluster.founded(3);
    await cluster.clock.advance(900);
    expect(cluster.leader).toBeUndefined();
  });
});

describe("membership", () => {
  test("M17 a newcomer requests to join, learns from a snapshot, and is promoted by the autopilot when there are three", async () => {
    const autopilot = { votersMax: 5, goneAfterMs: 60_000 };
    const limits = { logEntries: 20, catchUpEntries: 5 };
    const cluster = await Cluster.founded(1, { autopilot, limits });
    const first = await cluster.elected();
    for (let at = 0; at < 100; at++) await cluster.settled(put(first, `k${at}`, `v${at}`));
    const second = await cluster.start(2n, { type: "join" });
    await joined(cluster, first, second);
    expect(await read(cluster, second, "k42", true)).toBe("v42");
    expect((await second.services.inspect.view()).role).toBe("learner");
    const third = await cluster.start(3n, { type: "join" });
    await joined(cluster, first, third);
    await cluster.clock.until(() => third.member.status().confState.voters.length === 3, "three voters");
    const image = cluster.crash(first.id);
    expect(image).toBeDefined();
    const next = await cluster.elected();
    expect(next.id).not.toBe(first.id);
  });
});

async function joined(cluster: Cluster, first: Node, node: Node): Promise<void> {
  // A room's transport dials the members that its registry lists. Here the newcomer gets its peers directly.
  node.member.dial([first.id]);
  await cluster.clock.until(() => node.member.applied === first.member.applied && node.member.applied > 0, "caught up");
}

describe("quiescence", () => {
  test("M23 an idle cluster stops every clock, and a request to any member wakes it", async () => {
    const cluster = await Cluster.founded(3, { quiesceAfterTicks: 20 });
    const leader = await cluster.elected();
    await cluster.settled(put(leader, "key", "value"));
    await cluster.clock.until(() => cluster.clock.timerCount === 0, "quiesced");
    const other = [...cluster.nodes.values()].find((node) => node.id !== leader.id) as Node;
    await cluster.settled(put(other, "key", "again"));
    expect(leader.member.status().role).toBe("leader");
    await cluster.clock.until(() => cluster.clock.timerCount === 0, "quiesced again");
    expect(await read(cluster, other, "key")).toBe("again");
  });

  test("M23 a request with hasleader wakes a restarted member, and is refused where the cluster never quiesces", async () => {
    const wanting = { ...CALL, requireLeader: true };
    const request = putRequest({ key: KEY, value: KEY });
    const sleepy = await Cluster.founded(3, { quiesceAfterTicks: 20 });
    expect(sleepy.node(2n).member.leader).toBe(0n);
    const { header } = await sleepy.settled(sleepy.node(2n).services.kv.put(request, wanting));
    expect(header.revision).toBe(2);
    const sleepless = await Cluster.founded(3);
    await expect(sleepless.node(2n).services.kv.put(request, wanting)).rejects.toThrow("etcdserver: no leader");
  });

  test("M24 a quiesced cluster whose leader is gone elects another at the first request", async () => {
    const cluster = await Cluster.founded(3, { quiesceAfterTicks: 20 });
    const leader = await cluster.elected();
    await cluster.settled(put(leader, "key", "value"));
    await cluster.clock.until(() => cluster.clock.timerCount === 0, "quiesced");
    const image = cluster.crash(leader.id);
    await cluster.start(leader.id, { type: "join" }, image);
    const other = [...cluster.nodes.values()].find((node) => node.id !== leader.id) as Node;
    const askedMs = cluster.clock.nowMs();
    expect(await read(cluster, other, "key")).toBe("value");
    expect(cluster.clock.nowMs() - askedMs).toBeLessThan(1_000);
  });
});
