/** Buckets over SQLite, with unwritten changes in front. */
import { EMPTY_BYTES, bytesToLatin1, copyBytes, latin1ToBytes } from "../../base/bytes.ts";
import type { Bucket, BucketName } from "../../mvcc/tables/tables.ts";
import { bytesOf, hexName, keyAfter, type SqlLike } from "./sql.ts";
import type { Generation, StateStatements } from "./sql-statements.ts";

const SCAN_ROWS = 256;
/** What a changed entry costs besides its bytes, while it waits to be written. */
const ENTRY_OVERHEAD_BYTES = 64;

/** By latin1 key; undefined: deleted. */
type Values = Map<string, Uint8Array | undefined>;

export class SqlBucket implements Bucket {
  readonly #sql: SqlLike;
  readonly #texts: StateStatements;
  readonly #table: string;
  readonly #name: BucketName;
  readonly #changed: (bytes: number) => void;
  /** All changes that SQLite does not have yet. */
  readonly #values: Values = new Map();
  /** The changes that may be written, with the values that they had at the mark. */
  #marked: Values = new Map();
  /** Those that are being written. */
  #frozen: Values = new Map();
  #open: Set<string> = new Set();

  constructor(
    sql: SqlLike,
    texts: StateStatements,
    generation: Generation,
    name: BucketName,
    changed: (bytes: number) => void,
  ) {
    this.#sql = sql;
    this.#texts = texts;
    this.#table = `quorate_buckets_${generation}`;
    this.#name = name;
    this.#changed = changed;
  }

  get markedCount(): number {
    return this.#marked.size;
  }

  get(key: Uint8Array): Uint8Array | undefined {
    const name = bytesToLatin1(key);
    if (this.#values.has(name)) return this.#values.get(name);
    const [row] = this.#sql.exec(this.#texts.getBucket, this.#name, key).toArray();
    return row === undefined ? undefined : bytesOf(row, "value", this.#table, hexName(key));
  }

  set(key: Uint8Array, value: Uint8Array): void {
    this.#change(bytesToLatin1(key), copyBytes(value));
  }

  delete(key: Uint8Array): void {
    this.#change(bytesToLatin1(key), undefined);
  }

  scan(visit: (key: Uint8Array, value: Uint8Array) => boolean): void {
    this.#scan([...this.#values.keys()].sort(), EMPTY_BYTES, undefined, visit);
  }

  scanRange(start: Uint8Array, end: Uint8Array, visit: (key: Uint8Array, value: Uint8Array) => boolean): void {
    const first = bytesToLatin1(start);
    const beyond = bytesToLatin1(end);
    const pending = [...this.#values.keys()].filter((name) => name >= first && name < beyond);
    this.#scan(pending.sort(), start, end, visit);
  }

  mark(): void {
    for (const name of this.#open) this.#marked.set(name, this.#values.get(name));
    this.#open.clear();
  }

  /** Selects the marked changes for the next flush. */
  freeze(): void {
    this.#frozen = this.#marked;
    this.#marked = new Map();
  }

  flush(): void {
    for (const [name, value] of this.#frozen) {
      const key = latin1ToBytes(name);
      if (value === undefined) this.#sql.exec(this.#texts.deleteBucket, this.#name, key);
      else this.#sql.exec(this.#texts.putBucket, this.#name, key, value);
      if (!this.#open.has(name) && !this.#marked.has(name)) this.#values.delete(name);
    }
    this.#frozen = new Map();
  }

  #change(name: string, value: Uint8Array | undefined): void {
    this.#values.set(name, value);
    this.#open.add(name);
    this.#changed(name.length + (value?.length ?? 0) + ENTRY_OVERHEAD_BYTES);
  }

  /** `pending`: the names in the range that wait to be written, in order. */
  #scan(
    pending: readonly string[],
    start: Uint8Array,
    end: Uint8Array | undefined,
    visit: (key: Uint8Array, value: Uint8Array) => boolean,
  ): void {
    let at = 0;
    const visitPending = (below: string | undefined): boolean => {
      for (let name = pending[at]; name !== undefined; name = pending[++at]) {
        if (below !== undefined && name >= below) return true;
        const value = this.#values.get(name);
        if (value !== undefined && !visit(latin1ToBytes(name), value)) return false;
      }
      return true;
    };
    const finished = this.#scanStored(start, end, (key, value) => {
      const name = bytesToLatin1(key);
      if (!visitPending(name)) return false;
      return this.#values.has(name) || visit(key, value);
    });
    if (finished) visitPending(undefined);
  }

  #scanStored(
    from: Uint8Array,
    end: Uint8Array | undefined,
    visit: (key: Uint8Array, value: Uint8Array) => boolean,
  ): boolean {
    let start = from;
    for (;;) {
      const rows = (
        end === undefined
          ? this.#sql.exec(this.#texts.scanBucket, this.#name, start, SCAN_ROWS)
          : this.#sql.exec(this.#texts.scanBucketTo, this.#name, start, SCAN_ROWS, end)
      ).toArray();
      for (const row of rows) {
        const key = bytesOf(row, "key", this.#table, this.#name);
        if (!visit(key, bytesOf(row, "value", this.#table, hexName(key)))) return false;
        start = key;
      }
      if (rows.length < SCAN_ROWS) return true;
      start = keyAfter(start);
    }
  }
}
