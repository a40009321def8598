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
import type { StateTables } from "../../mvcc/tables/tables.ts";
import type { LogReader } from "../../raft/log/log-reader.ts";
import { Connection } from "./indexeddb-connection.ts";
import { IdbContent } from "./indexeddb-content.ts";
import {
  ALL_STORES,
  LOG_STORES,
  STATE_STORES,
  dropOtherGenerations,
  explained,
  openDatabase,
} from "./indexeddb-database.ts";
import { fence } from "./indexeddb-fence.ts";
import { load, type Loaded } from "./indexeddb-load.ts";
import { writeAll, writeTogether } from "./indexeddb-writing.ts";
import { StorageError } from "../storage-error.ts";
import type { Done, HeldBytes, Identity, LogBatch, StagedState, Storage } from "../storage.ts";
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
  /**
   * Says what takes the disk when it is full, for the message of the error. `held` is undefined if the store could not be
   * opened. Does not reject. Default: nothing is said of it.
   */
  readonly explainFull?: ((held: HeldBytes | undefined) => Promise<string>) | undefined;
}

type WriteQueue = "log" | "state";

export async function openIndexedDbStorage(options: IndexedDbOptions): Promise<Storage> {
  try {
    const database = await openDatabase(options.name);
    try {
      const fenceKey = await fence(database, Math.random);
      const content = await load(database);
      await dropOtherGenerations(database, content.state.generation, fenceKey);
      return new IndexedDbStorage({ ...content, database, fenceKey }, options);
    } catch (error) {
      database.close();
      throw error;
    }
  } catch (error) {
    throw await explainedFully(error, undefined, options.explainFull);
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
  readonly #content: IdbContent;
  readonly #connection: Connection;
  readonly #busy: Set<WriteQueue> = new Set();
  readonly #calls: WaitingCalls = new WaitingCalls();
  readonly #logWaiting: WaitingCall[] = [];
  readonly #flushWaiting: WaitingCall[] = [];
  #pumpScheduled: boolean = false;
  #flushDue: boolean = false;
  /** A bootstrap or an install. The next write takes both queues. */
  #wholeDue: boolean = false;
  #failure: StorageError | undefined;
  /** A write has failed, and what is said of it is being found out. Nothing is written any more. */
  #isFailing: boolean = false;
  #closed: boolean = false;
  readonly #behind: WriteBehind;

  constructor(loaded: Loaded, options: IndexedDbOptions) {
    const defaults = { idleMs: 500, behindMs: 2_000, behindRows: 20_000, behindBytes: 4 * 1024 * 1024 };
    this.#options = { ...defaults, onReplaced: () => {}, explainFull: undefined, ...options };
    this.#behind = new WriteBehind(this.#options, () => this.#startFlush());
    this.#content = new IdbContent(loaded);
    this.appliedAtOpen = loaded.state.applied;
    const { hardState } = loaded.log;
    this.hardState = { ...hardState, commit: Math.max(hardState.commit, loaded.state.applied) };
    this.#content.setHardState(this.hardState);
    this.#connection = new Connection(options.name, loaded, {
      changed: () => this.#schedule(),
      closed: () => this.#onClosed(),
      failed: (error) => this.#fail(error),
    });
  }

  get identity(): Identity | undefined {
    return this.#content.identity;
  }

  get log(): LogReader {
    return this.#content.log.window;
  }

  get tables(): StateTables {
    return this.#content.tables;
  }

  get durableApplied(): LogIndex {
    return this.#content.durable.applied;
  }

  get sizeBytes(): number {
    return this.#content.tables.keys.sizeBytes + this.#content.log.window.sizeBytes;
  }

  bootstrap(identity: Identity, done: Done): void {
    assert(this.identity === undefined, "a store is bootstrapped once");
    this.#content.identity = identity;
    this.#wholeDue = true;
    this.#content.tracker.mark(this.#content.tables);
    this.#wait(done, this.#logWaiting);
  }

  append(batch: LogBatch, done: Done): void {
    assert(this.identity !== undefined, "a fresh store is bootstrapped first");
    if (batch.install !== undefined) {
      this.#content.install(batch.install);
      this.#wholeDue = true;
    }
    this.#content.append(batch);
    this.#wait(done, this.#logWaiting);
  }

  stateChanged(applied: LogIndex, appliedTerm: Term): void {
    this.#content.mark(applied, appliedTerm);
    const { behindRows, behindBytes } = this.#options;
    const { markedCount, markedBytes } = this.#content.tracker;
    if (markedCount >= behindRows || markedBytes >= behindBytes) return this.#startFlush();
    this.#behind.changed(applied);
  }

  flush(done: Done): void {
    this.#flushDue = true;
    this.#wait(done, this.#flushWaiting);
  }

  compactLog(index: LogIndex): void {
    assert(index <= this.durableApplied, `entry ${index} is applied durably before it is dropped`);
    this.#content.log.compact(index);
  }

  stage(): StagedState {
    return this.#content.stage(() => this.#schedule());
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    await new Promise<void>((resolve) => {
      this.flush(() => resolve());
    });
    this.#closed = true;
    this.#letGo();
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
    if (this.#isFailing) return;
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
    if (!this.#content.log.dirty) return this.#resolve(takeAll(this.#logWaiting));
    const begun = this.#connection.begin(LOG_STORES);
    if (begun === undefined) return;
    const { transaction, guard } = begun;
    const waiting = takeAll(this.#logWaiting);
    const { requests, confirm } = this.#content.takeLog(transaction);
    this.#finish(writeAll(transaction, guard, requests), ["log"], () => {
      confirm();
      this.#resolve(waiting);
    });
  }

  #startState(): void {
    if (this.#flushDue) return this.#startStateFlush();
    const { background } = this.#content;
    if (background === undefined) return;
    const begun = this.#connection.begin(STATE_STORES);
    if (begun === undefined) return;
    const { transaction, guard } = begun;
    this.#finish(writeTogether(transaction, guard, background(transaction)), ["state"], () => {});
  }

  #startStateFlush(): void {
    this.#behind.stop();
    if (!this.#content.isStateDirty) {
      this.#flushDue = false;
      return this.#resolve(takeAll(this.#flushWaiting));
    }
    const begun = this.#connection.begin(STATE_STORES);
    if (begun === undefined) return;
    const { transaction, guard } = begun;
    const waiting = takeAll(this.#flushWaiting);
    this.#flushDue = false;
    const { requests, confirm } = this.#content.takeState(transaction);
    const sinceMs = performance.now();
    this.#finish(writeAll(transaction, guard, requests), ["state"], () => {
      confirm();
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
    const { requests, confirm } = this.#content.takeWhole(transaction);
    this.#finish(writeAll(transaction, guard, requests), ["log", "state"], () => {
      confirm();
      this.#resolve(waiting);
    });
  }

  #onClosed(): void {
    if (this.#busy.size === 0) return void this.#reopen();
    const text = "the browser closed this member's database while a write was under way; was the site's data cleared?";
    this.#fail(new StorageError("lost", text));
  }

  #reopen(): Promise<void> {
    return this.#connection.reopen((database) => this.#content.check(database));
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
        if (!this.#isFailing) durable();
      },
      (error: unknown) => {
        freed();
        this.#fail(error);
      },
    );
  }

  #fail(error: unknown): void {
    if (this.#isFailing) return;
    this.#isFailing = true;
    this.#letGo();
    const failure = explained(error);
    if (failure.kind === "replaced") this.#options.onReplaced();
    const { explainFull } = this.#options;
    if (failure.kind !== "quota" || explainFull === undefined) return this.#failed(failure);
    void explainedFully(failure, this.#heldBytes, explainFull).then((full) => this.#failed(full));
  }

  #failed(failure: StorageError): void {
    this.#failure ??= failure;
    this.#schedule();
    if (!this.#closed) this.onFailed?.(this.#failure);
  }

  get #heldBytes(): HeldBytes {
    const { tables, log } = this.#content;
    return { log: log.window.sizeBytes, state: tables.keys.sizeBytes };
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

async function explainedFully(
  error: unknown,
  held: HeldBytes | undefined,
  explainFull: IndexedDbOptions["explainFull"],
): Promise<StorageError> {
  const failure = explained(error);
  if (failure.kind !== "quota" || explainFull === undefined) return failure;
  return new StorageError("quota", await explainFull(held), failure);
}

function takeAll(calls: WaitingCall[]): readonly WaitingCall[] {
  return calls.splice(0, calls.length);
}
