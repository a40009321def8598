/**
 * The writes of one revision. Each gets the next sub-revision, and reads of the same txn see the writes before them.
 * The store's revision increases when the txn ends, and only if it wrote.
 */
import { assert } from "../../base/assert.ts";
import { EMPTY_BYTES, copyBytes } from "../../base/bytes.ts";
import type { DeleteRangeRequest, DeleteRangeResponse, Event, PutRequest, PutResponse } from "../../protocol/api/kv.ts";
import { keyRange, liveRow, liveRows } from "../range/key-range.ts";
import { headerAt, rowToEvent, rowToKeyValue } from "../tables/messages.ts";
import type { ReadView } from "../range/read-view.ts";
import type { KeyTable, RevisionRow } from "../tables/tables.ts";

/** What the lease package implements: which lease owns a key, kept in step with the rows. */
export interface LeaseHook {
  exists(id: bigint): boolean;
  attach(id: bigint, key: Uint8Array): void;
  detach(id: bigint, key: Uint8Array): void;
}

export class WriteTxn implements ReadView {
  readonly keys: KeyTable;
  readonly compactRevision: number;
  readonly events: Event[] = [];
  readonly #leases: LeaseHook;
  readonly #beginRevision: number;

  constructor(keys: KeyTable, leases: LeaseHook, beginRevision: number, compactRevision: number) {
    assert(Number.isSafeInteger(beginRevision + 1), "revisions stay below 2^53");
    this.keys = keys;
    this.compactRevision = compactRevision;
    this.#leases = leases;
    this.#beginRevision = beginRevision;
  }

  /** The revision that a read of this txn sees; also the store's revision once it has ended. */
  get revision(): number {
    return this.events.length === 0 ? this.#beginRevision : this.#beginRevision + 1;
  }

  put(request: PutRequest): PutResponse {
    const { key } = request;
    const former = liveRow(this.keys, key, this.revision);
    const value = request.ignoreValue ? (former?.value ?? EMPTY_BYTES) : request.value;
    const lease = request.ignoreLease ? (former?.lease ?? 0n) : request.lease;
    const main = this.#beginRevision + 1;
    this.#append({
      key,
      main,
      sub: this.events.length,
      createRevision: former === undefined ? main : former.createRevision,
      version: former === undefined ? 1 : former.version + 1,
      lease,
      value,
    });
    // A key that stays attached to its lease costs no row.
    if (former?.lease !== lease) {
      if (former !== undefined && former.lease !== 0n) this.#leases.detach(former.lease, key);
      if (lease !== 0n) this.#leases.attach(lease, key);
    }
    const prevKv = request.prevKv && former !== undefined ? rowToKeyValue(former) : undefined;
    return { header: headerAt(main), prevKv };
  }

  deleteRange(request: DeleteRangeRequest): DeleteRangeResponse {
    const range = keyRange(request.key, request.rangeEnd);
    const rows = liveRows(this.keys, range, this.revision, request.prevKv, Number.POSITIVE_INFINITY);
    for (const row of rows) this.#delete(row);
    return {
      header: headerAt(this.revision),
      deleted: rows.length,
      prevKvs: request.prevKv ? rows.map(rowToKeyValue) : [],
    };
  }

  /** Deletes a key. Returns whether it existed. */
  deleteKey(key: Uint8Array): boolean {
    const row = liveRow(this.keys, key, this.revision);
    if (row !== undefined) this.#delete(row);
    return row !== undefined;
  }

  #delete(row: RevisionRow): void {
    this.#append({
      key: row.key,
      main: this.#beginRevision + 1,
      sub: this.events.length,
      createRevision: 0,
      version: 0,
      lease: 0n,
      value: EMPTY_BYTES,
    });
    if (row.lease !== 0n) this.#leases.detach(row.lease, row.key);
  }

  #append(row: RevisionRow): void {
    // A copy: an event may wait for a slow watcher, and must not keep the whole request's buffer in memory meanwhile.
    const kept = this.keys.append(row) ?? { ...row, key: copyBytes(row.key), value: copyBytes(row.value) };
    this.events.push(rowToEvent(kept));
  }
}
