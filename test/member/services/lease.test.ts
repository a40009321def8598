import { describe, expect, test } from "vitest";
import { utf8Decode, utf8Encode } from "../../../src/base/utf8.ts";
import { errLeaseExist, errLeaseNotFound, errLeaseTTLTooLarge } from "../../../src/protocol/errors.ts";
import { compactionRequest, deleteRangeRequest, putRequest, rangeRequest } from "../../../src/protocol/api/kv.ts";
import type { LeaseTimeToLiveResponse } from "../../../src/protocol/api/lease.ts";
import { watchCreateRequest } from "../../../src/protocol/api/watch.ts";
import { CALL, Cluster } from "../support/cluster.ts";
import type { Node } from "../support/cluster.ts";

const bytes = utf8Encode;

function put(cluster: Cluster, node: Node, key: string, lease = 0n, more = {}): Promise<unknown> {
  const request = putRequest({ key: bytes(key), value: bytes("v"), lease, ...more });
  return cluster.settled(node.services.kv.put(request, CALL));
}

function grant(cluster: Cluster, node: Node, id: bigint, ttl: number): Promise<unknown> {
  return cluster.settled(node.services.lease.grant({ id, ttl }, CALL));
}

async function ttlOf(cluster: Cluster, node: Node, id: bigint): Promise<number> {
  return (await describeLease(cluster, node, id)).ttl;
}

function describeLease(cluster: Cluster, node: Node, id: bigint): Promise<LeaseTimeToLiveResponse> {
  return cluster.settled(node.services.lease.timeToLive({ id, keys: true }, CALL));
}

async function keepAlive(cluster: Cluster, node: Node, id: bigint): Promise<number> {
  return (await cluster.settled(node.services.lease.keepAlive({ id }, CALL))).ttl;
}

async function keysOf(cluster: Cluster, node: Node, id: bigint): Promise<string[]> {
  return (await describeLease(cluster, node, id)).keys.map(utf8Decode);
}

function exists(node: Node, key: string): boolean {
  return node.member.machine.store.range(rangeRequest({ key: bytes(key) })).count === 1;
}

function follower(cluster: Cluster): Node {
  return [...cluster.nodes.values()].find((node) => node !== cluster.leader) as Node;
}

async function founded(count: number, options = {}): Promise<{ cluster: Cluster; leader: Node }> {
  const cluster = await Cluster.founded(count, options);
  return { cluster, leader: await cluster.elected() };
}

describe("granting", () => {
  test("an id of 0 is replaced by a positive one, others are kept, negative ones too, and the revision stays", async () => {
    const { cluster, leader } = await founded(1);
    const chosen = await cluster.settled(leader.services.lease.grant({ id: 0n, ttl: 60 }, CALL));
    expect(chosen.id > 0n && chosen.id < 1n << 63n).toBe(true);
    expect(chosen).toMatchObject({ ttl: 60, error: "", header: { revision: 1, memberId: leader.id } });
    expect(await grant(cluster, leader, -7n, 60)).toMatchObject({ id: -7n });
    await expect(grant(cluster, leader, -7n, 60)).rejects.toBe(errLeaseExist);
    const { leases } = await cluster.settled(leader.services.lease.leases({}, CALL));
    expect(leases).toEqual([{ id: chosen.id }, { id: -7n }]);
  });

  test("a TTL below one and a half election timeouts is raised, one beyond nine billion seconds refused", async () => {
    const { cluster, leader } = await founded(1);
    for (const ttl of [-5, 0, 1, 2]) expect(await grant(cluster, leader, 0n, ttl)).toMatchObject({ ttl: 2 });
    await expect(grant(cluster, leader, 0n, 9_000_000_001)).rejects.toBe(errLeaseTTLTooLarge);
    expect(await grant(cluster, leader, 5n, 9_000_000_000)).toMatchObject({ ttl: 9_000_000_000 });
    await expect(grant(cluster, leader, 5n, 9_000_000_001)).rejects.toBe(errLeaseTTLTooLarge);
  });
});

