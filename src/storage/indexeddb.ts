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
 * Browsers take the connection away (Safari does in the background); that is a normal event. With nothing in flight it is
 * opened again, and trusted when it still has the last write that was confirmed. With a transaction in flight nobody
 * knows what became of it, so the store fails and the member starts over from the disk.
 */
import { deleteDB, openDB, type IDBPDatabase, type IDBPTransaction } from "idb";
import { assert } from "../base/assert.ts";
import type { HardState, LogIndex, Term } from "../protocol/raft-message.ts";
import { MemoryTables } from "../mvcc/memory-tables.ts";
import { ROW_OVERHEAD_BYTES, type RevisionRow, type StateTables } from "../mvcc/tables.ts";
import type { LogReader } from "../raft/log-reader.ts";
import { ChangeTracker } from "./change-set.ts";
import { LOG_MARK_KEY, LogImage, type LogRecord, type LogWrite } from "./log-image.ts";
import { StateImage, loadBucketRow, type StateWrite } from "./state-image.ts";
import { StorageCorruptError, StorageError } from "./storage-error.ts";
import type { Done, Identity, LogBatch, StagedState, Storage } from "./storage.ts";

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

/** Raise it with any change that an older Quorate would misread; the browser then refuses to open the database there. */
const SCHEMA_VERSION = 1;
const LOG_STORES = ["log"] as const;
const STATE_STORES = ["segments", "dead", "buckets", "meta"] as const;
const ALL_STORES = [...LOG_STORES, ...STATE_STORES] as const;
const LOAD_RECORDS = 32;
const STAGED_BYTES_PER_WRITE = 1024 * 1024;

type Database = IDBPDatabase;
type StoreName = (typeof ALL_STORES)[number];
type Writing = IDBPTransaction<unknown, StoreName[], "readwrite">;
type Lane = "log" | "state";

interface StateMark {
  readonly generation: number;
  readonly applied: LogIndex;
  readonly appliedTerm: Term;
}

interface Loaded {
  readonly database: Database;
  readonly identity: Identity | undefined;
  readonly state: StateMark;
  readonly log: LogImage;
  readonly image: StateImage;
  readonly tables: MemoryTables;
  readonly tracker: ChangeTracker;
}

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

/** One call that waits to be told. */
interface Waiting {
  readonly done: Done;
  ready: boolean;
}

class IndexedDbStorage implements Storage {
  readonly hardState: HardState;
  readonly appliedAtOpen: LogIndex;
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

  /** undefined: it was taken away, and is opened again when there is something to write. */
  #database: Database | undefined;
  #reopening: boolean = false;
  readonly #busy: Set<Lane> = new Set();
  /** In order of the calls; told from the front. */
  #waiting: Waiting[] = [];
  #logWaiting: Waiting[] = [];
  #flushWaiting: Waiting[] = [];
  #pumpScheduled: boolean = false;
  #flushDue: boolean = false;
  /** A bootstrap or an install: the next write takes both lanes. */
  #wholeDue: boolean = false;
  /** An aborted or a replaced generation is still on disk. */
  #leftovers: boolean = false;
  #failure: StorageError | undefined;
  #closed: boolean = false;
  #idleTimer: ReturnType<typeof setTimeout> | undefined;
  #behindTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(loaded: Loaded, options: IndexedDbOptions) {
    this.#options = { idleMs: 500, behindMs: 2_000, behindRows: 20_000, behindBytes: 4 * 1024 * 1024, ...options };
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
    this.#adopt(loaded.database);
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
    const { behindRows, behindBytes, idleMs, behindMs } = this.#options;
    if (this.#tracker.markedCount >= behindRows || this.#tracker.markedBytes >= behindBytes) return this.#startFlush();
    this.#idleTimer ??= setTimeout(() => this.#idle(applied), idleMs);
    this.#behindTimer ??= setTimeout(() => this.#startFlush(), behindMs);
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

  /** The timer is not moved with every put; it looks whether there was one since. */
  #idle(appliedThen: LogIndex): void {
    this.#idleTimer = undefined;
    const { applied } = this.#marked;
    if (applied === appliedThen) return this.#startFlush();
    this.#idleTimer = setTimeout(() => this.#idle(applied), this.#options.idleMs);
  }

