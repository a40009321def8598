/**
 * Storage of a member in a Durable Object. Data passed to append() is durable when the object's `sync()` has resolved,
 * and only then `done` is called.
 *
 * The platform's output gate holds every message that leaves the object until the writes before it are confirmed, so a
 * response could not overtake its write anyway. A leader waits for sync() nevertheless, because requests that arrive
 * meanwhile share the next write. For a follower, which only sends a response, the gate is enough (`isForMessages`): it
 * saves an event. If the write fails, the gate breaks, and the platform restarts the object without a message.
 *
 * All calls of a turn make one transaction, in a microtask after it, and share its sync(). State rows are written once
 * there are enough of them: thousands, in the order of their keys, because rows that are written together share the
 * pages of the tree that hold their keys. They leave in slices, one with each log write, so that no request waits for
 * all of them; they count from the last slice on, which writes the applied index, too. An idle moment causes slices of
 * its own, a large backlog one write. So a burst of puts costs one row per put, one per batch of the log, and little
 * else.
 */
import { assert } from "../../base/assert.ts";
import type { HardState, LogIndex, Term } from "../../protocol/peer/raft-message.ts";
import type { LogReader } from "../../raft/log/log-reader.ts";
import { Commits, explained } from "./durable-object-commits.ts";
import { type DurableObjectStorageOptions, type StorageSettings, withDefaults } from "./durable-object-options.ts";
import { createTables, isEmpty, recreate } from "./durable-object-tables.ts";
import { SqlStagedState } from "./durable-object-staged.ts";
import { SqlLog } from "../sqlite/sql-log.ts";
import { MetaTable, checkApplied } from "../sqlite/sql-meta.ts";
import { migrate, SCHEMA } from "../sqlite/sql-schema.ts";
import { otherGeneration } from "../sqlite/sql-statements.ts";
import { SqlStateTables } from "../sqlite/sql-tables.ts";
import type { DurableObjectStorageLike } from "../sqlite/sql.ts";
import { StorageError } from "../storage-error.ts";
import type { Done, Identity, LogBatch, StagedState, Storage } from "../storage.ts";

export function openDurableObjectStorage(
  storage: DurableObjectStorageLike,
  options: DurableObjectStorageOptions = {},
): Storage {
  try {
    return new DurableObjectStorage(storage, options);
  } catch (error) {
    throw explained(error);
  }
}

/** The state is the result of the log up to an entry. */
interface Mark {
  readonly applied: LogIndex;
  readonly term: Term;
}

/** Bytes of state rows that one write takes along, unless more have come since the last one. */
const SLICE_BYTES = 128 * 1024;
/** Pause between two slices while nothing else is written. */
const SLICE_EVERY_MS = 5;

class DurableObjectStorage implements Storage {
  readonly hardState: HardState;
  readonly appliedAtOpen: LogIndex;
  onStateWritten: ((durationMs: number) => void) | undefined;
  readonly #storage: DurableObjectStorageLike;
  readonly #options: StorageSettings;
  readonly #commits: Commits;
  readonly #meta: MetaTable;
  readonly #log: SqlLog;
  #identity: Identity | undefined;
  #tables: SqlStateTables;
  #staged: SqlStagedState | undefined;
  /**
   * The applied index of the last stateChanged(), then the one on disk after the write in flight, then the durable one.
   */
  #marked: Mark;
  /** What the flush that has begun makes durable; undefined if none has. */
  #flushing: Mark | undefined;
  /** What was marked, beside the flush, at its last slice. */
  #slicedCount: number = 0;
  #slicedBytes: number = 0;
  #writtenApplied: LogIndex;

  /** Calls of this turn that are not written yet. */
  #turn: Done[] = [];
  /** All of them only let messages go. */
  #isTurnForMessages: boolean = true;
  #writeScheduled: boolean = false;
  /** Everything is written with the next write. */
  #flushForced: boolean = false;
  /** A flush begins with the next write, however little there is. */
  #flushIdle: boolean = false;
  #newIdentity: boolean = false;
  #installing: boolean = false;
  #closed: boolean = false;
  #cancelTimer: (() => void) | undefined;
  #changedSinceTimer: boolean = false;
  /** The spare generation holds rows that are not needed. */
  #leftovers: boolean;

