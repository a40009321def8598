import { describe, expect, test } from "vitest";
import { utf8Encode } from "../../../src/base/utf8.ts";
import {
  errCorrupt,
  errEmptyKey,
  errNoSpace,
  errPermissionDenied,
  errUserEmpty,
} from "../../../src/protocol/errors.ts";
import { deleteRangeRequest, putRequest, rangeRequest, txnRequest } from "../../../src/protocol/api/kv.ts";
import type { RequestOp } from "../../../src/protocol/api/kv.ts";
import { alarmRequest } from "../../../src/protocol/api/maintenance.ts";
import type { AlarmMember, AlarmRequest } from "../../../src/protocol/api/maintenance.ts";
import { GuardedCluster } from "../support/auth-kit.ts";
import { CALL, Cluster } from "../support/cluster.ts";
import type { Node, NodeOptions } from "../support/cluster.ts";

const bytes = utf8Encode;
const PUT: RequestOp = { type: "put", put: putRequest({ key: bytes("k"), value: bytes("v") }) };
const DELETE: RequestOp = { type: "deleteRange", deleteRange: deleteRangeRequest({ key: bytes("k") }) };
const RANGE: RequestOp = { type: "range", range: rangeRequest({ key: bytes("k") }) };

/** The calls that several tests make, by name; "ok" or the text of the error. */
async function answersOf(cluster: Cluster, { services }: Node): Promise<Record<string, string>> {
  const { kv, lease } = services;
  const calls: Record<string, () => Promise<unknown>> = {
    put: () => kv.put(putRequest({ key: bytes("k") }), CALL),
    "txn that puts": () => kv.txn(txnRequest({ success: [PUT] }), CALL),
    "txn that might put": () => kv.txn(txnRequest({ success: [DELETE], failure: [PUT] }), CALL),
    "txn that deletes": () => kv.txn(txnRequest({ success: [DELETE] }), CALL),
    "txn that reads": () => kv.txn(txnRequest({ success: [RANGE] }), CALL),
    range: () => kv.range(rangeRequest({ key: bytes("k") }), CALL),
    delete: () => kv.deleteRange(deleteRangeRequest({ key: bytes("k") }), CALL),
    compact: () => kv.compact({ revision: 1, physical: false }, CALL),
    grant: () => lease.grant({ id: 8n, ttl: 60 }, CALL),
    revoke: () => lease.revoke({ id: 7n }, CALL),
  };
  const answers: Record<string, string> = {};
  for (const [name, call] of Object.entries(calls)) {
    answers[name] = await cluster.settled(
      call().then(
        () => "ok",
        (error: Error) => error.message,
      ),
    );
  }
  return answers;
}

async function founded(count: number, options: NodeOptions = {}): Promise<{ cluster: Cluster; leader: Node }> {
  const cluster = await Cluster.founded(count, options);
  return { cluster, leader: await cluster.elected() };
}

async function alarm(cluster: Cluster, node: Node, set: Partial<AlarmRequest>): Promise<readonly AlarmMember[]> {
  return (await cluster.settled(node.services.maintenance.alarm(alarmRequest(set), CALL))).alarms;
}

function put(cluster: Cluster, node: Node, key: string, valueBytes = 1): Promise<unknown> {
  const request = putRequest({ key: bytes(key), value: new Uint8Array(valueBytes) });
  return cluster.settled(node.services.kv.put(request, CALL));
}

