/**
 * The log of a tab's member: in memory as a whole, and on disk as one record per batch of entries, under the index of
 * the first. Every record carries the hard state and the boundary as they were when it was written, so that a write is
 * one record. The record under key 0 carries them alone, for when they change without entries. The highest sequence
 * number marks the newest record. A record that is not the first of its transaction also names the sequence number of the
 * first, so that a transaction of which only a part is on disk is recognised.
 *
 * This file only computes what must be written. The writes of a call belong in one transaction.
 */
import { must } from "../../base/assert.ts";
import type { Entry, HardState, LogIndex, Term } from "../../protocol/peer/raft-message.ts";
import { LogWindow, checkEntries, splitBatches } from "../common/log-window.ts";
import {
  RecordError,
  RecordReader,
  RecordWriter,
  readEntries,
  readU64,
  writeEntries,
  writeU64,
} from "../common/record.ts";
import { StorageCorruptError } from "../storage-error.ts";

export const LOG_MARK_KEY = 0;

export type LogWrite =
  | { readonly type: "put"; readonly key: number; readonly record: Uint8Array<ArrayBuffer> }
  /** Deletes the keys of [from, end). */
  | { readonly type: "delete"; readonly from: number; readonly end: number };

export interface LogRecord {
  readonly key: number;
  readonly record: Uint8Array;
}

interface Head {
  readonly first: LogIndex;
  readonly last: LogIndex;
}

interface Mark {
  readonly seq: number;
  readonly hardState: HardState;
  readonly boundaryIndex: LogIndex;
  readonly boundaryTerm: Term;
}

interface Row {
  readonly mark: Mark;
  readonly entries: readonly Entry[];
  /** The sequence number of the first record of its transaction. */
  readonly firstSeq: number;
}

const STORE = "log";

export class LogImage {
  readonly window: LogWindow;
  #hardState: HardState;
  #writtenHard: HardState;
  #seq: number;
  #heads: Head[];
  /** Entries from here on are not on disk. */
  #unwrittenFrom: LogIndex;
  #restarted: boolean = false;
  /** Records below it are dead. The next write deletes them. */
  #deadBelow: number = LOG_MARK_KEY + 1;

  private constructor(window: LogWindow, mark: Mark, heads: Head[]) {
    this.window = window;
    this.#hardState = mark.hardState;
    this.#writtenHard = mark.hardState;
    this.#seq = mark.seq;
    this.#heads = heads;
    this.#unwrittenFrom = window.lastIndex() + 1;
  }

  static fresh(): LogImage {
    const hardState: HardState = { term: 0, vote: 0n, commit: 0 };
    return new LogImage(new LogWindow(0, 0, []), { seq: 0, hardState, boundaryIndex: 0, boundaryTerm: 0 }, []);
  }

  /** Loads all records of the store by key. */
  static load(records: readonly LogRecord[]): LogImage {
    const [first] = records;
    if (first?.key !== LOG_MARK_KEY) throw new StorageCorruptError(STORE, "0", "the hard state is missing");
    const rows = records.map(({ key, record }) => ({ key, row: readRow(key, record) }));
    const newest = rows.reduce((best, each) => (each.row.mark.seq > best.row.mark.seq ? each : best));
    const { mark, firstSeq } = newest.row;
    const together = rows.filter(({ row }) => row.mark.seq >= firstSeq);
    if (together.length !== mark.seq - firstSeq + 1) {
      throw new StorageCorruptError(STORE, String(newest.key), "only a part of the last write of the log is on disk");
    }
    const window = new LogWindow(mark.boundaryIndex, mark.boundaryTerm, []);
    const heads: Head[] = [];
    let deadBelow = LOG_MARK_KEY + 1;
    for (const { key, row } of rows) {
      const last = row.entries.at(-1);
      if (last === undefined) continue;
      if (last.index <= mark.boundaryIndex) {
        deadBelow = last.index + 1;
        continue;
      }
      const next = window.lastIndex() + 1;
      const fits = heads.length === 0 ? key <= next : key === next;
      if (!fits) throw new StorageCorruptError(STORE, String(key), `the log has a gap: entry ${next} should follow`);
      window.append(row.entries.slice(next - key));
      heads.push({ first: key, last: last.index });
    }
    const image = new LogImage(window, mark, heads);
    image.#deadBelow = deadBelow;
    return image;
  }

  /** Returns the sequence number of a record, which shows what write was the last. */
  static seqOf({ key, record }: LogRecord): number {
    return readRow(key, record).mark.seq;
  }

  get hardState(): HardState {
    return this.#hardState;
  }

  get seq(): number {
    return this.#seq;
  }

