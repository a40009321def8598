/**
 * All living keys at the newest revision, in the memory of a tab that another one serves. Ranges are read by the code that
 * reads the store, over the same tables, so the responses are those of the member.
 */
import { EMPTY_BYTES } from "../../base/bytes.ts";
import { executeRange } from "../../mvcc/range/range.ts";
import type { ReadView } from "../../mvcc/range/read-view.ts";
import { MemoryTables } from "../../mvcc/tables/memory-tables.ts";
import type { KeyTable } from "../../mvcc/tables/tables.ts";
import type { Event, KeyValue, RangeRequest, RangeResponse } from "../../protocol/api/kv.ts";

/** Rows that may be there for nothing before old ones are dropped. */
const SPARE_ROWS = 1_000;

export class KeyCopy implements ReadView {
  readonly keys: KeyTable = new MemoryTables().keys;
  revision: number;
  compactRevision: number;
  /** The place within its revision of the row that comes next. */
  #sub = 0;
  #main = 0;
  #compactAt: number;

  /** `pairs` are all that are alive at the revision, in any order. */
  constructor(pairs: readonly KeyValue[], revision: number) {
    // Tables take rows in the order of their revisions.
    for (const pair of pairs.toSorted((left, right) => left.modRevision - right.modRevision)) this.#append(pair);
    this.revision = revision;
    this.compactRevision = revision;
    this.#compactAt = 2 * this.keys.rowCount + SPARE_ROWS;
  }

  /** Takes the events of whole revisions that follow. */
  apply(events: readonly Event[]): void {
    for (const { type, kv } of events) {
      // Every event of a member has its pair.
      if (kv === undefined) continue;
      this.#append(type === "PUT" ? kv : { ...kv, createRevision: 0, version: 0, value: EMPTY_BYTES, lease: 0n });
      this.revision = kv.modRevision;
    }
    if (this.keys.rowCount >= this.#compactAt) this.#compact();
  }

  /** `request` is one of the newest revision. Its header has the revision only. */
  range(request: RangeRequest): RangeResponse {
    return executeRange(this, request);
  }

  #append({ key, modRevision, createRevision, version, lease, value }: KeyValue): void {
    this.#sub = modRevision === this.#main ? this.#sub + 1 : 0;
    this.#main = modRevision;
    this.keys.append({ key, main: modRevision, sub: this.#sub, createRevision, version, lease, value });
  }

  /** Costs what the rows cost that were appended since the last time. */
  #compact(): void {
    this.compactRevision = this.revision;
    this.keys.compact(this.revision, undefined, Number.MAX_SAFE_INTEGER);
    this.#compactAt = 2 * this.keys.rowCount + SPARE_ROWS;
  }
}
