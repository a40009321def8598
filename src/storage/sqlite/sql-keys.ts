/**
 * The key table of a Durable Object: SQLite, with unwritten rows in an overlay in front.
 *
 * Rows in the overlay are newer than all rows in SQLite. So a read looks there first, and reads the rest from SQLite.
 * Rows that compaction drops stay in SQLite until the next flush, and are hidden until then.
 */
import { assert } from "../../base/assert.ts";
import { EMPTY_BYTES, bytesToLatin1, copyBytes, latin1ToBytes } from "../../base/bytes.ts";
import { ROW_OVERHEAD_BYTES } from "../../mvcc/tables/tables.ts";
import type { CountedPart, KeyTable, RevisionRow } from "../../mvcc/tables/tables.ts";
import { RowOverlay, compareRevisions, newestAt, type RevisionId } from "./sql-overlay.ts";
import { SqlRemovals } from "./sql-removals.ts";
import { SqlRevisions, type ListedRow } from "./sql-revisions.ts";
import { SqlRows, type RowHead } from "./sql-rows.ts";
import { hexName, keyAfter, type SqlLike } from "./sql.ts";
import type { Generation, StateStatements } from "./sql-statements.ts";
import { StorageCorruptError } from "../storage-error.ts";

/** Figures that would take a walk over all rows, so they are stored beside them. */
export interface StateCounters {
  readonly rows: number;
  readonly bytes: number;
  /** Entries in the revision lists, those of removed rows included. */
  readonly listed: number;
  /** The rows have been compacted up to this revision. */
  readonly compacted: number;
  /** The main revision of the last entry in the lists. Undefined if an older version wrote the counters. */
  readonly lastMain: number | undefined;
}

export const EMPTY_COUNTERS: StateCounters = { rows: 0, bytes: 0, listed: 0, compacted: 0, lastMain: 0 };

/** The counters that are not those of the lists. */
type RowCounters = Omit<StateCounters, "listed" | "lastMain">;

/** The rows of a flush, and how far it is. */
interface FrozenRows {
  /** Oldest first. */
  readonly rows: readonly RevisionRow[];
  /** The same rows in the order of their keys. */
  readonly byKey: readonly RevisionRow[];
  /** How many of these SQLite has. */
  inserted: number;
  /** How many rows of the overlay the flush takes, with those that need not be written. */
  readonly overlaid: number;
  readonly counters: RowCounters;
}

const BEFORE_ALL: RevisionId = { main: -1, sub: -1 };
/** A step of compaction ends when it has looked at this multiple of the keys that it may handle. */
const COMPACT_KEYS_LOOKED_AT = 8;
/** It also ends when it has passed this multiple in rows: a hot key may fill many revisions. */
const COMPACT_ROWS_WALKED = 64;

export class SqlKeyTable implements KeyTable {
  readonly #table: string;
  readonly #changed: (bytes: number) => void;
  readonly #revisions: SqlRevisions;
  readonly #rows: SqlRows;
  readonly #removals: SqlRemovals = new SqlRemovals();
  readonly #overlay: RowOverlay = new RowOverlay();
  #rowCount: number;
  #sizeBytes: number;
  #compacted: number;
  /** The last revision that the current pass of compaction has seen. */
  #walkedMain: number = 0;
  #markedRows: number = 0;
  #markedCounters: RowCounters;
  #frozen: FrozenRows | undefined;
  /**
   * Whether SQLite's newest row of an overlaid key is live. count() reads it often; it is valid until the next flush.
   */
  readonly #liveBelow: Map<string, boolean> = new Map();

  constructor(
    sql: SqlLike,
    texts: StateStatements,
    generation: Generation,
    counters: StateCounters,
    changed: (bytes: number) => void,
  ) {
    this.#table = `quorate_rows_${generation}`;
    this.#changed = changed;
    this.#revisions = new SqlRevisions(sql, texts, generation, counters);
    this.#rows = new SqlRows(sql, texts, generation, () => this.#revisions.lastMain());
    this.#rowCount = counters.rows;
    this.#sizeBytes = counters.bytes;
    this.#compacted = counters.compacted;
    this.#markedCounters = counters;
  }

