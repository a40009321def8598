/**
 * The log in SQLite: one row per batch of entries, because rows are money at the edge.
 *
 *     quorate_log   slot │ seq │ first last │ first_term last_term │ hard state, boundary │ entries
 *
 * Three things keep a put at one row. Each row carries the hard state and the boundary of compaction as they were when it
 * was written, so these need a row of their own only when they change without entries (the one with the highest seq is
 * the newest). Compaction deletes nothing: a row below the boundary is dead, and its slot is written over by a later
 * batch, since deleting a row is billed like writing one. And all appends of a turn become one batch.
 *
 * In memory are the heads of the rows (not their entries), and the recent tail. What raft asks for beyond the tail is
 * read and decoded on demand.
 */
import { assert, must } from "../base/assert.ts";
import type { Entry, HardState, LogIndex, Term } from "../protocol/raft-message.ts";
import { CompactedError, type LogReader } from "../raft/log-reader.ts";
import { LogWindow, checkEntries, entrySizeBytes, splitBatches } from "./log-window.ts";
import { decodeEntries, encodeEntries, RecordError } from "./record.ts";
import { bigintOf, bytesOf, integerOf, rowName, type SqlLike, type SqlRow } from "./sql.ts";
import { StorageCorruptError } from "./storage-error.ts";

const TABLE = "quorate_log";

