/** Equal rows are left as Go's `sort.Sort` leaves them. The sums are of its results (Go 1.26). */
import fc from "fast-check";
import { expect, test } from "vitest";
import { unstableSort } from "../../../src/mvcc/range/unstable-sort.ts";

interface Row {
  readonly value: number;
  readonly id: number;
}

const PATTERNS: Readonly<Record<string, (index: number, length: number) => number>> = {
  mod: (index) => (index * 7) % 5,
  fall: (index, length) => Math.floor((length - index) / 3),
  tooth: (index, length) => index % (Math.floor(length / 4) + 1),
  equal: () => 1,
  mix: (index) => (index * index * 31 + index * 17) % 23,
  organ: (index, length) => Math.floor((index < Math.floor(length / 2) ? index : length - index) / 2),
};

/** FNV hash of the ids in their order. */
const SUMS: readonly (readonly [pattern: string, length: number, sum: number])[] = [
  ["mod", 12, 1845357281],
  ["fall", 12, 2086106575],
  ["tooth", 12, 1650323401],
  ["equal", 12, 1246796121],
  ["mix", 12, 649447433],
  ["organ", 12, 3956754595],
  ["mod", 13, 4024898003],
  ["fall", 13, 2575456889],
  ["tooth", 13, 3010122335],
  ["equal", 13, 1373724879],
  ["mix", 13, 71485723],
  ["organ", 13, 702258317],
  ["mod", 40, 1352746573],
  ["fall", 40, 401744719],
  ["tooth", 40, 3456386777],
  ["equal", 40, 3388221373],
  ["mix", 40, 3759709473],
  ["organ", 40, 1411787587],
  ["mod", 50, 181925170],
  ["fall", 50, 3262078852],
  ["tooth", 50, 4175590130],
  ["equal", 50, 3846415658],
  ["mix", 50, 3160762092],
  ["organ", 50, 162154448],
  ["mod", 200, 3239738267],
  ["fall", 200, 2702009619],
  ["tooth", 200, 2458262383],
  ["equal", 200, 587660125],
  ["mix", 200, 1685453487],
  ["organ", 200, 1208351913],
  ["mod", 1000, 2561295607],
  ["fall", 1000, 3249050097],
  ["tooth", 1000, 3643219807],
  ["equal", 1000, 2691360765],
  ["mix", 1000, 1787346995],
  ["organ", 1000, 1100884503],
];

test.each(SUMS)("V10 %s, %i rows", (pattern, length, sum) => {
  const valueOf = PATTERNS[pattern] as (index: number, length: number) => number;
  const rows = Array.from({ length }, (_, id): Row => ({ id, value: valueOf(id, length) }));
  unstableSort(rows, (left, right) => left.value - right.value);
  expect(rows.reduce((hash, { id }) => Math.imul(hash ^ id, 16_777_619) >>> 0, 2_166_136_261)).toBe(sum);
});

test("V10 any rows come out sorted and none is lost", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 30 }), { maxLength: 300 }), (values) => {
      const sorted = [...values];
      unstableSort(sorted, (left, right) => left - right);
      expect(sorted).toEqual(values.toSorted((left, right) => left - right));
    }),
  );
});