  get rowCount(): number {
    return this.#rowCount;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** Without those of a flush that has begun. */
  get markedCount(): number {
    return this.#markedRows - (this.#frozen?.overlaid ?? 0) + this.#removals.markedCount;
  }

  at(key: Uint8Array, atRevision: number): RevisionRow | undefined {
    const name = bytesToLatin1(key);
    const recent = this.#overlay.key(name);
    const row = (recent && newestAt(recent.rows, atRevision)) ?? this.#rows.newest(name, key, atRevision);
    return row === undefined || this.#removals.hides(name, row) ? undefined : row;
  }

  scan(
    start: Uint8Array,
    end: Uint8Array | undefined,
    atRevision: number,
    withValues: boolean,
    visit: (row: RevisionRow) => boolean,
  ): void {
    const overlaid = this.#overlay.range(bytesToLatin1(start), end === undefined ? undefined : bytesToLatin1(end));
    const visitLive = (name: string | undefined, row: RevisionRow | undefined): boolean => {
      if (row === undefined || row.version === 0) return true;
      if (name !== undefined && this.#removals.hides(name, row)) return true;
      return visit(row);
    };
    let at = 0;
    const visitOverlaid = (below: string | undefined): boolean => {
      for (; at < overlaid.length; at++) {
        const key = overlaid[at];
        if (key === undefined || (below !== undefined && key.name >= below)) return true;
        const row = newestAt(key.rows, atRevision) ?? this.#rows.newestUnkept(latin1ToBytes(key.name), atRevision);
        if (!visitLive(key.name, row)) return false;
      }
      return true;
    };
    const needsNames = overlaid.length > 0 || this.#removals.concerns(atRevision);
    const finished = this.#rows.scan(start, end, atRevision, withValues, ({ key, row }) => {
      if (!needsNames) return visitLive(undefined, row);
      const name = bytesToLatin1(key);
      if (!visitOverlaid(name)) return false;
      // The key is in both. The overlay's row is used when its turn comes.
      if (overlaid[at]?.name === name) return true;
      return visitLive(name, row);
    });
    if (finished) visitOverlaid(undefined);
  }

  count(start: Uint8Array, end: Uint8Array | undefined, atRevision: number): number {
    return this.countPart(start, end, atRevision, Infinity).count;
  }

  countPart(start: Uint8Array, end: Uint8Array | undefined, atRevision: number, keysMax: number): CountedPart {
    if (this.#removals.concerns(atRevision)) return this.#countByScan(start, end, atRevision, keysMax);
    const { live, seen, last } = this.#rows.countLive(start, end, atRevision, keysMax);
    const next = seen < keysMax || last === undefined ? undefined : keyAfter(last);
    const until = next ?? end;
    let count = live;
    for (const { name, rows } of this.#overlay.range(
      bytesToLatin1(start),
      until === undefined ? undefined : bytesToLatin1(until),
    )) {
      const row = newestAt(rows, atRevision);
      if (row === undefined) continue;
      count += (row.version > 0 ? 1 : 0) - (this.#livesBelow(name) ? 1 : 0);
    }
    return { count, next };
  }

  append(row: RevisionRow): RevisionRow {
    const kept: RevisionRow = {
      key: copyBytes(row.key),
      main: row.main,
      sub: row.sub,
      createRevision: row.createRevision,
      version: row.version,
      lease: row.lease,
      value: row.value.length === 0 ? EMPTY_BYTES : copyBytes(row.value),
    };
    const last = this.#overlay.rows.at(-1);
    assert(last === undefined || compareRevisions(last, kept) < 0, "revisions only grow");
    this.#overlay.append(kept);
    this.#rowCount++;
    this.#sizeBytes += rowBytes(kept);
    this.#changed(rowBytes(kept));
    return kept;
  }

  history(fromMain: number, toMain: number, visit: (row: RevisionRow) => boolean, fromSub: number = 0): void {
    this.#walk({ main: fromMain, sub: fromSub }, toMain, (listed, row) => {
      if (!this.#removals.isEmpty && this.#removals.hides(bytesToLatin1(listed.key), listed)) return true;
      const found = row ?? this.#listedRow(listed);
      return found === undefined || visit(found);
    });
  }

