/** How etcd's requests name keys: `range_end` empty is one key, "\0" is everything from the key on, else [key, end). */
import { EMPTY_BYTES } from "../../base/bytes.ts";
import type { KeyTable, RevisionRow } from "../tables/tables.ts";

export type KeyRange =
  | { readonly type: "key"; readonly key: Uint8Array }
  | { readonly type: "range"; readonly start: Uint8Array; readonly end: Uint8Array | undefined };

/** Bounds the size of one response. */
export interface RowBudget {
  /** Throws if the rows so far exceed the budget. */
  spend(row: RevisionRow, withValue: boolean): void;
}

export const ALL_KEYS: KeyRange = { type: "range", start: EMPTY_BYTES, end: undefined };

export function keyRange(key: Uint8Array, rangeEnd: Uint8Array): KeyRange {
  if (rangeEnd.length === 0) return { type: "key", key };
  return { type: "range", start: key, end: isFromKeyEnd(rangeEnd) ? undefined : rangeEnd };
}

export function isFromKeyEnd(rangeEnd: Uint8Array): boolean {
  return rangeEnd.length === 1 && rangeEnd[0] === 0;
}

/** Returns the smallest key above `key`. */
export function keyAfter(key: Uint8Array): Uint8Array {
  const after = new Uint8Array(key.length + 1);
  after.set(key);
  return after;
}

/** Returns the row of a key that is live at the revision. */
export function liveRow(keys: KeyTable, key: Uint8Array, atRevision: number): RevisionRow | undefined {
  const row = keys.at(key, atRevision);
  return row === undefined || row.version === 0 ? undefined : row;
}

/** Returns up to `limit` live rows in key order. Throws if they exceed the budget. */
export function liveRows(
  keys: KeyTable,
  range: KeyRange,
  atRevision: number,
  withValues: boolean,
  limit: number,
  budget?: RowBudget,
): RevisionRow[] {
  const rows: RevisionRow[] = [];
  if (range.type === "key") {
    const row = liveRow(keys, range.key, atRevision);
    return row === undefined ? rows : [row];
  }
  keys.scan(range.start, range.end, atRevision, withValues, (row) => {
    budget?.spend(row, withValues);
    rows.push(row);
    return rows.length < limit;
  });
  return rows;
}

export function countLive(keys: KeyTable, range: KeyRange, atRevision: number): number {
  if (range.type === "range") return keys.count(range.start, range.end, atRevision);
  return liveRow(keys, range.key, atRevision) === undefined ? 0 : 1;
}
