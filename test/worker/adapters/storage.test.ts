/**
 * The Durable Object's store in workerd, on its real SQLite: a crash is an eviction in the middle of things. What the
 * platform bills is counted here as well.
 */
import { env } from "cloudflare:workers";
import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { expect, test } from "vitest";
import { Prng } from "../../../src/base/prng.ts";
import { utf8Encode } from "../../../src/base/utf8.ts";
import type { DurableObjectStorageOptions } from "../../../src/storage/durable-object/durable-object-options.ts";
import { openDurableObjectStorage } from "../../../src/storage/durable-object/durable-object.ts";
import type { RevisionRow } from "../../../src/mvcc/tables/tables.ts";
import { STATE_STATEMENTS } from "../../../src/storage/sqlite/sql-statements.ts";
import { EMPTY_COUNTERS, type StateCounters } from "../../../src/storage/sqlite/sql-keys.ts";
import { SqlStateTables } from "../../../src/storage/sqlite/sql-tables.ts";
import type { DurableObjectStorageLike, SqlRow } from "../../../src/storage/sqlite/sql.ts";
import { stateTablesRules, type TablesUnderTest } from "../../contract/state-tables.ts";
import { storageContract } from "../../contract/storage.ts";
import { storeRules } from "../../contract/store.ts";
import { append, apply, batchOf, bootstrap, entry, flush, type StorageHome } from "../../contract/storage-kit.ts";
import type { TestStore } from "../main.ts";

const { TEST_STORE } = env as unknown as { readonly TEST_STORE: DurableObjectNamespace<TestStore> };

let objects = 0;

function newObject(): DurableObjectStub<TestStore> {
  return TEST_STORE.get(TEST_STORE.idFromName(`storage ${objects++}`));
}

function objectHome(options: DurableObjectStorageOptions): StorageHome {
  const stub = newObject();
  return {
    async visit(ending, use) {
      const result = await runInDurableObject(stub, async (_instance: TestStore, state) => {
        const storage = openDurableObjectStorage(state.storage, options);
        const used = await use(storage);
        if (ending === "close") await storage.close();
        return used;
      });
      await evictDurableObject(stub);
      return result;
    },
  };
}

// An eviction waits for timers, so without one it comes in the middle of things.
const timer = (): (() => void) => () => {};

storageContract("a Durable Object", () => objectHome({ timer }));
test("an object that falls idle has written all of its state before it is evicted", async () => {
  const home = objectHome({});
  await home.visit("crash", async (storage) => {
    await bootstrap(storage);
    await append(storage, batchOf([entry(1, 1), entry(2, 1)]));
    apply(storage, 1);
    apply(storage, 2);
    expect(storage.durableApplied).toBe(0);
  });
  await home.visit("crash", (storage) => expect(storage.appliedAtOpen).toBe(2));
});

for (const [name, rules] of [
  ["state tables", stateTablesRules],
  ["store", storeRules],
] as const) {
  test.for(rules)(`${name} in a Durable Object, written behind at random: $title`, async (rule) => {
    expect(rule.title).not.toBe("");
    await runInDurableObject(newObject(), async (_instance: TestStore, state) => {
      await rule.check(flushingTables(state.storage, new Prng(3)));
    });
  });
}

function flushingTables(storage: DurableObjectStorageLike, prng: Prng): TablesUnderTest {
  for (const text of STATE_STATEMENTS.a.create) storage.sql.exec(text);
  let counters: StateCounters = EMPTY_COUNTERS;
  const open = (): SqlStateTables => {
    const tables: SqlStateTables = new SqlStateTables(storage.sql, "a", counters, () => {
      tables.mark();
      if (prng.bool(0.3)) counters = tables.flush();
    });
    return tables;
  };
  const tables = open();
  return {
    tables,
    reopen: () => {
      tables.mark();
      counters = tables.flush();
      return open();
    },
  };
}

interface Bill {
  rowsRead: number;
  rowsWritten: number;
}

/** What Cloudflare bills for, as SQLite counted it. */
function metered(storage: DurableObjectStorage): { storage: DurableObjectStorageLike; bill: () => Bill } {
  let cursors: SqlStorageCursor<Record<string, SqlStorageValue>>[] = [];
  return {
    storage: {
      sql: {
        exec(query, ...bindings) {
          const cursor = storage.sql.exec(query, ...bindings);
          cursors.push(cursor);
          return { toArray: (): SqlRow[] => cursor.toArray() };
        },
        get databaseSize() {
          return storage.sql.databaseSize;
        },
      },
      transactionSync: (closure) => storage.transactionSync(closure),
      sync: () => storage.sync(),
    },
    bill() {
      const total: Bill = { rowsRead: 0, rowsWritten: 0 };
      for (const { rowsRead, rowsWritten } of cursors) {
        total.rowsRead += rowsRead;
        total.rowsWritten += rowsWritten;
      }
      cursors = [];
      return total;
    },
  };
}