  lastMain(): number {
    return this.#overlay.rows.at(-1)?.main ?? this.#revisions.lastMain();
  }

  compact(revision: number, cursor: Uint8Array | undefined, maxKeys: number): Uint8Array | undefined {
    assert(maxKeys > 0, "a step makes progress");
    // Only a revision written since the last compaction can have made an earlier row superfluous.
    const from = cursor === undefined ? { main: this.#compacted, sub: 0 } : decodeCursor(cursor);
    const heads = new Map<string, RowHead | undefined>();
    let handled = 0;
    let walked = 0;
    let next: RevisionId | undefined;
    this.#walk(from, revision, (listed) => {
      const name = bytesToLatin1(listed.key);
      if (walked++ >= maxKeys * COMPACT_ROWS_WALKED || heads.size >= maxKeys * COMPACT_KEYS_LOOKED_AT) {
        next = listed;
        return false;
      }
      if (!heads.has(name)) heads.set(name, this.#newestHead(name, listed.key, revision));
      const newest = heads.get(name);
      // A key is handled at its newest row, so once per pass.
      if (newest !== undefined && compareRevisions(newest, listed) === 0) {
        if (handled++ === maxKeys) {
          next = listed;
          return false;
        }
        this.#compactKey(name, listed.key, newest, revision);
      }
      this.#walkedMain = listed.main;
      return true;
    });
    if (next !== undefined) return encodeCursor(next);
    // Not beyond the newest revision: a future one may leave something to compact.
    this.#compacted = Math.max(this.#compacted, this.#walkedMain);
    return undefined;
  }

  mark(): void {
    this.#markedRows = this.#overlay.rows.length;
    this.#removals.mark();
    this.#markedCounters = { rows: this.#rowCount, bytes: this.#sizeBytes, compacted: this.#compacted };
  }

