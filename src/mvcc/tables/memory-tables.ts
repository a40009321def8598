/**
 * The state tables in memory: for a member in a tab (with an IndexedDB image behind them) and for tests. A sorted tree
 * finds the histories of a range, a map finds that of a key, and a log finds the rows of a revision. All of them hold
 * the same row objects.
 */
import { assert } from "../../base/assert.ts";
import { EMPTY_BYTES, bytesToLatin1, copyBytes, equalBytes, latin1ToBytes } from "../../base/bytes.ts";
import { KeyHistory, type MemoryRow } from "./key-history.ts";
import { OrderedMap } from "./ordered-map.ts";
import { RevisionLog } from "./revision-log.ts";
import { Slab } from "./slab.ts";
import { BUCKET_NAMES, ROW_OVERHEAD_BYTES } from "./tables.ts";
import type { Bucket, BucketName, CountedPart, KeyTable, RevisionRow, StateTables } from "./tables.ts";

/** Notified of every change, right after it happened, so that an image on disk is kept up to date. */
export interface TablesListener {
  rowAppended(row: RevisionRow): void;
  rowRemoved(main: number, sub: number): void;
  bucketChanged(name: BucketName, key: Uint8Array): void;
}

export class MemoryTables implements StateTables {
  readonly keys: KeyTable;
  readonly #buckets: ReadonlyMap<BucketName, Bucket>;

  constructor(listener?: TablesListener) {
    this.keys = new MemoryKeyTable(listener);
    this.#buckets = new Map(BUCKET_NAMES.map((name) => [name, new MemoryBucket(name, listener)]));
  }

  bucket(name: BucketName): Bucket {
    const bucket = this.#buckets.get(name);
    assert(bucket !== undefined, "every bucket name has its bucket");
    return bucket;
  }
}

class MemoryKeyTable implements KeyTable {
  readonly #histories: OrderedMap<KeyHistory> = new OrderedMap();
  /** The same histories by key: one step finds a key, however many there are. */
  readonly #byName: Map<string, KeyHistory> = new Map();
  readonly #log: RevisionLog<MemoryRow> = new RevisionLog();
  // Keys outlive values, so they do not share blocks.
  readonly #keyBytes: Slab = new Slab();
  readonly #values: Slab = new Slab();
  readonly #listener: TablesListener | undefined;
  #sizeBytes = 0;
  /** A write reads its key first, so a second search would mostly find the result of the first. */
  #lastFound: KeyHistory | undefined = undefined;

  constructor(listener: TablesListener | undefined) {
    this.#listener = listener;
  }

  get rowCount(): number {
    return this.#log.size;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  at(key: Uint8Array, atRevision: number): RevisionRow | undefined {
    const history = this.#byName.get(bytesToLatin1(key));
    if (history !== undefined) this.#lastFound = history;
    return history?.at(atRevision);
  }

