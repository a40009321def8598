/**
 * The tables of the log in SQLite: how batches of entries, and the hard state with them, are written to rows and read.
 */
import { must } from "../../base/assert.ts";
import type { Entry, HardState, LogIndex, Term } from "../../protocol/peer/raft-message.ts";
import { decodeEntries, encodeEntries, RecordError } from "../common/record.ts";
import { bigintOf, bytesOf, integerOf, rowName, type SqlLike, type SqlRow } from "./sql.ts";
import { StorageCorruptError } from "../storage-error.ts";

const TABLE = "quorate_log";

const CREATE_LOG_TABLE = `CREATE TABLE quorate_log (
    slot INTEGER PRIMARY KEY,
    seq INTEGER NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    first_term INTEGER NOT NULL,
    last_term INTEGER NOT NULL,
    term INTEGER NOT NULL,
    vote TEXT NOT NULL,
    commit_index INTEGER NOT NULL,
    boundary_index INTEGER NOT NULL,
    boundary_term INTEGER NOT NULL,
    entries BLOB NOT NULL
  )`;

export const CREATE_LOG: readonly string[] = [
  CREATE_LOG_TABLE,
  `CREATE TABLE quorate_hard (
    id INTEGER PRIMARY KEY,
    seq INTEGER NOT NULL,
    term INTEGER NOT NULL,
    vote TEXT NOT NULL,
    commit_index INTEGER NOT NULL,
    boundary_index INTEGER NOT NULL,
    boundary_term INTEGER NOT NULL
  )`,
];

const SELECT_HEADS = "SELECT slot, seq, first, last, first_term, last_term FROM quorate_log ORDER BY first, seq";
const SELECT_HARD =
  "SELECT seq, term, vote, commit_index, boundary_index, boundary_term FROM quorate_hard WHERE id = 1";
const SELECT_HARD_OF_ROW =
  "SELECT seq, term, vote, commit_index, boundary_index, boundary_term FROM quorate_log WHERE slot = ?";
const SELECT_ENTRIES = "SELECT entries FROM quorate_log WHERE slot = ?";
const PUT_ROW = "INSERT OR REPLACE INTO quorate_log VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
const PUT_HARD = "INSERT OR REPLACE INTO quorate_hard VALUES (1, ?, ?, ?, ?, ?, ?)";
const DELETE_ROW = "DELETE FROM quorate_log WHERE slot = ?";
const DROP = `DROP TABLE ${TABLE}`;
const DELETE_ABOVE = "DELETE FROM quorate_log WHERE last > ?";

/** The fields of a row, without its entries. */
export interface Head {
  readonly slot: number;
  readonly first: LogIndex;
  readonly last: LogIndex;
  readonly firstTerm: Term;
  readonly lastTerm: Term;
}

export interface Boundary {
  readonly index: LogIndex;
  readonly term: Term;
}

export interface HeadWithSeq {
  readonly head: Head;
  readonly seq: number;
}

/** The hard state and boundary when a row was written. The row with the highest seq counts. */
export interface Mark {
  readonly seq: number;
  readonly hardState: HardState;
  readonly boundary: Boundary;
}

export function readHeads(sql: SqlLike): readonly HeadWithSeq[] {
  return sql
    .exec(SELECT_HEADS)
    .toArray()
    .map((row) => {
      const name = rowName(row, "slot");
      const read = (column: string): number => integerOf(row, column, TABLE, name);
      const head: Head = {
        slot: read("slot"),
        first: read("first"),
        last: read("last"),
        firstTerm: read("first_term"),
        lastTerm: read("last_term"),
      };
      if (head.last < head.first) throw new StorageCorruptError(TABLE, name, "it ends before it begins");
      return { head, seq: read("seq") };
    });
}

