/**
 * Storage of a member in a tab. Data passed to append() is durable when its transaction has completed with `durability:
 * "strict"`, which flushes to the device. Only then `done` is called. The success of a request is not enough: its
 * transaction may still abort.
 *
 * The tables are in memory and written behind. Their transactions are strict as well: there are one or two per second,
 * and a power failure could lose a relaxed one after the log that it came from was compacted.
 *
 * There are two write queues, with one transaction each at a time: the log store and the state stores. They share no
 * store, so a large state write does not delay the log. Writes that arrive meanwhile are batched into the next
 * transaction. A bootstrap and an install take both queues at once.
 *
 * If the browser closes an idle connection, it is opened again at once, and the last confirmed write is checked. If a
 * transaction was in flight, its outcome is unknown, and Chromium may send it no event at all. So the store fails at
 * the `close` event, and the member restarts from disk.
 */
import { deleteDB } from "idb";
import { assert } from "../../base/assert.ts";
import type { HardState, LogIndex, Term } from "../../protocol/peer/raft-message.ts";
import type { MemoryTables } from "../../mvcc/tables/memory-tables.ts";
import type { StateTables } from "../../mvcc/tables/tables.ts";
import type { LogReader } from "../../raft/log/log-reader.ts";
import type { ChangeTracker } from "../common/change-set.ts";
import { Connection } from "./indexeddb-connection.ts";
import {
  ALL_STORES,
  LOG_STORES,
  STATE_STORES,
  checkUnchanged,
  dropOtherGenerations,
  explained,
  generationDeletes,
  identityWrite,
  load,
  logWrites,
  openDatabase,
  rowWrites,
  stateWrites,
  type Loaded,
  type StateMark,
} from "./indexeddb-database.ts";
import { fence } from "./indexeddb-fence.ts";
import { writeAll, writeTogether } from "./indexeddb-writing.ts";
import { IdbStagedState } from "./indexeddb-staged.ts";
import type { LogImage } from "./log-image.ts";
import type { StateImage } from "./state-image.ts";
import { StorageError } from "../storage-error.ts";
import type { Done, Identity, LogBatch, StagedState, Storage } from "../storage.ts";
import { WaitingCalls } from "../common/waiting-calls.ts";
import type { WaitingCall } from "../common/waiting-calls.ts";
import { WriteBehind } from "../common/write-behind.ts";

export interface IndexedDbOptions {
  /** Name of the database. Each member has its own. */
  readonly name: string;
  /** State is written once nothing changed for this time, in milliseconds. Default 500. */
  readonly idleMs?: number;
  /** Under load, state is written after this time at the latest, in milliseconds. Default 2,000. */
  readonly behindMs?: number;
  /** State is also written once there are this many changed rows. Default 20,000. */
  readonly behindRows?: number;
  /** State is also written once there are this many changed bytes. Default 4 MiB. */
  readonly behindBytes?: number;
  /** Called first of all when a write is refused because the database was opened again elsewhere. */
  readonly onReplaced?: () => void;
}

type WriteQueue = "log" | "state";

export async function openIndexedDbStorage(options: IndexedDbOptions): Promise<Storage> {
  try {
    const database = await openDatabase(options.name);
    try {
      const key = await fence(database, Math.random);
      const loaded = await load(database, key);
      await dropOtherGenerations(database, loaded.state.generation, key);
      return new IndexedDbStorage(loaded, options);
    } catch (error) {
      database.close();
      throw error;
    }
  } catch (error) {
    throw explained(error);
  }
}

/** Deletes the database. Waits until every connection to it is closed. */
export async function deleteIndexedDb(name: string): Promise<void> {
  await deleteDB(name);
}

