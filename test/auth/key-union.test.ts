import fc from "fast-check";
import { expect, test } from "vitest";
import { KeyUnion } from "../../src/auth/key-union.ts";
import type { KeySpec } from "../../src/auth/key-union.ts";
import { compareBytes, latin1ToBytes } from "../../src/base/bytes.ts";

const keyText = fc.string({ unit: fc.constantFrom("\0", "a", "b", "\xff"), minLength: 1, maxLength: 3 });
const spec = fc.record({ key: keyText, rangeEnd: fc.oneof(fc.constantFrom("", "\0"), keyText) }).map(specOf);

test("AU1 (property): a union covers a request exactly when each key of the request is in one of the ranges", () => {
  fc.assert(
    fc.property(fc.array(spec, { maxLength: 6 }), spec, (granted, wanted) => {
      fc.pre(holds(wanted, wanted.key));
      // If a key is missing, so is the first missing one, and that is the begin of the request or of a gap in the
      // ranges.
      const keys = [wanted.key, ...granted.flatMap(endOf)].filter((key) => holds(wanted, key));
      const expected = keys.every((key) => granted.some((range) => holds(range, key)));
      expect(new KeyUnion(granted).covers(wanted)).toBe(expected);
    }),
    { numRuns: 500 },
  );
});

test.each([
  { granted: [["a", "c"]], wanted: ["a", "c"], may: true },
  { granted: [["a", "c"]], wanted: ["a", "c\0"], may: false },
  {
    granted: [
      ["a", "b"],
      ["b", "c"],
    ],
    wanted: ["a", "c"],
    may: true,
  },
  {
    granted: [
      ["a", "b"],
      ["b\0", "c"],
    ],
    wanted: ["a", "c"],
    may: false,
  },
  {
    granted: [
      ["a", "b"],
      ["b", ""],
      ["b\0", "c"],
    ],
    wanted: ["a", "c"],
    may: true,
  },
  { granted: [["a", ""]], wanted: ["a", ""], may: true },
  { granted: [["a", ""]], wanted: ["a", "a\0"], may: true },
  { granted: [["a", ""]], wanted: ["a", "b"], may: false },
  { granted: [["a", ""]], wanted: ["a\0", ""], may: false },
  { granted: [["a", "\0"]], wanted: ["zz", "\0"], may: true },
  { granted: [["b", "\0"]], wanted: ["a", "\0"], may: false },
  { granted: [["a", "z"]], wanted: ["a", "\0"], may: false },
  {
    granted: [
      ["a", "m"],
      ["m", "\0"],
    ],
    wanted: ["a", "\0"],
    may: true,
  },
  { granted: [["\0", "\0"]], wanted: ["\0", "\0"], may: true },
  {
    granted: [
      ["c", "d"],
      ["a", "d"],
      ["b", "c"],
    ],
    wanted: ["a", "d"],
    may: true,
  },
  { granted: [], wanted: ["a", ""], may: false },
])("AU1: $granted allows $wanted: $may", ({ granted, wanted, may }) => {
  const specs = granted.map(([key = "", rangeEnd = ""]) => specOf({ key, rangeEnd }));
  const [key = "", rangeEnd = ""] = wanted;
  expect(new KeyUnion(specs).covers(specOf({ key, rangeEnd }))).toBe(may);
});

test("AU2: a range that ends before it begins is allowed only with permission for its key", () => {
  const union = new KeyUnion([specOf({ key: "b", rangeEnd: "d" })]);
  expect(union.covers(specOf({ key: "c", rangeEnd: "a" }))).toBe(true);
  expect(union.covers(specOf({ key: "e", rangeEnd: "a" }))).toBe(false);
});

test.each([
  { end: "e", may: true },
  { end: "d", may: false },
  { end: "c", may: false },
])(
  "AU3: of three ranges etcd's search starts in the middle, and stops there when the end $end is after it",
  (wanted) => {
    const ranges = [
      ["b", "z"],
      ["d", "e"],
      ["f", "g"],
    ].map(([key = "", rangeEnd = ""]) => specOf({ key, rangeEnd }));
    expect(new KeyUnion(ranges).covers(specOf({ key: "m", rangeEnd: wanted.end }))).toBe(wanted.may);
  },
);

test("AU3: the order of the grants decides where a range is in etcd's tree", () => {
  const ranges = ["sz", "bz", "eu", "cd", "qr", "il", "jk", "gm", "no", "ps", "as"].map((pair) =>
    specOf({ key: pair.slice(0, 1), rangeEnd: pair.slice(1) }),
  );
  const first = (specs: readonly KeySpec[]): string | undefined =>
    ["g", "h", "i", "j", "k"].find((rangeEnd) => new KeyUnion(specs).covers(specOf({ key: "t", rangeEnd })));
  // As etcd 3.7.1 responded.
  expect(first(ranges)).toBe("j");
  expect(first(ranges.toReversed())).toBe("h");
});

function specOf({ key, rangeEnd }: { readonly key: string; readonly rangeEnd: string }): KeySpec {
  return { key: latin1ToBytes(key), rangeEnd: latin1ToBytes(rangeEnd) };
}

/** A simple second implementation: one key, one range. */
function holds({ key: start, rangeEnd }: KeySpec, key: Uint8Array): boolean {
  if (rangeEnd.length === 0) return compareBytes(start, key) === 0;
  if (compareBytes(start, key) > 0) return false;
  return !isBounded({ key: start, rangeEnd }) || compareBytes(key, rangeEnd) < 0;
}

function isBounded({ rangeEnd }: KeySpec): boolean {
  return rangeEnd.length !== 1 || rangeEnd[0] !== 0;
}

function endOf({ key, rangeEnd }: KeySpec): Uint8Array[] {
  if (rangeEnd.length === 0) return [Uint8Array.of(...key, 0)];
  return isBounded({ key, rangeEnd }) ? [rangeEnd] : [];
}
