import { expect, test } from "vitest";
import fc from "fast-check";
import { bytesToLatin1, latin1ToBytes } from "../../../src/base/bytes.ts";
import {
  branchPage,
  bucketHeader,
  emptyFreelistPage,
  leafPage,
  metaPage,
  PAGE_BYTES,
} from "../../../src/protocol/bbolt/bolt-format.ts";
import type { BoltRow } from "../../../src/protocol/bbolt/bolt-format.ts";
import { BoltReader } from "../../../src/protocol/bbolt/bolt-reader.ts";
import { BoltWriter } from "../../../src/protocol/bbolt/bolt-writer.ts";
import type { BoltSource } from "../../../src/protocol/bbolt/bolt-writer.ts";
import { DecodeError } from "../../../src/protocol/decode-error.ts";

type Content = Readonly<Record<string, Readonly<Record<string, string>>>>;

function source(name: string, rows: Readonly<Record<string, string>>): BoltSource {
  const sorted: readonly BoltRow[] = Object.keys(rows)
    .sort()
    .map((key) => ({ key: latin1ToBytes(key), value: latin1ToBytes(rows[key] ?? "") }));
  return {
    name,
    open() {
      let at = 0;
      return {
        next(bytesMax) {
          const from = at;
          for (let bytes = 0; bytes < bytesMax && at < sorted.length; at++)
            bytes += 16 + (sorted[at]?.value.length ?? 0);
          return sorted.slice(from, at);
        },
      };
    },
  };
}

function written(content: Content): Uint8Array {
  const writer = new BoltWriter(Object.entries(content).map(([name, rows]) => source(name, rows)));
  while (writer.measure());
  const file = Buffer.concat([...writer.pages()]);
  expect(file.length).toBe(writer.sizeBytes);
  return file;
}

function reader(file: Uint8Array): BoltReader {
  return new BoltReader({ sizeBytes: file.length, read: (at, length) => file.subarray(at, at + length) });
}

function read(file: Uint8Array): Content {
  return Object.fromEntries(
    reader(file)
      .buckets()
      .map(({ name, rows }) => [
        name,
        Object.fromEntries([...rows()].map(({ key, value }) => [bytesToLatin1(key), bytesToLatin1(value)])),
      ]),
  );
}

test("buckets are read back as written: empty ones, small ones, and those of several levels", () => {
  const many = Object.fromEntries(
    Array.from({ length: 3_000 }, (_, at) => [`key${String(at).padStart(6, "0")}`, "v".repeat((at * 37) % 5_000)]),
  );
  const content = { empty: {}, one: { a: "b" }, many, long: { big: "x".repeat(300_000), bigger: "y".repeat(70_000) } };
  const file = written(content);
  expect(file.length % PAGE_BYTES).toBe(0);
  expect(read(file)).toEqual(content);
});

test("any rows are read back", () => {
  const text = fc.string({ unit: "grapheme-ascii", minLength: 1, maxLength: 20 }).filter((key) => key !== "__proto__");
  const bucket = fc.dictionary(text, fc.string({ unit: "grapheme-ascii", maxLength: 3_000 }), {
    noNullPrototype: true,
  });
  fc.assert(
    fc.property(fc.dictionary(text, bucket, { maxKeys: 6, noNullPrototype: true }), (content) => {
      expect(read(written(content))).toEqual(content);
    }),
    { numRuns: 50 },
  );
});

test("the writer fails if rows change between measuring and writing", () => {
  const rows: BoltRow[] = [{ key: latin1ToBytes("a"), value: latin1ToBytes("1") }];
  const open = (): { next: () => readonly BoltRow[] } => {
    let given = false;
    return { next: () => (given ? [] : ((given = true), [...rows])) };
  };
  const writer = new BoltWriter([{ name: "b", open }]);
  while (writer.measure());
  rows.pop();
  expect(() => [...writer.pages()]).toThrow("the same when they are written");
});

test("a damaged file is rejected or read, and never makes the reader run on", () => {
  const file = written({
    a: { k: "v" },
    b: Object.fromEntries(Array.from({ length: 500 }, (_, at) => [`${at}`, "x".repeat(999)])),
  });
  fc.assert(
    fc.property(fc.nat(file.length - 1), fc.nat(255), fc.nat(file.length), (at, byte, length) => {
      const damaged = file.slice(0, Math.max(length, at + 1));
      damaged[at] = byte;
      try {
        read(damaged);
      } catch (error) {
        expect(error).toBeInstanceOf(DecodeError);
      }
    }),
    { numRuns: 300 },
  );
});

test("a page that is its own child is detected", () => {
  const file = Uint8Array.from(
    written({ b: Object.fromEntries(Array.from({ length: 500 }, (_, at) => [`${at}`, "x".repeat(999)])) }),
  );
  const view = new DataView(file.buffer);
  for (let page = 3; page < file.length / PAGE_BYTES; page++) {
    const at = page * PAGE_BYTES;
    if (view.getUint16(at + 8, true) !== 1) continue;
    for (let row = 0; row < view.getUint16(at + 10, true); row++)
      view.setBigUint64(at + 16 + row * 16 + 8, BigInt(page), true);
  }
  expect(() => read(file)).toThrow(DecodeError);
});

test("pages that are children many times over are detected before they are read that often", () => {
  const levels = 28;
  const leaf = 4 + levels;
  const children = (page: number): { key: Uint8Array; page: number }[] => [
    { key: latin1ToBytes("a"), page },
    { key: latin1ToBytes("b"), page },
  ];
  const bucket = { key: latin1ToBytes("b"), value: bucketHeader(4), isBucket: true };
  const file = Buffer.concat([
    metaPage(0, 3, leaf + 1),
    metaPage(1, 3, leaf + 1),
    emptyFreelistPage(),
    leafPage(3, [bucket]),
    ...Array.from({ length: levels }, (_, level) => branchPage(4 + level, children(5 + level))),
    leafPage(leaf, [{ key: latin1ToBytes("a"), value: latin1ToBytes("1"), isBucket: false }]),
  ]);
  expect(() => read(file)).toThrow("round in a circle");
});

test("a file that is not a database is rejected with a message", () => {
  expect(() => reader(new Uint8Array(8192))).toThrow("no database");
  expect(() => reader(latin1ToBytes("SQLite format 3"))).toThrow("no database");
  const cut = written({ b: { k: "v".repeat(9_000) } }).slice(0, 3 * PAGE_BYTES);
  expect(() => reader(cut)).toThrow("cut off");
});