  /** True if entries or the hard state are not on disk. */
  get dirty(): boolean {
    if (this.#restarted || this.#unwrittenFrom <= this.window.lastIndex()) return true;
    const { term, vote, commit } = this.#writtenHard;
    return this.#hardState.term !== term || this.#hardState.vote !== vote || this.#hardState.commit > commit;
  }

  setHardState(hardState: HardState): void {
    this.#hardState = hardState;
  }

  append(entries: readonly Entry[]): void {
    const first = entries[0];
    if (first === undefined) return;
    checkEntries(entries, this.window.firstIndex(), this.window.lastIndex());
    this.window.append(entries);
    this.#unwrittenFrom = Math.min(this.#unwrittenFrom, first.index);
  }

  compact(index: LogIndex): void {
    if (index < this.window.firstIndex()) return;
    this.window.compact(index);
    let dead = 0;
    while ((this.#heads[dead]?.last ?? Number.POSITIVE_INFINITY) <= index) dead++;
    for (const head of this.#heads.splice(0, dead)) this.#deadBelow = head.last + 1;
  }

  restart(index: LogIndex, term: Term): void {
    this.window.restart(index, term);
    this.#heads = [];
    this.#unwrittenFrom = index + 1;
    this.#restarted = true;
  }

  /** Returns the writes that bring the disk up to date, in order. `always`: also if only the mark would be written. */
  takeWrites(always: boolean = false): readonly LogWrite[] {
    if (!this.dirty && !always) return [];
    const writes: LogWrite[] = [];
    const firstSeq = this.#seq + 1;
    const from = this.#unwrittenFrom;
    const last = this.window.lastIndex();
    if (this.#restarted) writes.push({ type: "delete", from: LOG_MARK_KEY + 1, end: Number.POSITIVE_INFINITY });
    else if (this.#deadBelow > LOG_MARK_KEY + 1) {
      writes.push({ type: "delete", from: LOG_MARK_KEY + 1, end: this.#deadBelow });
    }
    this.#deadBelow = LOG_MARK_KEY + 1;
    this.#restarted = false;
    if (from <= last) {
      const cut = this.#truncate(from, writes);
      const entries = this.window.entries(cut, last + 1, Number.POSITIVE_INFINITY);
      for (const batch of splitBatches(entries)) this.#put(batch, firstSeq, writes);
    } else writes.push({ type: "put", key: LOG_MARK_KEY, record: this.#encode([], firstSeq) });
    this.#unwrittenFrom = last + 1;
    this.#writtenHard = this.#hardState;
    return writes;
  }

  /**
   * Deletes the records that are replaced. Of a record that is cut through, the kept entries are written again with the
   * new ones.
   */
  #truncate(from: LogIndex, writes: LogWrite[]): LogIndex {
    let cut = from;
    let truncates = false;
    for (let head = this.#heads.at(-1); head !== undefined && head.last >= from; head = this.#heads.at(-1)) {
      this.#heads.pop();
      cut = Math.max(Math.min(cut, head.first), this.window.firstIndex());
      truncates = true;
      // The first record may start before the log. Its replacement starts at the log's first index.
      if (head.first < cut) writes.push({ type: "delete", from: head.first, end: cut });
    }
    if (truncates) writes.push({ type: "delete", from: cut, end: Number.POSITIVE_INFINITY });
    return cut;
  }

  #put(batch: readonly Entry[], firstSeq: number, writes: LogWrite[]): void {
    const first = must(batch[0], "a batch has an entry");
    const last = must(batch.at(-1), "a batch has an entry");
    writes.push({ type: "put", key: first.index, record: this.#encode(batch, firstSeq) });
    this.#heads.push({ first: first.index, last: last.index });
  }

  #encode(entries: readonly Entry[], firstSeq: number): Uint8Array<ArrayBuffer> {
    let expected = 96;
    for (const entry of entries) expected += entry.data.length + 16;
    const writer = new RecordWriter(expected);
    const boundaryIndex = this.window.firstIndex() - 1;
    writer.varint(++this.#seq);
    writer.varint(this.#hardState.term);
    writeU64(writer, this.#hardState.vote);
    writer.varint(this.#hardState.commit);
    writer.varint(boundaryIndex);
    writer.varint(must(this.window.term(boundaryIndex), "the term before the log is known"));
    writeEntries(writer, entries);
    if (firstSeq < this.#seq) writer.varint(firstSeq);
    return writer.finish();
  }
}

function readRow(key: number, record: Uint8Array): Row {
  try {
    const reader = new RecordReader(record);
    const seq = reader.varint();
    const hardState: HardState = { term: reader.varint(), vote: readU64(reader), commit: reader.varint() };
    const mark: Mark = { seq, hardState, boundaryIndex: reader.varint(), boundaryTerm: reader.varint() };
    const entries = readEntries(reader);
    if ((entries[0]?.index ?? LOG_MARK_KEY) !== key) throw new RecordError("it holds the entries of another record");
    return { mark, entries, firstSeq: reader.atEnd ? seq : reader.varint() };
  } catch (error) {
    if (error instanceof RecordError) throw new StorageCorruptError(STORE, String(key), error.message);
    throw error;
  }
}
