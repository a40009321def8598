/**
 * Encodes the state of a member as a sequence of chunks: small tables first, then every kept row in revision order.
 *
 * Rows never change once written, so a stream may take any time while the member continues to write: it contains the
 * small tables as they were at the start, and the rows up to the revision of the start. Only compaction removes rows.
 * It has to wait while a stream is open.
 *
 * A chunk is a list of records, each with its length; a row is etcd's KeyValue with its sub-revision.
 */
import { assert } from "../../base/assert.ts";
import { DecodeError } from "../../protocol/decode-error.ts";
import { decode, encode } from "../../protocol/codec/proto-codec.ts";
import { snapshotRecordSchema } from "../../protocol/peer/snapshot-schema.ts";
import type { SnapshotRecord } from "../../protocol/peer/snapshot.ts";
import { BUCKET_NAMES } from "../../mvcc/tables/tables.ts";
import type { StateTables } from "../../mvcc/tables/tables.ts";

export interface ChunkSource {
  /** Returns the next chunk; `last` is true with the final one. */
  next(): { readonly data: Uint8Array; readonly last: boolean };
}

/** Creates a source of chunks. `revision` is the store's revision at the start. */
export function chunkSource(tables: StateTables, revision: number, chunkBytes: number): ChunkSource {
  const small = bucketRecords(tables);
  let smallAt = 0;
  let main = 0;
  let sub = 0;
  return {
    next() {
      const parts: Uint8Array[] = [];
      let bytes = 0;
      const add = (record: SnapshotRecord): boolean => {
        const encoded = encode(snapshotRecordSchema, record);
        parts.push(encoded);
        bytes += encoded.length + 4;
        return bytes < chunkBytes;
      };
      let room = true;
      while (room && smallAt < small.length) room = add(small[smallAt++] as SnapshotRecord);
      let ended = false;
      if (room) {
        ended = true;
        tables.keys.history(
          main,
          revision,
          (row) => {
            main = row.main;
            sub = row.sub + 1;
            ended = add({ type: "row", row });
            return ended;
          },
          sub,
        );
      }
      return { data: joinRecords(parts, bytes), last: ended };
    },
  };
}

/** Writes a chunk's records into staged tables. Throws DecodeError if chunkSource could not have made it. */
export function writeChunk(tables: StateTables, chunk: Uint8Array): void {
  readChunk(chunk, (record) => writeRecord(tables, record));
}

/** Decodes the records of a chunk. Throws DecodeError if it is not a list of records. */
export function readChunk(chunk: Uint8Array, visit: (record: SnapshotRecord) => void): void {
  const view = new DataView(chunk.buffer, chunk.byteOffset, chunk.length);
  let at = 0;
  while (at < chunk.length) {
    if (at + 4 > chunk.length) throw new DecodeError("snapshot chunk: a record's length is cut off");
    const length = view.getUint32(at);
    at += 4;
    if (at + length > chunk.length) throw new DecodeError("snapshot chunk: a record is cut off");
    visit(decode(snapshotRecordSchema, chunk.subarray(at, at + length)));
    at += length;
  }
}

export function writeRecord(tables: StateTables, record: SnapshotRecord): void {
  if (record.type === "row") {
    tables.keys.append(record.row);
  } else if (record.type === "bucket") {
    const name = BUCKET_NAMES.find((known) => known === record.bucket.name);
    if (name === undefined) throw new DecodeError("snapshot chunk: an unknown table");
    tables.bucket(name).set(record.bucket.key, record.bucket.value);
  } else {
    throw new DecodeError("snapshot chunk: an unknown record");
  }
}

function bucketRecords(tables: StateTables): readonly SnapshotRecord[] {
  const records: SnapshotRecord[] = [];
  for (const name of BUCKET_NAMES) {
    tables.bucket(name).scan((key, value) => {
      records.push({ type: "bucket", bucket: { name, key: key.slice(), value: value.slice() } });
      return true;
    });
  }
  return records;
}

/** Joins encoded records. `bytes` is the sum of their lengths plus four for each. */
export function joinRecords(parts: readonly Uint8Array[], bytes: number): Uint8Array {
  const chunk = new Uint8Array(bytes);
  const view = new DataView(chunk.buffer);
  let at = 0;
  for (const part of parts) {
    view.setUint32(at, part.length);
    chunk.set(part, at + 4);
    at += part.length + 4;
  }
  assert(at === bytes, "a chunk is exactly as long as its records");
  return chunk;
}
