import { describe, expect, test } from "vitest";
import { EMPTY_BYTES } from "../../src/base/bytes.ts";
import { utf8Decode, utf8Encode } from "../../src/base/utf8.ts";
import type { StateTables } from "../../src/mvcc/tables/tables.ts";
import type { DurableObjectStorageOptions } from "../../src/storage/durable-object/durable-object-options.ts";
import { openDurableObjectStorage } from "../../src/storage/durable-object/durable-object.ts";
import { StorageError } from "../../src/storage/storage-error.ts";
import type { Storage } from "../../src/storage/storage.ts";
import { storageContract } from "../contract/storage.ts";
import {
  append,
  apply,
  applyTo,
  batchOf,
  bootstrap,
  dump,
  entriesOf,
  entry,
  flush,
  IDENTITY,
  rowText,
  snapshotAt,
  type StorageHome,
} from "../contract/storage-kit.ts";
import { nodeSqlite, type NodeSqlite } from "./support/node-sqlite.ts";

function sqliteHome(options: DurableObjectStorageOptions): StorageHome {
  const disk = nodeSqlite();
  return {
    async visit(ending, use) {
      const storage = openDurableObjectStorage(disk, { timer: never, ...options });
      const result = await use(storage);
      if (ending === "close") await storage.close();
      disk.crash();
      return result;
    },
  };
}

function never(): () => void {
  return () => {};
}

storageContract("SQLite", () => sqliteHome({}));
storageContract("SQLite with tiny limits", () => sqliteHome({ flushRows: 3, backlogRows: 5, tailBytes: 200 }));
storageContract("SQLite that writes its state in slices", () => sqliteHome({ flushRows: 4, sliceRows: 1 }));
storageContract("SQLite that writes behind at once", () => sqliteHome({ flushRows: 1, backlogRows: 1, tailBytes: 0 }));

/** A timer that the test advances. */
class HandTimer {
  pending: (() => void)[] = [];
  readonly start = (callback: () => void): (() => void) => {
    this.pending.push(callback);
    return () => void (this.pending = this.pending.filter((each) => each !== callback));
  };
  fire(): void {
    const due = this.pending;
    this.pending = [];
    for (const callback of due) callback();
  }
}

async function opened(
  options: DurableObjectStorageOptions = {},
): Promise<{ disk: NodeSqlite; storage: Storage; timer: HandTimer }> {
  const disk = nodeSqlite();
  const timer = new HandTimer();
  const storage = openDurableObjectStorage(disk, { timer: timer.start, ...options });
  await bootstrap(storage);
  return { disk, storage, timer };
}

test("an opening knows the last revision without the lists of revisions, which it reads for a store of an older version", async () => {
  const { disk, storage } = await opened();
  await append(storage, batchOf([entry(1, 1)]));
  apply(storage, 1);
  await storage.close();
  const queries: string[] = [];
  const counted: NodeSqlite = {
    ...disk,
    sql: {
      exec: (query, ...bindings) => {
        queries.push(query);
        return disk.sql.exec(query, ...bindings);
      },
      databaseSize: 0,
    },
  };
  const lastRevision = (): { readonly is: number; readonly listsRead: number } => {
    queries.length = 0;
    const is = openDurableObjectStorage(counted, { timer: never }).tables.keys.lastMain();
    return { is, listsRead: queries.filter((query) => query.includes("FROM quorate_revisions")).length };
  };
  const { is } = lastRevision();
  expect(is).toBeGreaterThan(0);
  expect(lastRevision()).toEqual({ is, listsRead: 0 });
  disk.sql.exec("UPDATE quorate_meta SET value = json_remove(value, '$.counters.lastMain') WHERE name = 'state'");
  expect(lastRevision()).toEqual({ is, listsRead: 1 });
});

