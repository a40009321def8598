/**
 * HashKV: CRC-32C over the bucket name and the rows up to a revision, in the bytes in which etcd stores them, so that any
 * two members, etcd's included, can compare their data. Rows that compaction may or may not have removed yet are left
 * out by etcd's rule, so the hash does not depend on how far the physical part has come.
 */
import { crc32c } from "../base/crc32c.ts";
import { latin1ToBytes } from "../base/bytes.ts";
import { keyValueSchema } from "../protocol/kv-schema.ts";
import { keyValue } from "../protocol/kv.ts";
import { encode } from "../protocol/proto-codec.ts";
import { ALL_KEYS, countLive } from "./key-range.ts";
import { rowToKeyValue } from "./messages.ts";
import { revisionBytes } from "./meta.ts";
import type { KeyTable, RevisionRow } from "./tables.ts";

const BUCKET_NAME = latin1ToBytes("key");
const SEPARATOR = 0x5f; // "_"
const TOMBSTONE = 0x74; // "t"

export function hashRows(keys: KeyTable, revision: number, compactRevision: number): number {
  let hash = crc32c(BUCKET_NAME);
  if (revision < 0) return hash;
  const anyLive = countLive(keys, ALL_KEYS, revision) > 0;
  keys.history(0, revision, (row) => {
    if (row.main <= compactRevision && !survives(keys, row, revision, compactRevision, anyLive)) return true;
    hash = crc32c(storedKey(row), hash);
    hash = crc32c(storedValue(row), hash);
    return true;
  });
  return hash;
}

/**
 * etcd hashes of the rows up to the compact revision those that are live at the hashed revision. When no key is live
 * there, it takes all rows it finds, which once the compaction is through are the newest ones at the compact revision.
 */
function survives(
  keys: KeyTable,
  row: RevisionRow,
  revision: number,
  compactRevision: number,
  anyLive: boolean,
): boolean {
  const newest = keys.at(row.key, anyLive ? revision : compactRevision);
  if (newest === undefined || newest.main !== row.main || newest.sub !== row.sub) return false;
  return row.version !== 0 || (!anyLive && row.main === compactRevision);
}

function storedKey(row: RevisionRow): Uint8Array {
  const bytes = new Uint8Array(row.version === 0 ? 18 : 17);
  bytes.set(revisionBytes(row.main), 0);
  bytes[8] = SEPARATOR;
  bytes.set(revisionBytes(row.sub), 9);
  if (row.version === 0) bytes[17] = TOMBSTONE;
  return bytes;
}

/** The protobuf message mvccpb.KeyValue; of a tombstone only the key. */
function storedValue(row: RevisionRow): Uint8Array {
  return encode(keyValueSchema, row.version === 0 ? keyValue({ key: row.key }) : rowToKeyValue(row));
}
