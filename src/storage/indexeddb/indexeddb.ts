/**
 * What is handed to append() is durable when its transaction has completed with `durability: "strict"`, which flushes to
 * the device; only then `done` is called. A request's success is not enough: its transaction may still abort.
 *
 * The tables live in memory and are written behind. Those transactions are strict as well: there are one or two in a
 * second, and a relaxed one could be lost in a power failure after the log that made it was compacted.
 *
 * There are two lanes, each with one transaction at a time: the log's store, and the state's stores. They share no store,
 * so a large write of state does not hold up the log. What arrives while a transaction runs goes into the next one
 * together. A bootstrap and an install take both lanes at once.
 *
 * When the browser closes the connection with nothing in flight, it is opened again at once, and trusted when it still
 * has the last write that was confirmed. With a transaction in flight its outcome is unknown, and Chromium may send that
 * transaction no event at all. So the store fails at the `close` event and the member starts over from the disk.
 */
import { deleteDB } from "idb";
import { assert } from "../../base/assert.ts";
import type { HardState, LogIndex, Term } from "../../protocol/peer/raft-message.ts";
import type { MemoryTables } from "../../mvcc/tables/memory-tables.ts";
import type { StateTables } from "../../mvcc/tables/tables.ts";
import type { LogReader } from "../../raft/log-reader.ts";
import type { ChangeTracker } from "../common/change-set.ts";
import { Connection } from "./indexeddb-connection.ts";
import {
  ALL_STORES,
  LOG_STORES,
  STATE_STORES,
  checkUnchanged,
  deleteOtherGenerations,
  dropOtherGenerations,
  explained,
  load,
  openDatabase,
  putIdentity,
  putLog,
  putMark,
  putState,
  type Loaded,
  type StateMark,
  type Writing,
} from "./indexeddb-database.ts";
import { IdbStagedState } from "./indexeddb-staged.ts";
import type { LogImage } from "./log-image.ts";
import type { StateImage } from "./state-image.ts";
import { StorageError } from "../storage-error.ts";
import type { Done, Identity, LogBatch, StagedState, Storage } from "../storage.ts";
import { WaitingCalls } from "../common/waiting-calls.ts";
import type { WaitingCall } from "../common/waiting-calls.ts";
import { WriteBehind } from "../common/write-behind.ts";

export interface IndexedDbOptions {
  /** Of the database: one per member. */
  readonly name: string;
  /** State is written once nothing changed for so long. Default 500. */
  readonly idleMs?: number;
  /** ... or, under load, at the latest after so long. Default 2,000. */
  readonly behindMs?: number;
  /** ... or when so many rows wait. Default 20,000. */
  readonly behindRows?: number;
  /** ... or so many bytes. Default 4 MiB. */
  readonly behindBytes?: number;
}

type WriteQueue = "log" | "state";

export async function openIndexedDbStorage(options: IndexedDbOptions): Promise<Storage> {
  try {
    const database = await openDatabase(options.name);
    try {
      const loaded = await load(database);
      await dropOtherGenerations(database, loaded.state.generation);
      return new IndexedDbStorage(loaded, options);
    } catch (error) {
      database.close();
      throw error;
    }
  } catch (error) {
    throw explained(error);
  }
}

