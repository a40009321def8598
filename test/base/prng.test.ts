import { describe, expect, test } from "vitest";
import { Prng } from "../../src/base/prng.ts";

function draws(prng: Prng, count: number): number[] {
  return Array.from({ length: count }, () => prng.next());
}

describe("prng", () => {
  test("one seed gives one stream, and another seed another one", () => {
    expect(draws(new Prng(7), 20)).toEqual(draws(new Prng(7n), 20));
    expect(draws(new Prng(7), 20)).not.toEqual(draws(new Prng(8), 20));
    expect(new Prng(7).u64()).not.toBe(new Prng(7n + (1n << 32n)).u64());
  });

  test("draws are spread evenly over [0, 1)", () => {
    const buckets = Array.from({ length: 10 }, () => 0);
    for (const value of draws(new Prng(1), 10_000))
      buckets[Math.floor(value * 10)] = (buckets[Math.floor(value * 10)] ?? 0) + 1;
    for (const count of buckets) expect(Math.abs(count - 1000)).toBeLessThan(150);
  });

  test("an integer reaches both ends of its range and never leaves it", () => {
    const prng = new Prng(2);
    const seen = new Set(Array.from({ length: 1000 }, () => prng.int(-2, 3)));
    expect([...seen].sort((a, b) => a - b)).toEqual([-2, -1, 0, 1, 2]);
    expect(() => prng.int(3, 3)).toThrow("the range is not empty");
  });

  test("bool keeps its probability, and 0 and 1 are certain", () => {
    const prng = new Prng(3);
    const hits = Array.from({ length: 10_000 }, () => prng.bool(0.2)).filter(Boolean).length;
    expect(Math.abs(hits - 2000)).toBeLessThan(200);
    expect(prng.bool(0)).toBe(false);
    expect(prng.bool(1)).toBe(true);
  });

  test("pick returns each item, and rejects an empty list", () => {
    const prng = new Prng(4);
    expect(new Set(Array.from({ length: 100 }, () => prng.pick(["a", "b", "c"])))).toEqual(new Set(["a", "b", "c"]));
    expect(() => prng.pick([])).toThrow("something to pick from");
  });

  test("a fork has its own stream, and its draws do not advance the parent", () => {
    const left = new Prng(5);
    const right = new Prng(5);
    const fork = left.fork();
    right.fork();
    draws(fork, 100);
    expect(draws(left, 10)).toEqual(draws(right, 10));
    expect(draws(new Prng(5).fork(), 10)).toEqual(draws(new Prng(5).fork(), 10));
    expect(draws(new Prng(5).fork(), 10)).not.toEqual(draws(new Prng(6).fork(), 10));
    expect(draws(new Prng(5).fork(), 10)).not.toEqual(draws(new Prng(5), 10));
  });

  test("u64 uses all 64 bits", () => {
    const prng = new Prng(6);
    let union = 0n;
    for (let draw = 0; draw < 100; draw++) union |= prng.u64();
    expect(union).toBe(0xffff_ffff_ffff_ffffn);
  });
});
