/**
 * The multi-version store: etcd's KV, pure and synchronous, over the state tables. Every write makes one revision;
 * every revision that is not compacted stays readable. Callers pass requests that validate.ts has accepted. Checks that
 * depend on the data happen here, before anything is written.
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
import { executeRange, rangeInSteps } from "./range/range.ts";
import type { ReadView } from "./range/read-view.ts";
import type { KeyTable, StateTables } from "./tables/tables.ts";
import { checkPutAgainst, executeTxn } from "./txn/txn.ts";
import { WriteTxn, type LeaseHook } from "./txn/write-txn.ts";

export interface WriteResult<R> {
  /** Its header holds the revision. The member fills in the rest. */
  readonly response: R;
  /** In the order of their sub-revisions; empty if nothing changed. */
  readonly events: readonly Event[];
}

/** Revision of a store without writes. */
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
    this.#revision = Math.max(FIRST_REVISION, this.#compaction.revision, tables.keys.lastMain());
  }

  get keys(): KeyTable {
    return this.#tables.keys;
  }

  get revision(): number {
    return this.#revision;
  }

  /** The oldest revision that can be read; -1 while no compaction was applied. */
  get compactRevision(): number {
    return this.#compaction.revision;
  }

  range(request: RangeRequest, budget?: ResponseSizeLimit): RangeResponse {
    return executeRange(this, request, budget);
  }

  /** Returns the same result, in steps; see range.ts. */
  rangeInSteps(
    request: RangeRequest,
    keysMax: number,
    newBudget?: () => ResponseSizeLimit,
  ): Generator<void, RangeResponse, void> {
    return rangeInSteps(this, request, keysMax, newBudget);
  }

  /** Returns the same result in chunks of at most about `maxBytes`, all at one revision; see range-chunks.ts. */
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

  /** Executes a txn. If it throws, it had no effect. Also serves read-only txns; only they may have a budget. */
  txn(request: TxnRequest, budget?: ResponseSizeLimit): WriteResult<TxnResponse> {
    return this.#write((txn) => executeTxn(txn, request, this.#leases, budget));
  }

  /** Deletes the keys in one revision, as the end of a lease does. Skips keys that do not exist. */
  deleteKeys(keys: readonly Uint8Array[]): readonly Event[] {
    return this.#write((txn) => {
      for (const key of [...keys].sort(compareBytes)) txn.deleteKey(key);
    }).events;
  }

  /** Runs the logical part of a compaction, at once. */
  compact(revision: number): void {
    this.#compaction.schedule(revision, this.#revision);
  }

  /** True while the physical part of a compaction lags behind the logical one. */
  get hasPendingCompaction(): boolean {
    return this.#compaction.isPending;
  }

  /** Runs a step of the physical part over at most `maxKeys` keys. Returns whether there is more to do. */
  compactStep(maxKeys: number): boolean {
    return this.#compaction.step(maxKeys);
  }

  /** Returns the hash that the compaction at this revision computed, while it is kept: etcd responds with that one. */
  compactionHash(revision: number): KeyValueHash | undefined {
    return this.#compaction.hashes.find((known) => known.hashRevision === revision);
  }

  /**
   * Runs a step of the hash that the compaction at this revision still computes. Returns whether there is more to do.
   */
  hashCompaction(revision: number, maxRows: number): boolean {
    return this.#compaction.isHashing(revision) && this.#compaction.hash(maxRows);
  }

  /** Starts a hash in steps. `revision` 0 means the newest. */
  hashWalk(revision: number): HashWalk {
    const { compactRevision } = this;
    if (revision > 0 && revision < compactRevision) throw errCompacted;
    if (revision > this.#revision) throw errFutureRev;
    const hashRevision = revision === 0 ? this.#revision : revision;
    return new HashWalk(this.keys, { hashRevision, compactRevision, byCompaction: false });
  }

  /** Computes the hash at once. For a large store, `hashWalk` does it in steps. */
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
