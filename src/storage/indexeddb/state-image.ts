/**
 * The state of a tab's member on disk: rows in segments, in revision order, many rows per record. A record per row
 * would cost ten times as much to write and to load.
 *
 *     segments   [generation, id]             rows of a span of revisions; the last one grows until it is full
 *     dead       [generation, id]             which rows of that segment compaction has removed since
 *     buckets    [generation, bucket, key]    one record each
 *
 * A segment whose rows are mostly dead is written again without them. This file only computes what must be written. The
 * writes of a call belong in one transaction, together with the applied index.
 */
import { assert, must } from "../../base/assert.ts";
import { EMPTY_BYTES, latin1ToBytes } from "../../base/bytes.ts";
import { BUCKET_NAMES, ROW_OVERHEAD_BYTES } from "../../mvcc/tables/tables.ts";
import type { BucketName, RevisionRow, StateTables } from "../../mvcc/tables/tables.ts";
import { revisionName, type ChangeSet, type RevisionId } from "../common/change-set.ts";
import { RecordError, RecordReader, RecordWriter, readU64, writeU64 } from "../common/record.ts";
import { StorageCorruptError } from "../storage-error.ts";

export type StateStore = "segments" | "dead" | "buckets";

/** Keys lack the generation. A write without a value deletes. */
export interface StateWrite {
  readonly store: StateStore;
  readonly key: readonly (number | string)[];
  readonly value: Uint8Array<ArrayBuffer> | undefined;
}

interface Segment {
  readonly id: number;
  readonly first: RevisionId;
  /** Number of rows on disk, dead ones included. */
  rowCount: number;
  dead: RevisionId[];
}

const SEGMENT_BYTES_TARGET = 256 * 1024;

export class StateImage {
  #segments: Segment[] = [];
  #nextId: number = 1;
  /** Rows of the last segment, while it is still small enough to be written again with more rows. */
  #tail: RevisionRow[] = [];
  #tailBytes: number = 0;

  /** Adds the live rows of a segment to the tables. Segments must be loaded in order of id. */
  loadSegment(id: number, record: Uint8Array, dead: Uint8Array | undefined, tables: StateTables): void {
    const rows = readSegment(id, record);
    const first = rows[0];
    if (first === undefined) throw new StorageCorruptError("segments", String(id), "it is empty");
    const last = this.#segments.at(-1);
    if (last !== undefined && last.id >= id)
      throw new StorageCorruptError("segments", String(id), "it is out of order");
    const removed = dead === undefined ? [] : readDead(id, dead);
    const names = new Set(removed.map(({ main, sub }) => revisionName(main, sub)));
    for (const row of rows) {
      if (names.size > 0 && names.delete(revisionName(row.main, row.sub))) continue;
      try {
        tables.keys.append(row);
      } catch (error) {
        throw new StorageCorruptError("segments", String(id), "its rows are out of order", error);
      }
    }
    if (names.size > 0) throw new StorageCorruptError("dead", String(id), "it names rows that are not in the segment");
    this.#segments.push({ id, first: { main: first.main, sub: first.sub }, rowCount: rows.length, dead: removed });
    this.#nextId = id + 1;
  }

  /** Returns the writes. `settled`: nothing was removed from the tables after the mark up to which the changes go. */
  takeWrites(changes: ChangeSet, tables: StateTables, settled: boolean): readonly StateWrite[] {
    const writes: StateWrite[] = [];
    for (const segment of this.#bury(changes.removed.values())) this.#writeDead(segment, tables, settled, writes);
    this.#add([...changes.appended.values()], writes);
    for (const [name, values] of changes.buckets) {
      for (const [key, value] of values) {
        writes.push({ store: "buckets", key: [name, key], value: value === undefined ? undefined : value.slice() });
      }
    }
    return writes;
  }

  #bury(removed: Iterable<RevisionId>): ReadonlySet<Segment> {
    const touched = new Set<Segment>();
    for (const id of removed) {
      const segment = this.#segmentOf(id);
      segment.dead.push(id);
      touched.add(segment);
    }
    return touched;
  }

  #writeDead(segment: Segment, tables: StateTables, settled: boolean, writes: StateWrite[]): void {
    const { id } = segment;
    if (segment === this.#segments.at(-1)) this.#tail = [];
    if (segment.dead.length === segment.rowCount) {
      // The last segment stays, because rows are searched there. The next flush starts a new one.
      this.#segments.splice(this.#segments.indexOf(segment), 1);
      writes.push({ store: "segments", key: [id], value: undefined }, { store: "dead", key: [id], value: undefined });
      return;
    }
    if (!settled || segment.dead.length * 2 < segment.rowCount) {
      writes.push({ store: "dead", key: [id], value: encodeDead(segment.dead) });
      return;
    }
    const rows = this.#livingRows(segment, tables);
    assert(rows.length === segment.rowCount - segment.dead.length, "the tables hold what is alive of a segment");
    segment.rowCount = rows.length;
    segment.dead = [];
    writes.push({ store: "segments", key: [id], value: encodeSegment(rows) });
    writes.push({ store: "dead", key: [id], value: undefined });
  }