describe("a write", () => {
  test("is reported done when sync() has resolved, not when the rows are written", async () => {
    const disk = nodeSqlite();
    const waiting: (() => void)[] = [];
    const gated = { ...disk, sync: () => new Promise<void>((resolve) => waiting.push(resolve)) };
    const storage = openDurableObjectStorage(gated, { timer: never });
    const finished: string[] = [];
    const syncNext = async (): Promise<void> => {
      waiting.shift()?.();
      await flushedTurn();
    };
    storage.bootstrap(IDENTITY, () => finished.push("bootstrap"));
    await flushedTurn();
    expect(finished).toEqual([]);
    await syncNext();
    expect(finished).toEqual(["bootstrap"]);
    storage.append(batchOf([entry(1, 1)]), () => finished.push("append"));
    apply(storage, 1);
    storage.flush(() => finished.push("flush"));
    await flushedTurn();
    expect(finished).toEqual(["bootstrap"]);
    expect(storage.durableApplied).toBe(0);
    await syncNext();
    expect(finished).toEqual(["bootstrap", "append", "flush"]);
    expect(storage.durableApplied).toBe(1);
  });

  test("for messages is reported done when it is made behind an output gate, in the order of the writes", async () => {
    const disk = nodeSqlite();
    const waiting: (() => void)[] = [];
    const gated = { ...disk, sync: () => new Promise<void>((resolve) => waiting.push(resolve)) };
    const storage = openDurableObjectStorage(gated, { timer: never, hasOutputGate: true });
    const finished: string[] = [];
    const appendAt = (index: number, isForMessages: boolean): Promise<void> => {
      storage.append({ ...batchOf([entry(index, 1)]), isForMessages }, () => finished.push(String(index)));
      return flushedTurn();
    };
    const syncAll = async (): Promise<void> => {
      for (const resolve of waiting.splice(0)) resolve();
      await flushedTurn();
    };
    storage.bootstrap(IDENTITY, () => finished.push("bootstrap"));
    await flushedTurn();
    await syncAll();
    await appendAt(1, true);
    expect(finished).toEqual(["bootstrap", "1"]);
    await appendAt(2, false);
    // It would overtake the one before.
    await appendAt(3, true);
    expect(finished).toEqual(["bootstrap", "1"]);
    await syncAll();
    expect(finished).toEqual(["bootstrap", "1", "2", "3"]);
    // Two of a turn are one write.
    void appendAt(4, false);
    await appendAt(5, true);
    expect(finished).toHaveLength(4);
    await syncAll();
    expect(finished.slice(4)).toEqual(["4", "5"]);
  });

  test("for messages is awaited without an output gate, and if it writes rows of the state", async () => {
    for (const options of [{}, { hasOutputGate: true, flushRows: 1 }]) {
      const disk = nodeSqlite();
      const waiting: (() => void)[] = [];
      const gated = { ...disk, sync: () => new Promise<void>((resolve) => waiting.push(resolve)) };
      const storage = openDurableObjectStorage(gated, { timer: never, ...options });
      let finished = 0;
      storage.bootstrap(IDENTITY, () => finished++);
      storage.append(batchOf([entry(1, 1)]), () => finished++);
      await flushedTurn();
      for (const resolve of waiting.splice(0)) resolve();
      await flushedTurn();
      apply(storage, 1);
      storage.append({ ...batchOf([entry(2, 1)]), isForMessages: true }, () => finished++);
      await flushedTurn();
      expect(finished).toBe(2);
      for (const resolve of waiting.splice(0)) resolve();
      await flushedTurn();
      expect(finished).toBe(3);
    }
  });

  test("for messages that fails is reported with its error", async () => {
    const { disk, storage } = await opened({ hasOutputGate: true });
    disk.failWrites("SQLITE_FULL");
    const error = await new Promise<Error | undefined>((resolve) => {
      storage.append({ ...batchOf([entry(1, 1)]), isForMessages: true }, resolve);
    });
    expect(error?.message).toMatch(/takes no more/);
  });
});

