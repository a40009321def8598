/**
 * The rows of one generation as SQLite has them. The caller decides whether a row still counts.
 *
 * Rows are written in several steps, and count from the last one on (`settled`). Until then, and after a crash between
 * two steps, they lie above the newest revision that counts, and no read looks there. Their entries are applied again
 * and write the same rows.
 */
import { bytesToLatin1, copyBytes } from "../../base/bytes.ts";
import type { RevisionRow } from "../../mvcc/tables/tables.ts";
import { NewestRows } from "./sql-newest.ts";
import type { RevisionId } from "./sql-overlay.ts";
import { bigintOf, bytesOf, hexName, integerOf, keyAfter, type SqlLike, type SqlRow, type SqlValue } from "./sql.ts";
import { ROWS_AT_ONCE, type Generation, type StateStatements } from "./sql-statements.ts";

/** A key during a scan; without a row if it was created later than the requested revision. */
export interface ScannedKey {
  readonly key: Uint8Array;
  readonly row: RevisionRow | undefined;
}

export interface CountedKeys {
  readonly live: number;
  /** All keys that were looked at, live or not; and the last of them. */
  readonly seen: number;
  readonly last: Uint8Array | undefined;
}

/** A row without its value. */
export interface RowHead extends RevisionId {
  readonly version: number;
  readonly valueBytes: number;
}

const SCAN_KEYS_FIRST = 16;
const SCAN_KEYS_MAX = 256;
/** Larger values are read one by one, so that a chunk of a scan stays small. */
const SCAN_VALUE_BYTES = 16 * 1024;
/** Bytes of rows cached in memory. */
const NEWEST_BYTES_MAX = 4 * 1024 * 1024;

export class SqlRows {
  readonly #sql: SqlLike;
  readonly #texts: StateStatements;
  readonly #table: string;
  readonly #lastMain: () => number;
  readonly #newest: NewestRows = new NewestRows(NEWEST_BYTES_MAX);
  /** No row that counts is newer; undefined until it is read. */
  #settledMain: number | undefined;

  constructor(sql: SqlLike, texts: StateStatements, generation: Generation, lastMain: () => number) {
    this.#sql = sql;
    this.#texts = texts;
    this.#table = `quorate_rows_${generation}`;
    this.#lastMain = lastMain;
  }

