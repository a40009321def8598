/**
 * A stored row is not trusted: every cell of every table is damaged, one at a time. What the store then returns is what
 * was written, or an error that names the table. It is never another answer, and never an error of the code itself.
 */
import { expect, test } from "vitest";
import { bytesToLatin1, latin1ToBytes } from "../../../src/base/bytes.ts";
import { openDurableObjectStorage } from "../../../src/storage/durable-object/durable-object.ts";
import { StorageError } from "../../../src/storage/storage-error.ts";
import { textOf, type SqlValue } from "../../../src/storage/sqlite/sql.ts";
import { append, apply, batchOf, bootstrap, dump, entriesOf, flush, logOf } from "../../contract/storage-kit.ts";
import { nodeSqlite, type NodeSqlite } from "../support/node-sqlite.ts";

/**
 * Cells in which the damage is a value as good as any: a row under another name is a missing row, null is no lease, and
 * the bits of keys and values are the platform's to keep. What carries Raft's promises has a checksum: the log's rows.
 */
const UNCHECKED = /^quorate_meta\.name|^quorate_buckets_.\.(bucket|key)|^quorate_rows_.\.lease/;
const UNCHECKED_BITS = /^quorate_(rows|buckets)_.\.value/;

const DAMAGES: readonly (readonly [what: string, damage: (value: SqlValue) => SqlValue])[] = [
  ["text", () => "?"],
  ["a negative number", () => -7],
  ["a fraction", () => 1.5],
  ["a shortened blob", (value) => (value instanceof ArrayBuffer ? value.slice(0, value.byteLength - 1) : value)],
  ["a flipped bit", (value) => (value instanceof ArrayBuffer ? flipped(value) : value)],
];

test.each(DAMAGES)("a cell that holds %s is an error with its table, or changes no answer", async (what, damage) => {
  const cells = cellsOf(await written());
  expect(cells.length).toBeGreaterThan(40);
  const expected = await contentOf(await written());
  const wrong: string[] = [];
  let refused = 0;
  for (const { table, where, place, column, value } of cells) {
    const damaged = damage(value);
    const name = `${table}.${column}`;
    const isBits = value instanceof ArrayBuffer && damaged instanceof ArrayBuffer;
    if (damaged === value || UNCHECKED.test(name) || (isBits && UNCHECKED_BITS.test(name))) continue;
    const disk = await written();
    try {
      disk.sql.exec(`UPDATE ${table} SET ${column} = ? WHERE ${where}`, damaged, ...place);
    } catch {
      continue;
    }
    await disk.sync();
    const cell = `${name} of ${JSON.stringify(place)} is ${what}`;
    try {
      const content = await contentOf(disk);
      if (JSON.stringify(content) !== JSON.stringify(expected)) wrong.push(`${cell}: another answer`);
    } catch (error) {
      refused += 1;
      if (!(error instanceof StorageError && /table |schema/.test(error.message)))
        wrong.push(`${cell}: ${String(error)}`);
    }
  }
  expect(wrong).toEqual([]);
  expect(refused).toBeGreaterThan(0);
});

/** A store with an identity, a log of several rows, flushed state rows, a staged state, and leases in a bucket. */
async function written(): Promise<NodeSqlite> {
  const disk = nodeSqlite();
  const storage = openDurableObjectStorage(disk, { timer: () => () => {}, flushRows: 3 });
  await bootstrap(storage);
  await append(storage, batchOf(entriesOf(1, 9, 1), { term: 1, vote: 1n, commit: 9 }));
  for (let index = 1; index <= 9; index++) apply(storage, index);
  await flush(storage);
  await append(storage, batchOf(entriesOf(10, 12, 2), { term: 2, vote: 1n, commit: 12 }));
  storage.compactLog(2);
  const staged = storage.stage();
  await append(storage, batchOf([]));
  staged.abort();
  await storage.close();
  return disk;
}

async function contentOf(disk: NodeSqlite): Promise<unknown> {
  const storage = openDurableObjectStorage(disk, { timer: () => () => {} });
  const { identity, hardState, appliedAtOpen, tables } = storage;
  const { rowCount } = tables.keys;
  const log = logOf(storage).map(({ index, term, data }) => [index, term, bytesToLatin1(data)]);
  const count = tables.keys.count(new Uint8Array(0), undefined, Number.MAX_SAFE_INTEGER);
  return [String(identity?.memberId), String(hardState.vote), hardState.term, hardState.commit, appliedAtOpen]
    .concat(rowCount, count)
    .concat(log.flat(), dump(tables));
}

interface Cell {
  readonly table: string;
  readonly where: string;
  readonly place: readonly SqlValue[];
  readonly column: string;
  readonly value: SqlValue;
}

function cellsOf(disk: NodeSqlite): readonly Cell[] {
  const tables = disk.sql.exec("SELECT name FROM sqlite_master WHERE type = 'table'").toArray();
  return tables.flatMap((each) => {
    const table = textOf(each, "name", "sqlite_master", "name");
    const columns = disk.sql.exec(`PRAGMA table_info(${table})`).toArray();
    const primary = columns.filter(({ pk }) => pk !== 0).map((column) => textOf(column, "name", table, "pk"));
    const where = primary.map((column) => `${column} IS ?`).join(" AND ");
    return disk.sql
      .exec(`SELECT * FROM ${table}`)
      .toArray()
      .flatMap((row) => {
        const place = primary.map((column) => row[column] ?? null);
        return Object.entries(row).map(([column, value]) => ({ table, where, place, column, value }));
      });
  });
}

function flipped(blob: ArrayBuffer): ArrayBuffer {
  const bytes = new Uint8Array(blob.slice(0));
  const at = bytes.length >> 1;
  bytes[at] = (bytes[at] ?? 0) ^ 1;
  return latin1ToBytes(bytesToLatin1(bytes)).buffer as ArrayBuffer;
}