describe("state is written behind", () => {
  test("with a log write, once there are enough rows", async () => {
    const { storage } = await opened({ flushRows: 10 });
    for (let index = 1; index <= 12; index++) {
      await append(storage, batchOf([entry(index, 1)]));
      apply(storage, index);
    }
    // An entry changes a row and a value in a bucket, and every third one a lease too.
    expect(storage.durableApplied).toBeGreaterThan(5);
    expect(storage.durableApplied).toBeLessThan(12);
  });

  test("in slices, of which a crash loses nothing and a read sees nothing before the last one", async () => {
    const disk = nodeSqlite();
    const options = { timer: never, flushRows: 12, sliceRows: 2 };
    const first = openDurableObjectStorage(disk, options);
    const model = openDurableObjectStorage(nodeSqlite(), { timer: never });
    await bootstrap(first);
    await bootstrap(model);
    const states: string[] = [];
    for (let index = 1; index <= 60; index++) {
      await append(first, batchOf([entry(index, 1)]));
      apply(first, index);
      applyTo(model.tables, index);
      expect(readsOf(first.tables)).toEqual(readsOf(model.tables));
      states.push(`${countOf(disk, "quorate_rows_a")} rows, applied ${first.durableApplied}`);
    }
    expect(states).toContain("4 rows, applied 0");
    expect(states).toContain("6 rows, applied 0");
    expect(first.durableApplied).toBeGreaterThan(20);
    const stored = countOf(disk, "quorate_rows_a");
    disk.crash();
    const second = openDurableObjectStorage(disk, options);
    const applied = second.appliedAtOpen;
    expect(stored).toBeGreaterThan(applied);
    const before = openDurableObjectStorage(nodeSqlite(), { timer: never });
    await bootstrap(before);
    for (let index = 1; index <= applied; index++) applyTo(before.tables, index);
    expect(readsOf(second.tables)).toEqual(readsOf(before.tables));
    for (let index = applied + 1; index <= 60; index++) apply(second, index);
    expect(readsOf(second.tables)).toEqual(readsOf(model.tables));
    await flush(second);
    expect(readsOf(second.tables)).toEqual(readsOf(model.tables));
    expect(countOf(disk, "quorate_rows_a")).toBe(60);
  });

  test("in slices of what came since the last one, if that is more", async () => {
    const { storage } = await opened({ flushRows: 10, sliceRows: 1 });
    for (let from = 1; from <= 400; from += 8) {
      await append(storage, batchOf(entriesOf(from, from + 7, 1)));
      for (let index = from; index < from + 8; index++) apply(storage, index);
    }
    expect(storage.durableApplied).toBeGreaterThan(350);
  });

  test("in an idle moment in slices, one after the other", async () => {
    const { storage, timer } = await opened({ sliceRows: 1, idleSliceRows: 2 });
    await append(storage, batchOf(entriesOf(1, 9, 1)));
    for (let index = 1; index <= 9; index++) apply(storage, index);
    const applied: number[] = [];
    for (let time = 0; time < 8; time++) {
      timer.fire();
      await flushedTurn();
      applied.push(storage.durableApplied);
    }
    expect(applied).toEqual([0, 0, 0, 0, 0, 9, 9, 9]);
    expect(timer.pending).toEqual([]);
  });

  test("without a log write when the backlog is too large", async () => {
    const { storage } = await opened({ backlogRows: 20 });
    await append(storage, batchOf(entriesOf(1, 40, 1)));
    for (let index = 1; index <= 40; index++) apply(storage, index);
    await flushedTurn();
    expect(storage.durableApplied).toBe(40);
  });

  test("in the first idle moment, after which no timer keeps the object awake", async () => {
    const { storage, timer } = await opened();
    await append(storage, batchOf(entriesOf(1, 3, 1)));
    apply(storage, 1);
    apply(storage, 2);
    timer.fire();
    await flushedTurn();
    expect(storage.durableApplied).toBe(0);
    timer.fire();
    await flushedTurn();
    expect(storage.durableApplied).toBe(2);
    timer.fire();
    expect(timer.pending).toEqual([]);
  });
});

