/**
 * The database of a tab's member: its object stores, how it is opened, and the content of a transaction. It is read in
 * indexeddb-load.ts.
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
import { guard, type FenceKey } from "./indexeddb-fence.ts";
import { writeTogether, type Request } from "./indexeddb-writing.ts";
import type { LogWrite } from "./log-image.ts";
import type { StateWrite } from "./state-image.ts";
import { StorageError } from "../storage-error.ts";
import type { Identity } from "../storage.ts";

/**
 * Increase it with any change that an older Quorate would misread. The browser then refuses to open the database there.
 */
const SCHEMA_VERSION = 1;
export const LOG_STORES: readonly ["log"] = ["log"];
export const STATE_STORES: readonly ["segments", "dead", "buckets", "meta"] = ["segments", "dead", "buckets", "meta"];
export const ALL_STORES: readonly ["log", ...typeof STATE_STORES] = [...LOG_STORES, ...STATE_STORES];
export type Database = IDBPDatabase;
export type StoreName = (typeof ALL_STORES)[number];
export type Writing = IDBPTransaction<unknown, StoreName[], "readwrite">;

export interface StateMark {
  readonly generation: number;
  readonly applied: LogIndex;
  readonly appliedTerm: Term;
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
