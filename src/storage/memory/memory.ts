/**
 * Storage in memory. A completed write is durable in the image, which outlives this object as a disk outlives a
 * process. A crash loses every other write.
 *
 * The simulator decides when a write completes and what a crash leaves: a prefix of the pending writes may have reached
 * the disk without a callback. State rows are written after the log, as in the backends with a real disk. So the
 * simulator detects a member that does not apply its log again.
 */
import { assert, must } from "../../base/assert.ts";
import type { Prng } from "../../base/prng.ts";
import type { Entry, HardState, LogIndex, Term } from "../../protocol/peer/raft-message.ts";
import { MemoryTables } from "../../mvcc/tables/memory-tables.ts";
import { BUCKET_NAMES } from "../../mvcc/tables/tables.ts";
import type { BucketName, RevisionRow, StateTables } from "../../mvcc/tables/tables.ts";
import type { LogReader } from "../../raft/log/log-reader.ts";
import { latin1ToBytes } from "../../base/bytes.ts";
import { ChangeTracker, type ChangeSet } from "../common/change-set.ts";
import { LogWindow } from "../common/log-window.ts";
import type { Done, Identity, LogBatch, StagedState, Storage } from "../storage.ts";

const NO_HARD_STATE: HardState = { term: 0, vote: 0n, commit: 0 };

/** The content of a disk. Open stores share its rows and entries, because they never change. */
export class MemoryImage {
  identity: Identity | undefined = undefined;
  hardState: HardState = NO_HARD_STATE;
  log: LogWindow = new LogWindow(0, 0, []);
  applied: LogIndex = 0;
  appliedTerm: Term = 0;
  rows: Map<string, RevisionRow> = new Map();
  buckets: Map<BucketName, Map<string, Uint8Array>> = new Map(BUCKET_NAMES.map((name) => [name, new Map()]));

  /** Returns a copy that is independent from here on: an old backup, for a member whose store goes back in time. */
  clone(): MemoryImage {
    const copy = new MemoryImage();
    copy.identity = this.identity;
    copy.hardState = this.hardState;
    copy.log = cloneLog(this.log);
    copy.applied = this.applied;
    copy.appliedTerm = this.appliedTerm;
    copy.rows = new Map(this.rows);
    copy.buckets = new Map([...this.buckets].map(([name, bucket]) => [name, new Map(bucket)]));
    return copy;
  }

  write(changes: ChangeSet): void {
    for (const [name, row] of changes.appended) this.rows.set(name, row);
    for (const name of changes.removed.keys()) this.rows.delete(name);
    for (const [name, values] of changes.buckets) {
      const bucket = must(this.buckets.get(name), "every bucket is on the disk");
      for (const [key, value] of values) {
        if (value === undefined) bucket.delete(key);
        else bucket.set(key, value);
      }
    }
  }

  clearState(): void {
    this.rows.clear();
    for (const bucket of this.buckets.values()) bucket.clear();
  }
}

/**
 * When writes complete. "microtask": automatically, right after the caller's turn. "manual": by completeWrites(). A
 * function receives `complete` once per write and calls it when it likes. Writes complete in order in any case.
 */
export type WriteSchedule = "microtask" | "manual" | ((complete: () => void) => void);

export interface MemoryStorageOptions {
  /** The disk to start from. Default: an empty one. */
  readonly image?: MemoryImage;
  /** Default "microtask". */
  readonly schedule?: WriteSchedule;
  /** State rows are written with an append once there are this many. Default 1: with the next append. */
  readonly flushRows?: number;
}

interface PendingWrite {
  readonly write: (image: MemoryImage) => void;
  readonly done: Done;
}

export function openMemoryStorage(image?: MemoryImage): MemoryStorage {
  return new MemoryStorage(image === undefined ? {} : { image });
}

