/**
 * The copy of a replica in IndexedDB: one row for each key, and one for the mark.
 *
 *     pairs   key (bytes)    value, revisions, version, lease
 *     mark    "copy"         of what, at which revision, how many pairs, how many bytes
 *
 * Durability is relaxed. A copy that a crash takes back to an earlier revision is still a copy.
 */
import { openDB, deleteDB, type IDBPDatabase, type IDBPTransaction } from "idb";
import type { KeyValue } from "../../protocol/api/kv.ts";
import type { RevisionRow } from "../../mvcc/tables/tables.ts";
import { pairOf } from "../copy/replica-copy.ts";
import { isSameSource, StoreError, verdictOn } from "./replica-store.ts";
import type { CopyChange, CopyLimits, ReplicaStore, StoredCopy, Written } from "./replica-store.ts";
import { checkedMark, checkedPair, markRow, PAIRS_MAX, sizeOfPair, pairRow, storedValue } from "./stored-copy.ts";
import type { StoredMark } from "./stored-copy.ts";

const SCHEMA_VERSION = 1;
const PAIRS = "pairs";
const MARK = "mark";
const COPY = "copy";
const BOTH: [typeof PAIRS, typeof MARK] = [PAIRS, MARK];
/** Pairs that are read at a time: what a wrong number can make us hold before it is noticed. */
const READ_AT_ONCE = 2_000;

type Transaction<Mode extends IDBTransactionMode> = IDBPTransaction<unknown, typeof BOTH, Mode>;

/** Rejects with StoreError. */
export async function indexedDbReplicaStore(name: string): Promise<ReplicaStore> {
  if (!("indexedDB" in globalThis)) throw new StoreError("failed", "this runtime has no IndexedDB");
  try {
    const database = await openDB(name, SCHEMA_VERSION, {
      upgrade(upgraded) {
        for (const store of BOTH) upgraded.createObjectStore(store);
      },
    });
    return new IndexedDbReplicaStore(name, database);
  } catch (error) {
    throw explained(error);
  }
}

class IndexedDbReplicaStore implements ReplicaStore {
  onLost: ((reason: string) => void) | undefined;
  readonly #name: string;
  readonly #database: IDBPDatabase;

  constructor(name: string, database: IDBPDatabase) {
    this.#name = name;
    this.#database = database;
    database.addEventListener("close", () =>
      this.onLost?.("the browser closed the replica's database, as it does when site data are cleared"),
    );
    database.addEventListener("versionchange", () => {
      // Whoever deletes or replaces the database need not wait for this tab.
      database.close();
      this.onLost?.("the replica's database was deleted, or replaced by a newer version");
    });
  }

  read(limits: CopyLimits): Promise<StoredCopy | undefined> {
    return this.#within("readonly", async (tx) => {
      const mark = checkedMark(await tx.objectStore(MARK).get(COPY), Date.now());
      if (mark === undefined || mark.pairBytes > limits.sizeBytesMax || mark.pairCount > PAIRS_MAX) return undefined;
      const pairs = await readPairs(tx, mark, limits);
      return pairs === undefined ? undefined : { mark, pairs };
    });
  }

  write(change: CopyChange): Promise<Written> {
    return this.#within("readwrite", async (tx): Promise<Written> => {
      const stored = checkedMark(await tx.objectStore(MARK).get(COPY), Infinity);
      const verdict = verdictOn(stored, change);
      if (stored === undefined || verdict !== "write") return verdict === "write" ? "behind" : verdict;
      const { mark, rows } = change;
      await markFirst(tx, { ...mark, ...(await sizeAfter(tx, rows, stored)) }, rowRequests(tx, rows));
      return "written";
    });
  }

  async replace({ mark, pairs }: StoredCopy, isForced: boolean): Promise<void> {
    const isKnown = await this.#within("readwrite", async (tx) => {
      const marks = tx.objectStore(MARK);
      const stored = checkedMark(await marks.get(COPY), Infinity);
      const known = stored !== undefined && isSameSource(stored, mark) && stored.revision >= mark.revision;
      if (known && !isForced) return true;
      // A transaction of its own: what a full disk leaves of the next one is taken for nothing.
      await Promise.all([marks.delete(COPY), tx.objectStore(PAIRS).clear()]);
      return false;
    });
    if (isKnown) return;
    await this.#within("readwrite", async (tx) => {
      const sizes = { pairCount: pairs.length, pairBytes: pairs.reduce((sum, pair) => sum + sizeOfPair(pair), 0) };
      const store = tx.objectStore(PAIRS);
      const puts = pairs.map((pair) => () => store.put(pairRow(pair), keyOf(pair.key)));
      await markFirst(tx, { ...mark, ...sizes }, puts);
    });
  }

  erase(): Promise<void> {
    return this.#within("readwrite", async (tx) => {
      await Promise.all([tx.objectStore(MARK).delete(COPY), tx.objectStore(PAIRS).clear()]);
    });
  }

  async delete(): Promise<void> {
    this.onLost = undefined;
    this.#database.close();
    await deleteDB(this.#name);
  }

  close(): void {
    this.onLost = undefined;
    this.#database.close();
  }

  /** Resolves when the transaction is complete: that, and not the success of its requests, is when it counts. */
  async #within<Mode extends "readonly" | "readwrite", Result>(
    mode: Mode,
    run: (tx: Transaction<Mode>) => Promise<Result>,
  ): Promise<Result> {
    let tx: Transaction<Mode> | undefined;
    try {
      tx = this.#database.transaction(BOTH, mode, { durability: "relaxed" });
      // Marked as handled: where a request fails first, the transaction tells why.
      tx.done.catch(() => {});
      const result = await run(tx);
      await tx.done;
      return result;
    } catch (error) {
      throw explained(tx?.error ?? error);
    }
  }
}