describe("alarms", () => {
  test("M32 an alarm is raised for any member and kind, once, listed by kind, and cleared by its name only", async () => {
    const { cluster, leader } = await founded(1);
    const noSpace = { memberId: 5n, alarm: "NOSPACE" } as const;
    expect(await alarm(cluster, leader, {})).toEqual([]);
    expect(await alarm(cluster, leader, { action: "ACTIVATE", memberId: 5n })).toEqual([]);
    expect(await alarm(cluster, leader, { action: "ACTIVATE", ...noSpace })).toEqual([noSpace]);
    expect(await alarm(cluster, leader, { action: "ACTIVATE", ...noSpace })).toEqual([noSpace]);
    const odd = { memberId: 6n, alarm: 7 };
    expect(await alarm(cluster, leader, { action: "ACTIVATE", ...odd })).toEqual([odd]);
    expect(await alarm(cluster, leader, {})).toEqual([noSpace, odd]);
    expect(await alarm(cluster, leader, { alarm: "NOSPACE" })).toEqual([noSpace]);
    expect(await alarm(cluster, leader, { alarm: "CORRUPT" })).toEqual([]);
    const { errors } = await leader.services.maintenance.status({}, CALL);
    expect(errors).toEqual(["memberID:5  alarm:NOSPACE", "memberID:6  alarm:7"]);
    expect(await alarm(cluster, leader, { action: "DEACTIVATE", memberId: 6n, alarm: "NOSPACE" })).toEqual([]);
    expect(await alarm(cluster, leader, { action: "DEACTIVATE", ...odd })).toEqual([odd]);
    expect(await alarm(cluster, leader, { action: "DEACTIVATE", ...noSpace })).toEqual([noSpace]);
    expect(await alarm(cluster, leader, {})).toEqual([]);
  });

  test("an action of a later version, on which etcd 3.7.1 crashes, does nothing", async () => {
    const { cluster, leader } = await founded(1);
    expect(await alarm(cluster, leader, { action: 7, memberId: 5n, alarm: "NOSPACE" })).toEqual([]);
    expect(await alarm(cluster, leader, {})).toEqual([]);
  });

  test("M32 NOSPACE refuses requests that may take space, after validation only and before every other error, and lets the rest pass", async () => {
    const { cluster, leader } = await founded(3);
    await cluster.settled(leader.services.lease.grant({ id: 7n, ttl: 60 }, CALL));
    await alarm(cluster, leader, { action: "ACTIVATE", memberId: 2n, alarm: "NOSPACE" });
    for (const id of [1n, 2n, 3n]) {
      expect(await answersOf(cluster, cluster.node(id))).toMatchObject({
        put: errNoSpace.message,
        "txn that puts": errNoSpace.message,
        "txn that might put": errNoSpace.message,
        "txn that deletes": "ok",
        "txn that reads": "ok",
        range: "ok",
        delete: "ok",
        grant: errNoSpace.message,
      });
    }
    const unknownLease = putRequest({ key: bytes("k"), lease: 99n });
    await expect(cluster.settled(leader.services.kv.put(unknownLease, CALL))).rejects.toBe(errNoSpace);
    await expect(cluster.settled(leader.services.kv.put(putRequest({}), CALL))).rejects.toBe(errEmptyKey);
    await alarm(cluster, leader, { action: "DEACTIVATE", memberId: 2n, alarm: "NOSPACE" });
    await put(cluster, leader, "k");
  });

  test("M32 CORRUPT refuses all changes of data, comes before NOSPACE, and lets reads pass", async () => {
    const { cluster, leader } = await founded(1);
    await alarm(cluster, leader, { action: "ACTIVATE", memberId: 1n, alarm: "NOSPACE" });
    await alarm(cluster, leader, { action: "ACTIVATE", memberId: 0n, alarm: "CORRUPT" });
    expect(await answersOf(cluster, leader)).toEqual({
      put: errCorrupt.message,
      "txn that puts": errCorrupt.message,
      "txn that might put": errCorrupt.message,
      "txn that deletes": errCorrupt.message,
      "txn that reads": "ok",
      range: "ok",
      delete: errCorrupt.message,
      compact: errCorrupt.message,
      grant: errCorrupt.message,
      revoke: errCorrupt.message,
    });
    const { errors } = await leader.services.maintenance.status({}, CALL);
    expect(errors).toEqual(["memberID:1  alarm:NOSPACE", "alarm:CORRUPT"]);
  });

  test("while CORRUPT is raised a lease outlives its TTL, costs nothing, and is revoked when the alarm is cleared", async () => {
    const { cluster, leader } = await founded(3, { quiesceAfterTicks: 20 });
    await cluster.settled(leader.services.lease.grant({ id: 7n, ttl: 5 }, CALL));
    await alarm(cluster, leader, { action: "ACTIVATE", memberId: 0n, alarm: "CORRUPT" });
    const { lastIndex } = leader.member.status();
    await cluster.clock.advance(60_000);
    expect(cluster.clock.timerCount).toBe(0);
    expect(leader.member.status().lastIndex).toBe(lastIndex);
    expect(leader.member.machine.leases.exists(7n)).toBe(true);
    await alarm(cluster, leader, { action: "DEACTIVATE", memberId: 0n, alarm: "CORRUPT" });
    await cluster.clock.until(() => !leader.member.machine.leases.exists(7n), "revoked");
  });

  test("M32 an alarm survives a restart, and is part of a snapshot", async () => {
    const { cluster, leader } = await founded(1);
    await alarm(cluster, leader, { action: "ACTIVATE", memberId: 1n, alarm: "NOSPACE" });
    const image = cluster.crash(1n);
    const again = await cluster.start(1n, { type: "join" }, image);
    await cluster.elected();
    await expect(put(cluster, again, "k")).rejects.toBe(errNoSpace);
    again.member.machine.reopen(again.storage.tables);
    expect(again.member.machine.alarms.has("NOSPACE")).toBe(true);
  });

  test("any user may list alarms, only root may raise or clear them", async () => {
    const guarded = await GuardedCluster.open();
    const { maintenance } = guarded.at();
    const raise = alarmRequest({ action: "ACTIVATE", memberId: 1n, alarm: "NOSPACE" });
    await expect(guarded.settled(maintenance.alarm(alarmRequest(), CALL))).rejects.toBe(errUserEmpty);
    const amy = await guarded.as("amy");
    expect(await guarded.settled(maintenance.alarm(alarmRequest(), amy))).toMatchObject({ alarms: [] });
    await expect(guarded.settled(maintenance.alarm(raise, amy))).rejects.toBe(errPermissionDenied);
    const { alarms } = await guarded.settled(maintenance.alarm(raise, await guarded.as("root")));
    expect(alarms).toHaveLength(1);
  });
});

