/**
 * The replicated log of this member: the stored part behind a LogReader, the tail in memory, and three marks on it.
 *
 *   Invariant: first ≤ applied + 1 ≤ applying + 1 ≤ committed + 1 ≤ last + 1
 *
 * Storage may compact entries at the front at any time, so every method that needs the front reads it again.
 */
import { assert } from "../../base/assert.ts";
import type { Entry, LogIndex, SnapshotMeta, Term } from "../../protocol/peer/raft-message.ts";
import { PendingMembers } from "./pending-members.ts";
import type { LogReader } from "./log-reader.ts";
import { Unstable } from "./unstable.ts";
import { Writes, type Write } from "./writes.ts";

export interface LogOptions {
  readonly reader: LogReader;
  readonly commit: LogIndex;
  readonly applied: LogIndex;
  readonly keepBytes: number;
}

export class RaftLog {
  readonly #reader: LogReader;
  readonly unstable: Unstable;
  readonly writes: Writes = new Writes();
  readonly pendingMembers: PendingMembers = new PendingMembers();
  committed: LogIndex;
  /** Highest commit index that a restart would know. */
  durableCommit: LogIndex;
  /** Highest index handed out to be applied. */
  applying: LogIndex;
  applied: LogIndex;

  constructor(options: LogOptions) {
    this.#reader = options.reader;
    this.unstable = new Unstable(options.reader.lastIndex(), this.writes, options.keepBytes);
    this.applied = options.applied;
    this.applying = options.applied;
    this.committed = Math.max(options.commit, options.applied);
    this.durableCommit = options.commit;
    this.pendingMembers.load(options.reader, options.applied);
  }

  get firstIndex(): LogIndex {
    const { snapshot } = this.unstable;
    return snapshot === undefined ? this.#reader.firstIndex() : snapshot.index + 1;
  }

  get lastIndex(): LogIndex {
    return this.unstable.last;
  }

  get lastTerm(): Term {
    return this.term(this.lastIndex) ?? 0;
  }

  /** Highest index that is durable as the log is now. This member may acknowledge up to here. */
  get durableIndex(): LogIndex {
    return this.unstable.snapshot === undefined ? this.unstable.durable : 0;
  }

  /** Returns the term of an entry; undefined if compacted or beyond the end. The term before the first entry is 0. */
  term(index: LogIndex): Term | undefined {
    if (index > this.lastIndex || index < this.firstIndex - 1) return undefined;
    if (index === 0) return 0;
    return this.unstable.term(index) ?? this.#reader.term(index);
  }

  hasEntry(index: LogIndex, term: Term): boolean {
    return this.term(index) === term;
  }

  /** §5.4.1: the log with the later last term is more up to date. With equal terms, the longer log is. */
  isUpToDate(lastIndex: LogIndex, lastTerm: Term): boolean {
    const own = this.lastTerm;
    return lastTerm > own || (lastTerm === own && lastIndex >= this.lastIndex);
  }

  /**
   * Returns entries [low, high) or fewer: at least one, within maxBytes, and never across the border to the stored
   * part.
   */
  entries(low: LogIndex, high: LogIndex, maxBytes: number): readonly Entry[] {
    assert(low >= this.firstIndex, `entry ${low} is not compacted`);
    const { first } = this.unstable;
    if (low >= first) return this.unstable.slice(low, high, maxBytes);
    const entries = this.#reader.entries(low, Math.min(high, first), maxBytes);
    assert(entries[0]?.index === low, `storage has entry ${low}`);
    return entries;
  }

  append(entries: readonly Entry[]): void {
    const first = entries[0];
    if (first === undefined) return;
    assert(first.index > this.committed, `entry ${first.index} does not rewrite what is committed`);
    this.unstable.append(entries);
    this.pendingMembers.append(entries);
  }

  /** Returns the position in `entries` at which they first differ from this log; their count if they do not differ. */
  findConflict(entries: readonly Entry[]): number {
    let at = 0;
    while (at < entries.length) {
      const entry = entries[at] as Entry;
      if (!this.hasEntry(entry.index, entry.term)) break;
      at++;
    }
    return at;
  }

  /**
   * Returns the highest index at or below `index` whose term is at most `term`; term 0 if it is compacted. Logs agree
   * up to some point, and terms never decrease within a log. So two logs whose terms differ like that agree at most up
   * to the returned index.
   */
  lastOfTermAtMost(index: LogIndex, term: Term): { readonly index: LogIndex; readonly term: Term } {
    let low = this.firstIndex - 2;
    let high = Math.min(index, this.lastIndex);
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      const known = this.term(middle);
      assert(known !== undefined, `the term at ${middle} is known`);
      if (known <= term) low = middle;
      else high = middle - 1;
    }
    return { index: Math.max(high, 0), term: this.term(high) ?? 0 };
  }

  commitTo(index: LogIndex): boolean {
    if (index <= this.committed) return false;
    assert(index <= this.lastIndex, `entry ${index} is there to be committed`);
    this.committed = index;
    return true;
  }

  /** Returns the last index that may be handed out: committed and exposed, durable here, one batch at a time. */
  applicable(exposed: LogIndex): LogIndex {
    if (this.applying > this.applied || this.unstable.snapshot !== undefined) return this.applying;
    return Math.max(this.applying, Math.min(exposed, this.unstable.durable));
  }

  nextToApply(exposed: LogIndex, maxBytes: number): readonly Entry[] {
    const last = this.applicable(exposed);
    if (last <= this.applying) return [];
    const entries = this.entries(this.applying + 1, last + 1, maxBytes);
    this.applying += entries.length;
    return entries;
  }

  appliedTo(index: LogIndex): void {
    if (index <= this.applied) return;
    assert(index <= this.applying, `entry ${index} was handed out`);
    this.applied = index;
    this.pendingMembers.appliedTo(index);
    this.unstable.trim(index);
  }

  /** Replaces everything known with the state of a snapshot. Only for a snapshot beyond the commit index. */
  restore(snapshot: SnapshotMeta): void {
    assert(snapshot.index > this.committed, "a snapshot never takes back what is committed");
    this.unstable.restore(snapshot);
    this.pendingMembers.clear();
    this.committed = snapshot.index;
  }

  /** Call when a write is durable, and with a snapshot also the state that it stands for. */
  acknowledge({ lastIndex, commit, snapshot }: Write): void {
    this.durableCommit = Math.max(this.durableCommit, commit);
    if (snapshot !== undefined) {
      this.applied = Math.max(this.applied, snapshot.index);
      this.applying = Math.max(this.applying, snapshot.index);
    }
    this.unstable.acknowledge(lastIndex, snapshot);
    this.unstable.trim(this.applied);
  }
}
