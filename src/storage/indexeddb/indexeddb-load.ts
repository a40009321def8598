/**
 * How a tab's database is read. All of it is read when it is opened, and that decides how soon a tab that comes back
 * answers. So several requests are in flight while what has arrived is decoded, and small records are asked for by the
 * thousand.
 */
import { MemoryTables } from "../../mvcc/tables/memory-tables.ts";
import { ChangeTracker } from "../common/change-set.ts";
import type { Database, StateMark, StoreName } from "./indexeddb-database.ts";
import type { FenceKey } from "./indexeddb-fence.ts";
import { LOG_MARK_KEY, LogImage, type LogRecord } from "./log-image.ts";
import { StateImage, loadBucketRow } from "./state-image.ts";
import { StorageCorruptError, StorageError } from "../storage-error.ts";
import type { Identity } from "../storage.ts";

/** What a database holds, and the opening that may write to it. */
export interface Loaded extends LoadedContent {
  readonly database: Database;
  /** Of this opening. */
  readonly fenceKey: FenceKey;
}

export interface LoadedContent {
  readonly identity: Identity | undefined;
  readonly state: StateMark;
  /** The number of the last write of the state. */
  readonly stateWrite: number;
  readonly log: LogImage;
  readonly image: StateImage;
  readonly tables: MemoryTables;
  readonly tracker: ChangeTracker;
}

const IN_FLIGHT = 3;
/** The records that a request returns take about so much memory, twice for a moment. */
const REQUEST_BYTES = 4 * 1024 * 1024;
const FIRST_RECORDS = 16;
const RECORDS_MAX = 2_000;

/** After the fence nothing is written any more by the former opening. Whoever has no fence looks again: `isUnchanged`. */
export async function load(database: Database): Promise<LoadedContent> {
  const [identityStored, markStored, begun] = await Promise.all(
    ["identity", "state", "begun"].map((key) => get(database, "meta", key)),
  );
  const identity = identityOf(identityStored);
  const tracker = new ChangeTracker();
  const tables = new MemoryTables(tracker);
  const image = new StateImage();
  if (identity === undefined) {
    if ((await readLog(database)).length > 0) {
      throw new StorageCorruptError("meta", "identity", "it is missing, and there is a log");
    }
    const state: StateMark = { generation: 1, applied: 0, appliedTerm: 0 };
    return { identity, state, stateWrite: 0, log: LogImage.fresh(), image, tables, tracker };
  }
  const state = markOf(markStored);
  const stateWrite = wholeWrite(markStored, begun);
  const [records] = await Promise.all([readLog(database), loadState(database, state.generation, image, tables)]);
  const log = LogImage.load(records);
  // Rows that were just read are not changes.
  tracker.forget();
  const { window } = log;
  if (state.applied < window.firstIndex() - 1 || state.applied > window.lastIndex()) {
    const range = `[${window.firstIndex()}, ${window.lastIndex()}]`;
    throw new StorageCorruptError("meta", "state", `it is applied to ${state.applied}, the log holds ${range}`);
  }
  return { identity, state, stateWrite, log, image, tables, tracker };
}

async function readLog(database: Database): Promise<readonly LogRecord[]> {
  const records: LogRecord[] = [];
  await eachRecord(database, "log", IDBKeyRange.lowerBound(LOG_MARK_KEY), (key, record) => {
    if (typeof key !== "number") throw new StorageCorruptError("log", keyText(key), "its key is no index");
    records.push({ key, record });
  });
  return records;
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

/**
 * Visits the records in order of their keys. The keys are read first, so that the ranges of the requests are known. How
 * many records a request asks for follows from the size of those that have arrived.
 */
async function eachRecord(
  database: Database,
  name: StoreName,
  range: IDBKeyRange,
  visit: (key: IDBValidKey, record: Uint8Array) => void,
): Promise<void> {
  const { store, done } = database.transaction(name);
  settle(done);
  const keys = await store.getAllKeys(range);
  const arriving: Promise<readonly unknown[]>[] = [];
  let [asked, visited, count] = [0, 0, FIRST_RECORDS];
  const ask = (): void => {
    const last = keys[Math.min(asked + count, keys.length) - 1];
    if (last === undefined || asked === keys.length) return;
    const part = database.transaction(name);
    settle(part.done);
    const values = part.store.getAll(IDBKeyRange.bound(keys[asked], last));
    settle(values);
    arriving.push(values);
    asked = Math.min(asked + count, keys.length);
  };
  for (let more = 0; more < IN_FLIGHT; more++) ask();
  for (let values = arriving.shift(); values !== undefined; values = arriving.shift()) {
    const records = await values;
    let bytes = 0;
    for (const record of records) if (record instanceof Uint8Array) bytes += record.length;
    count = Math.max(1, Math.min(RECORDS_MAX, Math.floor((REQUEST_BYTES * records.length) / Math.max(bytes, 1))));
    ask();
    for (const record of records) {
      const key = keys[visited++];
      if (key === undefined) throw new StorageError("lost", `records of ${name} came while they were read`);
      if (!(record instanceof Uint8Array)) throw new StorageCorruptError(name, keyText(key), "it is no record");
      visit(key, record);
    }
  }
  if (visited !== keys.length) throw new StorageError("lost", `records of ${name} went while they were read`);
}

/** An error of a request aborts its transaction. An error of a read transaction fails its requests. */
function settle(request: Promise<unknown>): void {
  request.catch(() => {});
}

function get(database: Database, name: StoreName, key: IDBValidKey): Promise<unknown> {
  const { store, done } = database.transaction(name);
  settle(done);
  return store.get(key);
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

/** Whether nothing was written since `content` was loaded: each write has a number, of the log or of the state. */
export async function isUnchanged(database: Database, content: LoadedContent): Promise<boolean> {
  const { identity, log, stateWrite, state } = content;
  const begun = await get(database, "meta", "begun");
  if (typeof begun === "number" ? begun !== stateWrite : stateWrite !== 0) return false;
  if (identity === undefined) return (await get(database, "meta", "identity")) === undefined;
  return isNewest(database, log.seq, state);
}

/** Checks a connection that was opened again: the disk must hold the last confirmed write. */
export async function checkUnchanged(database: Database, seq: number, mark: StateMark): Promise<void> {
  if (await isNewest(database, seq, mark)) return;
  database.close();
  throw new StorageError("lost", "the browser has lost data of this member that it had confirmed");
}

async function isNewest(database: Database, seq: number, mark: StateMark): Promise<boolean> {
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
  return newest === seq && state?.generation === mark.generation && state.applied === mark.applied;
}
