/**
 * The rows that SQLite does not have yet: the newest ones, a few hundred at most. They are written behind in batches,
 * and until then reads look here first.
 */
import { bytesToLatin1 } from "../../base/bytes.ts";
import type { RevisionRow } from "../../mvcc/tables/tables.ts";

export interface RevisionId {
  readonly main: number;
  readonly sub: number;
}

export function compareRevisions(left: RevisionId, right: RevisionId): number {
  return left.main - right.main || left.sub - right.sub;
}

/** The rows of one key in revision order, all newer than what SQLite has of it. */
export interface OverlayKey {
  readonly name: string;
  readonly rows: readonly RevisionRow[];
}

interface MutableKey extends OverlayKey {
  readonly rows: RevisionRow[];
}

export class RowOverlay {
  #rows: RevisionRow[] = [];
  #byKey: Map<string, MutableKey> = new Map();
  /** Sorted on demand: only scans need it, and a burst of writes should not sort at every row. */
  #sorted: MutableKey[] | undefined = [];

  get rows(): readonly RevisionRow[] {
    return this.#rows;
  }

  append(row: RevisionRow): void {
    const name = bytesToLatin1(row.key);
    this.#rows.push(row);
    const key = this.#byKey.get(name);
    if (key !== undefined) {
      key.rows.push(row);
      return;
    }
    this.#byKey.set(name, { name, rows: [row] });
    this.#sorted = undefined;
  }

  key(name: string): OverlayKey | undefined {
    return this.#byKey.get(name);
  }

  /** Returns the keys of [start, end) in order. */
  range(start: string, end: string | undefined): readonly OverlayKey[] {
    if (this.#byKey.size === 0) return [];
    this.#sorted ??= [...this.#byKey.values()].sort((left, right) => (left.name < right.name ? -1 : 1));
    const sorted = this.#sorted;
    const from = lowerBound(sorted, start);
    const to = end === undefined ? sorted.length : Math.max(from, lowerBound(sorted, end));
    return from === 0 && to === sorted.length ? sorted : sorted.slice(from, to);
  }

  /** Returns the oldest `count` rows in the order of SQLite's table: by key, then by revision. */
  oldestByKey(count: number): readonly RevisionRow[] {
    const last = this.#rows[count - 1];
    if (last === undefined) return [];
    const oldest: RevisionRow[] = [];
    for (const { rows } of this.range("", undefined)) {
      for (const row of rows) if (compareRevisions(row, last) <= 0) oldest.push(row);
    }
    return oldest;
  }

  /** Drops the oldest rows, which SQLite has now. */
  drop(count: number): void {
    const rest = this.#rows.slice(count);
    this.#rows = [];
    this.#byKey = new Map();
    this.#sorted = [];
    for (const row of rest) this.append(row);
  }
}

/** Returns the newest row at or below the revision. */
export function newestAt(rows: readonly RevisionRow[], atRevision: number): RevisionRow | undefined {
  for (let at = rows.length - 1; at >= 0; at--) {
    const row = rows[at] as RevisionRow;
    if (row.main <= atRevision) return row;
  }
  return undefined;
}

function lowerBound(keys: readonly OverlayKey[], name: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((keys[middle] as OverlayKey).name < name) low = middle + 1;
    else high = middle;
  }
  return low;
}
