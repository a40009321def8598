/**
 * The records of a state snapshot. They are ours: in etcd a snapshot is a file of its database.
 */
import { EMPTY_BYTES } from "../../base/bytes.ts";

/** A row of the key table, with the key's version in `version`, 0 for a tombstone. */
export interface SnapshotRow {
  readonly key: Uint8Array;
  readonly main: number;
  readonly sub: number;
  readonly createRevision: number;
  readonly version: number;
  readonly lease: bigint;
  readonly value: Uint8Array;
}

export function snapshotRow(set?: Partial<SnapshotRow>): SnapshotRow {
  return { key: EMPTY_BYTES, main: 0, sub: 0, createRevision: 0, version: 0, lease: 0n, value: EMPTY_BYTES, ...set };
}

/** A row of one of the small tables. */
export interface SnapshotBucketRow {
  readonly name: string;
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

export function snapshotBucketRow(set?: Partial<SnapshotBucketRow>): SnapshotBucketRow {
  return { name: "", key: EMPTY_BYTES, value: EMPTY_BYTES, ...set };
}

export type SnapshotRecord =
  | { readonly type: "none" }
  | { readonly type: "row"; readonly row: SnapshotRow }
  | { readonly type: "bucket"; readonly bucket: SnapshotBucketRow };
