import { describe, expect, test } from "vitest";
import { utf8Encode } from "../../../src/base/utf8.ts";
import { errCompacted, errFutureRev, errRequestTooManyRequests, errStopped } from "../../../src/protocol/errors.ts";
import { deleteRangeRequest, putRequest } from "../../../src/protocol/api/kv.ts";
import { hashKvRequest } from "../../../src/protocol/api/maintenance.ts";
import type { HashKvResponse } from "../../../src/protocol/api/maintenance.ts";
import { CALL, Cluster } from "../support/cluster.ts";
import type { Node, NodeOptions } from "../support/cluster.ts";

const bytes = utf8Encode;

async function founded(count: number, options: NodeOptions = {}): Promise<{ cluster: Cluster; leader: Node }> {
  const cluster = await Cluster.founded(count, options);
  return { cluster, leader: await cluster.elected() };
}

/** Many at once, so that a large store is made quickly. */
async function fill(cluster: Cluster, { services }: Node, keys: number, valueBytes = 1): Promise<void> {
  const value = new Uint8Array(valueBytes);
  const puts = Array.from({ length: keys }, (_, at) =>
    services.kv.put(putRequest({ key: bytes(`k${at % 1_500}`), value }), CALL),
  );
  await cluster.settled(Promise.all(puts));
}

function hashKv(cluster: Cluster, node: Node, revision = 0): Promise<HashKvResponse> {
  return cluster.settled(node.services.maintenance.hashKv(hashKvRequest({ revision }), CALL));
}

describe("HashKV", () => {
  test("M38 all members return the same hash at a revision, also one that joined later by a snapshot", async () => {
    const { cluster, leader } = await founded(3, { limits: { logEntries: 50, catchUpEntries: 10 } });
    const [late] = [...cluster.nodes.keys()].filter((id) => id !== leader.id) as [bigint];
    const image = cluster.crash(late);
    await fill(cluster, leader, 400);
    await cluster.settled(leader.services.kv.deleteRange(deleteRangeRequest({ key: bytes("k7") }), CALL));
    await cluster.settled(leader.services.kv.compact({ revision: 300, physical: true }, CALL));
    const again = await cluster.start(late, { type: "join" }, image);
    const { revision } = leader.member.machine.store;
    await cluster.clock.until(() => again.member.machine.store.revision === revision, "caught up");
    expect(leader.member.snapshotsSent).toBeGreaterThan(0);
    for (const at of [350, revision]) {
      const { header: _header, ...expected } = await hashKv(cluster, leader, at);
      expect(expected).toMatchObject({ hashRevision: at, compactRevision: 300 });
      for (const node of cluster.nodes.values()) expect(await hashKv(cluster, node, at)).toMatchObject(expected);
    }
  });

  test("compacted and future revisions are refused, and a negative one hashes nothing", async () => {
    const { cluster, leader } = await founded(1);
    await fill(cluster, leader, 5);
    await cluster.settled(leader.services.kv.compact({ revision: 4, physical: true }, CALL));
    await expect(hashKv(cluster, leader, 3)).rejects.toBe(errCompacted);
    await expect(hashKv(cluster, leader, 7)).rejects.toBe(errFutureRev);
    expect(await hashKv(cluster, leader, -1)).toMatchObject({ hash: 1_084_519_789, hashRevision: -1 });
    // The compaction's own hash.
    expect(await hashKv(cluster, leader, 4)).toMatchObject({ hashRevision: 4, compactRevision: -1 });
    expect(await hashKv(cluster, leader)).toMatchObject({ hashRevision: 6, compactRevision: 4 });
  });

  test("M38 requests are served while a large store is walked, and compaction removes no rows until then", async () => {
    const { cluster, leader } = await founded(1);
    await fill(cluster, leader, 6_000);
    const { store } = leader.member.machine;
    const expected = store.hashKv(0);
    let hash: HashKvResponse | undefined;
    void leader.services.maintenance.hashKv(hashKvRequest(), CALL).then((answer) => (hash = answer));
    await cluster.clock.until(() => leader.member.hashQueue.holdsRows, "begun");
    expect(leader.member.hashQueue.holdsRows).toBe(true);
    // Two at once, so that the second one has nothing to hash before it removes rows.
    store.compact(2);
    store.compact(5_000);
    leader.member.scheduleCompaction(undefined);
    const put = leader.services.kv.put(putRequest({ key: bytes("meanwhile") }), CALL);
    expect(hash).toBeUndefined();
    await cluster.settled(put);
    await cluster.clock.until(() => hash !== undefined, "hashed");
    expect(hash).toMatchObject(expected);
    await cluster.clock.until(() => store.keys.rowCount < 2_600, "compacted");
  });

  test("M38 a request right after a compaction gets its hash, before the first row is removed", async () => {
    const { cluster, leader } = await founded(1);
    await fill(cluster, leader, 3_000);
    const { store } = leader.member.machine;
    const { hash } = store.hashKv(2_000);
    await cluster.settled(leader.services.kv.compact({ revision: 2_000, physical: false }, CALL));
    expect(await hashKv(cluster, leader, 2_000)).toMatchObject({ hash, hashRevision: 2_000, compactRevision: -1 });
  });

  test("M38 large values make short steps", async () => {
    const { cluster, leader } = await founded(1);
    await fill(cluster, leader, 4, 700_000);
    const walk = leader.member.machine.store.hashWalk(0);
    let steps = 1;
    while (walk.step(1_000, 1024 * 1024) === undefined) steps += 1;
    expect(steps).toBeGreaterThan(1);
    expect((await hashKv(cluster, leader)).hash).toBe(leader.member.machine.store.hashKv(0).hash);
  });

  test("the number of waiting requests is bounded, and they fail when the member stops", async () => {
    const { cluster, leader } = await founded(1);
    await fill(cluster, leader, 2_000);
    const asked = Array.from({ length: 70 }, () =>
      leader.services.maintenance.hashKv(hashKvRequest(), CALL).catch((error: unknown) => error),
    );
    const refused = await Promise.all(asked.slice(64));
    expect(refused).toEqual(refused.map(() => errRequestTooManyRequests));
    leader.member.stop();
    expect(await Promise.all(asked.slice(0, 64))).toEqual(asked.slice(0, 64).map(() => errStopped));
  });
});