  #startFlush(): void {
    this.#flushDue = true;
    this.#schedule();
  }

  #wait(done: Done, lane: Waiting[]): void {
    const waiting: Waiting = { done, ready: false };
    this.#waiting.push(waiting);
    lane.push(waiting);
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
    if (this.#database === undefined) {
      // With something in flight there is nothing to do but wait for it to fail.
      if (hasWork && this.#busy.size === 0 && !this.#reopening) void this.#reopen();
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
    const transaction = this.#begin(LOG_STORES);
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
      const transaction = this.#begin(STATE_STORES);
      if (transaction === undefined) return;
      putState(transaction, staged.generation, staged.takeWrites());
      return this.#finish(transaction, ["state"], () => {});
    }
    if (!this.#leftovers && staged === undefined) return;
    const transaction = this.#begin(STATE_STORES);
    if (transaction === undefined) return;
    this.#leftovers = false;
    this.#staged = undefined;
    deleteOtherGenerations(transaction, this.#durable.generation);
    this.#finish(transaction, ["state"], () => {});
  }

  #startStateFlush(): void {
    const mark = this.#marked;
    this.#stopTimers();
    if (this.#tracker.markedCount === 0 && mark.applied === this.#durable.applied) {
      this.#flushDue = false;
      return this.#tell(takeAll(this.#flushWaiting));
    }
    const transaction = this.#begin(STATE_STORES);
    if (transaction === undefined) return;
    const told = takeAll(this.#flushWaiting);
    this.#flushDue = false;
    const changes = this.#tracker.take();
    putState(transaction, mark.generation, this.#image.takeWrites(changes, this.#tables, this.#tracker.settled));
    putMark(transaction, mark);
    this.#finish(transaction, ["state"], () => {
      this.#durable = mark;
      this.#tell(told);
    });
  }

  #startWhole(): void {
    const transaction = this.#begin(ALL_STORES);
    if (transaction === undefined) return;
    const told = [...takeAll(this.#logWaiting), ...takeAll(this.#flushWaiting)];
    this.#wholeDue = false;
    this.#flushDue = false;
    this.#stopTimers();
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

  /** undefined when the connection turns out to be gone: it is opened again, and the work is still there to be done. */
  #begin(stores: readonly StoreName[]): Writing | undefined {
    try {
      return this.#database?.transaction([...stores], "readwrite", { durability: "strict" });
    } catch (error) {
      this.#database = undefined;
      if (error instanceof DOMException && error.name === "InvalidStateError") this.#schedule();
      else this.#fail(error);
      return undefined;
    }
  }

  #finish(transaction: Writing, lanes: readonly Lane[], durable: () => void): void {
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

  async #reopen(): Promise<void> {
    this.#reopening = true;
    try {
      const database = await openDatabase(this.#options.name);
      await checkUnchanged(database, this.#durableSeq, this.#durable);
      if (this.#closed || this.#failure !== undefined) database.close();
      else this.#adopt(database);
    } catch (error) {
      this.#fail(error);
    }
    this.#reopening = false;
    this.#schedule();
  }

  #adopt(database: Database): void {
    this.#database = database;
    database.addEventListener("close", () => {
      if (this.#database === database) this.#database = undefined;
      this.#schedule();
    });
    database.addEventListener("versionchange", () => {
      this.#fail(new StorageError("lost", "another page deletes or upgrades this member's database"));
    });
  }

  #fail(error: unknown): void {
    this.#failure ??= explained(error);
    this.#letGo();
    this.#schedule();
  }

  #letGo(): void {
    this.#stopTimers();
    this.#database?.close();
    this.#database = undefined;
  }

  #stopTimers(): void {
    clearTimeout(this.#idleTimer);
    clearTimeout(this.#behindTimer);
    this.#idleTimer = undefined;
    this.#behindTimer = undefined;
  }

  #tell(told: readonly Waiting[]): void {
    for (const waiting of told) waiting.ready = true;
    for (let first = this.#waiting[0]; first?.ready === true; first = this.#waiting[0]) {
      this.#waiting.shift();
      first.done(this.#failure);
    }
  }

  #tellAll(): void {
    takeAll(this.#logWaiting);
    takeAll(this.#flushWaiting);
    this.#tell([...this.#waiting]);
  }
}

/** Rows are in memory at once, as all state of a tab is, and go to disk as they come, so that the switch is small. */
class IdbStagedState implements StagedState {
  readonly generation: number;
  readonly tracker: StagedTracker;
  readonly tables: MemoryTables;
  readonly image: StateImage = new StateImage();
  #life: "staging" | "installed" | "aborted" = "staging";
  readonly #schedule: () => void;

  constructor(generation: number, schedule: () => void) {
    this.generation = generation;
    this.#schedule = schedule;
    this.tracker = new StagedTracker(() => {
      if (this.isStaging) schedule();
    });
    this.tables = new MemoryTables(this.tracker);
  }

  get isStaging(): boolean {
    return this.#life === "staging";
  }

  get isHeavy(): boolean {
    return this.tracker.unwrittenBytes >= STAGED_BYTES_PER_WRITE;
  }

  takeWrites(): readonly StateWrite[] {
    this.tracker.mark(this.tables);
    this.tracker.unwrittenBytes = 0;
    return this.image.takeWrites(this.tracker.take(), this.tables, true);
  }

  install(): void {
    assert(this.isStaging, `the staged state was ${this.#life}`);
    this.#life = "installed";
    this.tracker.mark(this.tables);
  }

  abort(): void {
    if (!this.isStaging) return;
    this.#life = "aborted";
    this.#schedule();
  }
}

class StagedTracker extends ChangeTracker {
  unwrittenBytes: number = 0;
  readonly #heavy: () => void;

  constructor(heavy: () => void) {
    super();
    this.#heavy = heavy;
  }

  override rowAppended(row: RevisionRow): void {
    super.rowAppended(row);
    this.unwrittenBytes += row.key.length + row.value.length + ROW_OVERHEAD_BYTES;
    if (this.unwrittenBytes >= STAGED_BYTES_PER_WRITE) this.#heavy();
  }
}

function takeAll(lane: Waiting[]): readonly Waiting[] {
  return lane.splice(0, lane.length);
}

function openDatabase(name: string): Promise<Database> {
  return openDB(name, SCHEMA_VERSION, {
    upgrade(database) {
      for (const store of ALL_STORES) database.createObjectStore(store);
    },
  });
}

function putIdentity(transaction: Writing, { clusterId, memberId, name }: Identity): void {
  const stored = { clusterId: clusterId.toString(), memberId: memberId.toString(), name };
  settle(transaction.objectStore("meta").put(stored, "identity"));
}

function putMark(transaction: Writing, mark: StateMark): void {
  settle(transaction.objectStore("meta").put(mark, "state"));
}

function putLog(transaction: Writing, writes: readonly LogWrite[]): void {
  const store = transaction.objectStore("log");
  for (const write of writes) {
    if (write.type === "put") settle(store.put(wholeBuffer(write.record), write.key));
    else settle(store.delete(IDBKeyRange.bound(write.from, write.end, false, true)));
  }
}

function putState(transaction: Writing, generation: number, writes: readonly StateWrite[]): void {
  for (const { store, key, value } of writes) {
    const objects = transaction.objectStore(store);
    const whole = [generation, ...key];
    settle(value === undefined ? objects.delete(whole) : objects.put(wholeBuffer(value), whole));
  }
}

/** What was staged and never installed, and what an install has replaced. */
function deleteOtherGenerations(transaction: Writing, generation: number): void {
  for (const name of ["segments", "dead", "buckets"] as const) {
    const store = transaction.objectStore(name);
    settle(store.delete(IDBKeyRange.upperBound([generation], true)));
    settle(store.delete(IDBKeyRange.lowerBound([generation + 1])));
  }
}

async function dropOtherGenerations(database: Database, generation: number): Promise<void> {
  const transaction = database.transaction([...STATE_STORES], "readwrite", { durability: "strict" });
  deleteOtherGenerations(transaction, generation);
  transaction.commit();
  await transaction.done;
}

/** A clone takes the whole buffer along, however small the view. */
function wholeBuffer(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  return bytes.byteLength === bytes.buffer.byteLength ? bytes : bytes.slice();
}

/** What fails a request fails its transaction, and what fails a transaction that reads fails its requests. */
function settle(request: Promise<unknown>): void {
  request.catch(() => {});
}

async function load(database: Database): Promise<Loaded> {
  const identity = identityOf(await get(database, "meta", "identity"));
  const tracker = new ChangeTracker();
  const tables = new MemoryTables(tracker);
  const image = new StateImage();
  const records: LogRecord[] = [];
  await eachRecord(database, "log", IDBKeyRange.lowerBound(LOG_MARK_KEY), (key, record) => {
    if (typeof key !== "number") throw new StorageCorruptError("log", keyText(key), "its key is no index");
    records.push({ key, record });
  });
  if (identity === undefined) {
    if (records.length > 0) throw new StorageCorruptError("meta", "identity", "it is missing, and there is a log");
    const state: StateMark = { generation: 1, applied: 0, appliedTerm: 0 };
    return { database, identity, state, log: LogImage.fresh(), image, tables, tracker };
  }
  const state = markOf(await get(database, "meta", "state"));
  const log = LogImage.load(records);
  await loadState(database, state.generation, image, tables);
  // What was just read is no change.
  tracker.mark(tables);
  tracker.take();
  const { window } = log;
  if (state.applied < window.firstIndex() - 1 || state.applied > window.lastIndex()) {
    const range = `[${window.firstIndex()}, ${window.lastIndex()}]`;
    throw new StorageCorruptError("meta", "state", `it is applied to ${state.applied}, the log holds ${range}`);
  }
  return { database, identity, state, log, image, tables, tracker };
}

async function loadState(
  database: Database,
  generation: number,
  image: StateImage,
  tables: MemoryTables,
): Promise<void> {
  const range = IDBKeyRange.bound([generation], [generation + 1], false, true);
  const dead = new Map<unknown, Uint8Array>();
  await eachRecord(database, "dead", range, (key, record) => void dead.set(partOf(key, 1), record));
  await eachRecord(database, "segments", range, (key, record) => {
    const id = partOf(key, 1);
    if (typeof id !== "number") throw new StorageCorruptError("segments", keyText(key), "its key is no number");
    image.loadSegment(id, record, dead.get(id), tables);
    dead.delete(id);
  });
  if (dead.size > 0) throw new StorageCorruptError("segments", keyText([...dead.keys()][0]), "it is missing");
  await eachRecord(database, "buckets", range, (key, record) => {
    if (!Array.isArray(key)) throw new StorageCorruptError("buckets", keyText(key), "its key is none that we write");
    loadBucketRow(key.slice(1), record, tables);
  });
}

function get(database: Database, name: StoreName, key: IDBValidKey): Promise<unknown> {
  const { store, done } = database.transaction(name);
  settle(done);
  return store.get(key);
}

/** In chunks, because getAll() of everything would hold the whole store twice. */
async function eachRecord(
  database: Database,
  name: StoreName,
  range: IDBKeyRange,
  visit: (key: IDBValidKey, record: Uint8Array) => void,
): Promise<void> {
  let rest = range;
  for (;;) {
    const { store, done } = database.transaction(name);
    settle(done);
    const [keys, values] = await Promise.all([store.getAllKeys(rest, LOAD_RECORDS), store.getAll(rest, LOAD_RECORDS)]);
    keys.forEach((key, at) => {
      const value: unknown = values[at];
      if (!(value instanceof Uint8Array)) throw new StorageCorruptError(name, keyText(key), "it is no record");
      visit(key, value);
    });
    const last = keys.at(-1);
    if (last === undefined || keys.length < LOAD_RECORDS) return;
    rest =
      range.upper === undefined
        ? IDBKeyRange.lowerBound(last, true)
        : IDBKeyRange.bound(last, range.upper, true, range.upperOpen);
  }
}

function partOf(key: IDBValidKey, part: number): unknown {
  return Array.isArray(key) ? key[part] : undefined;
}

function keyText(key: unknown): string {
  return JSON.stringify(key) ?? "?";
}

function identityOf(stored: unknown): Identity | undefined {
  if (stored === undefined) return undefined;
  const { clusterId, memberId, name } = stored as Readonly<Record<string, unknown>>;
  const isId = (id: unknown): id is string => typeof id === "string" && /^\d{1,20}$/.test(id);
  if (!isId(clusterId) || !isId(memberId) || typeof name !== "string") {
    throw new StorageCorruptError("meta", "identity", "it does not say who the member is");
  }
  return { clusterId: BigInt(clusterId), memberId: BigInt(memberId), name };
}

function markOf(stored: unknown): StateMark {
  if (stored === undefined) throw new StorageCorruptError("meta", "state", "it is missing");
  const { generation, applied, appliedTerm } = stored as Readonly<Record<string, unknown>>;
  const isIndex = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
  if (!isIndex(generation) || !isIndex(applied) || !isIndex(appliedTerm)) {
    throw new StorageCorruptError("meta", "state", "it does not say how far the state goes");
  }
  return { generation, applied, appliedTerm };
}

/** A connection was lost and opened again: the disk must be as we left it, to the last confirmed write. */
async function checkUnchanged(database: Database, seq: number, mark: StateMark): Promise<void> {
  let newest = 0;
  const { store, done } = database.transaction("log");
  settle(done);
  for (const cursor of [await store.openCursor(LOG_MARK_KEY), await store.openCursor(null, "prev")]) {
    if (cursor === null || typeof cursor.key !== "number") continue;
    newest = Math.max(newest, LogImage.seqOf({ key: cursor.key, record: cursor.value as Uint8Array }));
  }
  const stored: unknown = seq === 0 ? mark : await get(database, "meta", "state");
  const state = stored === undefined ? undefined : markOf(stored);
  const same = newest === seq && state?.generation === mark.generation && state.applied === mark.applied;
  if (same) return;
  database.close();
  throw new StorageError("lost", "the browser has lost data of this member that it had confirmed");
}

function explained(error: unknown): StorageError {
  if (error instanceof StorageError) return error;
  const name = error instanceof DOMException ? error.name : "";
  const text = error instanceof Error ? error.message : String(error);
  if (name === "QuotaExceededError") {
    return new StorageError("quota", `the browser gives this site no more room: ${text}`, error);
  }
  if (name === "VersionError") {
    return new StorageError("version", `a newer version of Quorate has written this member's database: ${text}`, error);
  }
  if (name === "AbortError" || name === "InvalidStateError" || name === "UnknownError" || /server lost/i.test(text)) {
    return new StorageError("lost", `the browser has taken this member's database away: ${text}`, error);
  }
  return new StorageError("unknown", `this member's database failed: ${text}`, error);
}