class IndexedDbStorage implements Storage {
  readonly hardState: HardState;
  readonly appliedAtOpen: LogIndex;
  onStateWritten: ((durationMs: number) => void) | undefined;
  onFailed: ((error: Error) => void) | undefined;
  readonly #options: Required<IndexedDbOptions>;
  readonly #log: LogImage;
  #identity: Identity | undefined;
  #tables: MemoryTables;
  #tracker: ChangeTracker;
  #image: StateImage;
  #staged: IdbStagedState | undefined;
  #newestGeneration: number;
  #marked: StateMark;
  #durable: StateMark;
  #stateWrite: number;
  /** The newest record of the log that is known to be on disk. */
  #durableSeq: number;

  readonly #connection: Connection;
  readonly #busy: Set<WriteQueue> = new Set();
  readonly #calls: WaitingCalls = new WaitingCalls();
  readonly #logWaiting: WaitingCall[] = [];
  readonly #flushWaiting: WaitingCall[] = [];
  #pumpScheduled: boolean = false;
  #flushDue: boolean = false;
  /** A bootstrap or an install. The next write takes both queues. */
  #wholeDue: boolean = false;
  /** True if an aborted or a replaced generation is still on disk. */
  #leftovers: boolean = false;
  #failure: StorageError | undefined;
  #closed: boolean = false;
  readonly #behind: WriteBehind;

