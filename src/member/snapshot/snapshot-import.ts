/**
 * Converts a snapshot file, ours or etcd's, to the state of a new cluster: records in chunks, as members send each
 * other their state. What belongs to the old cluster is left out: its members, alarms, downgrades, and applied index.
 */
import { bytesToLatin1, equalBytes, latin1ToBytes } from "../../base/bytes.ts";
import { crc32c } from "../../base/crc32c.ts";
import { userSchema } from "../../protocol/api/schema/auth-schema.ts";
import type { BoltReader } from "../../protocol/bbolt/bolt-reader.ts";
import type { BoltRow } from "../../protocol/bbolt/bolt-format.ts";
import { DecodeError } from "../../protocol/decode-error.ts";
import { keyValueSchema } from "../../protocol/api/schema/kv-schema.ts";
import { decode, encode } from "../../protocol/codec/proto-codec.ts";
import { snapshotRecordSchema } from "../../protocol/peer/snapshot-schema.ts";
import type { SnapshotRecord, SnapshotRow } from "../../protocol/peer/snapshot.ts";
import { FINISHED_COMPACT, revisionBytes, SCHEDULED_COMPACT } from "../../mvcc/tables/meta.ts";
import { parsePasswordHash } from "../../auth/password-hashes.ts";
import { joinRecords } from "./snapshot-codec.ts";
import { SAME_BUCKETS } from "./snapshot-file.ts";

export interface FileFacts {
  /** As etcdutl computes it: CRC-32C over all buckets' names, keys and values. */
  readonly hash: number;
  readonly revision: number;
  readonly compactRevision: number;
  readonly liveKeys: number;
  readonly rows: number;
  /** "" if the file does not contain it: it is older than etcd 3.6. */
  readonly version: string;
  readonly authEnabled: boolean;
  /** Number of users whose password no member can verify: hashed with another function, or at too high a cost. */
  readonly foreignPasswords: number;
}

/** Reads the whole file. Throws DecodeError if it is damaged. */
export function inspectFile(reader: BoltReader): FileFacts {
  const live = new Set<string>();
  let hash = 0;
  let revision = 1;
  let compactRevision = -1;
  let rows = 0;
  let version = "";
  let authEnabled = false;
  let foreignPasswords = 0;
  for (const bucket of reader.buckets()) {
    hash = crc32c(latin1ToBytes(bucket.name), hash);
    for (const row of bucket.rows()) {
      hash = crc32c(row.value, crc32c(row.key, hash));
      if (bucket.name === "key") {
        const { key, main, version: count } = keyRow(row);
        revision = Math.max(revision, main);
        rows += 1;
        if (count > 0) live.add(bytesToLatin1(key));
        else live.delete(bytesToLatin1(key));
      } else if (bucket.name === "meta") {
        const name = bytesToLatin1(row.key);
        if (name === "storageVersion") version = bytesToLatin1(row.value);
        if (isCompactRevision(name)) compactRevision = Math.max(compactRevision, mainOf(row.value));
      } else if (bucket.name === "auth") {
        if (equalBytes(row.key, AUTH_ENABLED)) authEnabled = row.value[0] === 1;
      } else if (bucket.name === "authUsers" && isForeign(decode(userSchema, row.value).password)) {
        foreignPasswords += 1;
      }
    }
  }
  revision = Math.max(revision, compactRevision);
  const liveKeys = live.size;
  return { hash, revision, compactRevision, liveKeys, rows, version, authEnabled, foreignPasswords };
}

export interface RestoreOptions {
  /** Adds this to the revision, and compacts everything before; 0: the revision stays. */
  readonly bumpRevision: number;
  /** If true, the new cluster begins with auth disabled, whatever the file contains. */
  readonly authOff: boolean;
}

const AUTH_ENABLED = latin1ToBytes("authEnabled");
const CHUNK_BYTES = 512 * 1024;