  /** Returns the newest row of a key at a revision. Rows of the current revision are read often, and cached. */
  newest(name: string, key: Uint8Array, atRevision: number): RevisionRow | undefined {
    const known = this.#newest.get(name);
    if (known !== undefined && known.main <= atRevision) return known;
    const row = this.newestUnkept(key, atRevision);
    if (row !== undefined && this.#settled(atRevision) === this.#settledMain) this.#newest.set(name, row);
    return row;
  }

  newestUnkept(key: Uint8Array, atRevision: number): RevisionRow | undefined {
    return this.#first(this.#texts.newestRow, key, this.#settled(atRevision));
  }

  newestHead(key: Uint8Array, atRevision: number): RowHead | undefined {
    const [row] = this.#sql.exec(this.#texts.newestHead, key, this.#settled(atRevision)).toArray();
    if (row === undefined) return undefined;
    const read = (column: string): number => integerOf(row, column, this.#table, hexName(key));
    return { main: read("main"), sub: read("sub"), version: read("version"), valueBytes: read("size") };
  }

  row(key: Uint8Array, { main, sub }: RevisionId): RevisionRow | undefined {
    return this.#first(this.#texts.row, key, main, sub);
  }

  /** Returns false if `visit` ended it. */
  scan(
    start: Uint8Array,
    end: Uint8Array | undefined,
    atRevision: number,
    withValues: boolean,
    visit: (scanned: ScannedKey) => boolean,
  ): boolean {
    const inlineBytes = withValues ? SCAN_VALUE_BYTES : -1;
    const revision = this.#settled(atRevision);
    let from = start;
    for (let limit = SCAN_KEYS_FIRST; ; limit = Math.min(limit * 4, SCAN_KEYS_MAX)) {
      const rows = (
        end === undefined
          ? this.#sql.exec(this.#texts.scanToEnd, from, revision, limit, inlineBytes)
          : this.#sql.exec(this.#texts.scan, from, revision, limit, inlineBytes, end)
      ).toArray();
      let key: Uint8Array = from;
      for (const row of rows) {
        key = bytesOf(row, "key", this.#table, "scan");
        if (!visit({ key, row: this.#scannedRow(row, key, withValues) })) return false;
      }
      if (rows.length < limit) return true;
      from = keyAfter(key);
    }
  }

  /** Counts keys of the range that are live at a revision, among its first `keysMax` ones. */
  countLive(start: Uint8Array, end: Uint8Array | undefined, atRevision: number, keysMax: number): CountedKeys {
    const revision = this.#settled(atRevision);
    const limit = keysMax === Infinity ? -1 : keysMax;
    const [counted] = (
      end === undefined
        ? this.#sql.exec(this.#texts.countToEnd, start, revision, limit)
        : this.#sql.exec(this.#texts.count, start, revision, limit, end)
    ).toArray();
    if (counted === undefined) return { live: 0, seen: 0, last: undefined };
    const read = (column: string): number => integerOf(counted, column, this.#table, "count");
    const seen = read("seen");
    return { live: read("live"), seen, last: seen === 0 ? undefined : bytesOf(counted, "last", this.#table, "count") };
  }

  /** Counts the rows of a key after `from`, up to a revision, and the bytes of their values. */
  measure(key: Uint8Array, from: RevisionId, toRevision: number): { readonly rows: number; readonly bytes: number } {
    const to = this.#settled(toRevision);
    const [measured] = this.#sql.exec(this.#texts.measure, key, from.main, from.sub, to).toArray();
    if (measured === undefined) return { rows: 0, bytes: 0 };
    const name = hexName(key);
    return {
      rows: integerOf(measured, "rows", this.#table, name),
      bytes: integerOf(measured, "bytes", this.#table, name),
    };
  }

  /**
   * Inserts rows that are newer than all that count. They do not count yet. In the order of their keys they touch each
   * page of the table once.
   */
  insert(rows: readonly RevisionRow[]): void {
    let at = 0;
    for (; at + ROWS_AT_ONCE <= rows.length; at += ROWS_AT_ONCE) {
      this.#sql.exec(this.#texts.putRows, ...rows.slice(at, at + ROWS_AT_ONCE).flatMap(columnsOf));
    }
    for (; at < rows.length; at++) this.#sql.exec(this.#texts.putRow, ...columnsOf(rows[at] as RevisionRow));
  }

  /** Makes inserted rows count. Call it with all of them, oldest first. */
  settle(rows: readonly RevisionRow[]): void {
    for (const row of rows) this.#newest.set(bytesToLatin1(row.key), row);
    this.#settledMain = rows.at(-1)?.main ?? this.#settledMain;
  }

  /** Deletes the rows of a key up to and including `bound`. */
  remove(name: string, key: Uint8Array, bound: RevisionId): void {
    this.#sql.exec(this.#texts.deleteRows, key, bound.main, bound.sub);
    this.#newest.delete(name);
  }

  /** Returns the newest revision that counts, up to `atRevision`. */
  #settled(atRevision: number): number {
    this.#settledMain ??= this.#lastMain();
    return Math.min(atRevision, this.#settledMain);
  }

  #first(text: string, key: Uint8Array, ...rest: number[]): RevisionRow | undefined {
    const [row] = this.#sql.exec(text, key, ...rest).toArray();
    return row === undefined ? undefined : this.#rowOf(row, copyBytes(key), row["value"]);
  }

  #scannedRow(row: SqlRow, key: Uint8Array, withValues: boolean): RevisionRow | undefined {
    if (row["main"] === null) return undefined;
    const inline = row["value"];
    if (inline !== null) return this.#rowOf(row, key, inline);
    if (!withValues || row["size"] === 0) return this.#rowOf(row, key, new ArrayBuffer(0));
    const read = (column: string): number => integerOf(row, column, this.#table, hexName(key));
    return this.row(key, { main: read("main"), sub: read("sub") });
  }

  #rowOf(row: SqlRow, key: Uint8Array, value: SqlRow[string] | undefined): RevisionRow {
    const name = hexName(key);
    const read = (column: string): number => integerOf(row, column, this.#table, name);
    return {
      key,
      main: read("main"),
      sub: read("sub"),
      createRevision: read("created"),
      version: read("version"),
      lease: row["lease"] === null ? 0n : bigintOf(row, "lease", this.#table, name),
      value: bytesOf({ value: value ?? null }, "value", this.#table, name),
    };
  }
}

function columnsOf(row: RevisionRow): readonly (SqlValue | Uint8Array)[] {
  const lease = row.lease === 0n ? null : row.lease.toString();
  return [row.key, row.main, row.sub, row.createRevision, row.version, lease, row.value];
}
