/**
 * The tail of the log in memory: all entries that storage has not acknowledged, and some that it has. The newest
 * entries are soon applied here and sent to the others, and reading them back would cost a read each.
 *
 *        LogReader        │           unstable
 *   ──────────────────────┼────────────┬────────────┬───────────
 *              kept since │ first      │ durable    │ issued     last
 */
import { assert } from "../../base/assert.ts";
import type { Entry, LogIndex, SnapshotMeta, Term } from "../../protocol/peer/raft-message.ts";
import type { Writes } from "./writes.ts";

/** Bytes that an entry counts for beside its data. */
const ENTRY_OVERHEAD_BYTES = 16;

/** Dropped entries stay in the array until they are many and outnumber the rest. So each entry is moved about once. */
const CUT_AT = 1024;

export class Unstable {
  readonly #writes: Writes;
  /** Durable and applied entries are kept up to this many bytes. */
  readonly #keepBytes: number;
  /** Invariant: #entries[#head] has the index `first`. */
  #entries: Entry[] = [];
  #head = 0;
  #bytes = 0;
  first: LogIndex;
  last: LogIndex;
  /** Highest index handed to storage. */
  issued: LogIndex;
  /** Highest index that storage acknowledged, as the log is now. */
  durable: LogIndex;
  /** A snapshot that arrived and is not durable yet. The log begins after it. */
  snapshot: SnapshotMeta | undefined = undefined;
  isSnapshotIssued = false;

  constructor(storedLast: LogIndex, writes: Writes, keepBytes: number) {
    this.#writes = writes;
    this.#keepBytes = keepBytes;
    this.first = storedLast + 1;
    this.last = storedLast;
    this.issued = storedLast;
    this.durable = storedLast;
  }

  term(index: LogIndex): Term | undefined {
    if (index >= this.first && index <= this.last) return this.#at(index).term;
    return this.snapshot?.index === index ? this.snapshot.term : undefined;
  }

  /** Returns entries [low, high): at least one, then as many as fit. */
  slice(low: LogIndex, high: LogIndex, maxBytes: number): readonly Entry[] {
    assert(low >= this.first && low < high && high <= this.last + 1, `[${low}, ${high}) is in memory`);
    let end = low;
    let bytes = 0;
    while (end < high) {
      bytes += entryBytes(this.#at(end));
      if (bytes > maxBytes && end > low) break;
      end++;
    }
    const from = this.#head + (low - this.first);
    return this.#entries.slice(from, from + (end - low));
  }

  /** Appends entries. They replace all entries from entries[0].index on. */
  append(entries: readonly Entry[]): void {
    const from = entries[0]?.index;
    if (from === undefined) return;
    assert(from <= this.last + 1, `entry ${from} leaves no gap after ${this.last}`);
    if (from <= this.last) this.#truncate(from);
    for (const entry of entries) {
      this.#entries.push(entry);
      this.#bytes += entryBytes(entry);
    }
    this.last += entries.length;
  }

  /** Replaces everything with a snapshot. Earlier writes prove nothing about the new log. */
  restore(snapshot: SnapshotMeta): void {
    this.#writes.replaced();
    this.#clear(snapshot.index + 1);
    this.last = snapshot.index;
    this.issued = snapshot.index;
    this.durable = snapshot.index;
    this.snapshot = snapshot;
    this.isSnapshotIssued = false;
  }

  /** Records that storage made a write durable that proves the log up to `lastIndex`. */
  acknowledge(lastIndex: LogIndex, snapshot: SnapshotMeta | undefined): void {
    if (lastIndex > this.durable) this.durable = lastIndex;
    if (snapshot !== undefined && snapshot === this.snapshot) this.snapshot = undefined;
  }

  /** Drops entries that storage has and that are applied. */
  trim(applied: LogIndex): void {
    const droppable = Math.min(this.durable, applied);
    while (this.first <= droppable && this.#bytes > this.#keepBytes) {
      this.#bytes -= entryBytes(this.#at(this.first));
      this.#head++;
      this.first++;
    }
    if (this.#head >= CUT_AT && this.#head * 2 > this.#entries.length) {
      this.#entries = this.#entries.slice(this.#head);
      this.#head = 0;
    }
  }

  #truncate(from: LogIndex): void {
    this.#writes.rewrittenFrom(from);
    this.issued = Math.min(this.issued, from - 1);
    this.durable = Math.min(this.durable, from - 1);
    if (from <= this.first) {
      this.#clear(from);
    } else {
      for (let index = from; index <= this.last; index++) this.#bytes -= entryBytes(this.#at(index));
      this.#entries.length = this.#head + (from - this.first);
    }
    this.last = from - 1;
  }

  #clear(first: LogIndex): void {
    this.#entries = [];
    this.#head = 0;
    this.#bytes = 0;
    this.first = first;
  }

  #at(index: LogIndex): Entry {
    const entry = this.#entries[this.#head + (index - this.first)];
    assert(entry !== undefined && entry.index === index, `entry ${index} is at its place in memory`);
    return entry;
  }
}

export function entryBytes(entry: Entry): number {
  return entry.data.length + ENTRY_OVERHEAD_BYTES;
}

export function entriesBytes(entries: readonly Entry[]): number {
  let bytes = 0;
  for (const entry of entries) bytes += entryBytes(entry);
  return bytes;
}