describe("keys on a lease", () => {
  test("a put attaches its key, reads return the lease, and the lease must exist", async () => {
    const { cluster, leader } = await founded(1);
    await expect(put(cluster, leader, "a", 5n)).rejects.toBe(errLeaseNotFound);
    await grant(cluster, leader, 5n, 60);
    await put(cluster, leader, "b", 5n);
    await put(cluster, leader, "a", 5n);
    expect(await keysOf(cluster, leader, 5n)).toEqual(["a", "b"]);
    const { kvs } = await cluster.settled(leader.services.kv.range(rangeRequest({ key: bytes("a") }), CALL));
    expect(kvs[0]?.lease).toBe(5n);
  });

  test("M29 a key is attached to one lease: another put moves it, one without a lease and a delete detach it", async () => {
    const { cluster, leader } = await founded(1);
    await grant(cluster, leader, 5n, 60);
    await grant(cluster, leader, 6n, 60);
    for (const key of ["moved", "freed", "deleted", "kept"]) await put(cluster, leader, key, 5n);
    await put(cluster, leader, "moved", 6n);
    await put(cluster, leader, "freed");
    await put(cluster, leader, "kept", 0n, { ignoreLease: true });
    await cluster.settled(leader.services.kv.deleteRange(deleteRangeRequest({ key: bytes("deleted") }), CALL));
    expect(await keysOf(cluster, leader, 5n)).toEqual(["kept"]);
    expect(await keysOf(cluster, leader, 6n)).toEqual(["moved"]);
  });

  test("M29 a revoked lease deletes its keys in one revision, sorted, and watchers get them in one response", async () => {
    const { cluster, leader } = await founded(3);
    await grant(cluster, leader, 5n, 60);
    for (const key of ["c", "a", "b"]) await put(cluster, leader, key, 5n);
    await put(cluster, leader, "other");
    const stream = follower(cluster).services.watch.watch(CALL);
    const all = { key: bytes("a"), rangeEnd: bytes("z"), startRevision: 6 };
    stream.request({ type: "create", create: watchCreateRequest(all) });
    await cluster.settled(stream.next());
    const { header } = await cluster.settled(leader.services.lease.revoke({ id: 5n }, CALL));
    expect(header.revision).toBe(6);
    const events = (await cluster.settled(stream.next()))?.events ?? [];
    expect(events.map(({ type, kv }) => [type, utf8Decode(kv?.key ?? bytes("")), kv?.modRevision])).toEqual([
      ["DELETE", "a", 6],
      ["DELETE", "b", 6],
      ["DELETE", "c", 6],
    ]);
    await expect(cluster.settled(leader.services.lease.revoke({ id: 5n }, CALL))).rejects.toBe(errLeaseNotFound);
  });

  test("a revoked lease without keys makes no revision", async () => {
    const { cluster, leader } = await founded(1);
    await grant(cluster, leader, 5n, 60);
    const { header } = await cluster.settled(leader.services.lease.revoke({ id: 5n }, CALL));
    expect(header.revision).toBe(1);
    expect(await ttlOf(cluster, leader, 5n)).toBe(-1);
  });

  test("compaction and a restart lose no key of a lease", async () => {
    const { cluster, leader } = await founded(1);
    await grant(cluster, leader, 5n, 60);
    for (let at = 0; at < 4; at++) await put(cluster, leader, "a", 5n);
    const compact = compactionRequest({ revision: 5, physical: true });
    await cluster.settled(leader.services.kv.compact(compact, CALL));
    await cluster.start(1n, { type: "join" }, cluster.crash(1n));
    const again = await cluster.elected();
    expect(await describeLease(cluster, again, 5n)).toMatchObject({ grantedTtl: 60, keys: [bytes("a")] });
    await cluster.settled(again.services.lease.revoke({ id: 5n }, CALL));
    expect(exists(again, "a")).toBe(false);
  });
});

