/**
 * The store of a tab, in a real Chromium. A crash takes the connection away in the middle of things and aborts what the
 * browser lets be aborted; a page that is killed for good is a matter of the end-to-end tests.
 */
import { deleteDB, openDB } from "idb";
import { afterEach, describe, expect, test, vi } from "vitest";
import { deleteIndexedDb, openIndexedDbStorage, type IndexedDbOptions } from "../../src/storage/indexeddb/indexeddb.ts";
import { StorageError } from "../../src/storage/storage-error.ts";
import { ENTRY_BYTES_MAX, type Storage } from "../../src/storage/storage.ts";
import { stateTablesContract, type TablesUnderTest } from "../contract/state-tables.ts";
import { storageContract } from "../contract/storage.ts";
import { storeContract } from "../contract/store.ts";
import {
  append,
  apply,
  batchOf,
  bootstrap,
  dump,
  entriesOf,
  entry,
  flush,
  logOf,
  type StorageHome,
} from "../contract/storage-kit.ts";

/** Connections and transactions as the adapter makes them, to be pulled from under it. */
const connections = new Set<IDBDatabase>();
const transactions: IDBTransaction[] = [];
/** Those that have completed, known before the adapter hears of it. */
const completed = new Set<IDBTransaction>();
/** New transactions get no event at their end, as Chromium may do when the site's data is cleared. */
let isMute = false;
const { transaction: begin } = IDBDatabase.prototype as {
  transaction: (...options: Parameters<IDBDatabase["transaction"]>) => IDBTransaction;
};
IDBDatabase.prototype.transaction = function (this: IDBDatabase, ...options): IDBTransaction {
  const transaction = begin.apply(this, options);
  connections.add(this);
  if (transaction.mode !== "readwrite") return transaction;
  transactions.push(transaction);
  transaction.addEventListener("complete", () => completed.add(transaction));
  if (isMute) {
    for (const end of ["complete", "abort", "error"] as const) {
      transaction.addEventListener(end, (event) => event.stopImmediatePropagation(), { capture: true });
    }
  }
  return transaction;
};

const databases: string[] = [];

function newName(): string {
  const name = `storage-${crypto.randomUUID()}`;
  databases.push(name);
  return name;
}

afterEach(async () => {
  isMute = false;
  crash();
  await Promise.all(databases.splice(0).map((name) => deleteIndexedDb(name)));
});

function crash(): void {
  for (const transaction of transactions.splice(0)) {
    try {
      transaction.abort();
    } catch {
      // It was through already.
    }
  }
  for (const connection of connections) connection.dispatchEvent(new Event("versionchange"));
  connections.clear();
}

function browserHome(options: Omit<IndexedDbOptions, "name">): StorageHome {
  const name = newName();
  return {
    async visit(ending, use) {
      const storage = await openIndexedDbStorage({ name, ...options });
      const result = await use(storage);
      if (ending === "close") await storage.close();
      crash();
      return result;
    },
  };
}

storageContract("IndexedDB", () => browserHome({}));
storageContract("IndexedDB that writes behind at once", () => browserHome({ behindRows: 1 }));

stateTablesContract("IndexedDB", openTables);
storeContract("IndexedDB", openTables);

async function openTables(): Promise<TablesUnderTest> {
  const name = newName();
  let storage = await openIndexedDbStorage({ name });
  await bootstrap(storage);
  await append(storage, batchOf([entry(1, 1)]));
  return {
    tables: storage.tables,
    reopen: async () => {
      storage.stateChanged(1, 1);
      await flush(storage);
      crash();
      storage = await openIndexedDbStorage({ name });
      return storage.tables;
    },
  };
}

async function opened(options: Omit<IndexedDbOptions, "name"> = {}): Promise<{ name: string; storage: Storage }> {
  const name = newName();
  const storage = await openIndexedDbStorage({ name, ...options });
  await bootstrap(storage);
  return { name, storage };
}

function problemOf(storage: Storage, index: number): Promise<StorageError | undefined> {
  return append(storage, batchOf([entry(index, 1)])).then(
    () => undefined,
    (error: unknown) => error as StorageError,
  );
}

