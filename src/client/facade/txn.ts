/**
 * Transactions: comparisons, and two lists of operations of which one is executed, all at one revision.
 *
 *   const { succeeded } = await client.kv
 *     .txn()
 *     .if(compare.version("config").equals(3))
 *     .then(op.put("config", "new"))
 *     .else(op.range("config"))
 *     .commit();
 *
 * A server accepts at most 128 comparisons and 128 operations per branch.
 */
import type { CallOptions } from "../common/call.ts";
import { compare as wireCompare, txnRequest } from "../../protocol/api/kv.ts";
import type {
  Compare,
  CompareOperand,
  CompareResult,
  CompareTarget,
  RequestOp,
  TxnRequest,
} from "../../protocol/api/kv.ts";
import { count, idOf, invalid, keyRange, toBytes } from "../common/convert.ts";
import { deleteRangeOf, putOf, rangeOf } from "./requests.ts";
import type { Bytes, DeleteRangeOptions, Id, KeyRange, PutOptions, RangeOptions, TxnResult } from "../common/types.ts";

export type { Compare, RequestOp } from "../../protocol/api/kv.ts";

/** One side of a comparison. With a key range it must hold for every key in the range. */
export interface Comparison<Value> {
  equals(value: Value): Compare;
  notEquals(value: Value): Compare;
  greaterThan(value: Value): Compare;
  lessThan(value: Value): Compare;
}

/** What a comparison may look at: `compare.version(key).equals(3)`. */
export interface CompareHelpers {
  /** Version of the key; 0 if it does not exist. */
  version(key: Bytes, range?: KeyRange): Comparison<number>;
  /** Create revision of the key; 0 if it does not exist. */
  createRevision(key: Bytes, range?: KeyRange): Comparison<number>;
  modRevision(key: Bytes, range?: KeyRange): Comparison<number>;
  /** Value of the key. Does not hold if the key does not exist. */
  value(key: Bytes, range?: KeyRange): Comparison<Bytes>;
  lease(key: Bytes, range?: KeyRange): Comparison<Id>;
}

/** Operations of a txn. They take the same options as the calls of the same name. */
export interface OpHelpers {
  put(key: Bytes, value: Bytes, options?: PutOptions): RequestOp;
  range(key: Bytes, options?: RangeOptions): RequestOp;
  deleteRange(key: Bytes, options?: DeleteRangeOptions): RequestOp;
  txn(txn: Txn): RequestOp;
}

/** Makes comparisons for `txn().if(…)`. */
export const compare: CompareHelpers = {
  version: (key, range) =>
    comparison("VERSION", key, range, (value) => ({ type: "version", version: count("version", value) })),
  createRevision: (key, range) =>
    comparison("CREATE", key, range, (value) => ({ type: "createRevision", createRevision: count("revision", value) })),
  modRevision: (key, range) =>
    comparison("MOD", key, range, (value) => ({ type: "modRevision", modRevision: count("revision", value) })),
  value: (key, range) => comparison("VALUE", key, range, (value) => ({ type: "value", value: toBytes(value) })),
  lease: (key, range) => comparison("LEASE", key, range, (value) => ({ type: "lease", lease: idOf(value) })),
};

/** Makes operations for `txn().then(…)` and `txn().else(…)`. */
export const op: OpHelpers = {
  put: (key, value, options) => ({ type: "put", put: putOf(key, value, options ?? {}) }),
  range: (key, options) => ({ type: "range", range: rangeOf(key, options ?? {}) }),
  deleteRange: (key, options) => ({ type: "deleteRange", deleteRange: deleteRangeOf(key, options ?? {}) }),
  txn: (txn) => ({ type: "txn", txn: txn.request() }),
};

/** Builder of a txn. Nothing is sent before `commit()`. */
export class Txn {
  readonly #commit: (request: TxnRequest, options: CallOptions | undefined) => Promise<TxnResult>;
  readonly #compare: Compare[] = [];
  readonly #success: RequestOp[] = [];
  readonly #failure: RequestOp[] = [];

  constructor(commit: (request: TxnRequest, options: CallOptions | undefined) => Promise<TxnResult>) {
    this.#commit = commit;
  }

  /** Adds comparisons. All must hold; an empty list holds. */
  if(...comparisons: readonly Compare[]): this {
    this.#compare.push(...comparisons);
    return this;
  }

  // Adds operations to execute if the comparisons hold. etcd's clients call it `then`, which makes the builder look
  // like a promise to `await`. A caller that forgets `commit()` gets an error for it, instead of waiting forever.
  // oxlint-disable-next-line unicorn/no-thenable -- the name is etcd's, and the mistake it invites is caught
  then(...operations: readonly RequestOp[]): this {
    const [, reject] = operations as readonly unknown[];
    if (typeof reject === "function") reject(invalid("a txn is not a promise: end it with commit()"));
    else this.#success.push(...operations);
    return this;
  }

  else(...operations: readonly RequestOp[]): this {
    this.#failure.push(...operations);
    return this;
  }

  request(): TxnRequest {
    return txnRequest({ compare: [...this.#compare], success: [...this.#success], failure: [...this.#failure] });
  }

  commit(options?: CallOptions): Promise<TxnResult> {
    return this.#commit(this.request(), options);
  }
}

function comparison<Value>(
  target: CompareTarget,
  key: Bytes,
  range: KeyRange | undefined,
  operand: (value: Value) => CompareOperand,
): Comparison<Value> {
  const keys = keyRange(key, range ?? {});
  const make = (result: CompareResult, value: Value): Compare =>
    wireCompare({ ...keys, target, result, targetUnion: operand(value) });
  return {
    equals: (value) => make("EQUAL", value),
    notEquals: (value) => make("NOT_EQUAL", value),
    greaterThan: (value) => make("GREATER", value),
    lessThan: (value) => make("LESS", value),
  };
}
