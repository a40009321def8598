import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Prng } from "../../../src/base/prng.ts";
import { IntervalTree, type Interval } from "../../../src/mvcc/watch/interval-tree.ts";
import { OrderedMap } from "../../../src/mvcc/tables/ordered-map.ts";

function entries(map: OrderedMap<number>, start: string = "", end?: string): [string, number][] {
  const all: [string, number][] = [];
  map.scan(start, end, (value, key) => all.push([key, value]) > 0);
  return all;
}

describe("ordered map", () => {
  test("V37 [MAP order] holds what a Map holds, in key order, through tens of thousands of writes and deletes", () => {
    const prng = new Prng(11);
    const map = new OrderedMap<number>();
    const dumb = new Map<string, number>();
    const name = (): string => `k${prng.int(0, 4000)}`;
    for (let round = 0; round < 6; round++) {
      // Rounds that mostly write, then rounds that mostly delete, so that leaves and inner nodes split and merge.
      const writes = round % 2 === 0 ? 0.9 : 0.1;
      for (let at = 0; at < 6000; at++) {
        const key = name();
        if (prng.bool(writes)) {
          map.set(key, at);
          dumb.set(key, at);
        } else {
          expect(map.delete(key)).toBe(dumb.get(key));
          dumb.delete(key);
        }
      }
      const sorted = [...dumb].sort(([left], [right]) => (left < right ? -1 : 1));
      expect(map.size).toBe(dumb.size);
      expect(entries(map)).toEqual(sorted);
      const [low, high] = [name(), name()].sort() as [string, string];
      expect(entries(map, low, high)).toEqual(sorted.filter(([key]) => key >= low && key < high));
      for (let at = 0; at < 200; at++) {
        const key = name();
        expect(map.get(key)).toBe(dumb.get(key));
      }
    }
    for (const key of [...dumb.keys()]) map.delete(key);
    expect([map.size, entries(map)]).toEqual([0, []]);
    map.set("again", 1);
    expect(entries(map)).toEqual([["again", 1]]);
  });

  test("[MAP ascending] keys that arrive in order, or in reverse, are all found", () => {
    for (const descending of [false, true]) {
      const map = new OrderedMap<number>();
      const names = Array.from({ length: 5000 }, (_, at) => String(at).padStart(5, "0"));
      for (const [at, key] of (descending ? [...names].reverse() : names).entries()) map.set(key, at);
      expect(entries(map).map(([key]) => key)).toEqual(names);
      expect(names.every((key) => map.get(key) !== undefined)).toBe(true);
    }
  });

  test("[MAP after] valuesAfter continues after a key, present or not, and stops at the limit", () => {
    const map = new OrderedMap<number>();
    for (let at = 0; at < 300; at++) map.set(String(at).padStart(3, "0"), at);
    expect(map.valuesAfter(undefined, 3)).toEqual([0, 1, 2]);
    expect(map.valuesAfter("100", 3)).toEqual([101, 102, 103]);
    expect(map.valuesAfter("1005", 2)).toEqual([101, 102]);
    expect(map.valuesAfter("298", 5)).toEqual([299]);
    expect(map.valuesAfter("299", 5)).toEqual([]);
  });
});

describe("interval tree", () => {
  const point = fc.constantFrom("a", "b", "c", "d", "e", "f", "g");
  const interval: fc.Arbitrary<Interval> = fc.record({ start: point, end: fc.option(point, { nil: undefined }) });

  test("[INTERVAL stab] finds the ranges that contain a key, through inserts and removals", () => {
    fc.assert(
      fc.property(fc.array(fc.record({ add: fc.boolean(), interval }), { maxLength: 60 }), (steps) => {
        const tree = new IntervalTree<Interval>();
        const dumb = new Map<string, Interval>();
        for (const { add, interval: wanted } of steps) {
          const id = `${wanted.start}-${wanted.end}`;
          const known = dumb.get(id);
          expect(tree.find(wanted.start, wanted.end)).toBe(known);
          if (add && known === undefined) {
            tree.insert(wanted);
            dumb.set(id, wanted);
          } else if (!add && known !== undefined) {
            tree.remove(known);
            dumb.delete(id);
          }
        }
        for (const key of ["A", "a", "b", "bb", "e", "g", "h"]) {
          const found: Interval[] = [];
          tree.stab(key, (item) => found.push(item));
          const wanted = [...dumb.values()].filter(
            ({ start, end }) => start <= key && (end === undefined || key < end),
          );
          expect(new Set(found)).toEqual(new Set(wanted));
          expect(found.length).toBe(wanted.length);
        }
      }),
      { numRuns: 500 },
    );
  });
});