describe("a write", () => {
  test("is reported done when its transaction has completed, not when its requests have succeeded", async () => {
    const { storage } = await opened();
    transactions.length = 0;
    // Whether all of its transactions have completed at the moment of the call.
    const areComplete = (): boolean => transactions.length > 0 && transactions.every((each) => completed.has(each));
    expect(await append(storage, batchOf([entry(1, 1)])).then(areComplete)).toBe(true);
    transactions.length = 0;
    apply(storage, 1);
    expect(await flush(storage).then(areComplete)).toBe(true);
  });

  test("is flushed to the device, whatever it holds: each transaction that writes is strict", async () => {
    transactions.length = 0;
    const { name, storage } = await opened({ behindRows: 1 });
    await append(storage, batchOf(entriesOf(1, 3, 1)));
    for (let index = 1; index <= 3; index++) apply(storage, index);
    storage.stage().abort();
    await flush(storage);
    storage.compactLog(2);
    await append(storage, batchOf([entry(4, 1)]));
    await storage.close();
    await (await openIndexedDbStorage({ name })).close();
    // The browser's own transaction that makes the stores has no such choice.
    const chosen = transactions.filter(({ mode }) => mode === "readwrite").map(({ durability }) => durability);
    expect(chosen.length).toBeGreaterThan(3);
    expect(new Set(chosen)).toEqual(new Set(["strict"]));
  });
});

describe("a connection that the browser takes away", () => {
  test("breaks the store at its close event, though the transaction in flight gets no event", async () => {
    const { storage } = await opened();
    const failures: Error[] = [];
    storage.onFailed = (error) => failures.push(error);
    isMute = true;
    const problem = problemOf(storage, 1);
    // The adapter begins its transaction at the end of the turn.
    await Promise.resolve();
    for (const connection of connections) {
      connection.close();
      connection.dispatchEvent(new Event("close"));
    }
    expect(await problem).toMatchObject({ kind: "lost", message: expect.stringContaining("cleared") });
    expect(failures).toHaveLength(1);
  });

  test("breaks the store at its close event when the data is gone, with nothing to write", async () => {
    const { name, storage } = await opened();
    await append(storage, batchOf([entry(1, 1)]));
    const failed = new Promise<Error>((resolve) => {
      storage.onFailed = resolve;
    });
    for (const connection of connections) connection.close();
    await deleteDB(name);
    for (const connection of connections) connection.dispatchEvent(new Event("close"));
    expect(await failed).toMatchObject({ kind: "lost" });
  });

  test("is opened again when nothing was in flight, and no caller notices", async () => {
    const { name, storage } = await opened();
    await append(storage, batchOf([entry(1, 1)]));
    for (const connection of connections) connection.close();
    await append(storage, batchOf([entry(2, 1)]));
    for (const connection of connections) {
      connection.close();
      connection.dispatchEvent(new Event("close"));
    }
    await append(storage, batchOf([entry(3, 1)]));
    apply(storage, 1);
    await flush(storage);
    crash();
    expect(logOf(await openIndexedDbStorage({ name }))).toEqual(entriesOf(1, 3, 1));
  });

  test("breaks the store when a write was in flight, because its outcome is unknown", async () => {
    const { storage } = await opened();
    const write = problemOf(storage, 1);
    await Promise.resolve();
    for (const transaction of transactions) {
      try {
        transaction.abort();
      } catch {
        // It was through already.
      }
    }
    const problem = await write;
    // Chromium may have committed it before the abort came; then there is nothing to report.
    expect([undefined, "lost"]).toContain(problem?.kind);
  });

  test("breaks the store when the disk has gone back in time meanwhile", async () => {
    const { name, storage } = await opened();
    await append(storage, batchOf([entry(1, 1)]));
    await append(storage, batchOf([entry(2, 1)]));
    for (const connection of connections) connection.close();
    await tamper(name, (database) => database.delete("log", 2));
    expect(await problemOf(storage, 3)).toMatchObject({ kind: "lost", message: expect.stringContaining("confirmed") });
    expect(await problemOf(storage, 4)).toMatchObject({ kind: "lost" });
  });

  test("breaks the store when another page deletes the database", async () => {
    const { name, storage } = await opened();
    await append(storage, batchOf([entry(1, 1)]));
    await deleteDB(name);
    expect(await problemOf(storage, 2)).toMatchObject({ kind: "lost", message: expect.stringContaining("deletes") });
  });

  test("is not opened again after a close", async () => {
    const { storage } = await opened();
    await storage.close();
    expect(await problemOf(storage, 1)).toMatchObject({ kind: "closed" });
  });
});