  scan(
    start: Uint8Array,
    end: Uint8Array | undefined,
    atRevision: number,
    _withValues: boolean,
    visit: (row: RevisionRow) => boolean,
  ): void {
    this.#histories.scan(bytesToLatin1(start), latin1End(end), (history) => {
      const row = history.at(atRevision);
      return row === undefined || row.version === 0 || visit(row);
    });
  }

  count(start: Uint8Array, end: Uint8Array | undefined, atRevision: number): number {
    return this.countPart(start, end, atRevision, Infinity).count;
  }

  countPart(start: Uint8Array, end: Uint8Array | undefined, atRevision: number, keysMax: number): CountedPart {
    let count = 0;
    let looked = 0;
    let next: Uint8Array | undefined;
    this.#histories.scan(bytesToLatin1(start), latin1End(end), (history) => {
      if (looked++ >= keysMax) {
        next = latin1ToBytes(history.name);
        return false;
      }
      const row = history.at(atRevision);
      if (row !== undefined && row.version !== 0) count++;
      return true;
    });
    return { count, next };
  }

  append(row: RevisionRow): RevisionRow {
    const value = this.#values.store(row.value);
    const kept: MemoryRow = {
      key: EMPTY_BYTES,
      main: row.main,
      sub: row.sub,
      createRevision: row.createRevision,
      version: row.version,
      lease: row.lease,
      value: value.bytes,
      valueBlock: value.block,
    };
    this.#log.append(kept);
    const history = this.#historyOf(row.key, kept);
    kept.key = history.key;
    if (history.newest !== kept) history.append(kept);
    this.#sizeBytes += rowBytes(kept);
    this.#listener?.rowAppended(kept);
    return kept;
  }

  history(fromMain: number, toMain: number, visit: (row: RevisionRow) => boolean, fromSub: number = 0): void {
    this.#log.scan(fromMain, fromSub, toMain, visit);
  }

  lastMain(): number {
    return this.#log.lastMain;
  }

  compact(revision: number, cursor: Uint8Array | undefined, maxKeys: number): Uint8Array | undefined {
    assert(maxKeys > 0, "a step makes progress");
    const after = cursor === undefined ? undefined : bytesToLatin1(cursor);
    const histories = this.#histories.valuesAfter(after, maxKeys);
    for (const history of histories) {
      const rowCount = history.rowCount;
      const dropped = history.compact(revision);
      for (const row of dropped) this.#drop(row);
      if (dropped.length === rowCount) {
        this.#histories.delete(history.name);
        this.#byName.delete(history.name);
        if (this.#lastFound === history) this.#lastFound = undefined;
        this.#keyBytes.release(history.keyBlock, history.key.length);
      } else this.#moveOutOfSparseBlocks(history);
    }
    const last = histories[histories.length - 1];
    return last === undefined || histories.length < maxKeys ? undefined : latin1ToBytes(last.name);
  }

  /** Returns the history of the key. A new one has `first` as its first row. */
  #historyOf(key: Uint8Array, first: MemoryRow): KeyHistory {
    if (this.#lastFound !== undefined && equalBytes(this.#lastFound.key, key)) return this.#lastFound;
    const name = bytesToLatin1(key);
    const known = this.#byName.get(name);
    if (known !== undefined) return known;
    const stored = this.#keyBytes.store(key);
    first.key = stored.bytes;
    const history = new KeyHistory(name, stored.block, first);
    this.#histories.set(name, history);
    this.#byName.set(name, history);
    return history;
  }

  #drop(row: MemoryRow): void {
    this.#log.remove(row.main, row.sub);
    this.#values.release(row.valueBlock, row.value.length);
    this.#sizeBytes -= rowBytes(row);
    this.#listener?.rowRemoved(row.main, row.sub);
  }

  #moveOutOfSparseBlocks(history: KeyHistory): void {
    if (this.#keyBytes.isSparse(history.keyBlock)) {
      this.#keyBytes.release(history.keyBlock, history.key.length);
      const key = this.#keyBytes.store(history.key);
      history.key = key.bytes;
      history.keyBlock = key.block;
      history.forEach((row) => {
        row.key = key.bytes;
      });
    }
    history.forEach((row) => {
      if (!this.#values.isSparse(row.valueBlock)) return;
      this.#values.release(row.valueBlock, row.value.length);
      const value = this.#values.store(row.value);
      row.value = value.bytes;
      row.valueBlock = value.block;
    });
  }
}

class MemoryBucket implements Bucket {
  readonly #rows: OrderedMap<Uint8Array> = new OrderedMap();
  readonly #name: BucketName;
  readonly #listener: TablesListener | undefined;

  constructor(name: BucketName, listener: TablesListener | undefined) {
    this.#name = name;
    this.#listener = listener;
  }

  get(key: Uint8Array): Uint8Array | undefined {
    return this.#rows.get(bytesToLatin1(key));
  }

  set(key: Uint8Array, value: Uint8Array): void {
    this.#rows.set(bytesToLatin1(key), copyBytes(value));
    this.#listener?.bucketChanged(this.#name, key);
  }

  delete(key: Uint8Array): void {
    if (this.#rows.delete(bytesToLatin1(key)) !== undefined) this.#listener?.bucketChanged(this.#name, key);
  }

  scan(visit: (key: Uint8Array, value: Uint8Array) => boolean): void {
    this.#rows.scan("", undefined, (value, key) => visit(latin1ToBytes(key), value));
  }

  scanRange(start: Uint8Array, end: Uint8Array, visit: (key: Uint8Array, value: Uint8Array) => boolean): void {
    this.#rows.scan(bytesToLatin1(start), bytesToLatin1(end), (value, key) => visit(latin1ToBytes(key), value));
  }
}

function latin1End(end: Uint8Array | undefined): string | undefined {
  return end === undefined ? undefined : bytesToLatin1(end);
}

function rowBytes(row: RevisionRow): number {
  return row.key.length + row.value.length + ROW_OVERHEAD_BYTES;
}