/** Waits until every connection to it is closed. */
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
  /** The newest record of the log that is known to be on disk. */
  #durableSeq: number;

  readonly #connection: Connection;
  readonly #busy: Set<WriteQueue> = new Set();
  readonly #calls: WaitingCalls = new WaitingCalls();
  readonly #logWaiting: WaitingCall[] = [];
  readonly #flushWaiting: WaitingCall[] = [];
  #pumpScheduled: boolean = false;
  #flushDue: boolean = false;
  /** A bootstrap or an install: the next write takes both lanes. */
  #wholeDue: boolean = false;
  /** An aborted or a replaced generation is still on disk. */
  #leftovers: boolean = false;
  #failure: StorageError | undefined;
  #closed: boolean = false;
  readonly #behind: WriteBehind;

  constructor(loaded: Loaded, options: IndexedDbOptions) {
    this.#options = { idleMs: 500, behindMs: 2_000, behindRows: 20_000, behindBytes: 4 * 1024 * 1024, ...options };
    this.#behind = new WriteBehind(this.#options, () => this.#startFlush());
    this.#identity = loaded.identity;
    this.#log = loaded.log;
    this.#tables = loaded.tables;
    this.#tracker = loaded.tracker;
    this.#image = loaded.image;
    this.#newestGeneration = loaded.state.generation;
    this.#marked = loaded.state;
    this.#durable = loaded.state;
    this.#durableSeq = loaded.log.seq;
    this.appliedAtOpen = loaded.state.applied;
    const { hardState } = loaded.log;
    this.hardState = { ...hardState, commit: Math.max(hardState.commit, loaded.state.applied) };
    this.#log.setHardState(this.hardState);
    this.#connection = new Connection(options.name, loaded.database, {
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

  #wait(done: Done, lane: WaitingCall[]): void {
    lane.push(this.#calls.add(done));
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

  /** Starts whatever can be started. */
  #pump(): void {
    try {
      this.#startWork();
    } catch (error) {
      this.#fail(error);
    }
  }

  #startWork(): void {
    if (this.#closed) this.#failure ??= new StorageError("closed", "the store was closed");
    if (this.#failure !== undefined) return this.#tellAll();
    const hasWork = this.#logWaiting.length > 0 || this.#flushDue || this.#wholeDue;
    if (!this.#connection.isOpen) {
      // With something in flight there is nothing to do but wait for it to fail.
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
    if (!this.#log.dirty) return this.#tell(takeAll(this.#logWaiting));
    const transaction = this.#connection.begin(LOG_STORES);
    if (transaction === undefined) return;
    const told = takeAll(this.#logWaiting);
    putLog(transaction, this.#log.takeWrites());
    const { seq } = this.#log;
    this.#finish(transaction, ["log"], () => {
      this.#durableSeq = seq;
      this.#tell(told);
    });
  }

  #startState(): void {
    if (this.#flushDue) return this.#startStateFlush();
    const staged = this.#staged;
    if (staged?.isStaging === true) {
      if (!staged.isHeavy) return;
      const transaction = this.#connection.begin(STATE_STORES);
      if (transaction === undefined) return;
      putState(transaction, staged.generation, staged.takeWrites());
      return this.#finish(transaction, ["state"], () => {});
    }
    if (!this.#leftovers && staged === undefined) return;
    const transaction = this.#connection.begin(STATE_STORES);
    if (transaction === undefined) return;
    this.#leftovers = false;
    this.#staged = undefined;
    deleteOtherGenerations(transaction, this.#durable.generation);
    this.#finish(transaction, ["state"], () => {});
  }

  #startStateFlush(): void {
    const mark = this.#marked;
    this.#behind.stop();
    if (this.#tracker.markedCount === 0 && mark.applied === this.#durable.applied) {
      this.#flushDue = false;
      return this.#tell(takeAll(this.#flushWaiting));
    }
    const transaction = this.#connection.begin(STATE_STORES);
    if (transaction === undefined) return;
    const told = takeAll(this.#flushWaiting);
    this.#flushDue = false;
    const changes = this.#tracker.take();
    putState(transaction, mark.generation, this.#image.takeWrites(changes, this.#tables, this.#tracker.settled));
    putMark(transaction, mark);
    const sinceMs = performance.now();
    this.#finish(transaction, ["state"], () => {
      this.#durable = mark;
      this.onStateWritten?.(performance.now() - sinceMs);
      this.#tell(told);
    });
  }

  #startWhole(): void {
    const transaction = this.#connection.begin(ALL_STORES);
    if (transaction === undefined) return;
    const told = [...takeAll(this.#logWaiting), ...takeAll(this.#flushWaiting)];
    this.#wholeDue = false;
    this.#flushDue = false;
    this.#behind.stop();
    const mark = this.#marked;
    const changes = this.#tracker.take();
    if (this.#identity !== undefined) putIdentity(transaction, this.#identity);
    putLog(transaction, this.#log.takeWrites(true));
    putState(transaction, mark.generation, this.#image.takeWrites(changes, this.#tables, this.#tracker.settled));
    putMark(transaction, mark);
    const { seq } = this.#log;
    this.#finish(transaction, ["log", "state"], () => {
      this.#leftovers ||= mark.generation !== this.#durable.generation;
      this.#durableSeq = seq;
      this.#durable = mark;
      this.#tell(told);
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

  #finish(transaction: Writing, lanes: readonly WriteQueue[], durable: () => void): void {
    for (const lane of lanes) this.#busy.add(lane);
    const freed = (): void => {
      for (const lane of lanes) this.#busy.delete(lane);
      this.#schedule();
    };
    transaction.done.then(
      () => {
        freed();
        if (this.#failure === undefined) durable();
      },
      (error: unknown) => {
        freed();
        this.#fail(transaction.error ?? error);
      },
    );
    // Saves the round trip in which the browser finds out that no request follows.
    transaction.commit();
  }

  #fail(error: unknown): void {
    const isFirst = this.#failure === undefined;
    this.#failure ??= explained(error);
    this.#letGo();
    this.#schedule();
    if (isFirst && !this.#closed) this.onFailed?.(this.#failure);
  }

  #letGo(): void {
    this.#behind.stop();
    this.#connection.close();
  }

  #tell(told: readonly WaitingCall[]): void {
    this.#calls.resolve(told, this.#failure);
  }

  #tellAll(): void {
    takeAll(this.#logWaiting);
    takeAll(this.#flushWaiting);
    this.#calls.resolveAll(this.#failure);
  }
}

function takeAll(lane: WaitingCall[]): readonly WaitingCall[] {
  return lane.splice(0, lane.length);
}
