/**
 * The state tables of a Durable Object, over one generation of tables in SQLite. Opening loads nothing, and memory does
 * not grow with the data. Recent writes wait in memory until they are flushed.
 */
import { assert } from "../../base/assert.ts";
import { BUCKET_NAMES } from "../../mvcc/tables/tables.ts";
import type { Bucket, BucketName, StateTables } from "../../mvcc/tables/tables.ts";
import { SqlBucket } from "./sql-buckets.ts";
import { SqlKeyTable, type StateCounters } from "./sql-keys.ts";
import { STATE_STATEMENTS, type Generation } from "./sql-statements.ts";
import type { SqlLike } from "./sql.ts";

export class SqlStateTables implements StateTables {
  readonly generation: Generation;
  readonly keys: SqlKeyTable;
  readonly #buckets: ReadonlyMap<BucketName, SqlBucket>;
  /** Size of all changes that are not written yet, and of those that may be written. */
  #pendingBytes: number = 0;
  #markedBytes: number = 0;
  /** Of a flush that has begun; undefined if none has. */
  #frozenBytes: number | undefined;
  readonly #grown: (() => void) | undefined;

  /** `grown` is called after each change. A state that is being staged uses it to write as it grows. */
  constructor(sql: SqlLike, generation: Generation, counters: StateCounters, grown?: () => void) {
    const texts = STATE_STATEMENTS[generation];
    const changed = (bytes: number): void => {
      this.#pendingBytes += bytes;
      this.#grown?.();
    };
    this.#grown = grown;
    this.generation = generation;
    this.keys = new SqlKeyTable(sql, texts, generation, counters, changed);
    this.#buckets = new Map(BUCKET_NAMES.map((name) => [name, new SqlBucket(sql, texts, generation, name, changed)]));
  }

  bucket(name: BucketName): Bucket {
    return this.#bucketOf(name);
  }

  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  /** Rows (of any kind) and bytes that may be written, without those of a flush that has begun. */
  get markedCount(): number {
    let count = this.keys.markedCount;
    for (const bucket of this.#buckets.values()) count += bucket.markedCount;
    return count;
  }

  get markedBytes(): number {
    return this.#markedBytes - (this.#frozenBytes ?? 0);
  }

  /** Marks all changes so far as writable. */
  mark(): void {
    this.#markedBytes = this.#pendingBytes;
    this.keys.mark();
    for (const bucket of this.#buckets.values()) bucket.mark();
  }

  /** Begins a flush of the marked changes. Later changes belong to the next one. */
  freeze(): void {
    assert(this.#frozenBytes === undefined, "one flush begins after the other");
    this.#frozenBytes = this.#markedBytes;
    this.keys.freeze();
    for (const bucket of this.#buckets.values()) bucket.freeze();
  }

  /**
   * Writes a part of the rows of the flush that has begun, in a transaction of its own or in any other one. Returns true
   * once all of them are written. They count when flush() is called, so a crash between loses nothing.
   */
  insert(rowsMax: number, bytesMax: number): boolean {
    return this.keys.insert(rowsMax, bytesMax);
  }

  /**
   * Completes a flush, and begins it if necessary, inside the caller's transaction, which must also write the counters.
   */
  flush(): StateCounters {
    if (this.#frozenBytes === undefined) this.freeze();
    for (const bucket of this.#buckets.values()) bucket.flush();
    this.#pendingBytes -= this.#frozenBytes ?? 0;
    this.#markedBytes -= this.#frozenBytes ?? 0;
    this.#frozenBytes = undefined;
    return this.keys.flush();
  }

  #bucketOf(name: BucketName): SqlBucket {
    const bucket = this.#buckets.get(name);
    assert(bucket !== undefined, "every bucket name has its bucket");
    return bucket;
  }
}
