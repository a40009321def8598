/**
 * The keys that a replica holds, at one revision. They are in the tables of a member (src/mvcc), so ranges, watches and
 * reads in the near past are answered as a member answers them. Pure: what comes from the cluster is handed in.
 */
import { assert } from "../../base/assert.ts";
import type { Event, KeyValue } from "../../protocol/api/kv.ts";
import type { ReadView } from "../../mvcc/range/read-view.ts";
import { rowToEvent } from "../../mvcc/tables/messages.ts";
import { MemoryTables } from "../../mvcc/tables/memory-tables.ts";
import type { KeyTable, RevisionRow } from "../../mvcc/tables/tables.ts";
import { startsWith } from "./prefixes.ts";

/** Events that are kept for readers of the near past: at least so many, and at most about twice. */
const HISTORY_EVENTS = 1_000;
/** The same in bytes. */
const HISTORY_BYTES = 4 * 1024 * 1024;

export class ReplicaCopy implements ReadView {
  readonly cluster: bigint;
  readonly keys: KeyTable = new MemoryTables().keys;
  #revision: number;
  #compactRevision: number;
  /** Appended since `#mark`, which is the next revision to compact to. */
  #events = 0;
  #bytes = 0;
  #mark: number;

  /** `pairs` are all keys of the prefixes at `revision`. */
  constructor(cluster: bigint, revision: number, pairs: Iterable<KeyValue>) {
    this.cluster = cluster;
    this.#revision = revision;
    this.#compactRevision = revision;
    this.#mark = revision;
    let main = 0;
    let sub = 0;
    for (const pair of [...pairs].sort((left, right) => left.modRevision - right.modRevision)) {
      assert(pair.modRevision <= revision, "no key is newer than its copy");
      sub = pair.modRevision === main ? sub + 1 : 0;
      main = pair.modRevision;
      this.keys.append(rowOf(pair, sub));
    }
  }

  get revision(): number {
    return this.#revision;
  }

  get compactRevision(): number {
    return this.#compactRevision;
  }

  /** Of all rows, those of the near past too. */
  get sizeBytes(): number {
    return this.keys.sizeBytes;
  }

  /** Returns the number of keys. It visits all. */
  count(): number {
    return this.keys.count(new Uint8Array(0), undefined, this.#revision);
  }

  pairs(): readonly KeyValue[] {
    const pairs: KeyValue[] = [];
    this.keys.scan(new Uint8Array(0), undefined, this.#revision, true, (row) => {
      pairs.push(pairOf(row));
      return true;
    });
    return pairs;
  }

  /** The newest pair; undefined in an empty copy. */
  newest(): KeyValue | undefined {
    let newest: RevisionRow | undefined;
    this.keys.scan(new Uint8Array(0), undefined, this.#revision, true, (row) => {
      if (newest === undefined || row.main > newest.main) newest = row;
      return true;
    });
    return newest === undefined ? undefined : pairOf(newest);
  }

  /** Applies all events of one revision. Returns them as they are kept. */
  apply(revision: number, events: readonly Event[]): readonly Event[] {
    assert(revision > this.#revision, "revisions are applied in order");
    this.#revision = revision;
    return events.map((event, sub) => {
      const row = eventRow(event, revision, sub);
      this.#events++;
      this.#bytes += row.key.length + row.value.length;
      return rowToEvent(this.keys.append(row) ?? row);
    });
  }

  /** Nothing has changed up to this revision. */
  advance(revision: number): void {
    this.#revision = Math.max(this.#revision, revision);
  }

  /** Forgets what nobody reads any more, but nothing after `keep`: the rows after it are still to be stored. */
  forgetOld(keep: number): void {
    if (this.#events < HISTORY_EVENTS && this.#bytes < HISTORY_BYTES) return;
    this.#compact(Math.min(this.#mark, keep));
    this.#mark = this.#revision;
    this.#events = 0;
    this.#bytes = 0;
  }

  /** Forgets the whole past, as far as it is stored. */
  forgetPast(keep: number): void {
    this.#compact(Math.min(this.#revision, keep));
  }

  /** Returns the newest row of each key that was written after `revision`, tombstones included, in order. */
  changesSince(revision: number): readonly RevisionRow[] {
    assert(revision >= this.#compactRevision, "the rows to store are there");
    const changes: RevisionRow[] = [];
    this.keys.history(revision + 1, this.#revision, (row) => {
      if (this.keys.at(row.key, this.#revision) === row) changes.push(row);
      return true;
    });
    return changes;
  }

  /** Returns a copy without the keys of these prefixes. */
  without(prefixes: readonly Uint8Array[]): ReplicaCopy {
    const kept = this.pairs().filter(({ key }) => !prefixes.some((prefix) => startsWith(key, prefix)));
    return new ReplicaCopy(this.cluster, this.#revision, kept);
  }

  #compact(revision: number): void {
    if (revision <= this.#compactRevision) return;
    this.#compactRevision = revision;
    this.keys.compact(revision, undefined, Infinity);
  }
}

export function pairOf(row: RevisionRow): KeyValue {
  const { key, value, createRevision, main: modRevision, version, lease } = row;
  return { key, value, createRevision, modRevision, version, lease };
}

function rowOf({ key, value, createRevision, modRevision, version, lease }: KeyValue, sub: number): RevisionRow {
  return { key, value, createRevision, main: modRevision, sub, version, lease };
}

/** The event of a deleted key has its key and its revision only, so its row is a tombstone. */
function eventRow({ type, kv }: Event, revision: number, sub: number): RevisionRow {
  assert(kv !== undefined && kv.modRevision === revision, "an event belongs to its revision");
  const row = rowOf(kv, sub);
  return type === "PUT" ? row : { ...row, createRevision: 0, version: 0, lease: 0n, value: new Uint8Array(0) };
}