  constructor(storage: DurableObjectStorageLike, options: DurableObjectStorageOptions) {
    this.#storage = storage;
    this.#options = withDefaults(options);
    const { sql } = storage;
    if (!MetaTable.exists(sql)) storage.transactionSync(() => createTables(storage));
    const migrated = migrate(storage, options.schema ?? SCHEMA);
    if (migrated !== undefined) options.onMigrated?.(migrated);
    this.#meta = new MetaTable(sql);
    this.#identity = this.#meta.readIdentity();
    const state = this.#meta.readState();
    this.#log = new SqlLog(sql, this.#options.tailBytes);
    this.#tables = new SqlStateTables(sql, state.generation, state.counters);
    this.#marked = { applied: state.applied, term: state.appliedTerm };
    this.#writtenApplied = state.applied;
    this.#commits = new Commits(
      () => this.#storage.sync(),
      state.applied,
      (durationMs) => this.onStateWritten?.(durationMs),
    );
    this.appliedAtOpen = state.applied;
    const { hardState } = this.#log;
    this.hardState = { ...hardState, commit: Math.max(hardState.commit, state.applied) };
    this.#log.setHardState(this.hardState);
    checkApplied(state, this.#log);
    this.#leftovers = !isEmpty(storage, otherGeneration(state.generation));
    if (this.#leftovers) this.#armTimer();
  }

  get identity(): Identity | undefined {
    return this.#identity;
  }

  get log(): LogReader {
    return this.#log;
  }

  get tables(): SqlStateTables {
    return this.#tables;
  }

  get durableApplied(): LogIndex {
    return this.#commits.durableApplied;
  }

  get hasOutputGate(): boolean {
    return this.#options.hasOutputGate;
  }

  get sizeBytes(): number {
    return this.#storage.sql.databaseSize;
  }

  bootstrap(identity: Identity, done: Done): void {
    assert(this.#identity === undefined, "a store is bootstrapped once");
    this.#identity = identity;
    this.#newIdentity = true;
    this.#flushForced = true;
    this.#tables.mark();
    this.#schedule(done);
  }

  append(batch: LogBatch, done: Done): void {
    assert(this.#identity !== undefined, "a fresh store is bootstrapped first");
    const { hardState, entries, install } = batch;
    if (install !== undefined) this.#switchTo(install);
    this.#log.append(entries);
    if (hardState !== undefined) this.#log.setHardState(hardState);
    this.#schedule(done, batch.isForMessages);
  }

  stateChanged(applied: LogIndex, appliedTerm: Term): void {
    assert(applied >= this.#marked.applied, "applied never falls");
    assert(applied <= this.#log.lastIndex(), `entry ${applied} is in the log`);
    this.#tables.mark();
    this.#marked = { applied, term: appliedTerm };
    this.#changedSinceTimer = true;
    const { backlogRows, backlogBytes } = this.#options;
    if (this.#tables.markedCount >= backlogRows || this.#tables.markedBytes >= backlogBytes) {
      this.#flushForced = true;
      this.#schedule(undefined);
    } else this.#armTimer();
  }

  flush(done: Done): void {
    this.#flushForced = true;
    this.#schedule(done);
  }

  compactLog(index: LogIndex): void {
    assert(index <= this.#commits.durableApplied, `entry ${index} is applied durably before it is dropped`);
    this.#log.compact(index);
    // What comes next may be the eviction.
    if (this.#log.isEmptied) this.#schedule(undefined);
  }

  stage(): StagedState {
    // An install of this turn comes first: it makes another generation the spare one.
    if (this.#installing) this.#write();
    this.#staged?.abort();
    if (this.#leftovers) this.#dropLeftovers();
    this.#leftovers = true;
    this.#staged = new SqlStagedState(this.#storage, otherGeneration(this.#tables.generation), () => this.#armTimer());
    return this.#staged;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    await new Promise<void>((resolve) => {
      this.flush(() => resolve());
    });
    this.#closed = true;
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
  }

  #switchTo(install: NonNullable<LogBatch["install"]>): void {
    const { snapshot, staged } = install;
    assert(staged === this.#staged && staged instanceof SqlStagedState, "what is installed was staged here");
    this.#staged = undefined;
    this.#tables = staged.install();
    this.#flushing = undefined;
    this.#marked = { applied: snapshot.index, term: snapshot.term };
    this.#log.restart(snapshot.index, snapshot.term);
    this.#installing = true;
    // The previous state is now in the spare generation.
    this.#armTimer();
  }

  #schedule(done: Done | undefined, isForMessages: boolean = false): void {
    if (done !== undefined) {
      this.#turn.push(done);
      this.#isTurnForMessages &&= isForMessages;
    }
    if (this.#writeScheduled) return;
    this.#writeScheduled = true;
    // A microtask. workerd's own queueMicrotask costs many times as much as a promise.
    void Promise.resolve().then(() => {
      this.#writeScheduled = false;
      this.#write();
    });
  }

  /** Makes one transaction for all calls of the turn. */
  #write(): void {
    const done = this.#turn;
    const isForMessages = this.#isTurnForMessages && this.#options.hasOutputGate;
    this.#turn = [];
    this.#isTurnForMessages = true;
    const startMs = Date.now();
    let wroteState = false;
    if (this.#closed) this.#commits.fail(new StorageError("closed", "the store was closed"));
    if (this.#commits.failure === undefined) {
      try {
        wroteState = this.#flushForced || this.#installing ? this.#writeAll() : this.#writeSlice();
      } catch (error) {
        this.#commits.fail(explained(error));
      }
    }
    // Writes of rows of the state are timed, and `done` calls keep their order.
    if (isForMessages && !wroteState && this.#commits.isSynced) {
      for (const each of done) each(this.#commits.failure);
      return;
    }
    this.#commits.add({ done, applied: this.#writtenApplied, stateSinceMs: wroteState ? startMs : undefined });
  }

  /** Writes the log and all of the state. Returns whether it wrote rows of the state. */
  #writeAll(): boolean {
    const isLogOnly = this.#flushing === undefined && !this.#installing && !this.#hasUnwritten;
    this.#storage.transactionSync(() => {
      if (this.#newIdentity && this.#identity !== undefined) this.#meta.writeIdentity(this.#identity);
      if (this.#flushing !== undefined) this.#completeFlush();
      if (this.#installing || this.#hasUnwritten) {
        this.#beginFlush();
        this.#completeFlush();
      }
      this.#log.write();
    });
    this.#newIdentity = false;
    this.#flushForced = false;
    this.#installing = false;
    return !isLogOnly;
  }

  /** Writes the log, and the next slice of a flush that is due. Returns whether it wrote rows of the state. */
  #writeSlice(): boolean {
    const isIdle = this.#flushIdle;
    this.#flushIdle = false;
    if (this.#flushing === undefined && (this.#isFlushDue || (isIdle && this.#hasUnwritten))) this.#beginFlush();
    if (this.#flushing === undefined) {
      this.#writeLog();
      return false;
    }
    // A slice is as large as what came since the last one. Otherwise flushes would grow without end.
    const { markedCount, markedBytes } = this.#tables;
    const { sliceRows, idleSliceRows } = this.#options;
    const rowsMax = Math.max(isIdle ? idleSliceRows : sliceRows, markedCount - this.#slicedCount);
    const bytesMax = Math.max(SLICE_BYTES, markedBytes - this.#slicedBytes);
    this.#slicedCount = markedCount;
    this.#slicedBytes = markedBytes;
    // Without a transaction within the platform's own, which keeps a copy of each page that it touches, in a separate
    // file if there are many. These rows do not count yet, so half of them does no harm.
    if (this.#tables.insert(rowsMax, bytesMax)) {
      this.#storage.transactionSync(() => {
        this.#completeFlush();
        this.#log.write();
      });
      return true;
    }
    this.#writeLog();
    if (isIdle) this.#armTimer(SLICE_EVERY_MS);
    return true;
  }

  /** Almost always one statement, which is atomic by itself. */
  #writeLog(): void {
    if (this.#log.writesOnce) this.#log.write();
    else this.#storage.transactionSync(() => this.#log.write());
  }

  get #isFlushDue(): boolean {
    const { markedCount, markedBytes } = this.#tables;
    return markedCount >= this.#options.flushRows || markedBytes >= this.#options.flushBytes;
  }

  get #hasUnwritten(): boolean {
    return this.#tables.markedCount > 0 || this.#marked.applied > (this.#flushing?.applied ?? this.#writtenApplied);
  }

  #beginFlush(): void {
    this.#tables.freeze();
    this.#flushing = this.#marked;
    this.#slicedCount = 0;
    this.#slicedBytes = 0;
  }

  #completeFlush(): void {
    const { applied, term } = this.#flushing ?? this.#marked;
    const counters = this.#tables.flush();
    this.#meta.writeState({ generation: this.#tables.generation, applied, appliedTerm: term, counters });
    this.#writtenApplied = applied;
    this.#flushing = undefined;
  }

  #armTimer(delayMs: number = this.#options.idleMs): void {
    this.#cancelTimer ??= this.#options.timer(() => this.#idle(), delayMs);
  }

  /** Writes the state rows after an idle moment, so that a wake-up has nothing to apply again. */
  #idle(): void {
    this.#cancelTimer = undefined;
    if (this.#closed || this.#commits.failure !== undefined) return;
    if (this.#changedSinceTimer) {
      this.#changedSinceTimer = false;
      this.#armTimer();
      return;
    }
    if (this.#leftovers && this.#staged?.isStaging !== true && !this.#installing) this.#dropLeftovers();
    if (this.#flushing === undefined && !this.#hasUnwritten) return;
    this.#flushIdle = true;
    this.#schedule(undefined);
  }

  /**
   * Drops the spare generation as a whole. A table is dropped at once, not row by row: workerd bills nothing for it (a
   * deleted row is billed like a written one), and dropping 200,000 rows took 10 ms.
   */
  #dropLeftovers(): void {
    this.#leftovers = false;
    try {
      recreate(this.#storage, otherGeneration(this.#tables.generation));
    } catch (error) {
      this.#commits.fail(explained(error));
    }
  }
}
