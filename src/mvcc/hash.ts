/**
 * HashKV: CRC-32C over the bucket name and the rows up to a revision, in the bytes in which etcd stores them. So any
 * two members, etcd's included, can compare their data. Rows that compaction may or may not have removed yet are left
 * out by etcd's rule, so the hash does not depend on how far the physical part has come.
 *
 * It is computed in steps, because a store may be large. Writes may continue meanwhile: they come after the revision.
 * Only the physical part of a later compaction must wait.
 */
import { crc32c } from "../base/crc32c.ts";
import { latin1ToBytes } from "../base/bytes.ts";
import { keyValueSchema } from "../protocol/api/schema/kv-schema.ts";
import { keyValue } from "../protocol/api/kv.ts";
import { encode } from "../protocol/codec/proto-codec.ts";
import { ALL_KEYS, liveRows } from "./range/key-range.ts";
import { rowToKeyValue } from "./tables/messages.ts";
import { revisionBytes } from "./tables/meta.ts";
import type { KeyTable, RevisionRow } from "./tables/tables.ts";

const BUCKET_NAME = latin1ToBytes("key");
const SEPARATOR = 0x5f; // "_"
const TOMBSTONE = 0x74; // "t"

export interface KeyValueHash {
  readonly hash: number;
  readonly hashRevision: number;
  readonly compactRevision: number;
}

export interface HashedState {
  readonly hashRevision: number;
  readonly compactRevision: number;
  /** The compaction at `hashRevision` computes the hash. It then includes tombstones of that very revision. */
  readonly byCompaction: boolean;
}

export class HashWalk {
  readonly #keys: KeyTable;
  readonly #state: HashedState;
  #hash: number = crc32c(BUCKET_NAME);
  #main = 0;
  #sub = 0;
  #keepsAny: boolean | undefined;

  constructor(keys: KeyTable, state: HashedState) {
    this.#keys = keys;
    this.#state = state;
  }

  /** Hashes about `maxRows` rows or `maxBytes` bytes. Returns the hash once the last row is reached. */
  step(maxRows: number, maxBytes: number): KeyValueHash | undefined {
    const { hashRevision, compactRevision } = this.#state;
    let rows = 0;
    let bytes = 0;
    let ended = true;
    const visit = (row: RevisionRow): boolean => {
      this.#main = row.main;
      this.#sub = row.sub + 1;
      if (this.#counts(row)) {
        this.#hash = crc32c(storedKey(row), this.#hash);
        this.#hash = crc32c(storedValue(row), this.#hash);
      }
      rows += 1;
      bytes += row.key.length + row.value.length;
      ended = rows < maxRows && bytes < maxBytes;
      return ended;
    };
    if (hashRevision >= 0) this.#keys.history(this.#main, hashRevision, visit, this.#sub);
    return ended ? { hash: this.#hash, hashRevision, compactRevision } : undefined;
  }

  #counts(row: RevisionRow): boolean {
    const { hashRevision, compactRevision } = this.#state;
    if (row.main > compactRevision) return true;
    // etcd 3.5.15 and before dropped tombstones of the compact revision, and the hashes must equal theirs.
    if (row.version === 0) return false;
    if (isSame(this.#keys.at(row.key, hashRevision), row)) return true;
    // When there is nothing to keep, etcd takes all rows that it finds: those that the previous compaction kept.
    this.#keepsAny ??= this.#hasKept();
    return !this.#keepsAny && isSame(this.#keys.at(row.key, compactRevision), row);
  }

  #hasKept(): boolean {
    const { hashRevision, byCompaction } = this.#state;
    let kept = liveRows(this.#keys, ALL_KEYS, hashRevision, false, 1).length > 0;
    if (kept || !byCompaction) return kept;
    this.#keys.history(hashRevision, hashRevision, (row) => {
      kept = row.version === 0;
      return !kept;
    });
    return kept;
  }
}

function isSame(left: RevisionRow | undefined, right: RevisionRow): boolean {
  return left !== undefined && left.main === right.main && left.sub === right.sub;
}

/** Returns the row's key in etcd's database. */
export function storedKey(row: RevisionRow): Uint8Array {
  const bytes = new Uint8Array(row.version === 0 ? 18 : 17);
  bytes.set(revisionBytes(row.main), 0);
  bytes[8] = SEPARATOR;
  bytes.set(revisionBytes(row.sub), 9);
  if (row.version === 0) bytes[17] = TOMBSTONE;
  return bytes;
}

/** Encodes the row as the protobuf message mvccpb.KeyValue; for a tombstone with the key only. */
export function storedValue(row: RevisionRow): Uint8Array {
  return encode(keyValueSchema, row.version === 0 ? keyValue({ key: row.key }) : rowToKeyValue(row));
}