export class MemoryStorage implements Storage {
  readonly hardState: HardState;
  readonly appliedAtOpen: LogIndex;
  readonly #image: MemoryImage;
  readonly #schedule: WriteSchedule;
  readonly #flushRows: number;
  readonly #log: LogWindow;
  #identity: Identity | undefined;
  #tables: MemoryTables;
  #tracker: ChangeTracker;
  #staged: MemoryStagedState | undefined;
  #pending: PendingWrite[] = [];
  #failure: Error | undefined;
  #gone: "crashed" | "closed" | undefined;
  #microtaskQueued: boolean = false;
  #marked: { applied: LogIndex; term: Term };
  #compactTo: LogIndex = 0;

  constructor(options: MemoryStorageOptions = {}) {
    this.#image = options.image ?? new MemoryImage();
    this.#schedule = options.schedule ?? "microtask";
    this.#flushRows = options.flushRows ?? 1;
    const image = this.#image;
    this.#identity = image.identity;
    this.hardState = { ...image.hardState, commit: Math.max(image.hardState.commit, image.applied) };
    this.appliedAtOpen = image.applied;
    this.#marked = { applied: image.applied, term: image.appliedTerm };
    this.#log = cloneLog(image.log);
    this.#tracker = new ChangeTracker();
    this.#tables = new MemoryTables(this.#tracker);
    this.#load();
  }

  get identity(): Identity | undefined {
    return this.#identity;
  }

  get log(): LogReader {
    return this.#log;
  }

  get tables(): StateTables {
    return this.#tables;
  }

  get durableApplied(): LogIndex {
    return this.#image.applied;
  }

  get sizeBytes(): number {
    return this.#tables.keys.sizeBytes + this.#log.sizeBytes;
  }

  get pendingWrites(): number {
    return this.#pending.length;
  }