// Chromium can be told a quota by DevTools only, and this one does not heed it: the refusal is played.
describe("a database that is opened again while it is open", () => {
  test("takes no write of the former opening any more, to the log or to the state, and the later one goes on", async () => {
    const name = newName();
    const former = await openIndexedDbStorage({ name });
    await bootstrap(former);
    await append(former, batchOf([entry(1, 1)]));
    apply(former, 1);
    const later = await openIndexedDbStorage({ name });
    await expect(append(former, batchOf([entry(2, 1)]))).rejects.toMatchObject({ kind: "replaced" });
    await append(later, batchOf([entry(2, 2)]));
    await later.close();
    const last = await openIndexedDbStorage({ name });
    expect(logOf(last)).toEqual([entry(1, 1), entry(2, 2)]);
    expect(last.appliedAtOpen).toBe(0);
    await last.close();
  });

  test("refuses the state alone as well, and tells the member that has nothing in flight", async () => {
    const name = newName();
    const former = await openIndexedDbStorage({ name, idleMs: 0 });
    await bootstrap(former);
    await append(former, batchOf([entry(1, 1)]));
    const later = await openIndexedDbStorage({ name });
    const failed = new Promise<Error>((resolve) => (former.onFailed = resolve));
    apply(former, 1);
    expect(await failed).toMatchObject({ kind: "replaced" });
    expect(later.durableApplied).toBe(0);
    await later.close();
    const last = await openIndexedDbStorage({ name });
    expect(last.appliedAtOpen).toBe(0);
    await last.close();
  });

  test("refuses what the former opening had begun before, or has it whole: nothing in between", async () => {
    const name = newName();
    const former = await openIndexedDbStorage({ name });
    await bootstrap(former);
    const outcome = append(former, batchOf(entriesOf(1, 50, 1))).then(
      () => 50,
      () => 0,
    );
    const later = await openIndexedDbStorage({ name });
    expect(logOf(later)).toHaveLength(await outcome);
    await later.close();
  });

  test("keeps out an opening of long ago, and forgets the keys of a thousand openings before", async () => {
    const name = newName();
    const former = await openIndexedDbStorage({ name });
    await bootstrap(former);
    for (let times = 0; times < 5; times += 1) await (await openIndexedDbStorage({ name })).close();
    await expect(append(former, batchOf([entry(1, 1)]))).rejects.toMatchObject({ kind: "replaced" });
    const database = await openDB(name);
    const [newest = 0] = (await database.getAllKeys("log", IDBKeyRange.upperBound(0, true))).map(Number);
    expect(await database.count("log", IDBKeyRange.upperBound(0, true))).toBe(5);
    await database.put("meta", newest - 2_000 * 2 ** 20, "owner");
    database.close();
    const later = await openIndexedDbStorage({ name });
    await append(later, batchOf([entry(1, 1)]));
    await later.close();
    const after = await openDB(name);
    for (const store of ["log", "meta"]) expect(await after.count(store, IDBKeyRange.upperBound(0, true))).toBe(1);
    after.close();
  });
});

test("a full disk breaks the store with a readable message, and keeps the stored data", async () => {
  const { name, storage } = await opened();
  await append(storage, batchOf([entry(1, 1)]));
  const refused = vi.spyOn(IDBObjectStore.prototype, "put").mockImplementation(() => {
    throw new DOMException("Encountered full disk while committing", "QuotaExceededError");
  });
  const problem = await problemOf(storage, 2);
  refused.mockRestore();
  expect(problem).toMatchObject({ kind: "quota", message: expect.stringContaining("no more room") });
  expect(await problemOf(storage, 3)).toBe(problem);
  expect(logOf(await openIndexedDbStorage({ name }))).toEqual([entry(1, 1)]);
});

describe("state is written behind", () => {
  test("when nothing changed for a while, and at the latest after another while", async () => {
    const { storage } = await opened({ idleMs: 5, behindMs: 10_000 });
    await append(storage, batchOf(entriesOf(1, 3, 1)));
    for (let index = 1; index <= 3; index++) apply(storage, index);
    await vi.waitFor(() => expect(storage.durableApplied).toBe(3), 60_000);

    const busy = await opened({ idleMs: 10_000, behindMs: 5 });
    await append(busy.storage, batchOf(entriesOf(1, 3, 1)));
    for (let index = 1; index <= 3; index++) apply(busy.storage, index);
    await vi.waitFor(() => expect(busy.storage.durableApplied).toBe(3), 60_000);
  });

  test("in segments, of which those that are mostly dead are written again", async () => {
    const { name, storage } = await opened();
    let index = 0;
    for (let round = 0; round < 6; round++) {
      await append(storage, batchOf(entriesOf(index + 1, index + 500, 1)));
      for (const last = index + 500; index < last;) apply(storage, ++index);
      await flush(storage);
      while (storage.tables.keys.compact(index, undefined, 1_000) !== undefined);
      storage.stateChanged(index, 1);
      await flush(storage);
    }
    const expected = dump(storage.tables);
    await storage.close();
    const rows = await tamper(name, async (database) => (await database.getAll("segments")) as Uint8Array[]);
    expect(rows.reduce((total, record) => total + record.length, 0)).toBeLessThan(2_000);
    expect(dump((await openIndexedDbStorage({ name })).tables)).toEqual(expected);
  });

  test("and a state that was staged, installed or replaced leaves only the current one", async () => {
    const { name, storage } = await opened();
    const forgotten = storage.stage();
    const value = new Uint8Array(1024 * 1024);
    for (let main = 2; main < 6; main++) {
      forgotten.tables.keys.append({
        key: value.subarray(0, 1),
        main,
        sub: 0,
        createRevision: 2,
        version: 1,
        lease: 0n,
        value,
      });
    }
    await vi.waitFor(
      async () => expect(await tamper(name, (database) => database.count("segments"))).toBeGreaterThan(1),
      60_000,
    );
    forgotten.abort();
    await vi.waitFor(async () => expect(await tamper(name, (database) => database.count("segments"))).toBe(0), 60_000);
    await storage.close();
  });
});