describe("the disk", () => {
  test("keeps one row for many small batches of a turn, and reuses the rows of a compacted log", async () => {
    const { disk, storage } = await opened({ flushRows: 1 });
    for (let index = 1; index <= 8; index++) storage.append(batchOf([entry(index, 1)]), () => {});
    await append(storage, batchOf([entry(9, 1)]));
    expect(countOf(disk, "quorate_log")).toBe(1);
    for (let index = 10; index <= 200; index++) {
      await append(storage, batchOf([entry(index, 1)]));
      apply(storage, index - 9);
      if (index % 10 === 0) storage.compactLog(storage.durableApplied);
    }
    expect(countOf(disk, "quorate_log")).toBeLessThan(40);
  });

  test("prepares a fixed number of statements, whatever is requested", async () => {
    const { disk, storage } = await opened({ flushRows: 1 });
    const exercise = async (from: number): Promise<void> => {
      for (let index = from; index < from + 30; index++) {
        await append(storage, batchOf([entry(index, 1)]));
        apply(storage, index);
        storage.tables.keys.count(utf8Encode("a"), utf8Encode("z"), index);
        storage.tables.keys.scan(utf8Encode("a"), undefined, index, true, () => true);
      }
      storage.tables.keys.compact(from + 10, undefined, 100);
      storage.stateChanged(from + 29, 1);
      await flush(storage);
    };
    await exercise(1);
    const before = disk.statementCount;
    await exercise(31);
    expect(disk.statementCount).toBe(before);
  });

  test("drops a staged state that was never installed, and a state that was replaced", async () => {
    const { disk, storage, timer } = await opened();
    await append(storage, batchOf(entriesOf(1, 3, 1)));
    const forgotten = storage.stage();
    forgotten.tables.keys.append({ ...bigRow(2), key: utf8Encode("big") });
    expect(countOf(disk, "quorate_rows_b")).toBe(1);
    forgotten.abort();
    timer.fire();
    expect(countOf(disk, "quorate_rows_b")).toBe(0);

    const staged = storage.stage();
    for (let index = 1; index <= 5; index++) applyTo(staged.tables, index);
    await append(storage, { ...batchOf([]), install: { snapshot: snapshotAt(5, 2), staged } });
    expect(countOf(disk, "quorate_rows_b")).toBe(5);
    const again = storage.stage();
    for (let index = 1; index <= 7; index++) applyTo(again.tables, index);
    await append(storage, { ...batchOf([]), install: { snapshot: snapshotAt(7, 2), staged: again } });
    timer.fire();
    expect([countOf(disk, "quorate_rows_a"), countOf(disk, "quorate_rows_b")]).toEqual([7, 0]);
  });

  test("does not keep the names of rows that compaction removed", async () => {
    const { disk, storage } = await opened({ flushRows: 1 });
    const early = { ...bigRow(1), key: utf8Encode("early"), value: utf8Encode("stays") };
    storage.tables.keys.append(early);
    let index = 0;
    for (let round = 0; round < 40; round++) {
      const first = index + 1;
      await append(storage, batchOf(entriesOf(first, first + 499, 1)));
      while (index < first + 499) apply(storage, ++index);
      // Rows that compaction removes before they are written were never listed.
      await flush(storage);
      let cursor = storage.tables.keys.compact(index, undefined, 1000);
      while (cursor !== undefined) cursor = storage.tables.keys.compact(index, cursor, 1000);
      storage.stateChanged(index, 1);
      await flush(storage);
      storage.compactLog(index);
    }
    const lists = disk.sql.exec("SELECT sum(length(list)) AS bytes FROM quorate_revisions_a").toArray();
    // 20,000 rows, of which the newest rows of seven keys are left, and one that is not compacted yet. An entry takes
    // about nine bytes.
    expect(lists[0]?.["bytes"]).toBeLessThan(7_000 * 9);
    const kept: string[] = [];
    storage.tables.keys.history(0, Number.MAX_SAFE_INTEGER, ({ key }) => kept.push(utf8Decode(key)) > 0);
    expect(kept).toHaveLength(storage.tables.keys.rowCount);
    expect(kept).toEqual(["early", ...Array.from({ length: 8 }, () => expect.stringMatching(/^key /))]);
  });
});

