/**
 * Tracks which rows of the tables in memory are not on disk yet. mark() assigns all changes so far to an applied index.
 * Only changes before the mark may be written: half an entry's effect must never become durable.
 */
import { must } from "../../base/assert.ts";
import { bytesToLatin1, latin1ToBytes } from "../../base/bytes.ts";
import type { TablesListener } from "../../mvcc/tables/memory-tables.ts";
import { ROW_OVERHEAD_BYTES } from "../../mvcc/tables/tables.ts";
import type { BucketName, RevisionRow, StateTables } from "../../mvcc/tables/tables.ts";

export interface RevisionId {
  readonly main: number;
  readonly sub: number;
}

export interface ChangeSet {
  /** In revision order. */
  readonly appended: ReadonlyMap<string, RevisionRow>;
  readonly removed: ReadonlyMap<string, RevisionId>;
  /** By bucket and latin1 key; undefined: deleted. */
  readonly buckets: ReadonlyMap<BucketName, ReadonlyMap<string, Uint8Array | undefined>>;
  /** Approximate bytes to be written. */
  readonly sizeBytes: number;
}

export function revisionName(main: number, sub: number): string {
  return `${main}/${sub}`;
}

export class ChangeTracker implements TablesListener {
  #appended: Map<string, RevisionRow> = new Map();
  #removed: Map<string, RevisionId> = new Map();
  #buckets: Map<BucketName, Map<string, Uint8Array | undefined>> = new Map();
  #sizeBytes: number = 0;
  #openAppended: RevisionRow[] = [];
  #openRemoved: RevisionId[] = [];
  #openBuckets: Map<BucketName, Set<string>> = new Map();

  /** Number of rows and bucket entries before the mark. */
  get markedCount(): number {
    let count = this.#appended.size + this.#removed.size;
    for (const bucket of this.#buckets.values()) count += bucket.size;
    return count;
  }

  get markedBytes(): number {
    return this.#sizeBytes;
  }

  /** True if nothing has been removed after the mark. */
  get settled(): boolean {
    return this.#openRemoved.length === 0;
  }

  rowAppended(row: RevisionRow): void {
    this.#openAppended.push(row);
  }

  rowRemoved(main: number, sub: number): void {
    this.#openRemoved.push({ main, sub });
  }

  bucketChanged(name: BucketName, key: Uint8Array): void {
    let keys = this.#openBuckets.get(name);
    if (keys === undefined) {
      keys = new Set();
      this.#openBuckets.set(name, keys);
    }
    keys.add(bytesToLatin1(key));
  }

  /**
   * Marks all changes so far as writable. Copies the buckets' values now, because they may change again after the mark.
   */
  mark(tables: StateTables): void {
    for (const row of this.#openAppended) {
      this.#appended.set(revisionName(row.main, row.sub), row);
      this.#sizeBytes += row.key.length + row.value.length + ROW_OVERHEAD_BYTES;
    }
    for (const id of this.#openRemoved) this.#markRemoved(id);
    for (const [name, keys] of this.#openBuckets) {
      const bucket = tables.bucket(name);
      let marked = this.#buckets.get(name);
      if (marked === undefined) {
        marked = new Map();
        this.#buckets.set(name, marked);
      }
      for (const key of keys) {
        const value = bucket.get(latin1ToBytes(key));
        marked.set(key, value);
        this.#sizeBytes += key.length + (value?.length ?? 0) + ROW_OVERHEAD_BYTES;
      }
    }
    this.#openAppended = [];
    this.#openRemoved = [];
    this.#openBuckets = new Map();
  }

  /** Forgets the changes after the mark, because they are on disk. */
  forget(): void {
    this.#openAppended = [];
    this.#openRemoved = [];
    this.#openBuckets = new Map();
  }

  /** Returns the changes before the mark, and forgets them. */
  take(): ChangeSet {
    const taken: ChangeSet = {
      appended: this.#appended,
      removed: this.#removed,
      buckets: this.#buckets,
      sizeBytes: this.#sizeBytes,
    };
    this.#appended = new Map();
    this.#removed = new Map();
    this.#buckets = new Map();
    this.#sizeBytes = 0;
    return taken;
  }

  /** A row that was never written need not be removed on disk either. */
  #markRemoved(id: RevisionId): void {
    const name = revisionName(id.main, id.sub);
    if (!this.#appended.has(name)) {
      this.#removed.set(name, id);
      return;
    }
    const row = must(this.#appended.get(name), "the row was there just now");
    this.#sizeBytes -= row.key.length + row.value.length + ROW_OVERHEAD_BYTES;
    this.#appended.delete(name);
  }
}