export const CREATE_LOG: readonly string[] = [
  `CREATE TABLE quorate_log (
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
  )`,
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
const DELETE_ABOVE = "DELETE FROM quorate_log WHERE last > ?";

const DECODED_ROWS_KEPT = 4;

interface Head {
  readonly slot: number;
  readonly first: LogIndex;
  readonly last: LogIndex;
  readonly firstTerm: Term;
  readonly lastTerm: Term;
}

interface Boundary {
  readonly index: LogIndex;
  readonly term: Term;
}

export class SqlLog implements LogReader {
  readonly #sql: SqlLike;
  readonly #tailBytes: number;
  /** Rows on disk in order; the last of them may be overtaken by entries not written yet. */
  #heads: Head[] = [];
  #freeSlots: number[] = [];
  #nextSlot: number = 1;
  #seq: number;
  #hardState: HardState;
  /** Term and vote as on disk. */
  #writtenHard: HardState;
  #boundary: Boundary;
  /** The recent entries; those from #unwrittenFrom on are nowhere else. */
  readonly #tail: LogWindow;
  #unwrittenFrom: LogIndex;
  /** The log was restarted after this index, and the disk does not know yet. */
  #restartedAt: LogIndex | undefined;
  readonly #decoded: Map<number, readonly Entry[]> = new Map();

  constructor(sql: SqlLike, tailBytes: number) {
    this.#sql = sql;
    this.#tailBytes = tailBytes;
    const heads = readHeads(sql);
    const newest = newestMark(sql, heads);
    this.#seq = newest.seq;
    this.#hardState = newest.hardState;
    this.#writtenHard = newest.hardState;
    this.#boundary = newest.boundary;
    for (const { head } of heads) {
      this.#nextSlot = Math.max(this.#nextSlot, head.slot + 1);
      if (head.last <= newest.boundary.index) this.#freeSlots.push(head.slot);
      else this.#heads.push(head);
    }
    checkContiguous(this.#heads, newest.boundary);
    const last = this.#heads.at(-1);
    const lastIndex = last?.last ?? newest.boundary.index;
    this.#tail = new LogWindow(lastIndex, last?.lastTerm ?? newest.boundary.term, []);
    this.#unwrittenFrom = lastIndex + 1;
  }

  /** A log's first mark, on a fresh store. */
  static create(sql: SqlLike): void {
    sql.exec(PUT_HARD, 0, 0, "0", 0, 0, 0);
  }

  get hardState(): HardState {
    return this.#hardState;
  }

  /** Whether a write is due: entries, term or vote have changed. A commit index alone waits for the next write. */
  get dirty(): boolean {
    if (this.#unwrittenFrom <= this.lastIndex() || this.#restartedAt !== undefined) return true;
    return this.#hardState.term !== this.#writtenHard.term || this.#hardState.vote !== this.#writtenHard.vote;
  }

  firstIndex(): LogIndex {
    return this.#boundary.index + 1;
  }

  lastIndex(): LogIndex {
    return this.#tail.lastIndex();
  }

  term(index: LogIndex): Term | undefined {
    if (index === this.#boundary.index) return this.#boundary.term;
    if (index < this.#boundary.index) return undefined;
    const recent = this.#tail.term(index);
    if (recent !== undefined || index > this.lastIndex()) return recent;
    const head = this.#headOf(index);
    if (head.firstTerm === head.lastTerm || index === head.first) return head.firstTerm;
    return this.#rowOf(head)[index - head.first]?.term;
  }

  entries(low: LogIndex, high: LogIndex, maxBytes: number): readonly Entry[] {
    if (low < this.firstIndex()) throw new CompactedError(low, this.firstIndex());
    assert(low < high && high <= this.lastIndex() + 1, `entries [${low}, ${high}) lie in the log`);
    if (low >= this.#tail.firstIndex()) return this.#tail.entries(low, high, maxBytes);
    const found: Entry[] = [];
    let bytes = 0;
    for (let index = low; index < high;) {
      const inTail = index >= this.#tail.firstIndex();
      const run = inTail ? this.#tail.entries(index, high, maxBytes) : this.#stored(index, high);
      for (const entry of run) {
        bytes += entrySizeBytes(entry);
        if (bytes > maxBytes && found.length > 0) return found;
        found.push(entry);
      }
      index += run.length;
    }
    return found;
  }

  setHardState(hardState: HardState): void {
    this.#hardState = hardState;
  }

  append(entries: readonly Entry[]): void {
    const first = entries[0];
    if (first === undefined) return;
    checkEntries(entries, this.firstIndex(), this.lastIndex());
    if (first.index < this.#tail.firstIndex()) {
      this.#tail.restart(first.index - 1, must(this.term(first.index - 1), "the entry before is in the log"));
    }
    this.#tail.append(entries);
    this.#unwrittenFrom = Math.min(this.#unwrittenFrom, first.index);
  }

  /** Rows below the boundary become free when the boundary is written, which is when their slots are used again. */
  compact(index: LogIndex): void {
    if (index <= this.#boundary.index) return;
    this.#boundary = { index, term: must(this.term(index), `entry ${index} is in the log`) };
    this.#tail.compact(Math.max(this.#tail.firstIndex() - 1, index));
    let dead = 0;
    while ((this.#heads[dead]?.last ?? Number.POSITIVE_INFINITY) <= index) dead++;
    for (const head of this.#heads.splice(0, dead)) this.#free(head);
  }

  restart(index: LogIndex, term: Term): void {
    for (const head of this.#heads) this.#free(head);
    this.#heads = [];
    this.#boundary = { index, term };
    this.#tail.restart(index, term);
    this.#unwrittenFrom = index + 1;
    this.#restartedAt = index;
  }

  /** Whether write() is at most one statement, which is atomic by itself. Nearly every write is: one row for a batch. */
  get writesOnce(): boolean {
    if (this.#restartedAt !== undefined) return false;
    const head = this.#heads.at(-1);
    if (head !== undefined && head.last >= this.#unwrittenFrom) return false;
    const entries = this.#unwritten();
    return entries.length === 0 || splitBatches(entries).length === 1;
  }

  /** Brings the disk up to what memory holds, inside the caller's transaction unless it `writesOnce`. */
  write(): void {
    if (!this.dirty) return;
    if (this.#restartedAt !== undefined) this.#sql.exec(DELETE_ABOVE, this.#restartedAt);
    const entries = this.#unwritten();
    if (entries.length > 0) {
      this.#truncate(this.#unwrittenFrom);
      for (const batch of splitBatches(entries)) this.#insert(batch);
    } else {
      const { term, vote, commit } = this.#hardState;
      this.#sql.exec(PUT_HARD, ++this.#seq, term, vote.toString(), commit, this.#boundary.index, this.#boundary.term);
    }
    this.#restartedAt = undefined;
    this.#unwrittenFrom = this.lastIndex() + 1;
    this.#writtenHard = this.#hardState;
    this.#trimTail();
  }

  #unwritten(): readonly Entry[] {
    const last = this.lastIndex();
    if (this.#unwrittenFrom > last) return [];
    return this.#tail.entries(this.#unwrittenFrom, last + 1, Number.POSITIVE_INFINITY);
  }

  /** Rare, so it may cost: rows that are replaced are deleted, and one that is cut through is written again. */
  #truncate(from: LogIndex): void {
    for (let head = this.#heads.at(-1); head !== undefined && head.last >= from; head = this.#heads.at(-1)) {
      this.#heads.pop();
      const kept = head.first < from ? this.#rowOf(head).slice(0, from - head.first) : [];
      this.#free(head);
      this.#sql.exec(DELETE_ROW, head.slot);
      if (kept.length > 0) this.#insert(kept);
    }
  }

  #insert(entries: readonly Entry[]): void {
    const first = must(entries[0], "a batch has an entry");
    const last = must(entries.at(-1), "a batch has an entry");
    const { term, vote, commit } = this.#hardState;
    const head: Head = {
      slot: this.#freeSlots.pop() ?? this.#nextSlot++,
      first: first.index,
      last: last.index,
      firstTerm: first.term,
      lastTerm: last.term,
    };
    this.#sql.exec(
      PUT_ROW,
      head.slot,
      ++this.#seq,
      head.first,
      head.last,
      head.firstTerm,
      head.lastTerm,
      term,
      vote.toString(),
      commit,
      this.#boundary.index,
      this.#boundary.term,
      encodeEntries(entries),
    );
    this.#heads.push(head);
  }

  #free(head: Head): void {
    this.#freeSlots.push(head.slot);
    this.#decoded.delete(head.slot);
  }

  #trimTail(): void {
    if (this.#tail.sizeBytes <= this.#tailBytes) return;
    // Down to half, so that it is not done for each entry.
    let index = this.#tail.firstIndex();
    let bytes = this.#tail.sizeBytes;
    for (const entry of this.#tail.entries(index, this.lastIndex() + 1, Number.POSITIVE_INFINITY)) {
      if (bytes <= this.#tailBytes / 2) break;
      bytes -= entrySizeBytes(entry);
      index = entry.index;
    }
    this.#tail.compact(index);
  }

  #stored(index: LogIndex, high: LogIndex): readonly Entry[] {
    const head = this.#headOf(index);
    const end = Math.min(high, head.last + 1, this.#tail.firstIndex());
    return this.#rowOf(head).slice(index - head.first, end - head.first);
  }

  #headOf(index: LogIndex): Head {
    let low = 0;
    let high = this.#heads.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#heads[middle] as Head).last < index) low = middle + 1;
      else high = middle;
    }
    return must(this.#heads[low], `entry ${index} is in a row`);
  }

  /** The last few decoded rows are kept: a member that lags reads on where it stopped. */
  #rowOf(head: Head): readonly Entry[] {
    const known = this.#decoded.get(head.slot);
    if (known !== undefined) return known;
    const name = `slot ${head.slot}, entries ${head.first} to ${head.last}`;
    const [row] = this.#sql.exec(SELECT_ENTRIES, head.slot).toArray();
    if (row === undefined) throw new StorageCorruptError(TABLE, name, "it is gone");
    const entries = decodeRow(bytesOf(row, "entries", TABLE, name), head, name);
    this.#decoded.set(head.slot, entries);
    const oldest = this.#decoded.keys().next();
    if (this.#decoded.size > DECODED_ROWS_KEPT && oldest.done !== true) this.#decoded.delete(oldest.value);
    return entries;
  }
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

interface HeadWithSeq {
  readonly head: Head;
  readonly seq: number;
}

function readHeads(sql: SqlLike): readonly HeadWithSeq[] {
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

interface Mark {
  readonly seq: number;
  readonly hardState: HardState;
  readonly boundary: Boundary;
}

function newestMark(sql: SqlLike, heads: readonly HeadWithSeq[]): Mark {
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

function checkContiguous(heads: readonly Head[], boundary: Boundary): void {
  let next = boundary.index + 1;
  let term = boundary.term;
  heads.forEach((head, at) => {
    const fits = at === 0 ? head.first <= next : head.first === next && head.firstTerm >= term;
    if (!fits) {
      const name = `slot ${head.slot}, entries ${head.first} to ${head.last}`;
      throw new StorageCorruptError(TABLE, name, `the log has a gap: entry ${next} should follow`);
    }
    next = head.last + 1;
    term = head.lastTerm;
  });
}