describe("a disk that cannot be trusted", () => {
  test.for<readonly [string, string, string]>([
    [
      "a blob that was changed",
      "UPDATE quorate_log SET entries = zeroblob(40) WHERE first = 3",
      "quorate_log.*checksum",
    ],
    ["a row of the log that is gone", "DELETE FROM quorate_log WHERE first = 3", "quorate_log.*gap.*entry 3"],
    ["a hard state that is gone", "DELETE FROM quorate_hard", "quorate_hard.*missing"],
    ["an identity that is no JSON", "UPDATE quorate_meta SET value = '{' WHERE name = 'identity'", "identity.*JSON"],
    [
      "a state beyond the log",
      `UPDATE quorate_meta SET value = replace(value, '"applied":4', '"applied":99')`,
      "applied to 99",
    ],
    ["a schema that is gone", "DELETE FROM quorate_meta WHERE name = 'schema'", "quorate_meta.*schema.*missing"],
    [
      "an identity without an id",
      `UPDATE quorate_meta SET value = '{"clusterId":"1","memberId":"me","name":""}' WHERE name = 'identity'`,
      "identity.*who the member is",
    ],
    [
      "an identity that is no object",
      "UPDATE quorate_meta SET value = '7' WHERE name = 'identity'",
      "identity.*no object",
    ],
    [
      "a generation that nobody knows",
      `UPDATE quorate_meta SET value = replace(value, '"generation":"a"', '"generation":"z"')`,
      "state.*generation",
    ],
    [
      "an applied index that is no integer",
      `UPDATE quorate_meta SET value = replace(value, '"applied":4', '"applied":0.5')`,
      "state.*applied is no integer",
    ],
    ["a batch that ends before it begins", "UPDATE quorate_log SET last = first - 1", "quorate_log.*ends before"],
    ["a batch of other terms", "UPDATE quorate_log SET last_term = 9, first_term = 9", "quorate_log.*terms"],
    ["a batch that is no blob", "UPDATE quorate_log SET entries = 'text' WHERE first = 3", "quorate_log.*no blob"],
    ["a state mark that is gone", "DELETE FROM quorate_meta WHERE name = 'state'", "quorate_meta.*state.*missing"],
    ["a vote that is no number", "UPDATE quorate_log SET vote = 'me'", "quorate_log.*vote"],
    ["a listed row that is gone", "DELETE FROM quorate_rows_a WHERE main = 3", "quorate_rows_a.*missing"],
    ["a list that was changed", "UPDATE quorate_revisions_a SET list = x'0011223344'", "quorate_revisions_a.*checksum"],
  ])("is named with its table and row, and nothing is guessed: %s", async ([, damage, message]) => {
    const { disk, storage } = await opened();
    for (const [low, high] of [
      [1, 2],
      [3, 4],
      [5, 6],
    ] as const) {
      await append(storage, batchOf(entriesOf(low, high, 1), { term: 1, vote: 1n, commit: low }));
    }
    for (let index = 1; index <= 4; index++) apply(storage, index);
    await storage.close();
    disk.sql.exec(damage);
    const readAll = (): void => {
      const reopened = openDurableObjectStorage(disk, { timer: never });
      reopened.log.entries(reopened.log.firstIndex(), reopened.log.lastIndex() + 1, 1e9);
      reopened.tables.keys.history(0, 100, () => true);
    };
    expect(readAll).toThrow(new RegExp(message));
    expect(readAll).toThrow(StorageError);
  });

  test("fails to open if a newer version wrote it", async () => {
    const { disk } = await opened();
    disk.sql.exec("UPDATE quorate_meta SET value = '2' WHERE name = 'schema'");
    expect(() => openDurableObjectStorage(disk)).toThrow("schema 2, and this version of Quorate knows 1 only");
  });

  test("fails every write from the first failure on, in order", async () => {
    const { disk, storage } = await opened();
    await append(storage, batchOf([entry(1, 1)]));
    disk.failWrites("database or disk is full: SQLITE_FULL");
    const completed: string[] = [];
    const note = (name: string) => (error?: Error) =>
      void completed.push(`${name} ${(error as StorageError | undefined)?.kind}`);
    storage.append(batchOf([entry(2, 1)]), note("second"));
    expect(completed).toEqual([]);
    await flushedTurn();
    disk.failWrites(undefined);
    storage.append(batchOf([entry(3, 1)]), note("third"));
    await flushedTurn();
    expect(completed).toEqual(["second quota", "third quota"]);
    expect(openDurableObjectStorage(disk, { timer: never }).log.lastIndex()).toBe(1);
  });
});

/** What every kind of read finds. */
function readsOf(tables: StateTables): readonly string[] {
  const { keys } = tables;
  const lines = [...dump(tables), `${keys.rowCount} rows, ${keys.sizeBytes} bytes`];
  for (const revision of [1, 5, 20, 40, Number.MAX_SAFE_INTEGER]) {
    lines.push(`${keys.count(EMPTY_BYTES, undefined, revision)} keys at ${revision}`);
    keys.scan(EMPTY_BYTES, undefined, revision, true, (row) => lines.push(rowText(row)) > 0);
    const row = keys.at(utf8Encode("key 3"), revision);
    lines.push(row === undefined ? "no key 3" : rowText(row));
  }
  return lines;
}

function countOf(disk: NodeSqlite, table: string): number {
  return Number(disk.sql.exec(`SELECT count(*) AS n FROM ${table}`).toArray()[0]?.["n"]);
}

function bigRow(main: number): Parameters<Storage["tables"]["keys"]["append"]>[0] {
  const value = new Uint8Array(1024 * 1024);
  return { key: new Uint8Array(1), main, sub: 0, createRevision: main, version: 1, lease: 0n, value };
}

/** Waits until a write of this turn is made, synced and reported: all of it is microtasks here. */
async function flushedTurn(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await Promise.resolve();
}
