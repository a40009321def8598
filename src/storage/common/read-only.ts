/** What was read from a store that cannot be written now. It answers reads, and every write fails with the reason. */
import { assert } from "../../base/assert.ts";
import type { StateTables } from "../../mvcc/tables/tables.ts";
import type { HardState, LogIndex } from "../../protocol/peer/raft-message.ts";
import type { LogReader } from "../../raft/log/log-reader.ts";
import type { StorageError } from "../storage-error.ts";
import type { Done, HeldBytes, Identity, LogBatch, StagedState, Storage } from "../storage.ts";

export interface StoredContent {
  readonly identity: Identity;
  readonly log: LogReader;
  readonly hardState: HardState;
  readonly tables: StateTables;
  readonly applied: LogIndex;
  readonly held: HeldBytes;
}

export class ReadOnlyStorage implements Storage {
  readonly identity: Identity;
  readonly log: LogReader;
  readonly hardState: HardState;
  readonly tables: StateTables;
  readonly durableApplied: LogIndex;
  readonly appliedAtOpen: LogIndex;
  readonly sizeBytes: number;
  /** Why nothing can be written. */
  readonly reason: StorageError;

  constructor({ identity, log, hardState, tables, applied, held }: StoredContent, reason: StorageError) {
    this.identity = identity;
    this.log = log;
    this.hardState = { ...hardState, commit: Math.max(hardState.commit, applied) };
    this.tables = tables;
    this.durableApplied = applied;
    this.appliedAtOpen = applied;
    this.sizeBytes = held.log + held.state;
    this.reason = reason;
  }

  bootstrap(_: Identity, done: Done): void {
    this.#refuse(done);
  }

  append(_: LogBatch, done: Done): void {
    this.#refuse(done);
  }

  /** What the log has beyond the stored state is applied in memory only. */
  stateChanged(): void {}

  flush(done: Done): void {
    this.#refuse(done);
  }

  compactLog(): void {}

  stage(): StagedState {
    assert(false, "no state is received by a member that only reads");
  }

  async close(): Promise<void> {}

  #refuse(done: Done): void {
    queueMicrotask(() => done(this.reason));
  }
}