/** Returns the state as chunks of records. `facts` must be of the same file. */
export function* restoreChunks(
  reader: BoltReader,
  facts: FileFacts,
  options: RestoreOptions,
): Generator<Uint8Array, void, void> {
  let parts: Uint8Array[] = [];
  let bytes = 0;
  for (const record of records(reader, facts, options)) {
    const encoded = encode(snapshotRecordSchema, record);
    parts.push(encoded);
    bytes += encoded.length + 4;
    if (bytes < CHUNK_BYTES) continue;
    yield joinRecords(parts, bytes);
    parts = [];
    bytes = 0;
  }
  if (parts.length > 0) yield joinRecords(parts, bytes);
}

function* records(
  reader: BoltReader,
  facts: FileFacts,
  { bumpRevision, authOff }: RestoreOptions,
): Generator<SnapshotRecord, void, void> {
  const compacted = bumpRevision > 0 ? facts.revision + bumpRevision : facts.compactRevision;
  if (compacted >= 0) yield bucketRow("meta", SCHEDULED_COMPACT, revisionBytes(compacted));
  const buckets = reader.buckets();
  for (const bucket of buckets) {
    const same = SAME_BUCKETS.find((name) => name === bucket.name);
    if (same === undefined) continue;
    for (const { key, value } of bucket.rows()) {
      const isSwitch = authOff && same === "auth" && equalBytes(key, AUTH_ENABLED);
      yield bucketRow(same, key, isSwitch ? Uint8Array.of(0) : value);
    }
  }
  const leases = buckets.find(({ name }) => name === "lease");
  for (const { key, value } of leases?.rows() ?? []) {
    if (key.length !== 8) throw new DecodeError("the snapshot has a lease whose id is not one");
    // Follows the byte that distinguishes it from the keys attached to it.
    const row = new Uint8Array(9);
    row.set(key, 1);
    yield bucketRow("lease", row, value);
  }
  const keys = buckets.find(({ name }) => name === "key");
  if (keys === undefined) throw new DecodeError("it is a database, but not one of etcd's");
  for (const stored of keys.rows()) {
    const row = keyRow(stored);
    // The marker that etcdutl writes when it raises the revision is not a row of a key.
    if (row.key.length > 0) yield { type: "row", row };
  }
}

function bucketRow(name: string, key: Uint8Array, value: Uint8Array): SnapshotRecord {
  return { type: "bucket", bucket: { name, key, value } };
}

function isForeign(password: Uint8Array): boolean {
  return password.length > 0 && parsePasswordHash(bytesToLatin1(password)) === undefined;
}

const REVISION_KEY_BYTES = 17;
const TOMBSTONE = 0x74; // "t"

function keyRow({ key, value }: BoltRow): SnapshotRow {
  const isTombstone = key.length === REVISION_KEY_BYTES + 1 && key[REVISION_KEY_BYTES] === TOMBSTONE;
  if (!isTombstone && key.length !== REVISION_KEY_BYTES)
    throw new DecodeError("the snapshot has a key with no revision");
  const stored = decode(keyValueSchema, value);
  const place = { key: stored.key, main: mainOf(key), sub: uint64At(key, 9) };
  return isTombstone
    ? { ...place, createRevision: 0, version: 0, lease: 0n, value: value.subarray(value.length) }
    : {
        ...place,
        createRevision: stored.createRevision,
        version: stored.version,
        lease: stored.lease,
        value: stored.value,
      };
}

function isCompactRevision(name: string): boolean {
  return name === bytesToLatin1(FINISHED_COMPACT) || name === bytesToLatin1(SCHEDULED_COMPACT);
}

function mainOf(bytes: Uint8Array): number {
  return uint64At(bytes, 0);
}

function uint64At(bytes: Uint8Array, at: number): number {
  if (bytes.length < at + 8) throw new DecodeError("the snapshot has a revision that is cut off");
  const value = Number(new DataView(bytes.buffer, bytes.byteOffset, bytes.length).getBigUint64(at));
  if (!Number.isSafeInteger(value)) throw new DecodeError("the snapshot has a revision that is too large");
  return value;
}
