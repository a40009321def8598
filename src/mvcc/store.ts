/**
 * The multi-version store: etcd's KV, pure and synchronous, over the state tables. Every write makes one revision; every
 * revision not compacted stays readable. Requests are expected to have passed validate.ts; what depends on the data is
 * checked here, before anything is written.
 */
import { must } from "../base/assert.ts";
import { compareBytes } from "../base/bytes.ts";
import { errCompacted, errFutureRev } from "../protocol/errors.ts";
import type {
  DeleteRangeRequest,
  DeleteRangeResponse,
  Event,
  PutRequest,
  PutResponse,
  RangeRequest,
  RangeResponse,
  TxnRequest,
  TxnResponse,
} from "../protocol/api/kv.ts";
import type { ResponseSizeLimit } from "./range/response-size-limit.ts";
import { Compaction } from "./compaction.ts";
import { HashWalk } from "./hash.ts";
import type { KeyValueHash } from "./hash.ts";
import { rangeChunks } from "./range/range-chunks.ts";
import { executeRange } from "./range/range.ts";
import type { ReadView } from "./range/read-view.ts";
import type { KeyTable, StateTables } from "./tables/tables.ts";
import { checkPutAgainst, executeTxn } from "./txn/txn.ts";
import { WriteTxn, type LeaseHook } from "./txn/write-txn.ts";

export interface WriteResult<R> {
  /** Its header holds the revision; the member fills in the rest. */
  readonly response: R;
  /** In the order of their sub-revisions; empty when nothing changed. */
  readonly events: readonly Event[];
}

/** Revision of a store that nothing was ever written to. */
const FIRST_REVISION = 1;

export class Store implements ReadView {
  readonly #tables: StateTables;
  readonly #leases: LeaseHook;
  readonly #compaction: Compaction;
  #revision: number;

  constructor(tables: StateTables, leases: LeaseHook) {
    this.#tables = tables;
    this.#leases = leases;
    this.#compaction = new Compaction(tables);
    this.#revision = Math.max(FIRST_REVISION, this.#compaction.revision, newestMain(tables.keys));
  }

  get keys(): KeyTable {
    return this.#tables.keys;
  }

  get revision(): number {
    return this.#revision;
  }

  /** The oldest revision that can be read; -1 while nothing was compacted. */
  get compactRevision(): number {
    return this.#compaction.revision;
  }

  range(request: RangeRequest, budget?: ResponseSizeLimit): RangeResponse {
    return executeRange(this, request, budget);
  }

  /** The same answer in parts, each about `maxBytes` at most, all at one revision; see range-chunks.ts. */
  rangeChunks(request: RangeRequest, maxBytes: number): Generator<RangeResponse, void, void> {
    return rangeChunks(this, request, maxBytes);
  }

  put(request: PutRequest): WriteResult<PutResponse> {
    checkPutAgainst(this, request, this.#leases);
    return this.#write((txn) => txn.put(request));
  }

  deleteRange(request: DeleteRangeRequest): WriteResult<DeleteRangeResponse> {
    return this.#write((txn) => txn.deleteRange(request));
  }

  /** Throws without any effect. Serves read-only txns too; only they may have a budget. */
  txn(request: TxnRequest, budget?: ResponseSizeLimit): WriteResult<TxnResponse> {
    return this.#write((txn) => executeTxn(txn, request, this.#leases, budget));
  }

  /** Deletes the keys in one revision, as the end of a lease does; those that do not live are passed over. */
  deleteKeys(keys: readonly Uint8Array[]): readonly Event[] {
    return this.#write((txn) => {
      for (const key of [...keys].sort(compareBytes)) txn.deleteKey(key);
    }).events;
  }

  /** The logical part, at once. */
  compact(revision: number): void {
    this.#compaction.schedule(revision, this.#revision);
  }

  /** The physical part has not come as far as the logical one. */
  get hasPendingCompaction(): boolean {
    return this.#compaction.isPending;
  }

  /** A step of the physical part over at most `maxKeys` keys. Returns whether more is to be done. */
  compactStep(maxKeys: number): boolean {
    return this.#compaction.step(maxKeys);
  }

  /** What a compaction found at this revision, as long as it is remembered: etcd answers with that one then. */
  compactionHash(revision: number): KeyValueHash | undefined {
    return this.#compaction.hashes.find((known) => known.hashRevision === revision);
  }

  /** The compaction at this revision has yet to find its hash: a step of that. Returns whether more is to be done. */
  hashCompaction(revision: number, maxRows: number): boolean {
    return this.#compaction.isHashing(revision) && this.#compaction.hash(maxRows);
  }

  /** `revision` 0 means the newest. */
  hashWalk(revision: number): HashWalk {
    const { compactRevision } = this;
    if (revision > 0 && revision < compactRevision) throw errCompacted;
    if (revision > this.#revision) throw errFutureRev;
    const hashRevision = revision === 0 ? this.#revision : revision;
    return new HashWalk(this.keys, { hashRevision, compactRevision, byCompaction: false });
  }

  /** All at once; for a large store `hashWalk` does it in steps. */
  hashKv(revision: number): KeyValueHash {
    const hash = this.hashWalk(revision).step(Infinity, Infinity);
    return must(hash, "a walk without limits comes to its end");
  }

  #write<R>(run: (txn: WriteTxn) => R): WriteResult<R> {
    const txn = new WriteTxn(this.keys, this.#leases, this.#revision, this.compactRevision);
    const response = run(txn);
    this.#revision = txn.revision;
    return { response, events: txn.events };
  }
}

/** The main revision of the last kept row, 0 without rows. The table tells only what lies ahead, so this bisects. */
function newestMain(keys: KeyTable): number {
  let low = 0;
  let high = Number.MAX_SAFE_INTEGER;
  while (low < high) {
    const middle = low + Math.ceil((high - low) / 2);
    if (hasRowsFrom(keys, middle)) low = middle;
    else high = middle - 1;
  }
  return low;
}

function hasRowsFrom(keys: KeyTable, main: number): boolean {
  let found = false;
  keys.history(main, Number.MAX_SAFE_INTEGER, () => {
    found = true;
    return false;
  });
  return found;
}
