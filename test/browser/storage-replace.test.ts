/** A tab's database is given to a member of a new cluster: all of it or nothing. */
import { afterEach, expect, test } from "vitest";
import { deleteIndexedDb, openIndexedDbStorage } from "../../src/storage/indexeddb/indexeddb.ts";
import { replaceIndexedDb } from "../../src/storage/indexeddb/indexeddb-replace.ts";
import type { Identity, Storage } from "../../src/storage/storage.ts";
import {
  append,
  apply,
  applyTo,
  batchOf,
  bootstrap,
  dump,
  entriesOf,
  IDENTITY,
  logOf,
} from "../contract/storage-kit.ts";

const NEXT: Identity = { clusterId: 71n, memberId: 72n, name: "next" };
const { transaction: begin } = IDBDatabase.prototype as {
  transaction: (...options: Parameters<IDBDatabase["transaction"]>) => IDBTransaction;
};

let name = "";

afterEach(async () => {
  IDBDatabase.prototype.transaction = begin;
  await deleteIndexedDb(name);
});

/** The former member: twenty entries, of which fifteen are applied and on disk. */
async function former(): Promise<readonly string[]> {
  name = `replace-${crypto.randomUUID()}`;
  const storage = await openIndexedDbStorage({ name });
  await bootstrap(storage);
  await append(storage, batchOf(entriesOf(1, 20, 3), { term: 3, vote: 9n, commit: 15 }));
  for (let index = 1; index <= 15; index++) apply(storage, index);
  const rows = dump(storage.tables);
  await storage.close();
  return rows;
}

async function reopened(use: (storage: Storage) => Promise<void> | void): Promise<void> {
  const storage = await openIndexedDbStorage({ name });
  await use(storage);
  await storage.close();
}

test("the new member has its identity, its state and a log of its own, and nothing of the former one", async () => {
  await former();
  let rows: readonly string[] = [];
  await replaceIndexedDb(name, NEXT, (tables) => {
    for (let index = 101; index <= 103; index++) applyTo(tables, index);
    rows = dump(tables);
  });
  await reopened(async (storage) => {
    expect(storage.identity).toEqual(NEXT);
    expect(dump(storage.tables)).toEqual(rows);
    expect(logOf(storage)).toEqual([]);
    expect([storage.log.firstIndex(), storage.log.lastIndex(), storage.appliedAtOpen]).toEqual([2, 1, 1]);
    expect(storage.hardState).toEqual({ term: 1, vote: 0n, commit: 1 });
    await append(storage, batchOf(entriesOf(2, 4, 2)));
  });
  await reopened((storage) => {
    expect(logOf(storage).map(({ index }) => index)).toEqual([2, 3, 4]);
    expect(dump(storage.tables)).toEqual(rows);
  });
});

test("the former member is whole if the transaction is aborted, or if its successor's state cannot be written", async () => {
  const rows = await former();
  await expect(
    replaceIndexedDb(name, NEXT, () => {
      throw new Error("no snapshot");
    }),
  ).rejects.toThrow("no snapshot");
  IDBDatabase.prototype.transaction = function (this: IDBDatabase, ...options): IDBTransaction {
    const transaction = begin.apply(this, options);
    // As a crash, a full disk or the end of the page would; the requests are there by then.
    if (transaction.mode === "readwrite" && transaction.objectStoreNames.contains("segments")) {
      queueMicrotask(() => transaction.abort());
      transaction.commit = () => {};
    }
    return transaction;
  };
  await expect(replaceIndexedDb(name, NEXT, (tables) => applyTo(tables, 101))).rejects.toThrow("taken this member");
  IDBDatabase.prototype.transaction = begin;
  await reopened((storage) => {
    expect(storage.identity).toEqual(IDENTITY);
    expect(dump(storage.tables)).toEqual(rows);
    expect(logOf(storage)).toHaveLength(20);
    expect(storage.hardState).toEqual({ term: 3, vote: 9n, commit: 15 });
  });
});
