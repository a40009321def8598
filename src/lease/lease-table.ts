/**
 * The leases as all members have them: rows in the bucket "lease", changed only by applying entries. Nothing is kept in
 * memory, so opening costs nothing, however many leases there are.
 *
 *     0 id          leasepb.Lease: id, granted TTL, and what was left of it at the last checkpoint
 *     1 id key      the key is attached to the lease; no value
 *
 * So the keys of a lease are found without a look at any others, for one row more per attached key. The table stores no
 * deadlines. The leader decides when a lease expires (expiry.ts), and revokes it through the log.
 */
import { EMPTY_BYTES, prefixEnd } from "../base/bytes.ts";
import { errLeaseExist, errLeaseNotFound, errLeaseTTLTooLarge } from "../protocol/errors.ts";
import { leaseSchema } from "../protocol/api/schema/lease-schema.ts";
import { lease as leaseOf } from "../protocol/api/lease.ts";
import type { Lease, LeaseCheckpoint } from "../protocol/api/lease.ts";
import { decode, encode } from "../protocol/codec/proto-codec.ts";
import type { Bucket } from "../mvcc/tables/tables.ts";
import type { LeaseHook } from "../mvcc/txn/write-txn.ts";

/** etcd's limit, in seconds: 285 years, so that nanoseconds still fit into 64 bits. */
export const MAX_TTL_SECONDS = 9_000_000_000;

const LEASE_ROW = 0;
const KEY_ROW = 1;
const ROW_ID_BYTES = 9;
/** The part of the bucket with the leases themselves. The id follows the first byte of a key. */
export const LEASE_ROWS: { readonly start: Uint8Array; readonly end: Uint8Array } = {
  start: Uint8Array.of(LEASE_ROW),
  end: Uint8Array.of(KEY_ROW),
};

/** Notified of each applied change. The leader counts time by it. */
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

  /** Returns all leases in the order of their ids. */
  scan(visit: (lease: Lease) => boolean): void {
    this.#bucket.scanRange(LEASE_ROWS.start, LEASE_ROWS.end, (_key, row) => visit(decode(leaseSchema, row)));
  }

  /** Returns the attached keys in key order. */
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

  /** Removes a lease. Its keys have been deleted already. */
  remove(id: bigint): void {
    this.#bucket.delete(rowKey(LEASE_ROW, id));
    this.#listener.revoked(id);
  }

  /** Records what is left of a lease. Does nothing if the lease does not exist any more. */
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