describe("the quota", () => {
  test("M33 the first request that would not fit raises NOSPACE for its member and is refused before any other check", async () => {
    const { cluster, leader } = await founded(3, { quotaBackendBytes: 100_000 });
    await expect(put(cluster, leader, "large", 200_000)).rejects.toBe(errNoSpace);
    const raised = { memberId: leader.id, alarm: "NOSPACE" };
    expect(await alarm(cluster, leader, {})).toEqual([raised]);
    await expect(put(cluster, leader, "", 200_000)).rejects.toBe(errNoSpace);
    const { dbSizeQuota } = await leader.services.maintenance.status({}, CALL);
    expect(dbSizeQuota).toBe(100_000);
  });

  test("M33 the quota limits what is stored, and freed space is usable once the alarm is cleared", async () => {
    const { cluster, leader } = await founded(1, {
      quotaBackendBytes: 100_000,
      limits: { logEntries: 2, catchUpEntries: 1 },
    });
    let stored = 0;
    const fill = async (): Promise<void> => {
      for (; stored < 1_000; stored++) await put(cluster, leader, "k", 1_000);
    };
    await expect(fill()).rejects.toBe(errNoSpace);
    expect(stored).toBeGreaterThan(40);
    const { store } = leader.member.machine;
    expect(leader.member.sizeBytes).toBeLessThan(100_000);
    await cluster.settled(leader.services.kv.compact({ revision: store.revision, physical: false }, CALL));
    await cluster.settled(leader.services.maintenance.defragment({}, CALL));
    expect(store.keys.rowCount).toBe(1);
    await expect(put(cluster, leader, "k")).rejects.toBe(errNoSpace);
    await alarm(cluster, leader, { action: "DEACTIVATE", memberId: leader.id, alarm: "NOSPACE" });
    await put(cluster, leader, "k");
  });

  test("a negative quota is no limit, and a txn costs as much as its more expensive branch", async () => {
    const { cluster, leader } = await founded(1, { quotaBackendBytes: -1 });
    await put(cluster, leader, "large", 1_000_000);
    expect(await leader.services.maintenance.status({}, CALL)).toMatchObject({ dbSizeQuota: -1, errors: [] });

    const capped = await founded(1, { quotaBackendBytes: 100_000 });
    const large: RequestOp = { type: "put", put: putRequest({ key: bytes("a"), value: new Uint8Array(120_000) }) };
    const nested: RequestOp = { type: "txn", txn: txnRequest({ failure: [large] }) };
    const txn = txnRequest({ success: [PUT], failure: [nested] });
    await expect(capped.cluster.settled(capped.leader.services.kv.txn(txn, CALL))).rejects.toBe(errNoSpace);
  });
});
