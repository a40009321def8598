/**
 * Contract of the storage of a member. Data passed to append() is durable when its `done` is called, not before. State
 * rows become durable later, up to `durableApplied`.
 *
 * A store keeps two things. The log (entries, term, vote) is written first and counts only once it is durable. The
 * state (tables) is the result of the committed entries. It may lag behind on disk, because after a crash the log after
 * `durableApplied` is applied again. State rows count from the transaction on that writes the index that they belong to,
 * so no reader finds half an entry's effect. The log is never compacted past `durableApplied`.
 *
 *        append() ──► log ──────────────► done()            each write is one atomic transaction, in order of calls
 *        tables ──► stateChanged(i) ──► written behind ──► durableApplied = i
 *        compactLog(≤ durableApplied)
 *
 * Every method returns at once. Entries and rows can be read as soon as they were passed in, durable or not.
 */
import type { Entry, HardState, LogIndex, SnapshotMeta, Term } from "../protocol/peer/raft-message.ts";
import type { LogReader } from "../raft/log/log-reader.ts";
import type { StateTables } from "../mvcc/tables/tables.ts";

/**
 * The largest entry that every backend can keep, in bytes: a row of a Durable Object's SQLite is limited to 2 MB, and a
 * request to 1.5 MiB. A larger one fails an assertion, before any member can acknowledge it.
 */
export const ENTRY_BYTES_MAX = 1_835_008;

/**
 * Called once, when the write is durable. With an error, the store cannot be used any more and the member must stop.
 */
export type Done = (error?: Error) => void;

export interface Identity {
  readonly clusterId: bigint;
  readonly memberId: bigint;
  readonly name: string;
}

export interface LogBatch {
  /**
   * Durable with the batch, `commit` included. Raft seldom writes a commit alone. When it does, it exposes a
   * configuration change only because a restart would know that it is committed.
   */
  readonly hardState: HardState | undefined;
  /** Contiguous. They replace everything from entries[0].index on. */
  readonly entries: readonly Entry[];
  /**
   * Atomically, the staged state becomes the state, and the log restarts after snapshot.index (`entries` follow it).
   */
  readonly install: { readonly snapshot: SnapshotMeta; readonly staged: StagedState } | undefined;
  /**
   * Whether only messages wait for this write. A store whose platform holds back all messages until the writes before
   * them are durable may call `done` earlier: when the write is made. Default false.
   */
  readonly isForMessages?: boolean;
}

/** A state that is being received, invisible until it is installed. The next open drops the leftovers of a crash. */
export interface StagedState {
  /** Rows are appended in revision order. */
  readonly tables: StateTables;
  abort(): void;
}

/** What a store has, in bytes. */
export interface HeldBytes {
  readonly log: number;
  readonly state: number;
}

export interface Storage {
  /** undefined: a fresh store, on which only bootstrap() may be called. */
  readonly identity: Identity | undefined;
  readonly log: LogReader;
  /** As loaded at open; `commit` is at least `appliedAtOpen`. */
  readonly hardState: HardState;
  /** The current state. An install replaces the object. */
  readonly tables: StateTables;
  /**
   * Writes the identity, an initial hard state and the content of the tables, atomically. Call it once, on a fresh
   * store.
   */
  bootstrap(identity: Identity, done: Done): void;
  /** Whether `isForMessages` makes a difference here. */
  readonly hasOutputGate?: boolean;
  /** Makes one atomic, durable write. `done` calls come in the order of the writes, never before this returns. */
  append(batch: LogBatch, done: Done): void;
  /**
   * Assigns all changes to the tables so far to entry `applied`; without this call they are not written. For changes
   * outside an entry (a step of compaction), call it again with the same index.
   */
  stateChanged(applied: LogIndex, appliedTerm: Term): void;
  /** Writes the state now. `done` is called when everything that stateChanged() covered is durable. */
  flush(done: Done): void;
  /** The applied index that a crash now would leave. */
  readonly durableApplied: LogIndex;
  readonly appliedAtOpen: LogIndex;
  /** Drops entries <= index, which is at most durableApplied. A later write includes it. */
  compactLog(index: LogIndex): void;
  /** Starts to stage a state. At most one at a time: staging again drops what was staged before. */
  stage(): StagedState;
  /** Called after each transaction that wrote state rows, by backends with a disk. */
  onStateWritten?: ((durationMs: number) => void) | undefined;
  /**
   * Called once, when the platform removed the store while no call is in flight that could fail. So a member without
   * writes learns of it too. Backends whose platform never does so need not call it.
   */
  onFailed?: ((error: Error) => void) | undefined;
  /** Bytes on the platform's disk, if it reports them. */
  readonly sizeBytes: number;
  /** Writes the state, waits for all writes, releases the store. Closing is optional: a crash is equally safe. */
  close(): Promise<void>;
}
