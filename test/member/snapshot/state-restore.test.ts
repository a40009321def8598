import { expect, test } from "vitest";
import { latin1ToBytes } from "../../../src/base/bytes.ts";
import { LeaseTable } from "../../../src/lease/lease-table.ts";
import { Membership } from "../../../src/member/membership/membership.ts";
import { inspectFile, restoreChunks } from "../../../src/member/snapshot/snapshot-import.ts";
import { StateRestore } from "../../../src/member/snapshot/state-restore.ts";
import { MemoryTables } from "../../../src/mvcc/tables/memory-tables.ts";
import { Store } from "../../../src/mvcc/store.ts";
import { userSchema } from "../../../src/protocol/api/schema/auth-schema.ts";
import { authUserAddRequest, user } from "../../../src/protocol/api/auth.ts";
import { BoltReader } from "../../../src/protocol/bbolt/bolt-reader.ts";
import { member } from "../../../src/protocol/api/cluster.ts";
import { DecodeError } from "../../../src/protocol/decode-error.ts";
import { compactionRequest, deleteRangeRequest, putRequest } from "../../../src/protocol/api/kv.ts";
import { leaseGrantRequest } from "../../../src/protocol/api/lease.ts";
import { encode } from "../../../src/protocol/codec/proto-codec.ts";
import { snapshotRecordSchema } from "../../../src/protocol/peer/snapshot-schema.ts";
import type { SnapshotRecord } from "../../../src/protocol/peer/snapshot.ts";
import { snapshotRow } from "../../../src/protocol/peer/snapshot.ts";
import { joinRecords } from "../../../src/member/snapshot/snapshot-codec.ts";
import { CALL, Cluster } from "../support/cluster.ts";
import type { Node } from "../support/cluster.ts";

const NOBODY = { granted: (): void => {}, revoked: (): void => {}, checkpointed: (): void => {} };
const MEMBERS = [11n, 12n, 13n].map((id) => member({ id, name: `new-${id}` }));

interface Restored {
  readonly revision: number;
  readonly tables: MemoryTables;
  readonly store: Store;
  readonly leases: LeaseTable;
}

/** Puts, deletes, a compaction, leases with keys, a user. */
async function filled(): Promise<{ readonly cluster: Cluster; readonly node: Node }> {
  const cluster = await Cluster.founded(1);
  const node = await cluster.elected();
  const { kv, lease, auth } = node.services;
  await cluster.settled(lease.grant(leaseGrantRequest({ id: 77n, ttl: 100 }), CALL));
  for (let at = 0; at < 60; at++) {
    const key = latin1ToBytes(`k${at % 25}`);
    const put = putRequest({ key, value: latin1ToBytes("v".repeat(at * 30)), lease: at % 7 === 0 ? 77n : 0n });
    await cluster.settled(kv.put(put, CALL));
  }
  await cluster.settled(kv.deleteRange(deleteRangeRequest({ key: latin1ToBytes("k3") }), CALL));
  await cluster.settled(kv.compact(compactionRequest({ revision: 20 }), CALL));
  await cluster.settled(kv.deleteRange(deleteRangeRequest({ key: latin1ToBytes("k8") }), CALL));
  const ada = authUserAddRequest({ name: "ada", password: "", options: { noPassword: true } });
  await cluster.settled(auth.userAdd(ada, CALL));
  return { cluster, node };
}

async function fileOf(cluster: Cluster, node: Node): Promise<BoltReader> {
  const parts: Uint8Array[] = [];
  const stream = node.services.maintenance.snapshot({}, CALL)[Symbol.asyncIterator]();
  for (;;) {
    const step = await cluster.settled(stream.next());
    if (step.done === true) break;
    parts.push(step.value.blob);
  }
  const file = Buffer.concat(parts.slice(0, -1));
  return new BoltReader({ sizeBytes: file.length, read: (at, length) => file.subarray(at, at + length) });
}

function restored(reader: BoltReader, bumpRevision = 0, authOff = false): Restored {
  const tables = new MemoryTables();
  const restore = new StateRestore(tables);
  for (const chunk of restoreChunks(reader, inspectFile(reader), { bumpRevision, authOff })) restore.take(chunk);
  const revision = restore.finish(MEMBERS);
  const leases = new LeaseTable(tables.bucket("lease"), NOBODY);
  return { revision, tables, leases, store: new Store(tables, leases) };
}

test("M37 restored data equals the snapshot's: rows, revisions, leases with their keys, users", async () => {
  const { cluster, node } = await filled();
  const { revision, store, leases, tables } = restored(await fileOf(cluster, node));
  const { machine } = node.member;
  expect(revision).toBe(machine.store.revision);
  expect(store.compactRevision).toBe(20);
  expect(leases.get(77n)).toEqual(machine.leases.get(77n));
  expect(leases.keysOf(77n)).toEqual(machine.leases.keysOf(77n));
  expect(leases.keysOf(77n).length).toBeGreaterThan(0);
  for (const at of [20, 40, revision]) expect(liveAt(store, at)).toEqual(liveAt(machine.store, at));
  expect(tables.bucket("authUsers").get(latin1ToBytes("ada"))).toBeDefined();
});