  constructor(loaded: Loaded, options: IndexedDbOptions) {
    const defaults = { idleMs: 500, behindMs: 2_000, behindRows: 20_000, behindBytes: 4 * 1024 * 1024 };
    this.#options = { ...defaults, onReplaced: () => {}, ...options };
    this.#behind = new WriteBehind(this.#options, () => this.#startFlush());
    this.#identity = loaded.identity;
    this.#log = loaded.log;
    this.#tables = loaded.tables;
    this.#tracker = loaded.tracker;
    this.#image = loaded.image;
    this.#newestGeneration = loaded.state.generation;
    this.#marked = loaded.state;
    this.#durable = loaded.state;
    this.#stateWrite = loaded.stateWrite;
    this.#durableSeq = loaded.log.seq;
    this.appliedAtOpen = loaded.state.applied;
    const { hardState } = loaded.log;
    this.hardState = { ...hardState, commit: Math.max(hardState.commit, loaded.state.applied) };
    this.#log.setHardState(this.hardState);
    this.#connection = new Connection(options.name, loaded, {
      changed: () => this.#schedule(),
      closed: () => this.#onClosed(),
      failed: (error) => this.#fail(error),
    });
  }

  get identity(): Identity | undefined {
    return this.#identity;
  }

  get log(): LogReader {
    return this.#log.window;
  }

  get tables(): StateTables {
    return this.#tables;
  }

  get durableApplied(): LogIndex {
    return this.#durable.applied;
  }

  get sizeBytes(): number {
    return this.#tables.keys.sizeBytes + this.#log.window.sizeBytes;
  }

  bootstrap(identity: Identity, done: Done): void {
    assert(this.#identity === undefined, "a store is bootstrapped once");
    this.#identity = identity;
    this.#wholeDue = true;
    this.#tracker.mark(this.#tables);
    this.#wait(done, this.#logWaiting);
  }

  append(batch: LogBatch, done: Done): void {
    assert(this.#identity !== undefined, "a fresh store is bootstrapped first");
    const { hardState, entries, install } = batch;
    if (install !== undefined) this.#switchTo(install);
    this.#log.append(entries);
    if (hardState !== undefined) this.#log.setHardState(hardState);
    this.#wait(done, this.#logWaiting);
  }

  stateChanged(applied: LogIndex, appliedTerm: Term): void {
    assert(applied >= this.#marked.applied, "applied never falls");
    assert(applied <= this.#log.window.lastIndex(), `entry ${applied} is in the log`);
    this.#tracker.mark(this.#tables);
    this.#marked = { generation: this.#marked.generation, applied, appliedTerm };
    const { behindRows, behindBytes } = this.#options;
    if (this.#tracker.markedCount >= behindRows || this.#tracker.markedBytes >= behindBytes) return this.#startFlush();
    this.#behind.changed(applied);
  }

  flush(done: Done): void {
    this.#flushDue = true;
    this.#wait(done, this.#flushWaiting);
  }

  compactLog(index: LogIndex): void {
    assert(index <= this.durableApplied, `entry ${index} is applied durably before it is dropped`);
    this.#log.compact(index);
  }

  stage(): StagedState {
    if (this.#staged !== undefined) this.#leftovers = true;
    this.#staged?.abort();
    this.#staged = new IdbStagedState(++this.#newestGeneration, () => this.#schedule());
    return this.#staged;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    await new Promise<void>((resolve) => {
      this.flush(() => resolve());
    });
    this.#closed = true;
    this.#letGo();
  }

  #switchTo(install: NonNullable<LogBatch["install"]>): void {
    const { snapshot, staged } = install;
    assert(staged === this.#staged && staged instanceof IdbStagedState, "what is installed was staged here");
    this.#staged = undefined;
    staged.install();
    this.#tables = staged.tables;
    this.#tracker = staged.tracker;
    this.#image = staged.image;
    this.#marked = { generation: staged.generation, applied: snapshot.index, appliedTerm: snapshot.term };
    this.#log.restart(snapshot.index, snapshot.term);
    this.#wholeDue = true;
  }

  #startFlush(): void {
    this.#flushDue = true;
    this.#schedule();
  }

  #wait(done: Done, calls: WaitingCall[]): void {
    calls.push(this.#calls.add(done));
    this.#schedule();
  }

  #schedule(): void {
    if (this.#pumpScheduled) return;
    this.#pumpScheduled = true;
    queueMicrotask(() => {
      this.#pumpScheduled = false;
      this.#pump();
    });
  }

  /** Starts every write that can be started. */
  #pump(): void {
    try {
      this.#startWork();
    } catch (error) {
      this.#fail(error);
    }
  }

  #startWork(): void {
    if (this.#closed) this.#failure ??= new StorageError("closed", "the store was closed");
    if (this.#failure !== undefined) return this.#resolveAll();
    const hasWork = this.#logWaiting.length > 0 || this.#flushDue || this.#wholeDue;
    if (!this.#connection.isOpen) {
      // With a transaction in flight, wait for it to fail.
      if (hasWork && this.#busy.size === 0) void this.#reopen();
      return;
    }
    if (this.#wholeDue) {
      if (this.#busy.size === 0) this.#startWhole();
      return;
    }
    if (!this.#busy.has("log") && this.#logWaiting.length > 0) this.#startLog();
    if (!this.#busy.has("state")) this.#startState();
  }

  #startLog(): void {
    if (!this.#log.dirty) return this.#resolve(takeAll(this.#logWaiting));
    const begun = this.#connection.begin(LOG_STORES);
    if (begun === undefined) return;
    const { transaction, guard } = begun;
    const waiting = takeAll(this.#logWaiting);
    const writes = logWrites(transaction, this.#log.takeWrites());
    const { seq } = this.#log;
    this.#finish(writeAll(transaction, guard, writes), ["log"], () => {
      this.#durableSeq = seq;
      this.#resolve(waiting);
    });
  }

  #startState(): void {
    if (this.#flushDue) return this.#startStateFlush();
    const staged = this.#staged;
    if (staged?.isStaging === true) {
      if (!staged.isHeavy) return;
      const begun = this.#connection.begin(STATE_STORES);
      if (begun === undefined) return;
      const { transaction, guard } = begun;
      const writes = rowWrites(transaction, staged.generation, staged.takeWrites());
      return this.#finish(writeTogether(transaction, guard, writes), ["state"], () => {});
    }
    if (!this.#leftovers && staged === undefined) return;
    const begun = this.#connection.begin(STATE_STORES);
    if (begun === undefined) return;
    const { transaction, guard } = begun;
    this.#leftovers = false;
    this.#staged = undefined;
    const deletes = generationDeletes(transaction, this.#durable.generation);
    this.#finish(writeTogether(transaction, guard, deletes), ["state"], () => {});
  }

  #startStateFlush(): void {
    const mark = this.#marked;
    this.#behind.stop();
    if (this.#tracker.markedCount === 0 && mark.applied === this.#durable.applied) {
      this.#flushDue = false;
      return this.#resolve(takeAll(this.#flushWaiting));
    }
    const begun = this.#connection.begin(STATE_STORES);
    if (begun === undefined) return;
    const { transaction, guard } = begun;
    const waiting = takeAll(this.#flushWaiting);
    this.#flushDue = false;
    const changes = this.#tracker.take();
    const rows = this.#image.takeWrites(changes, this.#tables, this.#tracker.settled);
    const writes = stateWrites(transaction, rows, mark, ++this.#stateWrite);
    const sinceMs = performance.now();
    this.#finish(writeAll(transaction, guard, writes), ["state"], () => {
      this.#durable = mark;
      this.onStateWritten?.(performance.now() - sinceMs);
      this.#resolve(waiting);
    });
  }

  #startWhole(): void {
    const begun = this.#connection.begin(ALL_STORES);
    if (begun === undefined) return;
    const { transaction, guard } = begun;
    const waiting = [...takeAll(this.#logWaiting), ...takeAll(this.#flushWaiting)];
    this.#wholeDue = false;
    this.#flushDue = false;
    this.#behind.stop();
    const mark = this.#marked;
    const changes = this.#tracker.take();
    const rows = this.#image.takeWrites(changes, this.#tables, this.#tracker.settled);
    const writes = [
      ...(this.#identity === undefined ? [] : [identityWrite(transaction, this.#identity)]),
      ...logWrites(transaction, this.#log.takeWrites(true)),
      ...stateWrites(transaction, rows, mark, ++this.#stateWrite),
    ];
    const { seq } = this.#log;
    this.#finish(writeAll(transaction, guard, writes), ["log", "state"], () => {
      this.#leftovers ||= mark.generation !== this.#durable.generation;
      this.#durableSeq = seq;
      this.#durable = mark;
      this.#resolve(waiting);
    });
  }

  #onClosed(): void {
    if (this.#busy.size === 0) return void this.#reopen();
    const text = "the browser closed this member's database while a write was under way; was the site's data cleared?";
    this.#fail(new StorageError("lost", text));
  }

  #reopen(): Promise<void> {
    return this.#connection.reopen((database) => checkUnchanged(database, this.#durableSeq, this.#durable));
  }

  #finish(written: Promise<void>, queues: readonly WriteQueue[], durable: () => void): void {
    for (const queue of queues) this.#busy.add(queue);
    const freed = (): void => {
      for (const queue of queues) this.#busy.delete(queue);
      this.#schedule();
    };
    written.then(
      () => {
        freed();
        if (this.#failure === undefined) durable();
      },
      (error: unknown) => {
        freed();
        this.#fail(error);
      },
    );
  }

  #fail(error: unknown): void {
    const isFirst = this.#failure === undefined;
    this.#failure ??= explained(error);
    if (isFirst && this.#failure.kind === "replaced") this.#options.onReplaced();
    this.#letGo();
    this.#schedule();
    if (isFirst && !this.#closed) this.onFailed?.(this.#failure);
  }

  #letGo(): void {
    this.#behind.stop();
    this.#connection.close();
  }

  #resolve(waiting: readonly WaitingCall[]): void {
    this.#calls.resolve(waiting, this.#failure);
  }

  #resolveAll(): void {
    takeAll(this.#logWaiting);
    takeAll(this.#flushWaiting);
    this.#calls.resolveAll(this.#failure);
  }
}

function takeAll(calls: WaitingCall[]): readonly WaitingCall[] {
  return calls.splice(0, calls.length);
}
