/** All kept rows of one key. Nearly every key has one row, or is read for its newest, so that row has its own field. */
import type { Block } from "./slab.ts";
import type { RevisionRow } from "./tables.ts";

/** A row as the memory tables keep it; compaction may move its bytes, which changes the views but not their content. */
export interface MemoryRow extends RevisionRow {
  key: Uint8Array;
  value: Uint8Array;
  valueBlock: Block | undefined;
}

export class KeyHistory {
  /** The key as latin1: its position in the tree. */
  readonly name: string;
  key: Uint8Array;
  keyBlock: Block | undefined;
  newest: MemoryRow;
  /** The rows before `newest`, oldest first. */
  #older: MemoryRow[] | undefined = undefined;

  constructor(name: string, keyBlock: Block | undefined, first: MemoryRow) {
    this.name = name;
    this.key = first.key;
    this.keyBlock = keyBlock;
    this.newest = first;
  }

  append(row: MemoryRow): void {
    if (this.#older === undefined) this.#older = [this.newest];
    else this.#older.push(this.newest);
    this.newest = row;
  }

  /** Returns the newest row with main <= atRevision, tombstones included. */
  at(atRevision: number): MemoryRow | undefined {
    if (this.newest.main <= atRevision) return this.newest;
    if (this.#older === undefined) return undefined;
    return this.#older[countUpTo(this.#older, atRevision) - 1];
  }

  /** As KeyTable.compact, for this key. Returns the rows that it dropped: all of them if nothing is left. */
  compact(revision: number): readonly MemoryRow[] {
    const older = this.#older;
    if (older === undefined) {
      return this.newest.version === 0 && this.newest.main < revision ? [this.newest] : [];
    }
    const rows = [...older, this.newest];
    const seen = countUpTo(rows, revision);
    if (seen === 0) return [];
    const last = rows[seen - 1] as MemoryRow;
    const dropped = rows.slice(0, last.version === 0 && last.main < revision ? seen : seen - 1);
    const kept = rows.length - dropped.length;
    if (kept > 0) this.#older = kept === 1 ? undefined : rows.slice(dropped.length, -1);
    return dropped;
  }

  get rowCount(): number {
    return 1 + (this.#older?.length ?? 0);
  }

  forEach(visit: (row: MemoryRow) => void): void {
    this.#older?.forEach(visit);
    visit(this.newest);
  }
}

/** Returns how many of the rows, which ascend, have main <= revision. */
function countUpTo(rows: readonly MemoryRow[], revision: number): number {
  let low = 0;
  let high = rows.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((rows[middle] as MemoryRow).main <= revision) low = middle + 1;
    else high = middle;
  }
  return low;
}