  /** Selects the marked rows for the next flush. */
  freeze(): void {
    const count = this.#markedRows;
    this.#removals.freeze();
    const isNeeded = (row: RevisionRow): boolean => !this.#removals.hidesFrozen(row);
    this.#frozen = {
      rows: this.#overlay.rows.slice(0, count).filter(isNeeded),
      byKey: this.#overlay.oldestByKey(count).filter(isNeeded),
      inserted: 0,
      overlaid: count,
      counters: this.#markedCounters,
    };
  }

  /**
   * Inserts the next frozen rows: at most `rowsMax`, and not many more bytes than `bytesMax`. Returns true once SQLite
   * has all of them. They count when they are flushed.
   */
  insert(rowsMax: number, bytesMax: number): boolean {
    const frozen = this.#frozen;
    assert(frozen !== undefined, "rows are frozen before they are written");
    const from = frozen.inserted;
    let to = from;
    for (let bytes = 0; to < frozen.byKey.length && to - from < rowsMax && bytes < bytesMax; to++) {
      bytes += rowBytes(frozen.byKey[to] as RevisionRow);
    }
    this.#rows.insert(frozen.byKey.slice(from, to));
    frozen.inserted = to;
    return to === frozen.byKey.length;
  }

  /** Writes what is frozen, the inserted rows excepted, and makes it count. */
  flush(): StateCounters {
    this.insert(Infinity, Infinity);
    const { rows, overlaid, counters } = this.#frozen as FrozenRows;
    this.#frozen = undefined;
    this.#rows.settle(rows);
    this.#revisions.add(rows);
    this.#removals.flush((name, key, bound) => this.#rows.remove(name, key, bound));
    this.#overlay.drop(overlaid);
    this.#markedRows -= overlaid;
    this.#liveBelow.clear();
    this.#revisions.tidy(counters.rows);
    return { ...counters, listed: this.#revisions.listed, lastMain: this.#revisions.lastMain() };
  }

  /** Visits SQLite's lists, then the overlay, which also passes its rows. */
  #walk(from: RevisionId, toMain: number, visit: (listed: ListedRow, row: RevisionRow | undefined) => boolean): void {
    const recent = this.#overlay.rows;
    const firstRecent = recent[0];
    if (firstRecent === undefined || compareRevisions(from, firstRecent) < 0) {
      let more = true;
      this.#revisions.scan(from, (listed) => {
        more = listed.main <= toMain && visit(listed, undefined);
        return more;
      });
      if (!more) return;
    }
    for (let at = firstAtOrAbove(recent, from); at < recent.length; at++) {
      const row = recent[at] as RevisionRow;
      if (row.main > toMain || !visit(row, row)) return;
    }
  }

  #compactKey(name: string, key: Uint8Array, newest: RowHead, revision: number): void {
    const from = this.#removals.boundOf(name) ?? BEFORE_ALL;
    let { rows, bytes: valueBytes } = this.#rows.measure(key, from, revision);
    for (const row of this.#overlay.key(name)?.rows ?? []) {
      if (compareRevisions(row, from) <= 0 || row.main > revision) continue;
      rows++;
      valueBytes += row.value.length;
    }
    const dropsNewest = newest.version === 0 && newest.main < revision;
    if (!dropsNewest) {
      rows--;
      valueBytes -= newest.valueBytes;
    }
    if (rows === 0) return;
    const bound = { main: newest.main, sub: dropsNewest ? newest.sub : newest.sub - 1 };
    this.#removals.add(name, key, bound, revision);
    this.#rowCount -= rows;
    this.#sizeBytes -= rows * (key.length + ROW_OVERHEAD_BYTES) + valueBytes;
    this.#changed(key.length + ROW_OVERHEAD_BYTES);
  }

  /** As at(), without the value. */
  #newestHead(name: string, key: Uint8Array, revision: number): RowHead | undefined {
    const recent = newestAt(this.#overlay.key(name)?.rows ?? [], revision);
    const head =
      recent === undefined
        ? this.#rows.newestHead(key, revision)
        : { main: recent.main, sub: recent.sub, version: recent.version, valueBytes: recent.value.length };
    return head === undefined || this.#removals.hides(name, head) ? undefined : head;
  }

  /** If a key has a row in the overlay at a revision, all its rows in SQLite are below that revision. */
  #livesBelow(name: string): boolean {
    const known = this.#liveBelow.get(name);
    if (known !== undefined) return known;
    const live = (this.#rows.newestHead(latin1ToBytes(name), Number.MAX_SAFE_INTEGER)?.version ?? 0) > 0;
    this.#liveBelow.set(name, live);
    return live;
  }

  #countByScan(start: Uint8Array, end: Uint8Array | undefined, atRevision: number, keysMax: number): CountedPart {
    let count = 0;
    let next: Uint8Array | undefined;
    this.scan(start, end, atRevision, false, ({ key }) => {
      if (++count < keysMax) return true;
      next = keyAfter(key);
      return false;
    });
    return { count, next };
  }

  /** The entry may have outlived its row, but only in compacted revisions. */
  #listedRow(listed: ListedRow): RevisionRow | undefined {
    const row = this.#rows.row(listed.key, listed);
    if (row !== undefined || listed.main <= this.#compacted) return row;
    const name = `${hexName(listed.key)} at ${listed.main}/${listed.sub}`;
    throw new StorageCorruptError(this.#table, name, "the row is listed and missing");
  }
}

function firstAtOrAbove(rows: readonly RevisionRow[], from: RevisionId): number {
  let low = 0;
  let high = rows.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compareRevisions(rows[middle] as RevisionRow, from) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

function rowBytes(row: RevisionRow): number {
  return row.key.length + row.value.length + ROW_OVERHEAD_BYTES;
}

function encodeCursor(at: RevisionId): Uint8Array {
  return latin1ToBytes(`${at.main}/${at.sub}`);
}

function decodeCursor(cursor: Uint8Array): RevisionId {
  const [main, sub] = bytesToLatin1(cursor).split("/").map(Number);
  assert(Number.isSafeInteger(main) && Number.isSafeInteger(sub), "the cursor is one that compact() gave");
  return { main: main as number, sub: sub as number };
}
