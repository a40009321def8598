import { describe, expect, test } from "vitest";
import { Prng } from "../../../src/base/prng.ts";
import { utf8Encode } from "../../../src/base/utf8.ts";
import { MemoryTables } from "../../../src/mvcc/tables/memory-tables.ts";
import { Store } from "../../../src/mvcc/store.ts";
import type { CountedPart, RevisionRow, StateTables } from "../../../src/mvcc/tables/tables.ts";
import { putRequest, rangeRequest } from "../../../src/protocol/api/kv.ts";
import { STATE_STATEMENTS } from "../../../src/storage/sqlite/sql-statements.ts";
import { EMPTY_COUNTERS, type StateCounters } from "../../../src/storage/sqlite/sql-keys.ts";
import { SqlStateTables } from "../../../src/storage/sqlite/sql-tables.ts";
import { stateTablesContract } from "../../contract/state-tables.ts";
import { dump, rowText } from "../../contract/storage-kit.ts";
import { nodeSqlite } from "../support/node-sqlite.ts";

interface Backend {
  readonly tables: SqlStateTables;
  reopen(): SqlStateTables;
  /** Begins a flush, or goes on with one. Call it between two revisions. */
  writeSlice(): void;
}

/** Flushes after randomly chosen changes; 0: never, 1: after each. */
function freshTables(prng: Prng, flushChance: number): Backend {
  const { sql } = nodeSqlite();
  for (const text of STATE_STATEMENTS.a.create) sql.exec(text);
  let counters: StateCounters = EMPTY_COUNTERS;
  const open = (): SqlStateTables => {
    const tables: SqlStateTables = new SqlStateTables(sql, "a", counters, () => {
      if (prng.bool(0.5)) tables.mark();
      if (!prng.bool(flushChance)) return;
      if (prng.bool(0.8)) tables.mark();
      counters = tables.flush();
    });
    return tables;
  };
  let tables = open();
  let isFrozen = false;
  return {
    writeSlice: () => {
      tables.mark();
      if (!isFrozen) tables.freeze();
      isFrozen = true;
      tables.insert(prng.int(1, 4), Infinity);
      if (prng.bool(0.8)) return;
      counters = tables.flush();
      isFrozen = false;
    },
    tables,
    reopen: () => {
      if (isFrozen) tables.flush();
      isFrozen = false;
      tables.mark();
      counters = tables.flush();
      tables = open();
      return tables;
    },
  };
}

for (const chance of [0, 0.3, 1]) {
  stateTablesContract(`SQLite, written behind with chance ${chance}`, () => freshTables(new Prng(11), chance));
}

describe("SQLite and memory return the same", () => {
  test.for(Array.from({ length: 12 }, (_, seed) => seed))(
    "whatever is written and whenever it is flushed (seed %i)",
    (seed) => {
      const prng = new Prng(seed);
      const flushChance = prng.pick([0, 0.02, 0.2, 1]);
      const backend = freshTables(prng.fork(), flushChance);
      let subject: StateTables = backend.tables;
      const model = new MemoryTables();
      let revision = 1;
      let compacted = 0;
      for (let step = 0; step < 120; step++) {
        if (flushChance === 0) backend.writeSlice();
        const what = prng.next();
        if (what < 0.7) {
          revision++;
          for (const row of randomRows(prng, revision)) {
            subject.keys.append(row);
            model.keys.append(row);
          }
        } else if (what < 0.8) {
          const [key, value] = [randomKey(prng), utf8Encode(String(step))];
          for (const tables of [subject, model]) tables.bucket("lease").set(key, value);
        } else if (what < 0.85) {
          const key = randomKey(prng);
          for (const tables of [subject, model]) tables.bucket("lease").delete(key);
        } else if (what < 0.93 && revision > compacted) {
          compacted = prng.int(compacted + 1, revision + 1);
          compactWhole(subject, compacted, prng.int(1, 5));
          compactWhole(model, compacted, 1000);
        } else if (what < 0.97) subject = backend.reopen();
        compareReads(prng, subject, model, revision, compacted);
      }
      expect(dump(subject)).toEqual(dump(model));
      expect(dump(backend.reopen())).toEqual(dump(model));
    },
  );
});

