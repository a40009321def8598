/**
 * Caches rows of SQLite that were the newest of their keys when they were last read: a put reads its key's row before,
 * and reads tend to repeat keys that were written or read recently. Bounded, because an edge member does not hold its
 * data in memory.
 *
 * Two generations replace an order of use: a row that is read moves to the young one. When that is full it becomes the
 * old one, and the previous old one is dropped.
 */
import type { RevisionRow } from "../../mvcc/tables/tables.ts";

/** What a row costs in memory besides its bytes, roughly. */
const ROW_MEMORY_BYTES = 256;
/** Larger rows are not cached: they would evict too many others. */
const ROW_BYTES_MAX = 16 * 1024;

export class NewestRows {
  readonly #bytesMax: number;
  #young: Map<string, RevisionRow> = new Map();
  #youngBytes: number = 0;
  #old: Map<string, RevisionRow> = new Map();

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get(name: string): RevisionRow | undefined {
    const young = this.#young.get(name);
    if (young !== undefined) return young;
    const old = this.#old.get(name);
    if (old !== undefined) this.set(name, old);
    return old;
  }

  set(name: string, row: RevisionRow): void {
    const bytes = memoryBytes(row);
    if (bytes > ROW_BYTES_MAX) return this.delete(name);
    const former = this.#young.get(name);
    this.#youngBytes += bytes - (former === undefined ? 0 : memoryBytes(former));
    this.#young.set(name, row);
    if (this.#youngBytes * 2 <= this.#bytesMax) return;
    this.#old = this.#young;
    this.#young = new Map();
    this.#youngBytes = 0;
  }

  delete(name: string): void {
    const young = this.#young.get(name);
    if (young !== undefined) this.#youngBytes -= memoryBytes(young);
    this.#young.delete(name);
    this.#old.delete(name);
  }
}

/** A key's name is stored besides its bytes. */
function memoryBytes({ key, value }: RevisionRow): number {
  return 2 * key.length + value.length + ROW_MEMORY_BYTES;
}