test("opening a member with 100,000 keys reads no key", async () => {
  const stub = newObject();
  const keys = 100_000;
  await runInDurableObject(stub, async (_instance: TestStore, state) => {
    const storage = openDurableObjectStorage(state.storage);
    await bootstrap(storage);
    await append(storage, batchOf([entry(1, 1)]));
    for (let at = 0; at < keys; at++) storage.tables.keys.append(plainRow(`/registry/pods/${at}`, at + 2));
    storage.stateChanged(1, 1);
    await storage.close();
  });
  await evictDurableObject(stub);
  await runInDurableObject(stub, (_instance: TestStore, state) => {
    const { storage, bill } = metered(state.storage);
    const opened = openDurableObjectStorage(storage);
    expect(opened.tables.keys.rowCount).toBe(keys);
    expect(bill()).toMatchObject({ rowsWritten: 0 });
    expect(opened.tables.keys.at(utf8Encode("/registry/pods/4711"), keys + 2)?.main).toBe(4713);
    expect(opened.tables.keys.count(utf8Encode("/registry/pods/99"), utf8Encode("/registry/pods/:"), keys + 2)).toBe(
      1111,
    );
    expect(bill().rowsRead).toBeLessThan(1111 * 5);
    const again = metered(state.storage);
    openDurableObjectStorage(again.storage);
    expect(again.bill().rowsRead).toBeLessThan(30);
  });
});

test("a put costs two rows under load: one of the log, one of the state, and a fraction for the rest", async () => {
  await runInDurableObject(newObject(), async (_instance: TestStore, state) => {
    const { storage, bill } = metered(state.storage);
    const opened = openDurableObjectStorage(storage);
    await bootstrap(opened);
    const puts = 320;
    const put = async (index: number): Promise<void> => {
      const write = append(opened, batchOf([entry(index, 1)], { term: 1, vote: 1n, commit: index - 1 }));
      // A turn of its own for each put, so a transaction of its own; the disk is waited for now and then.
      await (index % 20 === 0 ? write : Promise.resolve());
      opened.tables.keys.append(plainRow(`/registry/pods/${index}`, index + 1));
      opened.stateChanged(index, 1);
      if (index % 100 === 0) opened.compactLog(opened.durableApplied);
    };
    for (let index = 1; index <= puts; index++) await put(index);
    await flush(opened);
    bill();
    for (let index = puts + 1; index <= 2 * puts; index++) await put(index);
    await flush(opened);
    const { rowsWritten } = bill();
    expect(rowsWritten / puts).toBeGreaterThan(1.95);
    expect(rowsWritten / puts).toBeLessThan(2.05);

    const batch = 64;
    const first = 2 * puts + 1;
    await append(opened, batchOf(Array.from({ length: batch }, (_, at) => entry(first + at, 1))));
    expect(bill().rowsWritten).toBeLessThan(5 + batch);
    await flush(opened);
  });
});

test("a log that is cut to its end costs three rows, however long it was, and the next opening reads no row of it", async () => {
  const stub = newObject();
  const entries = 3_000;
  await runInDurableObject(stub, async (_instance: TestStore, state) => {
    const { storage, bill } = metered(state.storage);
    const opened = openDurableObjectStorage(storage);
    await bootstrap(opened);
    for (let index = 1; index <= entries; index++) {
      const write = append(opened, batchOf([entry(index, 1)], { term: 1, vote: 1n, commit: index }));
      await (index % 100 === 0 ? write : Promise.resolve());
      opened.tables.keys.append(plainRow("key", index + 1));
      opened.stateChanged(index, 1);
    }
    await flush(opened);
    bill();
    opened.compactLog(entries);
    await state.storage.sync();
    expect(bill().rowsWritten).toBeLessThanOrEqual(3);
  });
  await evictDurableObject(stub);
  await runInDurableObject(stub, async (_instance: TestStore, state) => {
    const { storage, bill } = metered(state.storage);
    const opened = openDurableObjectStorage(storage);
    expect([opened.log.firstIndex(), opened.log.lastIndex(), opened.log.term(entries)]).toEqual([
      entries + 1,
      entries,
      1,
    ]);
    expect(opened.hardState).toEqual({ term: 1, vote: 1n, commit: entries });
    expect(opened.tables.keys.lastMain()).toBe(entries + 1);
    expect(bill().rowsRead).toBeLessThan(30);
    await append(opened, batchOf([entry(entries + 1, 2)], { term: 2, vote: 2n, commit: entries }));
    expect(bill().rowsWritten).toBe(1);
  });
  await evictDurableObject(stub);
  await runInDurableObject(stub, (_instance: TestStore, state) => {
    const { log, hardState } = openDurableObjectStorage(state.storage);
    expect([log.firstIndex(), log.lastIndex(), log.term(entries), log.term(entries + 1)]).toEqual([
      entries + 1,
      entries + 1,
      1,
      2,
    ]);
    expect(hardState).toMatchObject({ term: 2, vote: 2n });
  });
});

function plainRow(key: string, main: number): RevisionRow {
  return {
    key: utf8Encode(key),
    main,
    sub: 0,
    createRevision: main,
    version: 1,
    lease: 0n,
    value: new Uint8Array(100),
  };
}