function compareReads(prng: Prng, subject: StateTables, model: StateTables, revision: number, compacted: number): void {
  const at = prng.int(compacted, revision + 2);
  const [start, end] = [randomKey(prng), prng.bool(0.3) ? undefined : randomKey(prng)];
  const limit = prng.int(1, 30);
  for (const withValues of [true, false]) {
    expect(scanned(subject, start, end, at, withValues, limit)).toEqual(
      scanned(model, start, end, at, withValues, limit),
    );
  }
  expect(subject.keys.count(start, end, at)).toBe(model.keys.count(start, end, at));
  expect(countInParts(subject, start, end, at, limit)).toBe(model.keys.count(start, end, at));
  const [found, expected] = [subject.keys.at(start, at), model.keys.at(start, at)];
  expect(found && rowText(found)).toBe(expected && rowText(expected));
  const [from, fromSub] = [prng.int(0, revision + 2), prng.int(0, 3)];
  expect(passed(subject, from, at, fromSub, limit)).toEqual(passed(model, from, at, fromSub, limit));
  expect([subject.keys.rowCount, subject.keys.sizeBytes]).toEqual([model.keys.rowCount, model.keys.sizeBytes]);
}

function countInParts(
  tables: StateTables,
  start: Uint8Array,
  end: Uint8Array | undefined,
  at: number,
  keysMax: number,
): number {
  let count = 0;
  for (let from: Uint8Array | undefined = start; from !== undefined;) {
    const part: CountedPart = tables.keys.countPart(from, end, at, keysMax);
    count += part.count;
    from = part.next;
  }
  return count;
}

function randomRows(prng: Prng, main: number): readonly RevisionRow[] {
  return Array.from({ length: prng.int(1, 4) }, (_, sub) => {
    const tombstone = prng.bool(0.25);
    return {
      key: randomKey(prng),
      main,
      sub,
      createRevision: tombstone ? 0 : main,
      version: tombstone ? 0 : prng.int(1, 9),
      lease: BigInt(prng.int(0, 2)) * -7n,
      value: tombstone
        ? new Uint8Array(0)
        : new Uint8Array(prng.pick([0, 1, 30, 30, 30, 30, 30, 30, 20_000])).fill(main),
    };
  });
}

function randomKey(prng: Prng): Uint8Array {
  return Uint8Array.from({ length: prng.int(1, 3) }, () => prng.pick([0, 1, 127, 128, 255]));
}

function compactWhole(tables: StateTables, revision: number, maxKeys: number): void {
  let cursor = tables.keys.compact(revision, undefined, maxKeys);
  while (cursor !== undefined) cursor = tables.keys.compact(revision, cursor, maxKeys);
}

function scanned(
  tables: StateTables,
  start: Uint8Array,
  end: Uint8Array | undefined,
  at: number,
  withValues: boolean,
  limit: number,
): readonly string[] {
  const rows: string[] = [];
  tables.keys.scan(start, end, at, withValues, (row) => {
    rows.push(rowText(withValues ? row : { ...row, value: new Uint8Array(0) }));
    return rows.length < limit;
  });
  return rows;
}

function passed(tables: StateTables, from: number, to: number, fromSub: number, limit: number): readonly string[] {
  const rows: string[] = [];
  tables.keys.history(from, to, (row) => rows.push(rowText(row)) < limit, fromSub);
  return rows;
}

test("a range in chunks fails if its rows are dropped before its end", () => {
  const { sql } = nodeSqlite();
  for (const text of STATE_STATEMENTS.a.create) sql.exec(text);
  const tables = new SqlStateTables(sql, "a", EMPTY_COUNTERS);
  const store = new Store(tables, { exists: () => false, attach: () => {}, detach: () => {} });
  for (let at = 10; at < 40; at++) store.put(putRequest({ key: utf8Encode(`a${at}`) }));
  tables.mark();
  tables.flush();
  const parts = store.rangeChunks(rangeRequest({ key: utf8Encode("a"), rangeEnd: utf8Encode("b") }), 1024);
  parts.next();
  // As after the install of a snapshot, with the previous rows still there.
  for (const text of [...STATE_STATEMENTS.a.drop, ...STATE_STATEMENTS.a.create]) sql.exec(text);

  expect(() => [...parts]).toThrow("the rows of a range stay");
});
