/**
 * The space quota, by etcd's rules: a request costs its bytes and a flat amount, and is refused before it is proposed
 * if it would not fit. The first member that refuses raises the alarm that stops writes on all members.
 */
import type { PutRequest, RequestOp, TxnRequest } from "../../protocol/api/kv.ts";

const DEFAULT_QUOTA_BYTES = 2 * 1024 ** 3;

export const LEASE_COST = 64;
const KEY_COST = 256;
/**
 * A request's bytes are stored in the log, in a row and in an index. Together they take at most this multiple of its
 * cost.
 */
const COST_FACTOR = 4;
const HEADROOM_BYTES_MAX = 16 * 1024 * 1024;

export function putCost({ key, value }: PutRequest): number {
  return KEY_COST + key.length + value.length;
}

/** Returns the cost of the more expensive branch; 0 if neither puts a key. */
export function txnCost({ success, failure }: TxnRequest): number {
  return Math.max(opsCost(success), opsCost(failure));
}

function opsCost(ops: readonly RequestOp[]): number {
  let cost = 0;
  for (const op of ops) {
    if (op.type === "put") cost += putCost(op.put);
    else if (op.type === "txn") cost += txnCost(op.txn);
  }
  return cost;
}

/** Interprets etcd's --quota-backend-bytes: 0 is the default, a negative value no limit. */
export function quotaBytes(configured: number): number {
  return configured === 0 ? DEFAULT_QUOTA_BYTES : configured;
}

export class Quota {
  /** Infinity without a limit. */
  readonly #bytes: number;
  readonly #sizeBytes: () => number;
  /** Bytes that may be admitted before the size is queried again; a query is expensive. */
  #headroom = 0;

  constructor(configured: number, sizeBytes: () => number) {
    this.#bytes = configured < 0 ? Infinity : quotaBytes(configured);
    this.#sizeBytes = sizeBytes;
  }

  admits(cost: number): boolean {
    if (cost === 0 || this.#bytes === Infinity) return true;
    const charged = cost * COST_FACTOR;
    if (this.#headroom < charged) {
      const left = this.#bytes - this.#sizeBytes();
      this.#headroom = 0;
      if (cost >= left) return false;
      // Half of what is left, because requests are in flight. And not much, because other members' proposals count too.
      this.#headroom = Math.min(left / 2, HEADROOM_BYTES_MAX);
    }
    this.#headroom -= charged;
    return true;
  }
}
