/**
 * What is handed to append() is durable when its `done` is called, not before; state rows are durable later, as far as
 * `durableApplied` says.
 *
 * A store keeps two things. The log (entries, term, vote) is written first and counts only once it is durable. The state
 * (tables) is what the committed entries made of it: it may lag behind on disk, because after a crash the log from
 * `durableApplied` on is applied again. State rows and the index that they belong to are always written in one
 * transaction, so the disk never holds half an entry's effect, and the log is never compacted past `durableApplied`.
 *
 *        append() ──► log ──────────────► done()            each write is one atomic transaction, in order of calls
 *        tables ──► stateChanged(i) ──► written behind ──► durableApplied = i
 *        compactLog(≤ durableApplied)
 *
 * Every method returns at once. Entries and rows can be read as soon as they were handed in, durable or not.
 */
import type { Entry, HardState, LogIndex, SnapshotMeta, Term } from "../protocol/peer/raft-message.ts";
import type { LogReader } from "../raft/log-reader.ts";
import type { StateTables } from "../mvcc/tables/tables.ts";

/**
 * The largest entry that every home can keep: a row of a Durable Object's SQLite ends at 2 MB, and a request at 1.5 MiB.
 * A larger one is refused with an assertion, before it can be acknowledged anywhere.
 */
export const ENTRY_BYTES_MAX = 1_835_008;

/** Called once, when the write is durable; with an error, the store is broken and the member must stop. */
export type Done = (error?: Error) => void;

export interface Identity {
  readonly clusterId: bigint;
  readonly memberId: bigint;
  readonly name: string;
}

export interface LogBatch {
  /**
   * Durable with the batch, `commit` too: Raft seldom asks for that alone, and when it does, a change of the members is
   * told only because a restart would know that it is committed.
   */
  readonly hardState: HardState | undefined;
  /** Contiguous; replaces everything from entries[0].index on. */
  readonly entries: readonly Entry[];
  /** Atomically: the staged state becomes the state, and the log restarts after snapshot.index (entries come after). */
  readonly install: { readonly snapshot: SnapshotMeta; readonly staged: StagedState } | undefined;
}

/** A state in the making, invisible until it is installed; leftovers of a crash are dropped at the next open. */
export interface StagedState {
  /** Rows are appended in revision order, as everywhere. */
  readonly tables: StateTables;
  abort(): void;
}

export interface Storage {
  /** undefined: a fresh store, good for bootstrap() and nothing else. */
  readonly identity: Identity | undefined;
  readonly log: LogReader;
  /** As loaded at open; `commit` is at least `appliedAtOpen`. */
  readonly hardState: HardState;
  /** The current state; another object after an install. */
  readonly tables: StateTables;
  /** Writes the identity, an initial hard state and all that is in the tables, atomically; once, on a fresh store. */
  bootstrap(identity: Identity, done: Done): void;
  /** One atomic, durable write. `done` calls come in the order of the writes, never before this returns. */
  append(batch: LogBatch, done: Done): void;
  /**
   * All changes to the tables so far belong to entry `applied`; without this call they are not written. Changes outside
   * an entry (a scrub step) are covered by calling it again with the same index.
   */
  stateChanged(applied: LogIndex, appliedTerm: Term): void;
  /** Writes behind now; done when all that stateChanged() covered is durable. */
  flush(done: Done): void;
  /** The state that a crash now would find. */
  readonly durableApplied: LogIndex;
  readonly appliedAtOpen: LogIndex;
  /** Drops entries <= index, which is at most durableApplied. Rides with a later write. */
  compactLog(index: LogIndex): void;
  /** At most one at a time: staging again drops what was staged before. */
  stage(): StagedState;
  /** Told after each transaction that wrote state rows, by homes that have a disk. */
  onStateWritten?: ((durationMs: number) => void) | undefined;
  /**
   * Called once, when the platform has taken the store away and no call is there to fail: a member that has nothing to
   * write must learn of it too. Backends whose platform never does so need not call it.
   */
  onFailed?: ((error: Error) => void) | undefined;
  /** On the platform's disk, as far as it tells. */
  readonly sizeBytes: number;
  /** Writes behind, waits for the writes, lets go. A store need not be closed: a crash is as good. */
  close(): Promise<void>;
}
