/**
 * The space quota, by etcd's rules: a request is charged with its bytes and a flat cost, and refused before it is
 * proposed when it would not fit; whoever refuses first raises the alarm that caps all members.
 */
import type { PutRequest, RequestOp, TxnRequest } from "../../protocol/api/kv.ts";

const DEFAULT_QUOTA_BYTES = 2 * 1024 ** 3;

export const LEASE_COST = 64;
const KEY_COST = 256;
/** A request's bytes come to lie in the log, in a row and in an index; more than this times its cost it cannot take. */
const COST_FACTOR = 4;
const HEADROOM_BYTES_MAX = 16 * 1024 * 1024;

export function putCost({ key, value }: PutRequest): number {
  return KEY_COST + key.length + value.length;
}

/** The dearer of the two branches; 0 when nothing is put. */
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

/** What etcd tells of its --quota-backend-bytes: 0 stands for the default, a negative one for none. */
export function quotaBytes(configured: number): number {
  return configured === 0 ? DEFAULT_QUOTA_BYTES : configured;
}

export class Quota {
  /** Infinity: there is none. */
  readonly #bytes: number;
  readonly #sizeBytes: () => number;
  /** May be admitted before the size has to be asked for again, which costs a query. */
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
      // Half of it, for requests are under way; and not much, for what other members propose counts too.
      this.#headroom = Math.min(left / 2, HEADROOM_BYTES_MAX);
    }
    this.#headroom -= charged;
    return true;
  }
}