describe("time", () => {
  test("M26 a lease expires after its TTL and not before, and its keys are deleted on all members", async () => {
    const { cluster, leader } = await founded(3);
    await grant(cluster, leader, 5n, 10);
    const grantedMs = cluster.clock.nowMs();
    await put(cluster, leader, "a", 5n);
    await cluster.clock.until(() => !exists(leader, "a"), "the key is gone");
    const livedMs = cluster.clock.nowMs() - grantedMs;
    expect(livedMs).toBeGreaterThan(9_900);
    expect(livedMs).toBeLessThan(11_000);
    await cluster.clock.advance(1_000);
    for (const node of cluster.nodes.values())
      expect([exists(node, "a"), node.member.lessor.ids()]).toEqual([false, []]);
  });

  test("a keep-alive through any member renews a lease, and returns its TTL", async () => {
    const { cluster, leader } = await founded(3);
    await grant(cluster, leader, 5n, 5);
    await put(cluster, leader, "a", 5n);
    for (let at = 0; at < 10; at++) {
      const node = at % 2 === 0 ? leader : follower(cluster);
      await cluster.clock.advance(3_000);
      expect(await keepAlive(cluster, node, 5n)).toBe(5);
    }
    expect(exists(leader, "a")).toBe(true);
    await cluster.clock.advance(6_500);
    expect(exists(leader, "a")).toBe(false);
  });

  test("a keep-alive of a lease that does not exist returns the TTL 0, a TimeToLive -1", async () => {
    const { cluster } = await founded(3);
    for (const node of cluster.nodes.values()) {
      expect(await keepAlive(cluster, node, 99n)).toBe(0);
      expect(await describeLease(cluster, node, 99n)).toMatchObject({ id: 99n, ttl: -1, grantedTtl: 0, keys: [] });
    }
  });

  test("TimeToLive counts down in whole seconds and returns the keys, from any member", async () => {
    const { cluster, leader } = await founded(3);
    await grant(cluster, leader, 5n, 20);
    await put(cluster, leader, "a", 5n);
    await cluster.clock.advance(3_500);
    for (const node of cluster.nodes.values()) {
      expect(await describeLease(cluster, node, 5n)).toMatchObject({ ttl: 16, grantedTtl: 20, keys: [bytes("a")] });
    }
    const without = leader.services.lease.timeToLive({ id: 5n, keys: false }, CALL);
    expect((await cluster.settled(without)).keys).toEqual([]);
  });

  test("M31 a keep-alive for an expired lease waits for its revocation, and then finds none", async () => {
    const { cluster, leader } = await founded(3);
    await grant(cluster, leader, 5n, 5);
    await put(cluster, leader, "a", 5n);
    const endMs = cluster.clock.nowMs() + 5_000;
    // Between its expiry and the leader's next check.
    while (cluster.clock.nowMs() < endMs || leader.member.machine.leases.exists(5n)) {
      const sentMs = cluster.clock.nowMs();
      if (sentMs >= endMs) {
        expect(await keepAlive(cluster, follower(cluster), 5n)).toBe(0);
        expect(exists(leader, "a")).toBe(false);
      }
      await cluster.clock.advance(10);
    }
    expect(await keepAlive(cluster, leader, 5n)).toBe(0);
  });

  test("M28 many leases that expire at once are revoked at most a thousand a second", async () => {
    const { cluster, leader } = await founded(1);
    const table = leader.member.machine.leases;
    await cluster.settled(
      Promise.all(
        Array.from({ length: 2_500 }, (_, at) => leader.services.lease.grant({ id: BigInt(at + 1), ttl: 5 }, CALL)),
      ),
    );
    const count = (): number => {
      let leases = 0;
      table.scan(() => ++leases > 0);
      return leases;
    };
    await cluster.clock.until(() => count() < 2_500, "the first ones end");
    const left = count();
    await cluster.clock.advance(1_000);
    expect(left - count()).toBeLessThanOrEqual(1_000);
    await cluster.clock.until(() => count() === 0, "all have ended");
  });
});