describe("a disk that cannot be trusted", () => {
  test.for<readonly [string, (database: Tampered) => Promise<unknown>, string]>([
    ["a changed record of the log", (database) => flipByte(database, "log", 3), "table log, row 3.*checksum"],
    ["a record of the log that is gone", (database) => database.delete("log", 3), "table log.*gap.*entry 3"],
    ["a hard state that is gone", (database) => database.delete("log", 0), "table log, row 0.*hard state"],
    ["a changed segment", (database) => flipByte(database, "segments", [1, 1]), "table segments, row 1.*checksum"],
    ["a state mark that is gone", (database) => database.delete("meta", "state"), "table meta, row state.*missing"],
    ["an identity that is gone", (database) => database.delete("meta", "identity"), "row identity.*missing"],
    ["a record of another kind", (database) => database.put("segments", "text", [1, 1]), "segments.*no record"],
    [
      "an identity without an id",
      (database) => database.put("meta", { clusterId: "1", memberId: "me", name: "" }, "identity"),
      "row identity.*who the member is",
    ],
    [
      "a state mark without numbers",
      (database) => database.put("meta", { generation: 1, applied: "4", appliedTerm: 1 }, "state"),
      "row state.*how far",
    ],
    [
      "a record of the log whose key is no index",
      (database) => database.put("log", new Uint8Array(8), "four"),
      "log.*no index",
    ],
    [
      "a record of the log under another's key",
      (database) => copy(database, "log", 1, 3),
      "log, row 3.*another record",
    ],
    [
      "a segment whose key is no number",
      (database) => database.put("segments", new Uint8Array(8), [1, "one"]),
      "segments.*no number",
    ],
    [
      "a segment that is there twice",
      (database) => copy(database, "segments", [1, 1], [1, 2]),
      "segments, row 2.*out of order",
    ],
    ["dead rows of no segment", (database) => database.put("dead", new Uint8Array(8), [1, 9]), "segments.*9.*missing"],
    [
      "a row of a bucket that there is not",
      (database) => database.put("buckets", new Uint8Array(8), [1, "cellar", "key"]),
      "buckets.*cellar.*none that we write",
    ],
    [
      "a write of the state of which only the end is there",
      (database) => database.put("meta", 1, "begun"),
      "meta, row begun.*only a part",
    ],
    [
      "a state beyond the log",
      (database) => database.put("meta", { generation: 1, applied: 99, appliedTerm: 1 }, "state"),
      "applied to 99",
    ],
  ])("is named with its table and row, and nothing is guessed: %s", async ([, damage, message]) => {
    const { name, storage } = await opened();
    await append(storage, batchOf(entriesOf(1, 2, 1)));
    await append(storage, batchOf(entriesOf(3, 4, 1)));
    await append(storage, batchOf(entriesOf(5, 6, 1)));
    for (let index = 1; index <= 4; index++) apply(storage, index);
    await storage.close();
    await tamper(name, damage);
    const problem = await openIndexedDbStorage({ name }).catch((error: unknown) => error);
    expect(problem).toBeInstanceOf(StorageError);
    expect(String(problem)).toMatch(new RegExp(message));
  });

  /** Bits of a bucket's value are the browser's to keep; what carries Raft's promises has a checksum. */
  test.each<[what: string, damage: (value: unknown) => unknown]>([
    ["another type", () => 7],
    ["text", () => "?"],
    ["nothing", () => null],
    ["no bytes", () => new Uint8Array(0)],
    ["bytes cut off", (value) => (value instanceof Uint8Array ? value.slice(0, -1) : undefined)],
    ["a byte too many", (value) => (value instanceof Uint8Array ? Uint8Array.of(...value, 0) : undefined)],
    ["a first byte flipped", (value) => flipped(value, 0)],
    ["a byte flipped in the middle", (value) => flipped(value, 0.5)],
    ["a last byte flipped", (value) => flipped(value, 1)],
  ])("a record that is %s is an error that names it, or changes no answer", async (what, damage) => {
    const { name, storage } = await opened({ behindRows: 3 });
    await append(storage, batchOf(entriesOf(1, 4, 1)));
    for (let index = 1; index <= 4; index++) apply(storage, index);
    await flush(storage);
    await append(storage, batchOf(entriesOf(5, 9, 1), { term: 2, vote: 1n, commit: 9 }));
    await storage.close();
    const expected = await contentOf(name);
    const records = await tamper(name, recordsOf);
    expect(records.length).toBeGreaterThan(8);
    const wrong: string[] = [];
    let refused = 0;
    for (const { store, key, value } of records) {
      const damaged = damage(value);
      if (damaged === undefined || (store === "buckets" && damaged instanceof Uint8Array)) continue;
      await tamper(name, (database) => database.put(store, damaged, key));
      const record = `${store} ${JSON.stringify(key)} is ${what}`;
      try {
        if (JSON.stringify(await contentOf(name)) !== JSON.stringify(expected)) wrong.push(`${record}: another answer`);
      } catch (error) {
        refused += 1;
        if (!(error instanceof StorageError)) wrong.push(`${record}: ${String(error)}`);
      }
      await tamper(name, (database) => database.put(store, value, key));
    }
    expect(wrong).toEqual([]);
    expect(refused).toBeGreaterThan(0);
    expect(await contentOf(name)).toEqual(expected);
  });

  test.for([3, 4])("is refused when only a part of the last write of the log is there: not record %i", async (lost) => {
    const { name, storage } = await opened();
    await append(storage, batchOf(entriesOf(1, 2, 1)));
    const large = [3, 4, 5].map((index) => entry(index, 1, new Uint8Array(ENTRY_BYTES_MAX - 1_000)));
    await append(storage, batchOf(large));
    await storage.close();
    await (await openIndexedDbStorage({ name })).close();
    await tamper(name, (database) => database.delete("log", lost));
    await expect(openIndexedDbStorage({ name })).rejects.toThrow("only a part of the last write of the log");
  });

  test("is refused when a newer version wrote it", async () => {
    const name = newName();
    (await openDB(name, 7)).close();
    await expect(openIndexedDbStorage({ name })).rejects.toMatchObject({ kind: "version" });
  });
});