  bootstrap(identity: Identity, done: Done): void {
    this.#checkUsable();
    assert(this.#identity === undefined, "a store is bootstrapped once");
    this.#identity = identity;
    this.#tracker.mark(this.#tables);
    const changes = this.#tracker.take();
    this.#enqueue((image) => {
      image.identity = identity;
      image.write(changes);
    }, done);
  }

  append(batch: LogBatch, done: Done): void {
    this.#checkUsable();
    assert(this.#identity !== undefined, "a fresh store is bootstrapped first");
    const { hardState, entries, install } = batch;
    const compactTo = this.#compactTo;
    this.#compactTo = 0;
    const state = install === undefined ? this.#writeBehind(this.#flushRows) : this.#install(install);
    this.#log.append(entries);
    this.#enqueue((image) => {
      if (hardState !== undefined) image.hardState = hardState;
      if (compactTo > 0) image.log.compact(compactTo);
      state?.(image);
      image.log.append(entries);
    }, done);
  }

  stateChanged(applied: LogIndex, appliedTerm: Term): void {
    this.#checkUsable();
    assert(applied >= this.#marked.applied, "applied never falls");
    assert(applied <= this.#log.lastIndex(), `entry ${applied} is in the log`);
    this.#tracker.mark(this.#tables);
    this.#marked = { applied, term: appliedTerm };
  }

  flush(done: Done): void {
    this.#checkUsable();
    const state = this.#writeBehind(0);
    this.#enqueue((image) => state?.(image), done);
  }

  compactLog(index: LogIndex): void {
    this.#checkUsable();
    assert(index <= this.durableApplied, `entry ${index} is applied durably before it is dropped`);
    if (index < this.#log.firstIndex()) return;
    this.#log.compact(index);
    this.#compactTo = index;
  }

  stage(): StagedState {
    this.#checkUsable();
    this.#staged?.abort();
    this.#staged = new MemoryStagedState();
    return this.#staged;
  }

  /** Makes the oldest writes durable and calls their callbacks. Returns how many there were. */
  completeWrites(count: number = Number.POSITIVE_INFINITY): number {
    let completed = 0;
    while (completed < count && this.#gone !== "crashed") {
      const oldest = this.#pending.shift();
      if (oldest === undefined) break;
      completed++;
      if (this.#failure === undefined) oldest.write(this.#image);
      oldest.done(this.#failure);
    }
    return completed;
  }

  /** Fails all writes from now on, as a full or vanished store does. */
  failWrites(error: Error): void {
    this.#failure = error;
  }

  /**
   * Crashes: no callback is called any more. With a prng, some of the writes in flight reached the disk: the first few,
   * each whole. Returns the disk, to be opened again.
   */
  crash(prng?: Prng): MemoryImage {
    assert(this.#gone === undefined, "a store crashes once");
    this.#gone = "crashed";
    const reached = prng === undefined || this.#failure !== undefined ? 0 : prng.int(0, this.#pending.length + 1);
    for (const pending of this.#pending.slice(0, reached)) pending.write(this.#image);
    this.#pending = [];
    return this.#image;
  }

  /** The disk. Available once the store is closed. */
  get image(): MemoryImage {
    assert(this.#gone !== undefined, "the disk is looked at when the store has let go of it");
    return this.#image;
  }

  async close(): Promise<void> {
    if (this.#gone !== undefined) return;
    this.flush(() => {});
    this.completeWrites();
    this.#gone = "closed";
  }

  #load(): void {
    const rows = [...this.#image.rows.values()].sort((left, right) => left.main - right.main || left.sub - right.sub);
    for (const row of rows) this.#tables.keys.append(row);
    for (const [name, values] of this.#image.buckets) {
      const bucket = this.#tables.bucket(name);
      for (const [key, value] of values) bucket.set(latin1ToBytes(key), value);
    }
    // Rows that were just read are not changes.
    this.#tracker.mark(this.#tables);
    this.#tracker.take();
  }

  /** Adds the state up to the last mark to the next write, if it is large enough. */
  #writeBehind(rowsAtLeast: number): ((image: MemoryImage) => void) | undefined {
    if (this.#tracker.markedCount < rowsAtLeast) return undefined;
    const changes = this.#tracker.take();
    const { applied, term } = this.#marked;
    return (image): void => {
      image.write(changes);
      image.applied = applied;
      image.appliedTerm = term;
    };
  }

  #install(install: NonNullable<LogBatch["install"]>): (image: MemoryImage) => void {
    const { snapshot, staged } = install;
    assert(staged === this.#staged && staged instanceof MemoryStagedState, "what is installed was staged here");
    this.#staged = undefined;
    this.#tables = staged.tables;
    this.#tracker = staged.tracker;
    this.#tracker.mark(this.#tables);
    const changes = this.#tracker.take();
    this.#marked = { applied: snapshot.index, term: snapshot.term };
    this.#log.restart(snapshot.index, snapshot.term);
    return (image): void => {
      image.clearState();
      image.write(changes);
      image.applied = snapshot.index;
      image.appliedTerm = snapshot.term;
      image.log.restart(snapshot.index, snapshot.term);
    };
  }

  #enqueue(write: (image: MemoryImage) => void, done: Done): void {
    this.#pending.push({ write, done });
    if (this.#schedule === "manual") return;
    if (this.#schedule !== "microtask") {
      this.#schedule(() => void this.completeWrites(1));
      return;
    }
    if (this.#microtaskQueued) return;
    this.#microtaskQueued = true;
    queueMicrotask(() => {
      this.#microtaskQueued = false;
      this.completeWrites();
    });
  }

  #checkUsable(): void {
    assert(this.#gone === undefined, `the store is ${this.#gone}`);
  }
}

class MemoryStagedState implements StagedState {
  readonly tracker: ChangeTracker = new ChangeTracker();
  readonly tables: MemoryTables = new MemoryTables(this.tracker);

  abort(): void {
    // Nothing is on disk yet, and no reference to it is left.
  }
}

function cloneLog(log: LogWindow): LogWindow {
  const first = log.firstIndex();
  const boundary = must(log.term(first - 1), "the term before the log is known");
  const kept: readonly Entry[] =
    log.lastIndex() < first ? [] : log.entries(first, log.lastIndex() + 1, Number.POSITIVE_INFINITY);
  return new LogWindow(first - 1, boundary, kept);
}