describe("Hash and Defragment", () => {
  test("Hash changes with every stored change, and with nothing else", async () => {
    const { cluster, leader } = await founded(1);
    const hash = async (): Promise<number> => (await cluster.settled(leader.services.maintenance.hash({}, CALL))).hash;
    const empty = await hash();
    expect(await hash()).toBe(empty);
    await fill(cluster, leader, 1);
    const one = await hash();
    expect(one).not.toBe(empty);
    await cluster.settled(leader.services.lease.grant({ id: 7n, ttl: 60 }, CALL));
    expect(await hash()).not.toBe(one);
  });

  test("Defragment returns once compacted rows are removed and all is written", async () => {
    const { cluster, leader } = await founded(1);
    await fill(cluster, leader, 3_000);
    const before = await leader.services.maintenance.status({}, CALL);
    await cluster.settled(leader.services.kv.compact({ revision: 3_001, physical: false }, CALL));
    expect(await cluster.settled(leader.services.maintenance.defragment({}, CALL))).toEqual({ header: undefined });
    const { member, storage } = leader;
    expect(member.machine.store.keys.rowCount).toBe(1_500);
    expect(storage.durableApplied).toBe(member.applied);
    const after = await leader.services.maintenance.status({}, CALL);
    expect(after.dbSizeInUse).toBeLessThan(before.dbSizeInUse);
    expect(after.dbSize).toBeLessThan(before.dbSize);
    expect(after.dbSizeInUse).toBeLessThanOrEqual(after.dbSize);
  });
});
