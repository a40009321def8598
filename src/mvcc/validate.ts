/**
 * The checks of etcd's gRPC layer, before a request goes anywhere: by its shape alone, without a look at the data. In a
 * txn the limits are checked before the duplicate rule, so that its cost stays near linear in the operations.
 */
import { unreachable } from "../base/assert.ts";
import { bytesToLatin1 } from "../base/bytes.ts";
import {
  errDuplicateKey,
  errEmptyKey,
  errInvalidSortOption,
  errKeyNotFound,
  errLeaseProvided,
  errTooManyOps,
  errValueProvided,
} from "../protocol/errors.ts";
import type { DeleteRangeRequest, PutRequest, RangeRequest, RequestOp, TxnRequest } from "../protocol/api/kv.ts";

export const DEFAULT_MAX_TXN_OPS = 128;
/**
 * Applies however many operations are allowed: what is written to the log must be readable from it
 * (protocol/codec/proto-reader.ts).
 */
const TXN_DEPTH_MAX = 256;

export function checkRange(request: RangeRequest): void {
  if (request.key.length === 0) throw errEmptyKey;
  // A number is a value that etcd's enum does not have.
  if (typeof request.sortOrder === "number" || typeof request.sortTarget === "number") throw errInvalidSortOption;
}

export function checkPut(request: PutRequest): void {
  if (request.key.length === 0) throw errEmptyKey;
  if (request.ignoreValue && request.value.length !== 0) throw errValueProvided;
  if (request.ignoreLease && request.lease !== 0n) throw errLeaseProvided;
}

export function checkDeleteRange(request: DeleteRangeRequest): void {
  if (request.key.length === 0) throw errEmptyKey;
}

export function checkTxn(request: TxnRequest, maxTxnOps: number = DEFAULT_MAX_TXN_OPS): void {
  checkTxnLevel(request, maxTxnOps, 1);
  collectWrites(request.success);
  collectWrites(request.failure);
}

/**
 * Returns whether both branches hold only ranges, so that the txn needs no log entry. A nested txn counts as a write.
 */
export function isReadOnlyTxn(request: TxnRequest): boolean {
  return [...request.success, ...request.failure].every((op) => op.type === "range");
}

/** Returns whether both branches hold only serializable ranges, so that the txn needs no quorum either. */
export function isSerializableTxn(request: TxnRequest): boolean {
  return [...request.success, ...request.failure].every((op) => op.type === "range" && op.range.serializable);
}

/** A nested level may use what the levels around it left of the budget. */
function checkTxnLevel(request: TxnRequest, maxTxnOps: number, depth: number): void {
  const opCount = Math.max(request.compare.length, request.success.length, request.failure.length);
  if (opCount > maxTxnOps || depth > TXN_DEPTH_MAX) throw errTooManyOps;
  for (const compare of request.compare) {
    if (compare.key.length === 0) throw errEmptyKey;
  }
  for (const op of request.success) checkOp(op, maxTxnOps - opCount, depth);
  for (const op of request.failure) checkOp(op, maxTxnOps - opCount, depth);
}

function checkOp(op: RequestOp, maxTxnOps: number, depth: number): void {
  switch (op.type) {
    case "range":
      return checkRange(op.range);
    case "put":
      return checkPut(op.put);
    case "deleteRange":
      return checkDeleteRange(op.deleteRange);
    case "txn":
      return checkTxnLevel(op.txn, maxTxnOps, depth + 1);
    case "none":
      throw errKeyNotFound;
    default:
      return unreachable(op);
  }
}

interface Writes {
  readonly puts: ReadonlySet<string>;
  readonly deletes: KeySpans;
}

/**
 * Checks the duplicate rule within one branch, nested txns included. The order of the steps is etcd's, with its
 * consequence: of two sibling txns, a put after a delete is found, and a put before a delete is not.
 */
function collectWrites(ops: readonly RequestOp[]): Writes {
  const puts = new Set<string>();
  let deletes = new KeySpans(ops.flatMap((op) => (op.type === "deleteRange" ? [deletedSpan(op.deleteRange)] : [])));
  for (const op of ops) {
    if (op.type !== "txn") continue;
    const success = collectWrites(op.txn.success);
    const failure = collectWrites(op.txn.failure);
    for (const key of success.puts) {
      if (puts.has(key) || deletes.covers(key)) throw errDuplicateKey;
    }
    for (const key of failure.puts) {
      if (puts.has(key) || deletes.covers(key)) throw errDuplicateKey;
    }
    // Added after the check, because the two branches exclude each other and may put the same key.
    for (const key of success.puts) puts.add(key);
    for (const key of failure.puts) puts.add(key);
    deletes = deletes.union(success.deletes).union(failure.deletes);
  }
  for (const op of ops) {
    if (op.type !== "put") continue;
    const key = bytesToLatin1(op.put.key);
    if (puts.has(key) || deletes.covers(key)) throw errDuplicateKey;
    puts.add(key);
  }
  return { puts, deletes };
}

interface Span {
  readonly start: string;
  readonly end: string;
}

/** etcd takes the range end "\0" of a from-key delete literally here, so such a delete overlaps with no put. */
function deletedSpan(request: DeleteRangeRequest): Span {
  const start = bytesToLatin1(request.key);
  return { start, end: request.rangeEnd.length === 0 ? `${start}\0` : bytesToLatin1(request.rangeEnd) };
}

/** A set of keys, stored as sorted spans that do not touch. */
class KeySpans {
  readonly #spans: readonly Span[];

  constructor(spans: readonly Span[]) {
    const sorted = spans.filter((span) => span.start < span.end);
    sorted.sort((left, right) => (left.start < right.start ? -1 : left.start > right.start ? 1 : 0));
    const joined: Span[] = [];
    for (const span of sorted) {
      const last = joined[joined.length - 1];
      if (last === undefined || last.end < span.start) joined.push(span);
      else if (last.end < span.end) joined[joined.length - 1] = { start: last.start, end: span.end };
    }
    this.#spans = joined;
  }

  covers(key: string): boolean {
    let low = 0;
    let high = this.#spans.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#spans[middle] as Span).end <= key) low = middle + 1;
      else high = middle;
    }
    const span = this.#spans[low];
    return span !== undefined && span.start <= key;
  }

  union(other: KeySpans): KeySpans {
    if (other.#spans.length === 0) return this;
    if (this.#spans.length === 0) return other;
    return new KeySpans([...this.#spans, ...other.#spans]);
  }
}
