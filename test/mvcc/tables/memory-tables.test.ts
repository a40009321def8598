import { describe, expect, test } from "vitest";
import { bytesToLatin1, latin1ToBytes } from "../../../src/base/bytes.ts";
import { MemoryTables } from "../../../src/mvcc/tables/memory-tables.ts";
import type { RevisionRow } from "../../../src/mvcc/tables/tables.ts";
import { stateTablesContract } from "../../contract/state-tables.ts";

stateTablesContract("memory", () => ({ tables: new MemoryTables() }));

function row(key: string, main: number, value: Uint8Array, version: number = 1): RevisionRow {
  return { key: latin1ToBytes(key), main, sub: 0, createRevision: main, version, lease: 0n, value };
}

describe("memory tables", () => {
  test("[MEMORY append] rejects a revision that does not increase", () => {
    const { keys } = new MemoryTables();
    keys.append(row("a", 5, latin1ToBytes("1")));
    expect(() => keys.append(row("b", 5, latin1ToBytes("1")))).toThrow("revisions only grow");
    expect(() => keys.append(row("b", 4, latin1ToBytes("1")))).toThrow("revisions only grow");
    expect(keys.rowCount).toBe(1);
    expect(keys.at(latin1ToBytes("b"), 10)).toBeUndefined();
  });

  test("[MEMORY listener] is notified of every row that is added or dropped and of every bucket row that changes", () => {
    const heard: string[] = [];
    const tables = new MemoryTables({
      rowAppended: (appended) => heard.push(`+${bytesToLatin1(appended.key)}@${appended.main}`),
      rowRemoved: (main, sub) => heard.push(`-${main}.${sub}`),
      bucketChanged: (name, key) => heard.push(`${name}/${bytesToLatin1(key)}`),
    });
    tables.keys.append(row("a", 2, latin1ToBytes("1")));
    tables.keys.append(row("a", 3, latin1ToBytes("2")));
    tables.keys.compact(3, undefined, 10);
    tables.bucket("meta").set(latin1ToBytes("k"), latin1ToBytes("v"));
    tables.bucket("meta").delete(latin1ToBytes("k"));
    tables.bucket("meta").delete(latin1ToBytes("k"));
    expect(heard).toEqual(["+a@2", "+a@3", "-2.0", "meta/k", "meta/k"]);
  });

  test("V38 [MEMORY blocks] rows that compaction moved keep their bytes, also for their holders", () => {
    const { keys } = new MemoryTables();
    const value = (seed: number): Uint8Array => new Uint8Array(1000).fill(seed & 0xff);
    const names = Array.from({ length: 300 }, (_, at) => `key-${at}`);
    let main = 1;
    for (let round = 0; round < 20; round++) {
      for (const [at, name] of names.entries()) {
        if (round === 0 || at % 10 === round % 10) keys.append(row(name, ++main, value(at + round), round + 1));
      }
    }
    const held = names.map((name) => keys.at(latin1ToBytes(name), main) as RevisionRow);
    const copies = held.map((kept) => bytesToLatin1(kept.key) + bytesToLatin1(kept.value));
    for (let pass = 0; pass < 3; pass++) {
      let cursor: Uint8Array | undefined;
      do cursor = keys.compact(main, cursor, 7);
      while (cursor !== undefined);
      const now = names.map((name) => keys.at(latin1ToBytes(name), main) as RevisionRow);
      expect(now.map((kept) => bytesToLatin1(kept.key) + bytesToLatin1(kept.value))).toEqual(copies);
      expect(held.map((kept) => bytesToLatin1(kept.key) + bytesToLatin1(kept.value))).toEqual(copies);
    }
    expect(keys.rowCount).toBe(300);
  });
});
