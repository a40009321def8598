/**
 * A txn in etcd's three steps: choose the branches by the state before, check what could fail along them, then execute,
 * which cannot fail. So a rejected txn leaves no trace.
 */
import { unreachable } from "../../base/assert.ts";
import { bytesToLatin1 } from "../../base/bytes.ts";
import { errCompacted, errFutureRev, errKeyNotFound, errLeaseNotFound } from "../../protocol/errors.ts";
import type { PutRequest, RangeRequest, ResponseOp, TxnRequest, TxnResponse } from "../../protocol/api/kv.ts";
import type { ResponseSizeLimit } from "../range/response-size-limit.ts";
import { choosePath, takenOps, type TxnPath } from "./compare.ts";
import { isFromKeyEnd, liveRow } from "../range/key-range.ts";
import { headerAt } from "../tables/messages.ts";
import { executeRange } from "../range/range.ts";
import type { ReadView } from "../range/read-view.ts";
import type { LeaseHook, WriteTxn } from "./write-txn.ts";

export function executeTxn(
  txn: WriteTxn,
  request: TxnRequest,
  leases: LeaseHook,
  budget?: ResponseSizeLimit,
): TxnResponse {
  const path = choosePath(txn, request);
  new TxnCheck(txn, leases).check(request, path);
  const response = executeOps(txn, request, path, budget);
  return { ...response, header: headerAt(txn.revision) };
}

/** Checks the conditions of a put against the state before the txn. A put outside a txn uses it too. */
export function checkPutAgainst(view: ReadView, request: PutRequest, leases: LeaseHook): void {
  if (request.lease !== 0n && !leases.exists(request.lease)) throw errLeaseNotFound;
  const needsKey = request.ignoreValue || request.ignoreLease;
  if (needsKey && liveRow(view.keys, request.key, view.revision) === undefined) throw errKeyNotFound;
}

class TxnCheck {
  readonly #view: ReadView;
  readonly #leases: LeaseHook;
  /** The lowest start of the from-key deletes before the current operation; undefined: none yet. */
  #wipedFrom: string | undefined = undefined;

  constructor(view: ReadView, leases: LeaseHook) {
    this.#view = view;
    this.#leases = leases;
  }

  check(request: TxnRequest, path: TxnPath): void {
    let nested = 0;
    for (const op of takenOps(request, path.succeeded)) {
      switch (op.type) {
        case "range":
          this.#checkRange(op.range);
          break;
        case "put":
          checkPutAgainst(this.#view, op.put, this.#leases);
          this.#checkNotWiped(op.put);
          break;
        case "deleteRange":
          if (isFromKeyEnd(op.deleteRange.rangeEnd)) this.#wipeFrom(bytesToLatin1(op.deleteRange.key));
          break;
        case "txn":
          this.check(op.txn, path.nested[nested++] as TxnPath);
          break;
        case "none":
          break;
        default:
          unreachable(op);
      }
    }
  }

  /**
   * A range in a txn treats a negative revision as compacted once a compaction was applied. A range of its own does
   * not.
   */
  #checkRange(request: RangeRequest): void {
    if (request.revision === 0) return;
    if (request.revision > this.#view.revision) throw errFutureRev;
    if (request.revision < this.#view.compactRevision) throw errCompacted;
  }

  #wipeFrom(key: string): void {
    if (this.#wipedFrom === undefined || key < this.#wipedFrom) this.#wipedFrom = key;
  }

  /**
   * The duplicate rule does not see a put beside a from-key delete (see validate.ts). So a put that keeps the previous
   * value or lease can come after the delete that removes it. etcd panics there.
   */
  #checkNotWiped(request: PutRequest): void {
    if (this.#wipedFrom === undefined || (!request.ignoreValue && !request.ignoreLease)) return;
    if (bytesToLatin1(request.key) >= this.#wipedFrom) throw errKeyNotFound;
  }
}

/** A nested response has an empty header, as in etcd. */
function executeOps(txn: WriteTxn, request: TxnRequest, path: TxnPath, budget?: ResponseSizeLimit): TxnResponse {
  let nested = 0;
  const responses = takenOps(request, path.succeeded).map((op): ResponseOp => {
    switch (op.type) {
      case "range":
        return { type: "range", range: executeRange(txn, op.range, budget) };
      case "put":
        return { type: "put", put: txn.put(op.put) };
      case "deleteRange":
        return { type: "deleteRange", deleteRange: txn.deleteRange(op.deleteRange) };
      case "txn":
        return { type: "txn", txn: executeOps(txn, op.txn, path.nested[nested++] as TxnPath, budget) };
      case "none":
        return { type: "none" };
      default:
        return unreachable(op);
    }
  });
  return { header: headerAt(0), succeeded: path.succeeded, responses };
}
