/**
 * The contract of the state tables, for every storage backend. Each rule is a function over fresh tables, so that a
 * backend that can only be reached from inside (a Durable Object) runs the same rules there.
 */
import { describe, expect, test } from "vitest";
import { bytesToLatin1, latin1ToBytes } from "../../src/base/bytes.ts";
import { ROW_OVERHEAD_BYTES } from "../../src/mvcc/tables/tables.ts";
import type { CountedPart, KeyTable, RevisionRow, StateTables } from "../../src/mvcc/tables/tables.ts";

export interface TablesUnderTest {
  readonly tables: StateTables;
  /** Makes all writes durable, drops everything in memory, and opens the tables again. */
  readonly reopen?: () => StateTables | Promise<StateTables>;
}

export interface StateTablesRule {
  readonly title: string;
  check(subject: TablesUnderTest): void | Promise<void>;
}

export function stateTablesContract(name: string, makeTables: () => TablesUnderTest | Promise<TablesUnderTest>): void {
  describe(`state tables: ${name}`, () => {
    test.for(stateTablesRules)("$title", async (rule) => {
      expect(rule.title).toMatch(/^V\d+ \[TABLES /);
      await rule.check(await makeTables());
    });
  });
}

const bytes = latin1ToBytes;
const FIRST = bytes("");

/** A row in the notation of the tests: key@main.sub=value, a tombstone without value. */
function text(row: RevisionRow): string {
  const place = `${bytesToLatin1(row.key)}@${row.main}.${row.sub}`;
  return row.version === 0 ? `${place} deleted` : `${place}=${bytesToLatin1(row.value)}`;
}

function put(key: string, main: number, value: string, more?: Partial<RevisionRow>): RevisionRow {
  return {
    key: bytes(key),
    main,
    sub: 0,
    createRevision: main,
    version: 1,
    lease: 0n,
    value: bytes(value),
    ...more,
  };
}

function tombstone(key: string, main: number, sub: number = 0): RevisionRow {
  return put(key, main, "", { sub, createRevision: 0, version: 0 });
}

function scan(keys: KeyTable, start: string, end: string | undefined, atRevision: number): string[] {
  const rows: string[] = [];
  keys.scan(bytes(start), end === undefined ? undefined : bytes(end), atRevision, true, (row) => {
    rows.push(text(row));
    return true;
  });
  return rows;
}

function history(keys: KeyTable, fromMain: number, toMain: number, fromSub?: number): string[] {
  const rows: string[] = [];
  const visit = (row: RevisionRow): boolean => {
    rows.push(text(row));
    return true;
  };
  if (fromSub === undefined) keys.history(fromMain, toMain, visit);
  else keys.history(fromMain, toMain, visit, fromSub);
  return rows;
}

function compactAll(keys: KeyTable, revision: number, maxKeys: number): number {
  let steps = 0;
  let cursor: Uint8Array | undefined;
  do {
    cursor = keys.compact(revision, cursor, maxKeys);
    steps++;
  } while (cursor !== undefined);
  return steps;
}

function fill(keys: KeyTable, rows: readonly RevisionRow[]): void {
  for (const row of rows) keys.append(row);
}

function expectCompactKeepsReads(keys: KeyTable, revision: number): void {
  fill(keys, FIXTURE_ROWS);
  const kept = [3, 4, 5, 6, 7, 8, 9].filter((at) => at >= revision);
  const wanted = kept.map((at) => scan(keys, "", undefined, at));
  compactAll(keys, revision, 1);
  expect(kept.map((at) => scan(keys, "", undefined, at))).toEqual(wanted);
}

/** a: put 2, put 4, deleted 6, put 8; b: put 3; c: put 5, deleted 7. */
const FIXTURE_ROWS: readonly RevisionRow[] = [
  put("a", 2, "a1"),
  put("b", 3, "b1"),
  put("a", 4, "a2", { createRevision: 2, version: 2 }),
  put("c", 5, "c1"),
  tombstone("a", 6),
  tombstone("c", 7),
  put("a", 8, "a3"),
];

export const stateTablesRules: readonly StateTablesRule[] = [
  {
    title: "V37 [TABLES empty] new tables hold no row and no bytes",
    check({ tables }) {
      expect(tables.keys.rowCount).toBe(0);
      expect(tables.keys.sizeBytes).toBe(0);
      expect(tables.keys.at(bytes("a"), 100)).toBeUndefined();
      expect(scan(tables.keys, "", undefined, 100)).toEqual([]);
      expect(tables.keys.count(FIRST, undefined, 100)).toBe(0);
      expect(history(tables.keys, 0, Number.MAX_SAFE_INTEGER)).toEqual([]);
      expect(tables.keys.compact(100, undefined, 10)).toBeUndefined();
    },
  },
  {
    title:
      "V37 [TABLES lastMain] tells the newest revision, also after all of its rows are dropped and the tables opened again",
    async check(subject) {
      let { tables } = subject;
      expect(tables.keys.lastMain()).toBe(0);
      for (const row of FIXTURE_ROWS) {
        tables.keys.append(row);
        expect(tables.keys.lastMain()).toBe(row.main);
      }
      if (subject.reopen !== undefined) tables = await subject.reopen();
      expect(tables.keys.lastMain()).toBe(8);
      tables.keys.append(tombstone("b", 9));
      expect(tables.keys.lastMain()).toBe(9);
      compactAll(tables.keys, 9, 10);
      expect(tables.keys.lastMain()).toBe(9);
      if (subject.reopen !== undefined) tables = await subject.reopen();
      // What compaction dropped is below its revision, which the store knows.
      expect([8, 9]).toContain(tables.keys.lastMain());
    },
  },
  {
    title: "V37 [TABLES at] finds the newest row of a key up to a revision, tombstones included",
    check({ tables }) {
      fill(tables.keys, FIXTURE_ROWS);
      const at = (key: string, revision: number): string | undefined => {
        const row = tables.keys.at(bytes(key), revision);
        return row === undefined ? undefined : text(row);
      };
      expect(at("a", 1)).toBeUndefined();
      expect(at("a", 2)).toBe("a@2.0=a1");
      expect(at("a", 3)).toBe("a@2.0=a1");
      expect(at("a", 4)).toBe("a@4.0=a2");
      expect(at("a", 6)).toBe("a@6.0 deleted");
      expect(at("a", 7)).toBe("a@6.0 deleted");
      expect(at("a", 8)).toBe("a@8.0=a3");
      expect(at("a", Number.MAX_SAFE_INTEGER)).toBe("a@8.0=a3");
      expect(at("", 100)).toBeUndefined();
      expect(at("aa", 100)).toBeUndefined();
    },
  },
  {
    title: "V37 [TABLES at] of two rows in one revision the higher sub-revision counts",
    check({ tables }) {
      fill(tables.keys, [put("a", 5, "first"), tombstone("a", 5, 1), put("b", 5, "b", { sub: 2 })]);
      const row = tables.keys.at(bytes("a"), 5);
      expect(row === undefined ? undefined : text(row)).toBe("a@5.1 deleted");
      expect(scan(tables.keys, "", undefined, 5)).toEqual(["b@5.2=b"]);
    },
  },
  {
    title: "V38 [TABLES row] gives back every field, the whole range of 64-bit leases and revisions included",
    check({ tables }) {
      const rows = [
        put("k", 7, "v", { sub: 3, createRevision: 5, version: 9, lease: 0x7fff_ffff_ffff_ffffn }),
        put("k", 2 ** 40, "v", { createRevision: 2 ** 39, version: 2 ** 33, lease: -0x8000_0000_0000_0000n }),
        put("k", Number.MAX_SAFE_INTEGER, "v", { lease: -1n }),
      ];
      fill(tables.keys, rows);
      for (const row of rows) {
        const kept = tables.keys.at(bytes("k"), row.main) as RevisionRow;
        const { key, main, sub, createRevision, version, lease, value } = kept;
        expect({
          key: new Uint8Array(key),
          main,
          sub,
          createRevision,
          version,
          lease,
          value: new Uint8Array(value),
        }).toEqual(row);
      }
    },
  },
  {
    title: "V38 [TABLES bytes] keys and values are any bytes, of any length, and keys sort as unsigned bytes",
    check({ tables }) {
      const keys = [
        "\0",
        "\0\0",
        "\0\u00ff",
        "A",
        "a",
        "a\0",
        "a\0b",
        "ab",
        "\u007f",
        "\u0080",
        "\u00ff",
        "\u00ff\u00ff",
      ];
      const shuffled = [
        "ab",
        "\u00ff",
        "\0",
        "a\0",
        "\u0080",
        "A",
        "\u00ff\u00ff",
        "\0\0",
        "a",
        "\u007f",
        "a\0b",
        "\0\u00ff",
      ];
      const big = new Uint8Array(100_000).map((_, at) => (at * 31) & 0xff);
      shuffled.forEach((key, at) => tables.keys.append({ ...put(key, at + 2, ""), value: big.subarray(0, at * 9000) }));
      const found: string[] = [];
      tables.keys.scan(FIRST, undefined, 100, true, (row) => {
        found.push(bytesToLatin1(row.key));
        const length = shuffled.indexOf(bytesToLatin1(row.key)) * 9000;
        expect(row.value.length).toBe(length);
        expect(bytesToLatin1(row.value) === bytesToLatin1(big.subarray(0, length))).toBe(true);
        return true;
      });
      expect(found).toEqual(keys);
    },
  },
  {
    title: "V38 [TABLES copy] keeps its own copy of what it was given",
    check({ tables }) {
      const buffer = bytes("..keyvalue..");
      const row = { ...put("", 2, ""), key: buffer.subarray(2, 5), value: buffer.subarray(5, 10) };
      tables.keys.append(row);
      const meta = tables.bucket("meta");
      meta.set(buffer.subarray(2, 5), buffer.subarray(5, 10));
      buffer.fill(0x78);
      expect(scan(tables.keys, "", undefined, 2)).toEqual(["key@2.0=value"]);
      expect(bytesToLatin1(meta.get(bytes("key")) as Uint8Array)).toBe("value");
    },
  },
  {
    title: "V37 [TABLES scan] visits the keys of [start, end) that live at the revision, in key order",
    check({ tables }) {
      fill(tables.keys, FIXTURE_ROWS);
      const { keys } = tables;
      expect(scan(keys, "", undefined, 1)).toEqual([]);
      expect(scan(keys, "", undefined, 3)).toEqual(["a@2.0=a1", "b@3.0=b1"]);
      expect(scan(keys, "", undefined, 5)).toEqual(["a@4.0=a2", "b@3.0=b1", "c@5.0=c1"]);
      expect(scan(keys, "", undefined, 6)).toEqual(["b@3.0=b1", "c@5.0=c1"]);
      expect(scan(keys, "", undefined, 7)).toEqual(["b@3.0=b1"]);
      expect(scan(keys, "", undefined, 8)).toEqual(["a@8.0=a3", "b@3.0=b1"]);
      expect(scan(keys, "a", "b", 5)).toEqual(["a@4.0=a2"]);
      expect(scan(keys, "a\0", undefined, 5)).toEqual(["b@3.0=b1", "c@5.0=c1"]);
      expect(scan(keys, "b", "b\0", 5)).toEqual(["b@3.0=b1"]);
      expect(scan(keys, "b", "b", 5)).toEqual([]);
      expect(scan(keys, "c", "a", 5)).toEqual([]);
      expect(scan(keys, "d", undefined, 5)).toEqual([]);
    },
  },
  {
    title: "V37 [TABLES scan] stops when its visitor says so",
    check({ tables }) {
      fill(tables.keys, FIXTURE_ROWS);
      const seen: string[] = [];
      tables.keys.scan(FIRST, undefined, 5, true, (row) => {
        seen.push(text(row));
        return seen.length < 2;
      });
      expect(seen).toEqual(["a@4.0=a2", "b@3.0=b1"]);
    },
  },
  {
    title: "V37 [TABLES scan] without values still tells all the rest of a row",
    check({ tables }) {
      tables.keys.append(put("k", 9, "v", { sub: 1, createRevision: 4, version: 3, lease: 77n }));
      const rows: unknown[] = [];
      tables.keys.scan(FIRST, undefined, 9, false, ({ key, main, sub, createRevision, version, lease }) => {
        rows.push({ key: bytesToLatin1(key), main, sub, createRevision, version, lease });
        return true;
      });
      expect(rows).toEqual([{ key: "k", main: 9, sub: 1, createRevision: 4, version: 3, lease: 77n }]);
    },
  },
  {
    title: "V38 [TABLES scan] rows may be kept after the scan: they do not change under later writes or compaction",
    check({ tables }) {
      fill(tables.keys, FIXTURE_ROWS.slice(0, 3));
      const rows: RevisionRow[] = [];
      tables.keys.scan(FIRST, undefined, 4, true, (row) => rows.push(row) > 0);
      fill(tables.keys, FIXTURE_ROWS.slice(3));
      compactAll(tables.keys, 8, 10);
      expect(rows.map(text)).toEqual(["a@4.0=a2", "b@3.0=b1"]);
    },
  },
  {
    title: "V37 [TABLES count] is how many keys a scan would visit",
    check({ tables }) {
      fill(tables.keys, FIXTURE_ROWS);
      for (let revision = 0; revision < 10; revision++) {
        expect(tables.keys.count(FIRST, undefined, revision)).toBe(scan(tables.keys, "", undefined, revision).length);
        expect(tables.keys.count(bytes("a"), bytes("c"), revision)).toBe(scan(tables.keys, "a", "c", revision).length);
        expect(tables.keys.count(bytes("c"), bytes("a"), revision)).toBe(0);
        for (const keysMax of [1, 2, 3, 100]) {
          let count = 0;
          for (let start: Uint8Array | undefined = FIRST; start !== undefined;) {
            const part: CountedPart = tables.keys.countPart(start, undefined, revision, keysMax);
            count += part.count;
            start = part.next;
          }
          expect(count).toBe(scan(tables.keys, "", undefined, revision).length);
        }
      }
    },
  },
  {
    title:
      "V37 [TABLES history] visits all rows of the revisions in order, tombstones included, from a sub-revision if asked",
    check({ tables }) {
      fill(tables.keys, [
        put("b", 2, "1"),
        put("z", 3, "2"),
        put("a", 3, "3", { sub: 1 }),
        tombstone("b", 3, 2),
        put("c", 4, "4"),
      ]);
      const { keys } = tables;
      const all = ["b@2.0=1", "z@3.0=2", "a@3.1=3", "b@3.2 deleted", "c@4.0=4"];
      expect(history(keys, 0, Number.MAX_SAFE_INTEGER)).toEqual(all);
      expect(history(keys, 2, 4)).toEqual(all);
      expect(history(keys, 3, 3)).toEqual(all.slice(1, 4));
      expect(history(keys, 3, 4, 1)).toEqual(all.slice(2));
      expect(history(keys, 3, 3, 3)).toEqual([]);
      expect(history(keys, 5, 100)).toEqual([]);
      expect(history(keys, 4, 3)).toEqual([]);
      const some: string[] = [];
      keys.history(0, 100, (row) => some.push(text(row)) < 3);
      expect(some).toEqual(all.slice(0, 3));
    },
  },
  {
    title: "V37 [TABLES size] counts rows, and their keys, values and a fixed cost each",
    check({ tables }) {
      fill(tables.keys, FIXTURE_ROWS);
      expect(tables.keys.rowCount).toBe(7);
      expect(tables.keys.sizeBytes).toBe(7 * (1 + ROW_OVERHEAD_BYTES) + 5 * 2);
      compactAll(tables.keys, 8, 10);
      expect(tables.keys.rowCount).toBe(2);
      expect(tables.keys.sizeBytes).toBe(2 * (1 + ROW_OVERHEAD_BYTES) + 2 * 2);
    },
  },
  ...[3, 4, 5, 6, 7, 8].map((revision): StateTablesRule => ({
    title: `V21 [TABLES compact] at ${revision} leaves every read at ${revision} and above as it was`,
    check: ({ tables }) => expectCompactKeepsReads(tables.keys, revision),
  })),
  {
    title:
      "V21 [TABLES compact] keeps the newest row up to the revision, and a tombstone only when it is of that revision",
    check({ tables }) {
      fill(tables.keys, FIXTURE_ROWS);
      const { keys } = tables;
      compactAll(keys, 4, 10);
      expect(history(keys, 0, 100)).toEqual([
        "b@3.0=b1",
        "a@4.0=a2",
        "c@5.0=c1",
        "a@6.0 deleted",
        "c@7.0 deleted",
        "a@8.0=a3",
      ]);
      compactAll(keys, 6, 10);
      expect(history(keys, 0, 100)).toEqual(["b@3.0=b1", "c@5.0=c1", "a@6.0 deleted", "c@7.0 deleted", "a@8.0=a3"]);
      compactAll(keys, 7, 10);
      expect(history(keys, 0, 100)).toEqual(["b@3.0=b1", "c@7.0 deleted", "a@8.0=a3"]);
      compactAll(keys, 8, 10);
      expect(history(keys, 0, 100)).toEqual(["b@3.0=b1", "a@8.0=a3"]);
      expect(keys.at(bytes("c"), 100)).toBeUndefined();
    },
  },
  {
    title: "V21 [TABLES compact] of the rows of one revision and key only the last stays",
    check({ tables }) {
      fill(tables.keys, [put("a", 5, "1"), tombstone("a", 5, 1), put("b", 5, "2", { sub: 2 }), put("c", 6, "3")]);
      compactAll(tables.keys, 5, 10);
      expect(history(tables.keys, 0, 100)).toEqual(["a@5.1 deleted", "b@5.2=2", "c@6.0=3"]);
    },
  },
  {
    title: "V20 [TABLES compact] goes in steps of at most so many keys, and a cursor resumes it",
    check({ tables }) {
      const { keys } = tables;
      for (let at = 0; at < 25; at++) keys.append(put(`k${String(at).padStart(2, "0")}`, 2 + at, "old"));
      for (let at = 0; at < 25; at++)
        keys.append(put(`k${String(at).padStart(2, "0")}`, 100 + at, "new", { version: 2 }));
      const cursor = keys.compact(200, undefined, 10);
      expect(cursor).toBeDefined();
      expect(keys.rowCount).toBe(40);
      expect(scan(keys, "", undefined, 200).length).toBe(25);
      const second = keys.compact(200, cursor, 10);
      expect(keys.rowCount).toBe(30);
      expect(keys.compact(200, second, 10)).toBeUndefined();
      expect(keys.rowCount).toBe(25);
      expect(history(keys, 0, 1000).every((row) => row.endsWith("=new"))).toBe(true);
    },
  },
  {
    title: "V20 [TABLES compact] writes between the steps are safe",
    check({ tables }) {
      const { keys } = tables;
      for (let at = 0; at < 9; at++) keys.append(put(`k${at}`, 2 + at, "old"));
      keys.append(tombstone("k1", 20));
      let cursor = keys.compact(30, undefined, 2);
      keys.append(put("k1", 31, "again"));
      keys.append(put("k0", 32, "more", { createRevision: 2, version: 2 }));
      keys.append(tombstone("k5", 33));
      while (cursor !== undefined) cursor = keys.compact(30, cursor, 2);
      expect(scan(keys, "", undefined, 30)).not.toContain("k1@2.0=old");
      expect(scan(keys, "", undefined, 33)).toEqual([
        "k0@32.0=more",
        "k1@31.0=again",
        "k2@4.0=old",
        "k3@5.0=old",
        "k4@6.0=old",
        "k6@8.0=old",
        "k7@9.0=old",
        "k8@10.0=old",
      ]);
    },
  },
  {
    title: "V20 [TABLES compact] a key whose every row went can be written again",
    check({ tables }) {
      fill(tables.keys, [put("a", 2, "1"), tombstone("a", 3)]);
      expect(tables.keys.at(bytes("a"), 3)?.version).toBe(0);
      compactAll(tables.keys, 4, 10);
      expect(tables.keys.rowCount).toBe(0);
      tables.keys.append(put("a", 5, "2"));
      expect(scan(tables.keys, "", undefined, 5)).toEqual(["a@5.0=2"]);
      expect(scan(tables.keys, "", undefined, 4)).toEqual([]);
    },
  },
  {
    title: "V37 [TABLES many] thousands of keys and rows keep their order through writes, deletes and compaction",
    check({ tables }) {
      const { keys } = tables;
      const names = Array.from({ length: 2000 }, (_, at) => `key-${String((at * 7919) % 2000).padStart(5, "0")}`);
      names.forEach((name, at) => keys.append(put(name, 2 + at, "1")));
      names.forEach((name, at) => {
        if (at % 3 === 0) keys.append(tombstone(name, 2002 + at));
        else if (at % 3 === 1) keys.append(put(name, 2002 + at, "2", { createRevision: 2 + at, version: 2 }));
      });
      const alive = names.filter((_, at) => at % 3 !== 0).sort();
      const keysAt = (revision: number): string[] =>
        scan(keys, "", undefined, revision).map((row) => row.split("@")[0] as string);
      expect(keysAt(5000)).toEqual(alive);
      expect(keysAt(2001)).toEqual([...names].sort());
      expect(compactAll(keys, 5000, 300)).toBeGreaterThan(5);
      expect(keysAt(5000)).toEqual(alive);
      expect(keys.rowCount).toBe(alive.length);
      expect(keys.count(bytes("key-00500"), bytes("key-01500"), 5000)).toBe(
        alive.filter((name) => name >= "key-00500" && name < "key-01500").length,
      );
    },
  },
  {
    title: "V39 [TABLES bucket] keeps opaque rows in key order, each bucket for itself",
    check({ tables }) {
      const meta = tables.bucket("meta");
      meta.set(bytes("b"), bytes("2"));
      meta.set(bytes("\u00ff"), bytes("3"));
      meta.set(bytes("a"), bytes(""));
      tables.bucket("lease").set(bytes("a"), bytes("lease"));
      const rows = (): string[] => {
        const all: string[] = [];
        tables.bucket("meta").scan((key, value) => all.push(`${bytesToLatin1(key)}=${bytesToLatin1(value)}`) > 0);
        return all;
      };
      expect(rows()).toEqual(["a=", "b=2", "\u00ff=3"]);
      meta.set(bytes("b"), bytes("two"));
      meta.delete(bytes("a"));
      meta.delete(bytes("never there"));
      expect(rows()).toEqual(["b=two", "\u00ff=3"]);
      expect(meta.get(bytes("a"))).toBeUndefined();
      expect(bytesToLatin1(tables.bucket("lease").get(bytes("a")) as Uint8Array)).toBe("lease");
      const first: string[] = [];
      meta.scan((key) => first.push(bytesToLatin1(key)) < 1);
      expect(first).toEqual(["b"]);
    },
  },
  {
    title: "V39 [TABLES bucket] a range scan visits [start, end) alone, whether its rows are written already or not",
    async check({ tables, reopen }) {
      const names = ["a", "b", "b\u0000", "ba", "b\u00ff", "c"];
      for (const name of names) tables.bucket("lease").set(bytes(name), bytes(`${name}!`));
      const again = (await reopen?.()) ?? tables;
      const lease = again.bucket("lease");
      const rows = (start: string, end: string, limit = 100): string[] => {
        const all: string[] = [];
        lease.scanRange(bytes(start), bytes(end), (key, value) => {
          expect(bytesToLatin1(value)).toBe(`${bytesToLatin1(key)}!`);
          return all.push(bytesToLatin1(key)) < limit;
        });
        return all;
      };
      expect(rows("b", "c")).toEqual(["b", "b\u0000", "ba", "b\u00ff"]);
      lease.delete(bytes("ba"));
      lease.set(bytes("bb"), bytes("bb!"));
      lease.set(bytes("d"), bytes("d!"));
      expect(rows("b", "c")).toEqual(["b", "b\u0000", "bb", "b\u00ff"]);
      expect(rows("b", "c", 2)).toEqual(["b", "b\u0000"]);
      expect(rows("c", "b")).toEqual([]);
      expect(rows("", "e")).toEqual(["a", "b", "b\u0000", "bb", "b\u00ff", "c", "d"]);
    },
  },
  {
    title: "V40 [TABLES reopen] everything is there again: rows, history, buckets, what compaction left",
    async check({ tables, reopen }) {
      if (reopen === undefined) return;
      fill(tables.keys, FIXTURE_ROWS);
      compactAll(tables.keys, 4, 10);
      tables.bucket("meta").set(bytes("k"), bytes("v"));
      tables.bucket("auth").set(bytes("gone"), bytes("v"));
      tables.bucket("auth").delete(bytes("gone"));
      const wanted = history(tables.keys, 0, 100);
      const size = tables.keys.sizeBytes;
      const again = await reopen();
      expect(history(again.keys, 0, 100)).toEqual(wanted);
      expect(again.keys.sizeBytes).toBe(size);
      expect(scan(again.keys, "", undefined, 5)).toEqual(["a@4.0=a2", "b@3.0=b1", "c@5.0=c1"]);
      expect(bytesToLatin1(again.bucket("meta").get(bytes("k")) as Uint8Array)).toBe("v");
      expect(again.bucket("auth").get(bytes("gone"))).toBeUndefined();
      again.keys.append(put("d", 9, "d1"));
      expect(scan(again.keys, "", undefined, 9)).toEqual(["a@8.0=a3", "b@3.0=b1", "d@9.0=d1"]);
    },
  },
];