describe("a change of leaders", () => {
  test("M27 restarts each lease at its full TTL, so that none expires before the time of its last keep-alive", async () => {
    const { cluster, leader } = await founded(3);
    await grant(cluster, leader, 5n, 10);
    await put(cluster, leader, "a", 5n);
    await cluster.clock.advance(8_000);
    cluster.crash(leader.id);
    const next = await cluster.elected();
    const left = await ttlOf(cluster, next, 5n);
    expect(left).toBeGreaterThanOrEqual(9);
    expect(left).toBeLessThanOrEqual(11);
    await cluster.clock.advance(9_000);
    expect(exists(next, "a")).toBe(true);
    await cluster.clock.until(() => !exists(next, "a"), "the lease ends");
  });

  test("moves the deadlines to the new leader, and all members return its TTL", async () => {
    const { cluster, leader } = await founded(3);
    await grant(cluster, leader, 5n, 10);
    const next = follower(cluster);
    leader.member.transferLeader(next.id);
    await cluster.clock.until(() => next.member.lessor.term > 0, "the other leads");
    expect(leader.member.lessor.term).toBe(0);
    for (const node of cluster.nodes.values()) expect(await ttlOf(cluster, node, 5n)).toBeGreaterThanOrEqual(10);
    expect(await keepAlive(cluster, leader, 5n)).toBe(10);
    await cluster.clock.advance(9_000);
    for (const node of cluster.nodes.values()) expect(await ttlOf(cluster, node, 5n)).toBeLessThanOrEqual(1);
  });

  test("M27 uses the checkpoint of a long lease, which a keep-alive resets", async () => {
    const { cluster, leader } = await founded(3);
    await grant(cluster, leader, 5n, 1_000);
    await grant(cluster, leader, 6n, 1_000);
    await cluster.clock.advance(310_000);
    await keepAlive(cluster, leader, 6n);
    expect(leader.member.machine.leases.get(5n)?.remainingTtl).toBe(700);
    expect(leader.member.machine.leases.get(6n)?.remainingTtl).toBe(0);
    await cluster.clock.advance(1_000);
    cluster.crash(leader.id);
    const next = await cluster.elected();
    expect(await ttlOf(cluster, next, 5n)).toBeLessThanOrEqual(701);
    expect(await ttlOf(cluster, next, 6n)).toBeGreaterThan(995);
  });

  test("a member that learns from a snapshot has all leases and their keys", async () => {
    const limits = { logEntries: 20, catchUpEntries: 5 };
    const { cluster, leader } = await founded(3, { limits });
    const behind = follower(cluster);
    const image = cluster.crash(behind.id);
    await grant(cluster, leader, 5n, 600);
    for (let at = 0; at < 60; at++) await put(cluster, leader, `k${at}`, 5n);
    const back = await cluster.start(behind.id, { type: "join" }, image);
    await cluster.clock.until(() => back.member.applied === leader.member.applied, "caught up");
    expect(leader.member.snapshotsSent).toBeGreaterThan(0);
    expect(await keysOf(cluster, back, 5n)).toHaveLength(60);
    await cluster.settled(back.services.lease.revoke({ id: 5n }, CALL));
    expect(back.member.machine.store.range(rangeRequest({ key: bytes("k"), rangeEnd: bytes("l") })).count).toBe(0);
  });

  test("a partitioned leader neither renews nor revokes a lease", async () => {
    const { cluster, leader } = await founded(3);
    await grant(cluster, leader, 5n, 10);
    await put(cluster, leader, "a", 5n);
    for (const id of cluster.nodes.keys()) if (id !== leader.id) cluster.network.setLink(leader.id, id, false);
    const late = leader.services.lease.keepAlive({ id: 5n }, CALL);
    await expect(cluster.settled(late)).rejects.toThrow("etcdserver: no leader");
    await cluster.clock.advance(60_000);
    expect(exists(leader, "a")).toBe(true);
    expect(exists(follower(cluster), "a")).toBe(false);
  });
});

describe("a quiesced cluster", () => {
  test("hibernates until the next lease expires, and then revokes it", async () => {
    const { cluster, leader } = await founded(3, { quiesceAfterTicks: 20 });
    await grant(cluster, leader, 5n, 600);
    await put(cluster, leader, "a", 5n);
    await cluster.clock.advance(10_000);
    expect(cluster.clock.timerCount).toBe(1);
    await cluster.clock.advance(585_000);
    expect(exists(leader, "a")).toBe(true);
    await cluster.clock.advance(7_000);
    for (const node of cluster.nodes.values()) expect(exists(node, "a")).toBe(false);
    await cluster.clock.until(() => cluster.clock.timerCount === 0, "quiesced permanently");
  });

  test("is woken by a keep-alive on any member, quiesces again, and for longer", async () => {
    const { cluster, leader } = await founded(3, { quiesceAfterTicks: 20 });
    await grant(cluster, leader, 5n, 60);
    await put(cluster, leader, "a", 5n);
    for (let at = 0; at < 5; at++) {
      await cluster.clock.advance(40_000);
      expect(await keepAlive(cluster, follower(cluster), 5n)).toBe(60);
    }
    expect(exists(leader, "a")).toBe(true);
    await cluster.clock.advance(62_000);
    expect(exists(leader, "a")).toBe(false);
  });
});
