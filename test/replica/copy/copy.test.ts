/** The copy of a replica, what comes to it from several watches, and which keys are its own. */
import { describe, expect, test } from "vitest";
import type { Event } from "../../../src/protocol/api/kv.ts";
import { rangeRequest } from "../../../src/protocol/api/kv.ts";
import { executeRange } from "../../../src/mvcc/range/range.ts";
import { Barrier } from "../../../src/replica/copy/barrier.ts";
import { checkedPrefixes, isWithin, spanOf } from "../../../src/replica/copy/prefixes.ts";
import { ReplicaCopy } from "../../../src/replica/copy/replica-copy.ts";
import { pair } from "../../contract/replica-store.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const put = (key: string, revision: number, value: string = ""): Event => ({
  type: "PUT",
  kv: pair(key, value, revision),
  prevKv: undefined,
});

describe("RC prefixes of a replica", () => {
  test("RC1 those within another one count once, and bytes above 0x7f are no letters", () => {
    const texts = checkedPrefixes([bytes("b/"), bytes("a/x/"), bytes("a/"), bytes("b/")]);
    expect(texts).toEqual([bytes("a/"), bytes("b/")]);
    expect(checkedPrefixes([bytes("a"), bytes("")])).toEqual([bytes("")]);
    expect(() => checkedPrefixes([])).toThrow("at least one");
    expect(() => checkedPrefixes(Array.from({ length: 65 }, (_, at) => bytes(`p${at}/`)))).toThrow("at most 64");
  });

  test("RC2 a range is within a prefix only as a whole", () => {
    const prefix = bytes("a/");
    const within = (key: string, rangeEnd: string): boolean =>
      isWithin({ key: bytes(key), rangeEnd: bytes(rangeEnd) }, prefix);
    expect(isWithin(spanOf(prefix), prefix)).toBe(true);
    expect([within("a/", ""), within("a/x", ""), within("a/x", "a/y"), within("a/x", "a0")]).toEqual(
      Array(4).fill(true),
    );
    expect([within("a", ""), within("b", ""), within("a/x", "a1"), within("a/x", "\0"), within("a", "a0")]).toEqual(
      Array(5).fill(false),
    );
    expect(isWithin({ key: bytes("\0"), rangeEnd: bytes("\0") }, bytes(""))).toBe(true);
    const last = new Uint8Array([255]);
    expect(isWithin({ key: last, rangeEnd: bytes("\0") }, last)).toBe(true);
  });
});

describe("RC events of several watches", () => {
  test("RC3 one watch tells whole revisions, which are applied at once", () => {
    const barrier = new Barrier(1);
    const steps = barrier.received([put("a", 3), put("b", 3), put("a", 5)]);
    expect(steps.map(({ revision, events }) => [revision, events.length])).toEqual([
      [3, 2],
      [5, 1],
    ]);
    expect(barrier.isWaiting).toBe(false);
  });

  test("RC4 of two watches nothing counts before both have told it", () => {
    const barrier = new Barrier(2);
    expect(barrier.received([put("a", 3), put("a", 6)])).toEqual([]);
    expect(barrier.received([put("b", 3), put("b", 4)])).toEqual([]);
    expect(barrier.sizeBytes).toBe(4);
    const steps = barrier.reached(5);
    expect(steps.map(({ revision, events }) => [revision, events.length])).toEqual([
      [3, 2],
      [4, 1],
    ]);
    expect(barrier.isWaiting).toBe(true);
    expect(barrier.reached(6)).toHaveLength(1);
    expect([barrier.isWaiting, barrier.sizeBytes]).toEqual([false, 0]);
  });
});

describe("RC the copy", () => {
  const copy = (): ReplicaCopy => new ReplicaCopy(1n, 10, [pair("a", "1", 9), pair("b", "2", 4), pair("c", "3", 4)]);
  const keysAt = (one: ReplicaCopy, revision: number): readonly string[] =>
    executeRange(one, rangeRequest({ key: bytes("\0"), rangeEnd: bytes("\0"), revision })).kvs.map(({ key }) =>
      new TextDecoder().decode(key),
    );

  test("RC5 is read at its revision and in the near past, and not before its list", () => {
    const one = copy();
    one.apply(12, [put("d", 12), { type: "DELETE", kv: { ...pair("a", "", 12), version: 0 }, prevKv: undefined }]);
    expect(keysAt(one, 0)).toEqual(["b", "c", "d"]);
    expect(keysAt(one, 10)).toEqual(["a", "b", "c"]);
    expect(() => keysAt(one, 9)).toThrow("compacted");
    expect(() => keysAt(one, 13)).toThrow("future");
    expect(one.newest()?.modRevision).toBe(12);
    one.advance(20);
    expect([one.revision, keysAt(one, 20)]).toEqual([20, ["b", "c", "d"]]);
  });

  test("RC6 has the last row of each key that changed, and forgets none that is still to be stored", () => {
    const one = copy();
    for (let revision = 11; revision < 2_600; revision++) {
      one.apply(revision, [put("a", revision)]);
      one.forgetOld(100);
    }
    expect(one.compactRevision).toBe(100);
    expect(one.changesSince(100).map(({ main }) => main)).toEqual([2_599]);
    one.apply(2_600, [put("a", 2_600)]);
    one.forgetPast(Infinity);
    expect([one.compactRevision, one.keys.rowCount]).toEqual([2_600, 3]);
  });

  test("RC7 without a prefix it has nothing of it", () => {
    expect(keysAt(copy().without([bytes("b")]), 0)).toEqual(["a", "c"]);
  });
});