  #livingRows(segment: Segment, tables: StateTables): readonly RevisionRow[] {
    const next = this.#segments[this.#segments.indexOf(segment) + 1]?.first;
    const rows: RevisionRow[] = [];
    const limit = segment.rowCount - segment.dead.length;
    tables.keys.history(
      segment.first.main,
      Number.MAX_SAFE_INTEGER,
      (row) => {
        if (rows.length === limit || (next !== undefined && compare(row, next) >= 0)) return false;
        rows.push(row);
        return true;
      },
      segment.first.sub,
    );
    return rows;
  }

  /** Writes the tail again with the new rows until it is full, so that rare writes do not leave many small segments. */
  #add(rows: readonly RevisionRow[], writes: StateWrite[]): void {
    let touched = false;
    for (const row of rows) {
      const bytes = row.key.length + row.value.length + ROW_OVERHEAD_BYTES;
      if (this.#tail.length === 0 || this.#tailBytes + bytes > SEGMENT_BYTES_TARGET) {
        if (touched) this.#writeTail(writes);
        this.#segments.push({ id: this.#nextId++, first: { main: row.main, sub: row.sub }, rowCount: 0, dead: [] });
        this.#tail = [];
        this.#tailBytes = 0;
      }
      this.#tail.push(row);
      this.#tailBytes += bytes;
      touched = true;
    }
    if (touched) this.#writeTail(writes);
  }

  #writeTail(writes: StateWrite[]): void {
    const segment = must(this.#segments.at(-1), "the tail is a segment");
    segment.rowCount = this.#tail.length;
    writes.push({ store: "segments", key: [segment.id], value: encodeSegment(this.#tail) });
  }

  #segmentOf(id: RevisionId): Segment {
    let low = 0;
    let high = this.#segments.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (compare((this.#segments[middle] as Segment).first, id) <= 0) low = middle + 1;
      else high = middle;
    }
    return must(this.#segments[low - 1], `row ${id.main}/${id.sub} is in a segment`);
  }
}

export function loadBucketRow(key: readonly unknown[], value: Uint8Array, tables: StateTables): void {
  const [name, latin1] = key;
  if (!BUCKET_NAMES.includes(name as BucketName) || typeof latin1 !== "string") {
    throw new StorageCorruptError("buckets", JSON.stringify(key), "its key is none that we write");
  }
  tables.bucket(name as BucketName).set(latin1ToBytes(latin1), value);
}

function compare(left: RevisionId, right: RevisionId): number {
  return left.main - right.main || left.sub - right.sub;
}

function encodeSegment(rows: readonly RevisionRow[]): Uint8Array<ArrayBuffer> {
  let expected = 16;
  for (const row of rows) expected += row.key.length + row.value.length + 32;
  const writer = new RecordWriter(expected);
  let main = 0;
  for (const row of rows) {
    writer.varint(row.main - main);
    writer.varint(row.sub);
    writer.varint(row.createRevision);
    writer.varint(row.version);
    writeU64(writer, row.lease);
    writer.bytes(row.key);
    writer.bytes(row.value);
    main = row.main;
  }
  return writer.finish();
}

function readSegment(id: number, record: Uint8Array): readonly RevisionRow[] {
  return reading("segments", id, () => {
    const reader = new RecordReader(record);
    const rows: RevisionRow[] = [];
    let main = 0;
    while (!reader.atEnd) {
      main += reader.varint();
      const sub = reader.varint();
      const createRevision = reader.varint();
      const version = reader.varint();
      const lease = BigInt.asIntN(64, readU64(reader));
      const key = reader.bytes();
      const value = reader.bytes();
      rows.push({ key, main, sub, createRevision, version, lease, value: value.length === 0 ? EMPTY_BYTES : value });
    }
    return rows;
  });
}

function encodeDead(dead: readonly RevisionId[]): Uint8Array<ArrayBuffer> {
  const writer = new RecordWriter(dead.length * 8);
  for (const { main, sub } of dead) {
    writer.varint(main);
    writer.varint(sub);
  }
  return writer.finish();
}

function readDead(id: number, record: Uint8Array): RevisionId[] {
  return reading("dead", id, () => {
    const reader = new RecordReader(record);
    const dead: RevisionId[] = [];
    while (!reader.atEnd) dead.push({ main: reader.varint(), sub: reader.varint() });
    return dead;
  });
}

function reading<T>(store: StateStore, id: number, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof RecordError) throw new StorageCorruptError(store, String(id), error.message);
    throw error;
  }
}
