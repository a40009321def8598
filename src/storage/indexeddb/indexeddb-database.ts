/**
 * The database of a tab's member: its object stores, how it is opened and read, and the content of a transaction. Only
 * this file and the connection use IndexedDB directly.
 *
 *     log        first index            a batch of entries (log-image.ts)
 *     segments   [generation, id]       rows of the state (state-image.ts)
 *     dead       [generation, id]       which rows of a segment are dead
 *     buckets    [generation, bucket, key]
 *     meta       "identity", "state", "begun", "owner"
 *     log, meta  the keys of former openings, below 0 (indexeddb-fence.ts)
 *
 * Each write of the state has a number. "begun" is written with it first, "state" last. If they differ, only a part of
 * a write is on disk, and the store is refused.
 */
import { openDB, type IDBPDatabase, type IDBPTransaction } from "idb";
import type { LogIndex, Term } from "../../protocol/peer/raft-message.ts";
import { MemoryTables } from "../../mvcc/tables/memory-tables.ts";
import { ChangeTracker } from "../common/change-set.ts";
import { guard, type FenceKey } from "./indexeddb-fence.ts";
import { writeTogether, type Request } from "./indexeddb-writing.ts";
import { LOG_MARK_KEY, LogImage, type LogRecord, type LogWrite } from "./log-image.ts";
import { StateImage, loadBucketRow, type StateWrite } from "./state-image.ts";
import { StorageCorruptError, StorageError } from "../storage-error.ts";
import type { Identity } from "../storage.ts";

/**
 * Increase it with any change that an older Quorate would misread. The browser then refuses to open the database there.
 */
const SCHEMA_VERSION = 1;
export const LOG_STORES: readonly ["log"] = ["log"];
export const STATE_STORES: readonly ["segments", "dead", "buckets", "meta"] = ["segments", "dead", "buckets", "meta"];
export const ALL_STORES: readonly ["log", ...typeof STATE_STORES] = [...LOG_STORES, ...STATE_STORES];
const LOAD_RECORDS = 32;

export type Database = IDBPDatabase;
export type StoreName = (typeof ALL_STORES)[number];
export type Writing = IDBPTransaction<unknown, StoreName[], "readwrite">;

export interface StateMark {
  readonly generation: number;
  readonly applied: LogIndex;
  readonly appliedTerm: Term;
}

export interface Loaded {
  readonly database: Database;
  /** Of this opening. */
  readonly fenceKey: FenceKey;
  readonly identity: Identity | undefined;
  readonly state: StateMark;
  /** The number of the last write of the state. */
  readonly stateWrite: number;
  readonly log: LogImage;
  readonly image: StateImage;
  readonly tables: MemoryTables;
  readonly tracker: ChangeTracker;
}

export function openDatabase(name: string): Promise<Database> {
  return openDB(name, SCHEMA_VERSION, {
    upgrade(database) {
      for (const store of ALL_STORES) database.createObjectStore(store);
    },
  });
}

export function identityWrite(transaction: Writing, { clusterId, memberId, name }: Identity): Request {
  const stored = { clusterId: clusterId.toString(), memberId: memberId.toString(), name };
  return () => transaction.objectStore("meta").put(stored, "identity");
}

export function logWrites(transaction: Writing, writes: readonly LogWrite[]): readonly Request[] {
  const store = transaction.objectStore("log");
  return writes.map((write) =>
    write.type === "put"
      ? () => store.put(wholeBuffer(write.record), write.key)
      : () => store.delete(IDBKeyRange.bound(write.from, write.end, false, true)),
  );
}

/** The rows of a state, `number`-th of all writes, that goes as far as `mark`. */
export function stateWrites(
  transaction: Writing,
  writes: readonly StateWrite[],
  mark: StateMark,
  number: number,
): readonly Request[] {
  const meta = transaction.objectStore("meta");
  return [
    () => meta.put(number, "begun"),
    ...rowWrites(transaction, mark.generation, writes),
    () => meta.put({ ...mark, write: number }, "state"),
  ];
}