test("M37 only the new members are in the new cluster, and all of them vote", async () => {
  const { cluster, node } = await filled();
  const membership = new Membership(restored(await fileOf(cluster, node)).tables);
  expect(membership.members).toEqual(MEMBERS);
  expect(membership.confState.voters).toEqual([11n, 12n, 13n]);
  expect(membership.removed).toEqual([]);
});

test("a bumped revision is the first of the new cluster, and all before it is compacted", async () => {
  const { cluster, node } = await filled();
  const before = node.member.machine.store;
  const { revision, store } = restored(await fileOf(cluster, node), 1_000_000);
  expect(revision).toBe(before.revision + 1_000_000);
  expect(store.compactRevision).toBe(revision);
  expect(liveAt(store, revision)).toEqual(liveAt(before, before.revision));
  const put = store.put(putRequest({ key: latin1ToBytes("new") }));
  expect(put.response.header.revision).toBe(revision + 1);
});

test("the file's facts are read: its revision, its live keys, its version", async () => {
  const { cluster, node } = await filled();
  const { store } = node.member.machine;
  expect(inspectFile(await fileOf(cluster, node))).toMatchObject({
    revision: store.revision,
    compactRevision: 20,
    liveKeys: 23,
    rows: store.keys.rowCount,
    version: "3.7.0",
    authEnabled: false,
    foreignPasswords: 0,
  });
});

test("auth stays on in the new cluster, unless disabled; passwords that cannot be verified are counted", async () => {
  const { cluster, node } = await filled();
  const { tables } = node.member.machine;
  for (const [name, password] of [
    ["root", "$2a$10$zMLaWiDpQZH35TdHvJqg6O.4X5KXRVVIZs9bTRAiBaySUObanE.TC"],
    ["old", "$pbkdf2-sha256$i=100000,r=6$AAAAAAAAAAAAAAAAAAAAAA==$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="],
    ["costly", "$2a$14$zMLaWiDpQZH35TdHvJqg6O.4X5KXRVVIZs9bTRAiBaySUObanE.TC"],
  ] as const) {
    const one = user({ name: latin1ToBytes(name), password: latin1ToBytes(password) });
    tables.bucket("authUsers").set(latin1ToBytes(name), encode(userSchema, one));
  }
  tables.bucket("auth").set(latin1ToBytes("authEnabled"), Uint8Array.of(1));
  const file = await fileOf(cluster, node);
  expect(inspectFile(file)).toMatchObject({ authEnabled: true, foreignPasswords: 1 });
  for (const [authOff, stored] of [
    [false, 1],
    [true, 0],
  ] as const) {
    const after = restored(file, 0, authOff).tables;
    expect(after.bucket("auth").get(latin1ToBytes("authEnabled"))?.[0]).toBe(stored);
    expect(after.bucket("authUsers").get(latin1ToBytes("root"))).toBeDefined();
  }
});

test.each<[string, readonly SnapshotRecord[]]>([
  ["members", [bucketRecord("members", "12345678", "x")]],
  ["a configuration", [bucketRecord("meta", "confState", "x")]],
  ["alarms", [bucketRecord("alarm", "x", "")]],
  ["a table that there is not", [bucketRecord("nonsense", "x", "")]],
  ["a lease under another's id", [bucketRecord("lease", "\0\0\0\0\0\0\0\0\x07", "\x08\x09")]],
  ["a row before the one before it", [rowRecord(5, 0), rowRecord(4, 0)]],
  ["a row twice", [rowRecord(5, 1), rowRecord(5, 1)]],
  ["a row without a key", [{ type: "row", row: snapshotRow({ main: 3, version: 1, createRevision: 2 }) }]],
  [
    "a row made after itself",
    [{ type: "row", row: snapshotRow({ key: latin1ToBytes("k"), main: 3, version: 1, createRevision: 9 }) }],
  ],
])("chunks with %s are refused", (_what, records) => {
  expect(() => new StateRestore(new MemoryTables()).take(chunkOf(records))).toThrow(DecodeError);
});

test("a truncated chunk is refused", () => {
  const chunk = chunkOf([rowRecord(5, 0)]);
  expect(() => new StateRestore(new MemoryTables()).take(chunk.subarray(0, chunk.length - 1))).toThrow(DecodeError);
});

function liveAt(store: Store, revision: number): unknown {
  const rows: unknown[] = [];
  store.keys.scan(new Uint8Array(0), undefined, revision, true, (row) => rows.push({ ...row }) > 0);
  return rows;
}

function bucketRecord(name: string, key: string, value: string): SnapshotRecord {
  return { type: "bucket", bucket: { name, key: latin1ToBytes(key), value: latin1ToBytes(value) } };
}

function rowRecord(main: number, sub: number): SnapshotRecord {
  return { type: "row", row: snapshotRow({ key: latin1ToBytes("k"), main, sub, version: 1, createRevision: main }) };
}

function chunkOf(records: readonly SnapshotRecord[]): Uint8Array {
  const parts = records.map((record) => encode(snapshotRecordSchema, record));
  return joinRecords(
    parts,
    parts.reduce((sum, part) => sum + part.length + 4, 0),
  );
}
