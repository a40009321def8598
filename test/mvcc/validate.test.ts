import { describe, expect, test } from "vitest";
import { latin1ToBytes } from "../../src/base/bytes.ts";
import {
  EtcdError,
  errDuplicateKey,
  errEmptyKey,
  errInvalidSortOption,
  errKeyNotFound,
  errLeaseProvided,
  errTooManyOps,
  errValueProvided,
} from "../../src/protocol/errors.ts";
import { compare, deleteRangeRequest, putRequest, rangeRequest, txnRequest } from "../../src/protocol/api/kv.ts";
import type { RequestOp, TxnRequest } from "../../src/protocol/api/kv.ts";
import {
  checkDeleteRange,
  checkPut,
  checkRange,
  checkTxn,
  isReadOnlyTxn,
  isSerializableTxn,
} from "../../src/mvcc/validate.ts";

const b = latin1ToBytes;
const EMPTY = b("");

function put(key: string): RequestOp {
  return { type: "put", put: putRequest({ key: b(key) }) };
}
function del(key: string, rangeEnd: string = ""): RequestOp {
  return { type: "deleteRange", deleteRange: deleteRangeRequest({ key: b(key), rangeEnd: b(rangeEnd) }) };
}
function get(key: string, serializable: boolean = false): RequestOp {
  return { type: "range", range: rangeRequest({ key: b(key), serializable }) };
}
function txn(success: readonly RequestOp[], failure: readonly RequestOp[] = []): RequestOp {
  return { type: "txn", txn: txnRequest({ success, failure }) };
}

function refusal(run: () => void): EtcdError | undefined {
  try {
    run();
  } catch (error) {
    if (error instanceof EtcdError) return error;
    throw error;
  }
  return undefined;
}

function errorOf(success: readonly RequestOp[], more?: Partial<TxnRequest>, maxTxnOps?: number): EtcdError | undefined {
  return refusal(() => checkTxn(txnRequest({ success, ...more }), maxTxnOps));
}

