/**
 * Writes the state of a member as the buckets of etcd's database. A client's snapshot is this file; see
 * protocol/bbolt/bolt-format.ts.
 *
 * Small tables are copied at the start. Rows of keys are read on demand: they never change, and none is removed while
 * the member holds them.
 */
import { bytesToLatin1, EMPTY_BYTES, latin1ToBytes } from "../../base/bytes.ts";
import { utf8Encode } from "../../base/utf8.ts";
import type { BoltSource, RowCursor } from "../../protocol/bbolt/bolt-writer.ts";
import { rowBytes } from "../../protocol/bbolt/bolt-format.ts";
import type { BoltRow } from "../../protocol/bbolt/bolt-format.ts";
import type { Member as MemberRecord } from "../../protocol/api/cluster.ts";
import type { ConfState } from "../../protocol/peer/raft-message.ts";
import { storedKey, storedValue } from "../../mvcc/hash.ts";
import { FINISHED_COMPACT, readRevision, revisionBytes, SCHEDULED_COMPACT } from "../../mvcc/tables/meta.ts";
import type { Bucket, BucketName, KeyTable, StateTables } from "../../mvcc/tables/tables.ts";
import { LEASE_ROWS } from "../../lease/lease-table.ts";

export interface SnapshotState {
  readonly tables: StateTables;
  readonly revision: number;
  readonly applied: number;
  readonly appliedTerm: number;
  readonly members: readonly MemberRecord[];
  readonly removed: readonly bigint[];
  readonly confState: ConfState;
  /** For example 3.7.0. */
  readonly clusterVersion: string;
  readonly downgradeTarget: string | undefined;
}

export function snapshotSources(state: SnapshotState): readonly BoltSource[] {
  const { tables, revision } = state;
  return [
    small("alarm", rowsOf(tables.bucket("alarm"))),
    small("auth", rowsOf(tables.bucket("auth"))),
    small("authRoles", rowsOf(tables.bucket("authRoles"))),
    small("authUsers", rowsOf(tables.bucket("authUsers"))),
    small("cluster", clusterRows(state)),
    { name: "key", open: () => new KeyCursor(tables.keys, revision) },
    small("lease", leaseRows(tables.bucket("lease"))),
    small(
      "members",
      state.members.map((member) => textRow(member.id.toString(16), memberJson(member))),
    ),
    small(
      "members_removed",
      state.removed.map((id) => textRow(id.toString(16), "removed")),
    ),
    small("meta", metaRows(state)),
  ];
}

/** State tables that are written unchanged. */
export const SAME_BUCKETS: readonly BucketName[] = ["auth", "authRoles", "authUsers"];

class KeyCursor implements RowCursor {
  readonly #keys: KeyTable;
  readonly #revision: number;
  #main: number = 0;
  #sub: number = 0;

  constructor(keys: KeyTable, revision: number) {
    this.#keys = keys;
    this.#revision = revision;
  }

  next(bytesMax: number): readonly BoltRow[] {
    const rows: BoltRow[] = [];
    let bytes = 0;
    const visit = (row: Parameters<typeof storedKey>[0]): boolean => {
      const stored = { key: storedKey(row), value: storedValue(row) };
      rows.push(stored);
      bytes += rowBytes(stored);
      this.#main = row.main;
      this.#sub = row.sub + 1;
      return bytes < bytesMax;
    };
    this.#keys.history(this.#main, this.#revision, visit, this.#sub);
    return rows;
  }
}

class ListCursor implements RowCursor {
  readonly #rows: readonly BoltRow[];
  #at: number = 0;

  constructor(rows: readonly BoltRow[]) {
    this.#rows = rows;
  }

  next(bytesMax: number): readonly BoltRow[] {
    const from = this.#at;
    let bytes = 0;
    while (bytes < bytesMax && this.#at < this.#rows.length) bytes += rowBytes(this.#rows[this.#at++] as BoltRow);
    return this.#rows.slice(from, this.#at);
  }
}

function small(name: string, rows: readonly BoltRow[]): BoltSource {
  const sorted = [...rows].sort((left, right) => (bytesToLatin1(left.key) < bytesToLatin1(right.key) ? -1 : 1));
  return { name, open: () => new ListCursor(sorted) };
}

function rowsOf(bucket: Bucket): readonly BoltRow[] {
  const rows: BoltRow[] = [];
  bucket.scan((key, value) => rows.push({ key: key.slice(), value: value.slice() }) > 0);
  return rows;
}

/** Returns the leases with their keys. The keys' rows name their lease; etcd stores the relation nowhere else. */
function leaseRows(bucket: Bucket): readonly BoltRow[] {
  const rows: BoltRow[] = [];
  bucket.scanRange(LEASE_ROWS.start, LEASE_ROWS.end, (key, value) => {
    return rows.push({ key: key.slice(1), value: value.slice() }) > 0;
  });
  return rows;
}

function clusterRows({ clusterVersion, downgradeTarget }: SnapshotState): readonly BoltRow[] {
  const downgrade = { "target-version": downgradeTarget ?? "", enabled: downgradeTarget !== undefined };
  return [textRow("clusterVersion", clusterVersion), textRow("downgrade", JSON.stringify(downgrade))];
}

function metaRows(state: SnapshotState): readonly BoltRow[] {
  const meta = state.tables.bucket("meta");
  const rows = [
    textRow("confState", confStateJson(state.confState)),
    { key: latin1ToBytes("consistent_index"), value: revisionBytes(state.applied) },
    textRow("storageVersion", state.clusterVersion),
    { key: latin1ToBytes("term"), value: revisionBytes(state.appliedTerm) },
  ];
  for (const key of [FINISHED_COMPACT, SCHEDULED_COMPACT]) {
    const revision = readRevision(meta, key);
    // etcd's form contains the sub-revision, too.
    if (revision !== undefined) rows.push({ key, value: storedKey({ ...NO_ROW, main: revision }) });
  }
  return rows;
}

const NO_ROW = { key: EMPTY_BYTES, main: 0, sub: 0, createRevision: 0, version: 1, lease: 0n, value: EMPTY_BYTES };

/** Ids are 64-bit numbers in this JSON, which JSON.stringify cannot write. */
function memberJson({ id, name, peerUrls, clientUrls, isLearner }: MemberRecord): string {
  const rest = {
    peerURLs: peerUrls,
    ...(isLearner ? { isLearner } : {}),
    ...(name === "" ? {} : { name }),
    ...(clientUrls.length === 0 ? {} : { clientURLs: clientUrls }),
  };
  return `{"id":${id},${JSON.stringify(rest).slice(1)}`;
}

function confStateJson({ voters, learners, votersOutgoing, learnersNext, autoLeave }: ConfState): string {
  const lists = { voters, learners, voters_outgoing: votersOutgoing, learners_next: learnersNext };
  const fields = Object.entries(lists).flatMap(([name, ids]) =>
    ids.length === 0 ? [] : [`"${name}":[${ids.join(",")}]`],
  );
  return `{${[...fields, `"auto_leave":${autoLeave}`].join(",")}}`;
}

function textRow(key: string, value: string): BoltRow {
  return { key: latin1ToBytes(key), value: utf8Encode(value) };
}
