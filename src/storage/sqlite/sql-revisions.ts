/**
 * Which rows came with which revision: lists of (main, sub, key) in revision order, one or a few written per flush. The
 * rows themselves are in the table that is clustered by key. Compaction removes rows and leaves their entries here.
 * Dead entries are dropped gradually, once they outnumber the live ones.
 */
import { EMPTY_BYTES } from "../../base/bytes.ts";
import { RecordError, RecordReader, RecordWriter } from "../common/record.ts";
import { bytesOf, integerOf, rowName, type SqlLike, type SqlRow } from "./sql.ts";
import type { RevisionId } from "./sql-overlay.ts";
import { compareRevisions } from "./sql-overlay.ts";
import type { Generation, StateStatements } from "./sql-statements.ts";
import { StorageCorruptError } from "../storage-error.ts";

export interface ListedRow extends RevisionId {
  readonly key: Uint8Array;
}

const LIST_BYTES_TARGET = 64 * 1024;
const TIDY_ENTRIES_PER_STEP = 512;
/** Fewer dead entries are not worth the rows written. */
const DEAD_ENTRIES_TOLERATED = 4096;

export class SqlRevisions {
  readonly #sql: SqlLike;
  readonly #texts: StateStatements;
  readonly #table: string;
  #listed: number;
  #tidyAfter: RevisionId = { main: -1, sub: 0 };
  /** Undefined until it is read. */
  #lastMain: number | undefined;

  constructor(
    sql: SqlLike,
    texts: StateStatements,
    generation: Generation,
    { listed, lastMain }: { readonly listed: number; readonly lastMain: number | undefined },
  ) {
    this.#sql = sql;
    this.#texts = texts;
    this.#table = `quorate_revisions_${generation}`;
    this.#listed = listed;
    this.#lastMain = lastMain;
  }

  /** Entries in all lists, dead ones included. */
  get listed(): number {
    return this.#listed;
  }

  /** Adds entries, in revision order, above all that are listed. */
  add(rows: readonly ListedRow[]): void {
    for (const list of splitLists(rows)) this.#write(list);
    this.#listed += rows.length;
    this.#lastMain = rows.at(-1)?.main ?? this.#lastMain;
  }

  /** Visits entries from `from` on; `visit` returns false to stop. */
  scan(from: RevisionId, visit: (row: ListedRow) => boolean): void {
    let list = this.#read(this.#texts.listAt, from) ?? this.#read(this.#texts.listAfter, from);
    while (list !== undefined) {
      for (const row of list.rows) {
        if (compareRevisions(row, from) >= 0 && !visit(row)) return;
      }
      list = this.#read(this.#texts.listAfter, list.first);
    }
  }

  /** Returns the main revision of the last entry, also if that was dropped since; 0 if there was none. */
  lastMain(): number {
    const end = { main: Number.MAX_SAFE_INTEGER, sub: 0 };
    this.#lastMain ??= this.#read(this.#texts.listAt, end)?.rows.at(-1)?.main ?? 0;
    return this.#lastMain;
  }

  /** Drops dead entries in a bounded step, if that is worth it. */
  tidy(rowCount: number): void {
    if (this.#listed <= rowCount * 2 + DEAD_ENTRIES_TOLERATED) return;
    const alive: ListedRow[] = [];
    let read = 0;
    while (read < TIDY_ENTRIES_PER_STEP) {
      const list = this.#read(this.#texts.listAfter, this.#tidyAfter);
      if (list === undefined) {
        this.#tidyAfter = { main: -1, sub: 0 };
        break;
      }
      this.#tidyAfter = list.first;
      this.#sql.exec(this.#texts.deleteList, list.first.main, list.first.sub);
      read += list.rows.length;
      for (const row of list.rows) if (this.#exists(row)) alive.push(row);
    }
    this.#listed -= read - alive.length;
    for (const list of splitLists(alive)) this.#write(list);
  }

  #exists(row: ListedRow): boolean {
    return this.#sql.exec(this.#texts.rowExists, row.key, row.main, row.sub).toArray().length > 0;
  }

  #write(rows: readonly ListedRow[]): void {
    const first = rows[0];
    if (first === undefined) return;
    this.#sql.exec(this.#texts.putList, first.main, first.sub, encodeList(rows));
  }

  #read(
    text: string,
    from: RevisionId,
  ): { readonly first: RevisionId; readonly rows: readonly ListedRow[] } | undefined {
    const [row] = this.#sql.exec(text, from.main, from.sub).toArray();
    if (row === undefined) return undefined;
    const first = this.#firstOf(row);
    const name = `${first.main}/${first.sub}`;
    try {
      return { first, rows: decodeList(bytesOf(row, "list", this.#table, name)) };
    } catch (error) {
      if (error instanceof RecordError) throw new StorageCorruptError(this.#table, name, error.message);
      throw error;
    }
  }

  #firstOf(row: SqlRow): RevisionId {
    const name = rowName(row, "main", "sub");
    return { main: integerOf(row, "main", this.#table, name), sub: integerOf(row, "sub", this.#table, name) };
  }
}

/** Neighbours often share their main revision, so it is encoded as a difference. */
function encodeList(rows: readonly ListedRow[]): Uint8Array {
  const writer = new RecordWriter(rows.length * 48);
  let main = 0;
  for (const row of rows) {
    writer.varint(row.main - main);
    writer.varint(row.sub);
    writer.bytes(row.key);
    main = row.main;
  }
  return writer.finish();
}

function decodeList(record: Uint8Array): readonly ListedRow[] {
  const reader = new RecordReader(record);
  const rows: ListedRow[] = [];
  let main = 0;
  while (!reader.atEnd) {
    main += reader.varint();
    const sub = reader.varint();
    const key = reader.bytes();
    rows.push({ main, sub, key: key.length === 0 ? EMPTY_BYTES : key });
  }
  return rows;
}

function splitLists(rows: readonly ListedRow[]): readonly (readonly ListedRow[])[] {
  const lists: ListedRow[][] = [];
  let list: ListedRow[] = [];
  let bytes = 0;
  for (const row of rows) {
    if (list.length > 0 && bytes + row.key.length > LIST_BYTES_TARGET) {
      lists.push(list);
      list = [];
      bytes = 0;
    }
    list.push(row);
    bytes += row.key.length + 8;
  }
  if (list.length > 0) lists.push(list);
  return lists;
}
