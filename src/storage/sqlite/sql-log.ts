/**
 * The log in SQLite: one row per batch of entries, because written rows are billed at the edge.
 *
 *     quorate_log   slot │ seq │ first last │ first_term last_term │ hard state, boundary │ entries
 *
 * Three things keep a put at one row. Each row carries the hard state and the compaction boundary as they were when it
 * was written, so these need a row of their own only if they change without entries (the row with the highest seq is
 * the newest). Compaction deletes nothing: a row below the boundary is dead, and a later batch overwrites its slot,
 * because deleting a row is billed like writing one. And all appends of a turn become one batch. Only where all of many
 * rows are dead, as in a cluster that went quiet, the table is dropped and made again: an opening reads every head.
 *
 * Memory holds the heads of the rows (not their entries), and the recent tail. Entries before the tail are read and
 * decoded on demand.
 */
import { assert, must } from "../../base/assert.ts";
import type { Entry, HardState, LogIndex, Term } from "../../protocol/peer/raft-message.ts";
import { CompactedError, type LogReader } from "../../raft/log/log-reader.ts";
import { LogWindow, checkEntries, entrySizeBytes, splitBatches } from "../common/log-window.ts";
import {
  checkContiguous,
  deleteAbove,
  deleteAll,
  deleteRow,
  newestMark,
  putMark,
  putRow,
  readEntries,
  readHeads,
  type Boundary,
  type Head,
  type Mark,
} from "./sql-log-rows.ts";
import type { SqlLike } from "./sql.ts";

const DECODED_ROWS_KEPT = 4;
/** Dead rows of an empty log that are left for later batches to overwrite. */
const DEAD_ROWS_KEPT = 64;

export class SqlLog implements LogReader {
  readonly #sql: SqlLike;
  readonly #tailBytes: number;
  /** Rows on disk in order. Entries that are not written yet may replace the last of them. */
  #heads: Head[] = [];
  #freeSlots: number[] = [];
  #nextSlot: number = 1;
  #seq: number;
  #hardState: HardState;
  /** As on disk. */
  #writtenHard: HardState;
  #boundary: Boundary;
  /** The recent entries. Those from #unwrittenFrom on are only here. */
  readonly #tail: LogWindow;
  #unwrittenFrom: LogIndex;
  /** The log was restarted after this index, and the disk does not have that yet. */
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

  /** Writes the first mark of a log, on a fresh store. */
  static create(sql: SqlLike): void {
    putMark(sql, { seq: 0, hardState: { term: 0, vote: 0n, commit: 0 }, boundary: { index: 0, term: 0 } });
  }

  get hardState(): HardState {
    return this.#hardState;
  }

  /** True if all of many rows are dead. They are dropped with the next write, which is due. */
  get isEmptied(): boolean {
    return this.#heads.length === 0 && this.#freeSlots.length >= DEAD_ROWS_KEPT;
  }

  /** True if a write is due: entries or the hard state have changed, or many rows are to go. */
  get dirty(): boolean {
    if (this.#unwrittenFrom <= this.lastIndex() || this.#restartedAt !== undefined || this.isEmptied) return true;
    const { term, vote, commit } = this.#writtenHard;
    return this.#hardState.term !== term || this.#hardState.vote !== vote || this.#hardState.commit > commit;
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

  /** Rows below the boundary are freed when the boundary is written. Only then may their slots be used again. */
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

  /** True if write() is at most one statement, which is atomic by itself. Nearly every write is: one row per batch. */
  get writesOnce(): boolean {
    if (this.#restartedAt !== undefined || this.isEmptied) return false;
    const head = this.#heads.at(-1);
    if (head !== undefined && head.last >= this.#unwrittenFrom) return false;
    const entries = this.#unwritten();
    return entries.length === 0 || splitBatches(entries).length === 1;
  }

  /** Brings the disk up to date, inside the caller's transaction unless it `writesOnce`. */
  write(): void {
    if (!this.dirty) return;
    if (this.isEmptied) this.#dropRows();
    else if (this.#restartedAt !== undefined) deleteAbove(this.#sql, this.#restartedAt);
    const entries = this.#unwritten();
    if (entries.length > 0) {
      this.#truncate(this.#unwrittenFrom);
      for (const batch of splitBatches(entries)) this.#insert(batch);
    } else {
      putMark(this.#sql, this.#nextMark());
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

  /** Rare, so it may be expensive: rows that are replaced are deleted, and one that is cut through is written again. */
  #truncate(from: LogIndex): void {
    for (let head = this.#heads.at(-1); head !== undefined && head.last >= from; head = this.#heads.at(-1)) {
      this.#heads.pop();
      const kept = head.first < from ? this.#rowOf(head).slice(0, from - head.first) : [];
      this.#free(head);
      deleteRow(this.#sql, head);
      if (kept.length > 0) this.#insert(kept);
    }
  }

  #insert(entries: readonly Entry[]): void {
    const first = must(entries[0], "a batch has an entry");
    const last = must(entries.at(-1), "a batch has an entry");
    const head: Head = {
      slot: this.#freeSlots.pop() ?? this.#nextSlot++,
      first: first.index,
      last: last.index,
      firstTerm: first.term,
      lastTerm: last.term,
    };
    putRow(this.#sql, head, this.#nextMark(), entries);
    this.#heads.push(head);
  }

  #nextMark(): Mark {
    return { seq: ++this.#seq, hardState: this.#hardState, boundary: this.#boundary };
  }

  #dropRows(): void {
    deleteAll(this.#sql);
    this.#freeSlots = [];
    this.#nextSlot = 1;
  }

  #free(head: Head): void {
    this.#freeSlots.push(head.slot);
    this.#decoded.delete(head.slot);
  }

  #trimTail(): void {
    if (this.#tail.sizeBytes <= this.#tailBytes) return;
    // Cuts down to half, so that it is not done for each entry.
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

  /** The last few decoded rows are cached: a member that lags continues to read where it stopped. */
  #rowOf(head: Head): readonly Entry[] {
    const known = this.#decoded.get(head.slot);
    if (known !== undefined) return known;
    const entries = readEntries(this.#sql, head);
    this.#decoded.set(head.slot, entries);
    const oldest = this.#decoded.keys().next();
    if (this.#decoded.size > DECODED_ROWS_KEPT && oldest.done !== true) this.#decoded.delete(oldest.value);
    return entries;
  }
}
