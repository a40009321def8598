/**
 * A contiguous run of entries in memory. In a tab it is the whole log that is kept (compaction bounds it). In a Durable
 * Object it is the recent tail, so that replication does not read back what was just written.
 */
import { assert } from "../../base/assert.ts";
import type { Entry, LogIndex, Term } from "../../protocol/peer/raft-message.ts";
import { CompactedError, type LogReader } from "../../raft/log/log-reader.ts";
import { ENTRY_BYTES_MAX } from "../storage.ts";

/** What an entry costs besides its data, in bytes, wherever entries are counted. */
const ENTRY_OVERHEAD_BYTES = 24;

export function entrySizeBytes(entry: Entry): number {
  return entry.data.length + ENTRY_OVERHEAD_BYTES;
}

/**
 * Asserts that entries may be appended: contiguous, terms never decreasing, no gap after `lastIndex`, none before
 * `firstIndex`.
 */
export function checkEntries(entries: readonly Entry[], firstIndex: LogIndex, lastIndex: LogIndex): void {
  const first = entries[0];
  if (first === undefined) return;
  assert(first.index >= firstIndex, `entry ${first.index} is compacted, the log begins at ${firstIndex}`);
  assert(first.index <= lastIndex + 1, `entry ${first.index} leaves a gap after ${lastIndex}`);
  let { index, term } = first;
  for (const entry of entries) {
    assert(entry.index === index, "entries are contiguous");
    assert(entry.term >= term, "terms never fall");
    assert(entry.data.length <= ENTRY_BYTES_MAX, "an entry fits a row");
    term = entry.term;
    index++;
  }
}

/** Returns entries from `at` on: at least one, then as many as fit `maxBytes`. */
export function takeBytes(entries: readonly Entry[], at: number, end: number, maxBytes: number): readonly Entry[] {
  let bytes = 0;
  for (let next = at; next < end; next++) {
    bytes += entrySizeBytes(entries[next] as Entry);
    if (bytes > maxBytes && next > at) return entries.slice(at, next);
  }
  return entries.slice(at, end);
}

/** Splits a batch into rows for a disk. A row may exceed the limit only if it is a single entry. */
export function splitBatches(entries: readonly Entry[]): readonly (readonly Entry[])[] {
  const batches: Entry[][] = [];
  let batch: Entry[] = [];
  let bytes = 0;
  for (const entry of entries) {
    const size = entrySizeBytes(entry);
    if (batch.length > 0 && bytes + size > ENTRY_BYTES_MAX) {
      batches.push(batch);
      batch = [];
      bytes = 0;
    }
    batch.push(entry);
    bytes += size;
  }
  if (batch.length > 0) batches.push(batch);
  return batches;
}

export class LogWindow implements LogReader {
  #boundaryIndex: LogIndex;
  #boundaryTerm: Term;
  #entries: Entry[];
  /** Entries before it are dropped. The array is cut only now and then, because cutting moves the rest. */
  #head: number = 0;
  #sizeBytes: number = 0;

  constructor(boundaryIndex: LogIndex, boundaryTerm: Term, entries: readonly Entry[]) {
    this.#boundaryIndex = boundaryIndex;
    this.#boundaryTerm = boundaryTerm;
    this.#entries = [];
    this.append(entries);
  }

  firstIndex(): LogIndex {
    return this.#boundaryIndex + 1;
  }

  lastIndex(): LogIndex {
    return this.#boundaryIndex + this.#entries.length - this.#head;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  term(index: LogIndex): Term | undefined {
    if (index === this.#boundaryIndex) return this.#boundaryTerm;
    return this.#at(index)?.term;
  }

  entries(low: LogIndex, high: LogIndex, maxBytes: number): readonly Entry[] {
    if (low <= this.#boundaryIndex) throw new CompactedError(low, this.firstIndex());
    assert(low < high && high <= this.lastIndex() + 1, `entries [${low}, ${high}) lie in the log`);
    const offset = this.#head - this.#boundaryIndex - 1;
    return takeBytes(this.#entries, low + offset, high + offset, maxBytes);
  }

  /** Appends entries. They replace everything from the first entry's index on. */
  append(entries: readonly Entry[]): void {
    const first = entries[0];
    if (first === undefined) return;
    checkEntries(entries, this.firstIndex(), this.lastIndex());
    this.truncate(first.index);
    for (const entry of entries) {
      this.#entries.push(entry);
      this.#sizeBytes += entrySizeBytes(entry);
    }
  }

  /** Drops entries >= index. */
  truncate(index: LogIndex): void {
    while (this.lastIndex() >= index && this.#entries.length > this.#head) {
      this.#sizeBytes -= entrySizeBytes(this.#entries.pop() as Entry);
    }
  }

  /** Drops entries <= index; the term of `index` stays known. */
  compact(index: LogIndex): void {
    if (index <= this.#boundaryIndex) return;
    const entry = this.#at(index);
    assert(entry !== undefined, `entry ${index} can be compacted only while it is in the log`);
    const until = this.#head + index - this.#boundaryIndex;
    for (let at = this.#head; at < until; at++) this.#sizeBytes -= entrySizeBytes(this.#entries[at] as Entry);
    this.#head = until;
    this.#boundaryIndex = index;
    this.#boundaryTerm = entry.term;
    this.#cutHead();
  }

  /** Drops all entries and continues after `index`. */
  restart(index: LogIndex, term: Term): void {
    this.#boundaryIndex = index;
    this.#boundaryTerm = term;
    this.#entries = [];
    this.#head = 0;
    this.#sizeBytes = 0;
  }

  #at(index: LogIndex): Entry | undefined {
    if (index <= this.#boundaryIndex || index > this.lastIndex()) return undefined;
    return this.#entries[this.#head + index - this.#boundaryIndex - 1];
  }

  #cutHead(): void {
    if (this.#head * 2 < this.#entries.length) return;
    this.#entries = this.#entries.slice(this.#head);
    this.#head = 0;
  }
}
