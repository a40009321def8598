import { describe, expect, test } from "vitest";
import { latin1ToBytes } from "../../../src/base/bytes.ts";
import type { RevisionRow } from "../../../src/mvcc/tables/tables.ts";
import { NewestRows } from "../../../src/storage/sqlite/sql-newest.ts";

function rowOf(name: string, main: number, valueBytes = 100): RevisionRow {
  const value = new Uint8Array(valueBytes);
  return { key: latin1ToBytes(name), main, sub: 0, createRevision: main, version: 1, lease: 0n, value };
}

describe("rows kept in memory", () => {
  test("are the last that were set", () => {
    const rows = new NewestRows(100_000);
    rows.set("a", rowOf("a", 1));
    rows.set("a", rowOf("a", 2));
    rows.delete("b");

    expect(rows.get("a")?.main).toBe(2);
    expect(rows.get("b")).toBeUndefined();
  });

  test("are bounded, and rows that are read stay", () => {
    const rows = new NewestRows(100_000);
    rows.set("asked", rowOf("asked", 1));
    for (let at = 0; at < 10_000; at++) {
      rows.set(`k${at}`, rowOf(`k${at}`, at));
      expect(rows.get("asked")?.main).toBe(1);
    }

    const kept = Array.from({ length: 10_000 }, (_, at) => rows.get(`k${at}`)).filter((row) => row !== undefined);
    expect(kept.length).toBeGreaterThan(100);
    expect(kept.length).toBeLessThan(100_000 / 256);
    expect(rows.get("k9999")?.main).toBe(9999);
  });

  test("are dropped when they are deleted, wherever they are, and when a large one takes their place", () => {
    const rows = new NewestRows(4_000);
    for (let at = 0; at < 8; at++) rows.set(`k${at}`, rowOf(`k${at}`, at));
    for (let at = 0; at < 8; at++) rows.delete(`k${at}`);
    rows.set("large", rowOf("large", 1));
    rows.set("large", rowOf("large", 2, 20_000));

    expect(Array.from({ length: 8 }, (_, at) => rows.get(`k${at}`))).toEqual(Array(8).fill(undefined));
    expect(rows.get("large")).toBeUndefined();
  });
});
