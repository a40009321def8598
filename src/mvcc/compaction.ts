/**
 * Compaction in two parts. The logical part is applied from the log and takes effect at once, on every member alike; the
 * physical part removes the rows in small steps whenever the member finds time, and goes on after a restart, because the
 * meta bucket tells how far each part has come.
 */
import { errCompacted, errFutureRev } from "../protocol/errors.ts";
import { HashWalk } from "./hash.ts";
import type { KeyValueHash } from "./hash.ts";
import { FINISHED_COMPACT, SCHEDULED_COMPACT, readRevision, writeRevision } from "./tables/meta.ts";
import type { StateTables } from "./tables/tables.ts";

/** Below every revision that can be asked for, so that etcd's Compact(0) succeeds once on a fresh store. */
const NEVER = -1;
/** etcd remembers as many. */
const HASHES_MAX = 10;
/** A store with more rows is not hashed when it is compacted: at the edge each row that is read is paid for. */
const HASHED_ROWS_MAX = 100_000;
const HASH_STEP_BYTES = 1024 * 1024;

export class Compaction {
  readonly #tables: StateTables;
  #revision: number;
  #finished: number;
  /** The pass under way; its revision stays, so that frequent compactions cannot keep it from ever reaching the end. */
  #pass: { readonly revision: number; readonly cursor: Uint8Array | undefined } | undefined = undefined;

  /** Of the rows that the pass is about to remove, and of those that stay; first. */
  #walk: { readonly revision: number; readonly walk: HashWalk } | undefined;
  #hashes: readonly KeyValueHash[] = [];

  constructor(tables: StateTables) {
    const meta = tables.bucket("meta");
    this.#tables = tables;
    this.#revision = readRevision(meta, SCHEDULED_COMPACT) ?? NEVER;
    this.#finished = readRevision(meta, FINISHED_COMPACT) ?? NEVER;
  }

  /** -1 while nothing was compacted, as etcd reports it. */
  get revision(): number {
    return this.#revision;
  }

  /** Rows are left that nobody can read any more. */
  get isPending(): boolean {
    return this.#finished < this.#revision;
  }

  /** The newest ones, for as long as this object lives. */
  get hashes(): readonly KeyValueHash[] {
    return this.#hashes;
  }

  schedule(revision: number, currentRevision: number): void {
    if (revision <= this.#revision) throw errCompacted;
    if (revision > currentRevision) throw errFutureRev;
    const { keys } = this.#tables;
    // What an unfinished compaction has removed already, no hash would tell of.
    if (this.#finished === this.#revision && keys.rowCount <= HASHED_ROWS_MAX) {
      const state = { hashRevision: revision, compactRevision: this.#revision, byCompaction: true };
      this.#walk = { revision, walk: new HashWalk(keys, state) };
    }
    this.#revision = revision;
    writeRevision(this.#tables.bucket("meta"), SCHEDULED_COMPACT, revision);
  }

  /** Whether the hash of the compaction at this revision is still being made. */
  isHashing(revision: number): boolean {
    return this.#walk?.revision === revision;
  }

  /** A step of hashing. Returns whether more is to be done. */
  hash(maxRows: number): boolean {
    const hash = this.#walk?.walk.step(maxRows, HASH_STEP_BYTES);
    if (hash === undefined) return this.#walk !== undefined;
    this.#walk = undefined;
    this.#hashes = [...this.#hashes, hash].slice(-HASHES_MAX);
    return false;
  }

  /** A step over at most `maxKeys` keys. Returns whether more is to be done. */
  step(maxKeys: number): boolean {
    if (this.#walk !== undefined && this.hash(maxKeys)) return true;
    if (this.#pass === undefined) {
      if (this.#finished >= this.#revision) return false;
      this.#pass = { revision: this.#revision, cursor: undefined };
    }
    const { revision } = this.#pass;
    const cursor = this.#tables.keys.compact(revision, this.#pass.cursor, maxKeys);
    if (cursor !== undefined) {
      this.#pass = { revision, cursor };
      return true;
    }
    this.#pass = undefined;
    this.#finished = revision;
    writeRevision(this.#tables.bucket("meta"), FINISHED_COMPACT, revision);
    return this.#finished < this.#revision;
  }
}
