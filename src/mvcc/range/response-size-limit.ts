/**
 * Limits the size of one response. All responses except a streamed range are built in memory as a whole, and no request
 * may make a member run out of it.
 */
import { EtcdError, GrpcCode } from "../../protocol/errors.ts";
import { type RangeRequest, rangeRequest, type TxnRequest } from "../../protocol/api/kv.ts";
import { keyRange } from "./key-range.ts";
import type { ReadView } from "./read-view.ts";
import type { RevisionRow } from "../tables/tables.ts";

/** What a pair costs besides its key and value, in bytes. */
const PAIR_BYTES = 64;

export class ResponseSizeLimit {
  readonly #maxBytes: number;
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Throws the error of a gRPC server that exceeds its send limit. */
  spend({ key, value }: RevisionRow, withValue: boolean): void {
    this.#bytes += key.length + (withValue ? value.length : 0) + PAIR_BYTES;
    if (this.#bytes <= this.#maxBytes) return;
    const sizes = `(${this.#bytes} vs. ${this.#maxBytes})`;
    throw new EtcdError(GrpcCode.ResourceExhausted, `grpc: trying to send message larger than max ${sizes}`);
  }
}

/** Returns whether the response may hold more than a few pairs. */
export function returnsRanges({ success, failure }: TxnRequest): boolean {
  return [...success, ...failure].some((op) => {
    if (op.type === "range") return op.range.rangeEnd.length > 0 && !op.range.countOnly;
    if (op.type === "deleteRange") return op.deleteRange.rangeEnd.length > 0 && op.deleteRange.prevKv;
    return op.type === "txn" && returnsRanges(op.txn);
  });
}

/**
 * Checks a txn before it is proposed. Once it is in the log it cannot be rejected, and every member would build the
 * response. Both branches count, because the branch is not known yet.
 */
export function checkTxnResponse(view: ReadView, request: TxnRequest, budget: ResponseSizeLimit): void {
  for (const op of [...request.success, ...request.failure]) {
    if (op.type === "range" && !op.range.countOnly) spendRange(view, op.range, budget);
    if (op.type === "deleteRange" && op.deleteRange.prevKv) {
      const { key, rangeEnd } = op.deleteRange;
      spendRange(view, rangeRequest({ key, rangeEnd }), budget);
    }
    if (op.type === "txn") checkTxnResponse(view, op.txn, budget);
  }
}

/** A single key is not counted: its pair is no larger than the request that wrote it. */
function spendRange(view: ReadView, request: RangeRequest, budget: ResponseSizeLimit): void {
  const range = keyRange(request.key, request.rangeEnd);
  if (range.type === "key") return;
  const atRevision = request.revision <= 0 ? view.revision : Math.min(request.revision, view.revision);
  // Another check rejects compacted revisions.
  if (atRevision < view.compactRevision) return;
  let left = request.limit > 0 && request.sortOrder === "NONE" ? request.limit : Number.POSITIVE_INFINITY;
  view.keys.scan(range.start, range.end, atRevision, !request.keysOnly, (row) => {
    budget.spend(row, !request.keysOnly);
    left -= 1;
    return left > 0;
  });
}