type Tampered = Awaited<ReturnType<typeof openDB>>;

async function tamper<T>(name: string, change: (database: Tampered) => Promise<T>): Promise<T> {
  const database = await openDB(name);
  try {
    return await change(database);
  } finally {
    database.close();
  }
}

async function copy(database: Tampered, store: string, from: IDBValidKey, to: IDBValidKey): Promise<void> {
  await database.put(store, await database.get(store, from), to);
}

async function flipByte(database: Tampered, store: string, key: IDBValidKey): Promise<void> {
  const record = (await database.get(store, key)) as Uint8Array;
  record.set([(record.at(-1) ?? 0) ^ 1], record.length - 1);
  await database.put(store, record, key);
}

interface StoredRecord {
  readonly store: string;
  readonly key: IDBValidKey;
  readonly value: unknown;
}

/** Each opening writes the fence anew, so it is left out. */
async function recordsOf(database: Tampered): Promise<readonly StoredRecord[]> {
  const records: StoredRecord[] = [];
  for (const store of database.objectStoreNames) {
    if (store.includes("fence")) continue;
    const keys = await database.getAllKeys(store);
    const values: unknown[] = await database.getAll(store);
    for (const [at, key] of keys.entries()) records.push({ store, key, value: values[at] });
  }
  return records;
}

async function contentOf(name: string): Promise<unknown> {
  const storage = await openIndexedDbStorage({ name });
  const { identity, hardState, appliedAtOpen, tables } = storage;
  const log = logOf(storage).map(({ index, term, data }) => [index, term, ...data]);
  const content = [String(identity?.memberId), String(hardState.vote), hardState.term, hardState.commit, appliedAtOpen];
  const whole = { content, log, rows: dump(tables), count: tables.keys.rowCount };
  crash();
  return whole;
}

function flipped(value: unknown, place: number): unknown {
  if (!(value instanceof Uint8Array) || value.length === 0) return undefined;
  const bytes = value.slice();
  const at = Math.round(place * (bytes.length - 1));
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  return bytes;
}
