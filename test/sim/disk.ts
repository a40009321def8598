/**
 * A machine's disk: memory storage whose writes are observed, and which can be made to lie. The lies are planted
 * faults: a simulator that does not detect them proves nothing.
 */
import type { Entry, HardState, LogIndex, Term } from "../../src/protocol/peer/raft-message.ts";
import type { KeyTable, StateTables } from "../../src/mvcc/tables/tables.ts";
import type { LogReader } from "../../src/raft/log/log-reader.ts";
import type { MemoryStorage } from "../../src/storage/memory/memory.ts";
import type { Done, Identity, LogBatch, StagedState, Storage } from "../../src/storage/storage.ts";

export type DiskLie =
  /** Writes are acknowledged at once and reach the disk later, or never. */
  | "early-acknowledgement"
  /** The term is stored, its vote is not. */
  | "forgotten-votes"
  /** Some rows of a snapshot are lost. */
  | "lossy-snapshot"
  /** Compaction removes slightly more than requested. */
  | "greedy-compaction"
  /** Reading history, for unsynced watchers, sometimes skips a revision. */
  | "patchy-history";

export interface DiskObserver {
  /** Called before the entries are written. `previousTerm` is that of the entry before the first. */
  entriesWritten(entries: readonly Entry[], previousTerm: Term | undefined): void;
}

export class Disk implements Storage {
  readonly #inner: MemoryStorage;
  readonly #observer: DiskObserver;
  readonly #lie: DiskLie | undefined;
  readonly #soon: (run: () => void) => void;
  #staged: StagedState | undefined;

  constructor(
    inner: MemoryStorage,
    observer: DiskObserver,
    lie: DiskLie | undefined,
    /** Runs after the current call, unless the machine crashes. */
    soon: (run: () => void) => void,
  ) {
    this.#inner = inner;
    this.#observer = observer;
    this.#lie = lie;
    this.#soon = soon;
  }

  get identity(): Identity | undefined {
    return this.#inner.identity;
  }

  get log(): LogReader {
    return this.#inner.log;
  }

  get hardState(): HardState {
    return this.#inner.hardState;
  }

  get tables(): StateTables {
    const lies = this.#lie === "greedy-compaction" || this.#lie === "patchy-history";
    return lies ? lyingTables(this.#inner.tables, this.#lie) : this.#inner.tables;
  }

  get durableApplied(): LogIndex {
    return this.#inner.durableApplied;
  }

  get appliedAtOpen(): LogIndex {
    return this.#inner.appliedAtOpen;
  }

  get sizeBytes(): number {
    return this.#inner.sizeBytes;
  }

  bootstrap(identity: Identity, done: Done): void {
    this.#inner.bootstrap(identity, done);
  }

  append(batch: LogBatch, done: Done): void {
    const first = batch.entries[0];
    if (first !== undefined) {
      const before = batch.install?.snapshot;
      const previous = before?.index === first.index - 1 ? before.term : this.#inner.log.term(first.index - 1);
      this.#observer.entriesWritten(batch.entries, previous);
    }
    let { hardState, install } = batch;
    if (this.#lie === "forgotten-votes" && hardState !== undefined) hardState = { ...hardState, vote: 0n };
    if (install !== undefined && this.#staged !== undefined) install = { ...install, staged: this.#staged };
    // Even a lying disk waits for an install: the member continues with what it then finds.
    if (this.#lie !== "early-acknowledgement" || install !== undefined) {
      this.#inner.append({ ...batch, hardState, install }, done);
      return;
    }
    this.#inner.append(batch, () => {});
    this.#soon(() => done());
  }

  stateChanged(applied: LogIndex, appliedTerm: Term): void {
    this.#inner.stateChanged(applied, appliedTerm);
  }

  flush(done: Done): void {
    this.#inner.flush(done);
  }

  compactLog(index: LogIndex): void {
    this.#inner.compactLog(index);
  }

  stage(): StagedState {
    const staged = this.#inner.stage();
    if (this.#lie !== "lossy-snapshot") return staged;
    this.#staged = staged;
    return { tables: lyingTables(staged.tables, this.#lie), abort: () => staged.abort() };
  }

  close(): Promise<void> {
    return this.#inner.close();
  }
}

function lyingTables(tables: StateTables, lie: DiskLie | undefined): StateTables {
  return { keys: lyingKeys(tables.keys, lie), bucket: (name) => tables.bucket(name) };
}

function lyingKeys(keys: KeyTable, lie: DiskLie | undefined): KeyTable {
  return {
    at: (key, atRevision) => keys.at(key, atRevision),
    scan: (start, end, atRevision, withValues, visit) => keys.scan(start, end, atRevision, withValues, visit),
    count: (start, end, atRevision) => keys.count(start, end, atRevision),
    countPart: (start, end, atRevision, keysMax) => keys.countPart(start, end, atRevision, keysMax),
    append: (row) => {
      if (lie === "lossy-snapshot" && row.main % 16 === 0) return undefined;
      return keys.append(row);
    },
    history: (fromMain, toMain, visit, fromSub) => {
      // Not when the newest row is requested.
      const patchy = lie === "patchy-history" && fromMain > 0 && toMain < Number.MAX_SAFE_INTEGER;
      keys.history(fromMain, toMain, (row) => (patchy && row.main % 16 === 0) || visit(row), fromSub);
    },
    lastMain: () => keys.lastMain(),
    compact: (revision, cursor, maxKeys) =>
      keys.compact(lie === "greedy-compaction" ? revision + 2 : revision, cursor, maxKeys),
    get rowCount() {
      return keys.rowCount;
    },
    get sizeBytes() {
      return keys.sizeBytes;
    },
  };
}
