/** Converts rows of the tables to etcd's messages. The bytes are shared, never copied. */
import { EMPTY_BYTES } from "../../base/bytes.ts";
import type { ResponseHeader } from "../../protocol/api/header.ts";
import type { Event, KeyValue } from "../../protocol/api/kv.ts";
import type { RevisionRow } from "./tables.ts";

/** The store knows only the revision. The member that responds fills in its identity. */
export function headerAt(revision: number): ResponseHeader {
  return { clusterId: 0n, memberId: 0n, revision, raftTerm: 0 };
}

export function rowToKeyValue(row: RevisionRow): KeyValue {
  return {
    key: row.key,
    createRevision: row.createRevision,
    modRevision: row.main,
    version: row.version,
    value: row.value,
    lease: row.lease,
  };
}

/** As etcd 3.7 responds from its index, which has no leases. */
export function rowToKeyOnly(row: RevisionRow): KeyValue {
  return {
    key: row.key,
    createRevision: row.createRevision,
    modRevision: row.main,
    version: row.version,
    value: EMPTY_BYTES,
    lease: 0n,
  };
}

/** A delete's event carries only the key and its revision, as the row of a tombstone does. */
export function rowToEvent(row: RevisionRow): Event {
  return { type: row.version === 0 ? "DELETE" : "PUT", kv: rowToKeyValue(row), prevKv: undefined };
}