export function rowWrites(transaction: Writing, generation: number, writes: readonly StateWrite[]): readonly Request[] {
  return writes.map(({ store, key, value }) => {
    const objects = transaction.objectStore(store);
    const whole = [generation, ...key];
    return value === undefined ? () => objects.delete(whole) : () => objects.put(wholeBuffer(value), whole);
  });
}

/** Deletes what was staged and never installed, and what an install has replaced. */
export function generationDeletes(transaction: Writing, generation: number): readonly Request[] {
  return (["segments", "dead", "buckets"] as const).flatMap((name) => {
    const store = transaction.objectStore(name);
    return [
      () => store.delete(IDBKeyRange.upperBound([generation], true)),
      () => store.delete(IDBKeyRange.lowerBound([generation + 1])),
    ];
  });
}

export async function dropOtherGenerations(database: Database, generation: number, key: FenceKey): Promise<void> {
  const transaction = database.transaction([...STATE_STORES], "readwrite", { durability: "strict" });
  let isReplaced = false;
  const refused = (): void => {
    isReplaced = true;
  };
  try {
    const deletes = generationDeletes(transaction, generation);
    await writeTogether(transaction, () => guard(transaction, key, refused), deletes);
  } catch (error) {
    throw isReplaced ? replacedError() : error;
  }
}

export function replacedError(): StorageError {
  return new StorageError("replaced", "another tab of this browser has taken this member's database over");
}

/** Copies a view, because a clone stores the whole buffer, however small the view is. */
function wholeBuffer(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  return bytes.byteLength === bytes.buffer.byteLength ? bytes : bytes.slice();
}

/** An error of a request aborts its transaction. An error of a read transaction fails its requests. */
function settle(request: Promise<unknown>): void {
  request.catch(() => {});
}

/** After the fence, so that nothing is written any more by the former opening. */
export async function load(database: Database, fenceKey: FenceKey): Promise<Loaded> {
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
    return { database, fenceKey, identity, state, stateWrite: 0, log: LogImage.fresh(), image, tables, tracker };
  }
  const stored = await get(database, "meta", "state");
  const state = markOf(stored);
  const stateWrite = wholeWrite(stored, await get(database, "meta", "begun"));
  const log = LogImage.load(records);
  await loadState(database, state.generation, image, tables);
  // Rows that were just read are not changes.
  tracker.mark(tables);
  tracker.take();
  const { window } = log;
  if (state.applied < window.firstIndex() - 1 || state.applied > window.lastIndex()) {
    const range = `[${window.firstIndex()}, ${window.lastIndex()}]`;
    throw new StorageCorruptError("meta", "state", `it is applied to ${state.applied}, the log holds ${range}`);
  }
  return { database, fenceKey, identity, state, stateWrite, log, image, tables, tracker };
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

/** Reads in chunks, because getAll() of everything would hold the whole store in memory twice. */
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

/** Returns the number of the last write of the state, of which every row is on disk. */
function wholeWrite(stored: unknown, begun: unknown): number {
  const { write } = stored as Readonly<Record<string, unknown>>;
  // A former version has written it, without a number.
  if (write === undefined) return typeof begun === "number" ? begun : 0;
  if (typeof write !== "number" || write !== begun) {
    throw new StorageCorruptError("meta", "begun", "only a part of the last write of the state is on disk");
  }
  return write;
}

/** Checks a connection that was opened again: the disk must hold the last confirmed write. */
export async function checkUnchanged(database: Database, seq: number, mark: StateMark): Promise<void> {
  let newest = 0;
  const { store, done } = database.transaction("log");
  settle(done);
  const records = IDBKeyRange.lowerBound(LOG_MARK_KEY);
  for (const cursor of [await store.openCursor(LOG_MARK_KEY), await store.openCursor(records, "prev")]) {
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

export function explained(error: unknown): StorageError {
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