/** Returns the hard state and boundary that are in effect. */
export function newestMark(sql: SqlLike, heads: readonly HeadWithSeq[]): Mark {
  const [alone] = sql.exec(SELECT_HARD).toArray();
  if (alone === undefined) throw new StorageCorruptError("quorate_hard", "1", "the hard state is missing");
  const mark = markOf(alone, "quorate_hard", "1");
  const newest = heads.reduce<HeadWithSeq | undefined>(
    (best, each) => (best === undefined || each.seq > best.seq ? each : best),
    undefined,
  );
  if (newest === undefined || newest.seq < mark.seq) return mark;
  const [row] = sql.exec(SELECT_HARD_OF_ROW, newest.head.slot).toArray();
  const name = `slot ${newest.head.slot}`;
  return markOf(must(row, "the row was there just now"), TABLE, name);
}

function markOf(row: SqlRow, table: string, name: string): Mark {
  const read = (column: string): number => integerOf(row, column, table, name);
  const vote = bigintOf(row, "vote", table, name);
  return {
    seq: read("seq"),
    hardState: { term: read("term"), vote, commit: read("commit_index") },
    boundary: { index: read("boundary_index"), term: read("boundary_term") },
  };
}

export function readEntries(sql: SqlLike, head: Head): readonly Entry[] {
  const name = nameOf(head);
  const [row] = sql.exec(SELECT_ENTRIES, head.slot).toArray();
  if (row === undefined) throw new StorageCorruptError(TABLE, name, "it is gone");
  return decodeRow(bytesOf(row, "entries", TABLE, name), head, name);
}

function decodeRow(record: Uint8Array, head: Head, name: string): readonly Entry[] {
  try {
    const entries = decodeEntries(record, head.first, head.last);
    if (entries[0]?.term !== head.firstTerm || entries.at(-1)?.term !== head.lastTerm) {
      throw new RecordError("its terms are not those of its row");
    }
    return entries;
  } catch (error) {
    if (error instanceof RecordError) throw new StorageCorruptError(TABLE, name, error.message);
    throw error;
  }
}

/** Throws if entries are missing between the boundary and the last one. */
export function checkContiguous(heads: readonly Head[], boundary: Boundary): void {
  let next = boundary.index + 1;
  let term = boundary.term;
  heads.forEach((head, at) => {
    const fits = at === 0 ? head.first <= next : head.first === next && head.firstTerm >= term;
    if (!fits) {
      throw new StorageCorruptError(TABLE, nameOf(head), `the log has a gap: entry ${next} should follow`);
    }
    next = head.last + 1;
    term = head.lastTerm;
  });
}

/** Writes a row over the previous content of its slot. */
export function putRow(sql: SqlLike, head: Head, { seq, hardState, boundary }: Mark, entries: readonly Entry[]): void {
  sql.exec(
    PUT_ROW,
    head.slot,
    seq,
    head.first,
    head.last,
    head.firstTerm,
    head.lastTerm,
    hardState.term,
    hardState.vote.toString(),
    hardState.commit,
    boundary.index,
    boundary.term,
    encodeEntries(entries),
  );
}

/** Writes a mark without entries. */
export function putMark(sql: SqlLike, { seq, hardState, boundary }: Mark): void {
  const { term, vote, commit } = hardState;
  sql.exec(PUT_HARD, seq, term, vote.toString(), commit, boundary.index, boundary.term);
}

export function deleteRow(sql: SqlLike, { slot }: Head): void {
  sql.exec(DELETE_ROW, slot);
}

/** Deletes all rows. Dropping a table is billed like nothing, and a deleted row like a written one. */
export function deleteAll(sql: SqlLike): void {
  sql.exec(DROP);
  sql.exec(CREATE_LOG_TABLE);
}

/** Deletes the rows with an entry after `index`. */
export function deleteAbove(sql: SqlLike, index: LogIndex): void {
  sql.exec(DELETE_ABOVE, index);
}

function nameOf(head: Head): string {
  return `slot ${head.slot}, entries ${head.first} to ${head.last}`;
}
