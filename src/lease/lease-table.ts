/**
 * The leases as all members have them: rows in the bucket "lease", changed by applying entries and by nothing else.
 * Nothing is kept in memory, so opening costs nothing, however many leases there are.
 *
 *     0 id          leasepb.Lease: id, granted time to live, and what was left of it at the last checkpoint
 *     1 id key      the key hangs on the lease; no value
 *
 * So the keys of a lease are found without looking at any others, for one row more per key that hangs on a lease. No
 * time stands in here: when a lease ends is for the leader to say (expiry.ts), and it says so through the log.
 */
import { EMPTY_BYTES, prefixEnd } from "../base/bytes.ts";
import { errLeaseExist, errLeaseNotFound, errLeaseTTLTooLarge } from "../protocol/errors.ts";
import { leaseSchema } from "../protocol/api/lease-schema.ts";
import { lease as leaseOf } from "../protocol/api/lease.ts";
import type { Lease, LeaseCheckpoint } from "../protocol/api/lease.ts";
import { decode, encode } from "../protocol/codec/proto-codec.ts";
import type { Bucket } from "../mvcc/tables/tables.ts";
import type { LeaseHook } from "../mvcc/txn/write-txn.ts";

/** etcd's, in seconds: 285 years, so that nanoseconds still fit into 64 bits. */
export const MAX_TTL_SECONDS = 9_000_000_000;

const LEASE_ROW = 0;
const KEY_ROW = 1;
const ROW_ID_BYTES = 9;
/** Where in the bucket the leases themselves are; behind the first byte of a key is the id. */
export const LEASE_ROWS: { readonly start: Uint8Array; readonly end: Uint8Array } = {
  start: Uint8Array.of(LEASE_ROW),
  end: Uint8Array.of(KEY_ROW),
};

/** Told of what was applied; the leader keeps time by it. */
export interface LeaseListener {
  granted(lease: Lease): void;
  revoked(id: bigint): void;
  checkpointed(lease: Lease): void;
}

export class LeaseTable implements LeaseHook {
  readonly #bucket: Bucket;
  readonly #listener: LeaseListener;

  constructor(bucket: Bucket, listener: LeaseListener) {
    this.#bucket = bucket;
    this.#listener = listener;
  }

  get(id: bigint): Lease | undefined {
    const row = this.#bucket.get(rowKey(LEASE_ROW, id));
    return row === undefined ? undefined : decode(leaseSchema, row);
  }

  exists(id: bigint): boolean {
    return this.#bucket.get(rowKey(LEASE_ROW, id)) !== undefined;
  }

  /** In the order of their ids. */
  scan(visit: (lease: Lease) => boolean): void {
    this.#bucket.scanRange(LEASE_ROWS.start, LEASE_ROWS.end, (_key, row) => visit(decode(leaseSchema, row)));
  }

  /** In key order. */
  keysOf(id: bigint): readonly Uint8Array[] {
    const prefix = rowKey(KEY_ROW, id);
    const keys: Uint8Array[] = [];
    this.#bucket.scanRange(prefix, prefixEnd(prefix), (row) => keys.push(row.slice(ROW_ID_BYTES)) > 0);
    return keys;
  }

  grant(id: bigint, ttl: number): Lease {
    if (id === 0n) throw errLeaseNotFound;
    if (ttl > MAX_TTL_SECONDS) throw errLeaseTTLTooLarge;
    if (this.exists(id)) throw errLeaseExist;
    const granted = leaseOf({ id, ttl });
    this.#store(granted);
    this.#listener.granted(granted);
    return granted;
  }

  /** Its keys are gone by now. */
  remove(id: bigint): void {
    this.#bucket.delete(rowKey(LEASE_ROW, id));
    this.#listener.revoked(id);
  }

  /** A lease that is gone by now is passed over. */
  checkpoint({ id, remainingTtl }: LeaseCheckpoint): void {
    const lease = this.get(id);
    if (lease === undefined) return;
    const checkpointed = { ...lease, remainingTtl };
    this.#store(checkpointed);
    this.#listener.checkpointed(checkpointed);
  }

  attach(id: bigint, key: Uint8Array): void {
    this.#bucket.set(rowKey(KEY_ROW, id, key), EMPTY_BYTES);
  }

  detach(id: bigint, key: Uint8Array): void {
    this.#bucket.delete(rowKey(KEY_ROW, id, key));
  }

  #store(lease: Lease): void {
    this.#bucket.set(rowKey(LEASE_ROW, lease.id), encode(leaseSchema, lease));
  }
}

function rowKey(kind: number, id: bigint, key: Uint8Array = EMPTY_BYTES): Uint8Array {
  const row = new Uint8Array(ROW_ID_BYTES + key.length);
  row[0] = kind;
  new DataView(row.buffer).setBigInt64(1, id);
  row.set(key, ROW_ID_BYTES);
  return row;
}
