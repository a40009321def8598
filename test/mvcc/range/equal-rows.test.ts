/**
 * The order of rows that a range's sort target does not tell apart. etcd sorts with Go's `sort.Sort`, descending with
 * `sort.Reverse`. ../fixtures/orders-of-go.jsonl holds what two versions of Go made of rows { value, index } that are
 * compared by value: `values` by index, then the indexes in their new order, ascending and descending.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { utf8Encode } from "../../../src/base/utf8.ts";
import { putRequest, rangeRequest } from "../../../src/protocol/api/kv.ts";
import type { SortOrder } from "../../../src/protocol/api/kv.ts";
import { Store } from "../../../src/mvcc/store.ts";
import { MemoryTables } from "../../../src/mvcc/tables/memory-tables.ts";
import type { LeaseHook } from "../../../src/mvcc/txn/write-txn.ts";

const NO_LEASES: LeaseHook = { exists: () => true, attach: () => {}, detach: () => {} };

type Orders = readonly [ascend: readonly number[], descend: readonly number[]];

interface Recorded {
  readonly values: readonly number[];
  readonly "go1.18": Orders;
  readonly "go1.26": Orders;
}

/** Up to so many rows, Go since 1.19 keeps equal ones as they stood. */
const KEPT_MAX = 12;

const RECORDED: readonly Recorded[] = readFileSync(join(import.meta.dirname, "../fixtures/orders-of-go.jsonl"), "utf8")
  .trim()
  .split("\n")
  .map((line) => JSON.parse(line) as Recorded);

/** The rows' indexes as the store sorts them by value; keys stand in the order of the indexes. */
function sortedByStore(values: readonly number[], sortOrder: SortOrder): readonly number[] {
  const store = new Store(new MemoryTables(), NO_LEASES);
  for (const [index, value] of values.entries()) {
    store.put(putRequest({ key: Uint8Array.of(index + 1), value: utf8Encode(String(value)) }));
  }
  const request = rangeRequest({ key: Uint8Array.of(0), rangeEnd: Uint8Array.of(0), sortTarget: "VALUE", sortOrder });
  return store.range(request).kvs.map(({ key }) => (key[0] as number) - 1);
}

function byIndex(values: readonly number[], sign: 1 | -1): readonly number[] {
  const value = (index: number): number => values[index] as number;
  return [...values.keys()].sort((left, right) => sign * (value(left) - value(right)) || left - right);
}

describe("rows that the sort target does not tell apart", () => {
  const few = RECORDED.filter(({ values }) => values.length <= KEPT_MAX);
  const many = RECORDED.filter(({ values }) => values.length > KEPT_MAX);

  test.each(few)("come in etcd's order, if the range has up to twelve rows: $values", (recorded) => {
    const [ascend, descend] = recorded["go1.26"];
    expect(sortedByStore(recorded.values, "ASCEND")).toEqual(ascend);
    expect(sortedByStore(recorded.values, "DESCEND")).toEqual(descend);
  });

  test.each(many)("come in the order of their keys, if there are more: $values", ({ values }) => {
    expect(sortedByStore(values, "ASCEND")).toEqual(byIndex(values, 1));
    expect(sortedByStore(values, "DESCEND")).toEqual(byIndex(values, -1));
  });

  test.each(many)(
    "cannot be relied on in etcd beyond twelve rows: two versions of Go disagree: $values",
    (recorded) => {
      expect(recorded["go1.18"]).not.toEqual(recorded["go1.26"]);
    },
  );
});