describe("validation", () => {
  test("V16 [VALID key] an empty key is rejected everywhere, and first", () => {
    expect(refusal(() => checkRange(rangeRequest({ key: EMPTY, sortOrder: 9 })))).toBe(errEmptyKey);
    expect(refusal(() => checkPut(putRequest({ ignoreValue: true, value: b("v") })))).toBe(errEmptyKey);
    expect(refusal(() => checkDeleteRange(deleteRangeRequest({ rangeEnd: b("z") })))).toBe(errEmptyKey);
    expect(errorOf([get("")])).toBe(errEmptyKey);
    expect(errorOf([txn([], [put("")])])).toBe(errEmptyKey);
    expect(errorOf([put("")], { compare: [compare({ key: b("a") })] })).toBe(errEmptyKey);
    expect(errorOf([{ type: "none" }], { compare: [compare({ key: EMPTY })] })).toBe(errEmptyKey);
  });

  test("V16 [VALID sort] an order or target outside etcd's enums is rejected", () => {
    expect(refusal(() => checkRange(rangeRequest({ key: b("a"), sortOrder: 3 })))).toBe(errInvalidSortOption);
    expect(refusal(() => checkRange(rangeRequest({ key: b("a"), sortTarget: 5 })))).toBe(errInvalidSortOption);
    expect(refusal(() => checkRange(rangeRequest({ key: b("a"), sortOrder: "DESCEND", sortTarget: "MOD" })))).toBe(
      undefined,
    );
  });

  test("V16 [VALID put] an ignored value or lease must not be given, the value checked first", () => {
    const both = putRequest({ key: b("a"), ignoreValue: true, value: b("v"), ignoreLease: true, lease: 1n });
    expect(refusal(() => checkPut(both))).toBe(errValueProvided);
    expect(refusal(() => checkPut({ ...both, value: EMPTY }))).toBe(errLeaseProvided);
    expect(refusal(() => checkPut({ ...both, value: EMPTY, lease: 0n }))).toBe(undefined);
  });

  test("V16 [VALID none] an operation with an empty union fails with key not found", () => {
    expect(errorOf([{ type: "none" }])).toBe(errKeyNotFound);
  });

  test("V16 [VALID ops] a level may hold as many comparisons or operations of a branch as the limit", () => {
    const ops = (count: number): RequestOp[] => Array.from({ length: count }, (_, at) => put(`k${at}`));
    const compares = Array.from({ length: 129 }, () => compare({ key: b("a") }));
    expect(errorOf(ops(128))).toBe(undefined);
    expect(errorOf(ops(129))).toBe(errTooManyOps);
    expect(errorOf([], { failure: ops(129) })).toBe(errTooManyOps);
    expect(errorOf([], { compare: compares })).toBe(errTooManyOps);
    expect(errorOf(ops(128), { failure: ops(128), compare: compares.slice(1) })).toBe(undefined);
    expect(errorOf(ops(3), {}, 2)).toBe(errTooManyOps);
  });

  test("V16 [VALID ops] a nested level may use what the levels around it left of the limit", () => {
    const ops = (count: number): RequestOp[] => Array.from({ length: count }, (_, at) => put(`k${at}`));
    expect(errorOf([txn(ops(4))], {}, 5)).toBe(undefined);
    expect(errorOf([txn(ops(5))], {}, 5)).toBe(errTooManyOps);
    expect(errorOf([txn([txn(ops(3))])], {}, 5)).toBe(undefined);
    expect(errorOf([txn([txn(ops(4))])], {}, 5)).toBe(errTooManyOps);
    expect(errorOf([txn(ops(3)), get("a"), get("b")], {}, 5)).toBe(errTooManyOps);
    expect(errorOf([txn([], ops(2))], { compare: [1, 2, 3, 4].map(() => compare({ key: b("a") })) }, 5)).toBe(
      errTooManyOps,
    );
  });

  test("V16 [VALID ops] limits and keys are checked before duplicates", () => {
    expect(errorOf([put("a"), put("a"), put("")])).toBe(errEmptyKey);
    expect(errorOf([put("a"), put("a")], {}, 1)).toBe(errTooManyOps);
  });

  test("V17 [TXN duplicate] two puts of a key are rejected in one branch, and allowed in both branches", () => {
    expect(errorOf([put("a"), put("a")])).toBe(errDuplicateKey);
    expect(errorOf([put("a"), put("b")])).toBe(undefined);
    expect(errorOf([put("a")], { failure: [put("a")] })).toBe(undefined);
    expect(errorOf([], { failure: [put("a"), put("a")] })).toBe(errDuplicateKey);
  });

  test("V17 [TXN duplicate] a put and a delete that covers it are rejected in either order", () => {
    expect(errorOf([put("a"), del("a")])).toBe(errDuplicateKey);
    expect(errorOf([del("a"), put("a")])).toBe(errDuplicateKey);
    expect(errorOf([put("abc"), del("ab", "ac")])).toBe(errDuplicateKey);
    expect(errorOf([del("a", "b"), del("d", "f"), put("e")])).toBe(errDuplicateKey);
    expect(errorOf([del("a", "b"), del("d", "f"), put("c")])).toBe(undefined);
    expect(errorOf([put("ac"), del("ab", "ac")])).toBe(undefined);
    expect(errorOf([put("b"), del("c", "a")])).toBe(undefined);
    expect(errorOf([put("a\0"), del("a")])).toBe(undefined);
  });

  test("V17 [TXN duplicate] overlapping deletes and any ranges are allowed", () => {
    expect(errorOf([del("a", "d"), del("b", "c"), del("b")])).toBe(undefined);
    expect(errorOf([get("a"), put("a"), get("a")])).toBe(undefined);
  });

  test("V17 [TXN duplicate] holds across nesting levels, both ways", () => {
    expect(errorOf([put("a"), txn([put("a")])])).toBe(errDuplicateKey);
    expect(errorOf([txn([put("a")]), put("a")])).toBe(errDuplicateKey);
    expect(errorOf([txn([put("a")]), del("a")])).toBe(errDuplicateKey);
    expect(errorOf([txn([del("a")]), put("a")])).toBe(errDuplicateKey);
    expect(errorOf([txn([txn([], [put("a")])]), txn([put("a")])])).toBe(errDuplicateKey);
    expect(errorOf([txn([put("a"), put("a")])])).toBe(errDuplicateKey);
  });

  test("V17 [TXN duplicate] then and else of a nested txn exclude each other, but both count outside", () => {
    expect(errorOf([txn([put("a")], [put("a")])])).toBe(undefined);
    expect(errorOf([txn([put("a")], [del("a")])])).toBe(undefined);
    expect(errorOf([txn([], [put("a")]), put("a")])).toBe(errDuplicateKey);
    expect(errorOf([txn([put("a")], [put("a")]), txn([], [put("a")])])).toBe(errDuplicateKey);
  });

  test("V17 [TXN duplicate] quirk: of sibling txns, delete then put is found and put then delete is not", () => {
    expect(errorOf([txn([del("a")]), txn([put("a")])])).toBe(errDuplicateKey);
    expect(errorOf([txn([put("a")]), txn([del("a")])])).toBe(undefined);
    expect(errorOf([txn([put("a")]), txn([put("a")])])).toBe(errDuplicateKey);
  });

  test("V17 [TXN duplicate] quirk: a from-key delete overlaps with no put", () => {
    expect(errorOf([del("a", "\0"), put("b")])).toBe(undefined);
    expect(errorOf([txn([del("\0", "\0")]), put("b")])).toBe(undefined);
  });

  test("V17 [TXN duplicate] the largest nested txns are checked in bounded time", () => {
    const wide = (tag: string): RequestOp[] =>
      Array.from({ length: 60 }, (_, at) =>
        at % 2 === 0 ? put(`${tag}/${at}`) : del(`x${tag}/${at}`, `x${tag}/${at}~`),
      );
    const middle = Array.from({ length: 60 }, (_, at) => txn(wide(`m${at}`), wide(`e${at}`)));
    expect(errorOf(middle)).toBe(undefined);
    let deep: RequestOp = put("k");
    for (let depth = 0; depth < 127; depth++) deep = txn([deep], [deep]);
    expect(isReadOnlyTxn(txnRequest({ success: [deep] }))).toBe(false);
  });

  test("V18 [TXN read-only] only ranges in both branches; serializable if all of them are", () => {
    expect(isReadOnlyTxn(txnRequest({ success: [get("a")], failure: [get("b")] }))).toBe(true);
    expect(isReadOnlyTxn(txnRequest())).toBe(true);
    expect(isReadOnlyTxn(txnRequest({ failure: [put("b")] }))).toBe(false);
    expect(isReadOnlyTxn(txnRequest({ success: [txn([get("a")])] }))).toBe(false);
    expect(isSerializableTxn(txnRequest({ success: [get("a", true)], failure: [get("b", true)] }))).toBe(true);
    expect(isSerializableTxn(txnRequest({ success: [get("a", true)], failure: [get("b")] }))).toBe(false);
    expect(isSerializableTxn(txnRequest({ success: [put("a")] }))).toBe(false);
  });
});