/**
 * In Firefox a transaction that the quota aborts may leave the requests after the failing one. So the mark comes first: what
 * is left is then newer than the mark that is stored, or not as much as it says, and is not believed.
 */
async function markFirst(
  tx: Transaction<"readwrite">,
  mark: StoredMark,
  requests: readonly (() => Promise<unknown>)[],
): Promise<void> {
  const issued = [() => tx.objectStore(MARK).put(markRow(mark), COPY), ...requests].map((request) => {
    const result = request();
    // The first error is reported; the others follow from it.
    result.catch(() => {});
    return result;
  });
  await Promise.all(issued);
}

async function readPairs(
  tx: Transaction<"readonly">,
  mark: StoredMark,
  limits: CopyLimits,
): Promise<readonly KeyValue[] | undefined> {
  const store = tx.objectStore(PAIRS);
  const pairs: KeyValue[] = [];
  let bytes = 0;
  let range: IDBKeyRange | undefined;
  for (;;) {
    // Both of one transaction, so they belong together.
    const [keys, values] = await Promise.all([
      store.getAllKeys(range, READ_AT_ONCE),
      store.getAll(range, READ_AT_ONCE) as Promise<readonly unknown[]>,
    ]);
    for (const [at, key] of keys.entries()) {
      const pair = checkedPair(key, values[at], mark, limits);
      if (pair === undefined) return undefined;
      bytes += sizeOfPair(pair);
      pairs.push(pair);
    }
    if (bytes > mark.pairBytes || pairs.length > mark.pairCount) return undefined;
    const last = keys.at(-1);
    if (keys.length < READ_AT_ONCE || last === undefined) break;
    range = IDBKeyRange.lowerBound(last, true);
  }
  return bytes === mark.pairBytes && pairs.length === mark.pairCount ? pairs : undefined;
}

/** The stored revision may lie within the change, so a row may be there already, in this version or a newer one. */
async function sizeAfter(
  tx: Transaction<"readwrite">,
  rows: readonly RevisionRow[],
  stored: StoredMark,
): Promise<Pick<StoredMark, "pairCount" | "pairBytes">> {
  const store = tx.objectStore(PAIRS);
  let { pairCount, pairBytes: bytes } = stored;
  const before = await Promise.all(rows.map(({ key }) => store.get(keyOf(key)) as Promise<unknown>));
  for (const [at, row] of rows.entries()) {
    const value = storedValue(before[at]);
    if (value !== undefined) {
      pairCount--;
      bytes -= sizeOfPair({ key: row.key, value });
    }
    if (row.version === 0) continue;
    pairCount++;
    bytes += sizeOfPair(row);
  }
  return { pairCount, pairBytes: bytes };
}

function rowRequests(tx: Transaction<"readwrite">, rows: readonly RevisionRow[]): readonly (() => Promise<unknown>)[] {
  const store = tx.objectStore(PAIRS);
  return rows.map((row) =>
    row.version === 0 ? () => store.delete(keyOf(row.key)) : () => store.put(pairRow(pairOf(row)), keyOf(row.key)),
  );
}

/** Of its own buffer: a key that is a view would be stored as the view, but its type knows only whole buffers. */
function keyOf(key: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(key);
}

function explained(error: unknown): StoreError {
  if (error instanceof StoreError) return error;
  const name = error instanceof DOMException ? error.name : "";
  const text = error instanceof Error ? error.message : String(error);
  if (name === "QuotaExceededError") return new StoreError("full", `the browser gives this site no more room: ${text}`);
  if (name === "VersionError") {
    return new StoreError("failed", `a newer version of Quorate has written this replica: ${text}`);
  }
  return new StoreError("failed", `the replica's database failed: ${text}`);
}
