/**
 * Compaction in two parts. The logical part is applied from the log and takes effect at once, on every member alike.
 * The physical part removes the rows in small steps when the member has time. It continues after a restart, because the
 * meta bucket stores how far each part has come.
 */
import { errCompacted, errFutureRev } from "../protocol/errors.ts";
import { HashWalk } from "./hash.ts";
import type { KeyValueHash } from "./hash.ts";
import { FINISHED_COMPACT, SCHEDULED_COMPACT, readRevision, writeRevision } from "./tables/meta.ts";
import type { StateTables } from "./tables/tables.ts";

/** Below every revision that a request can name, so that etcd's Compact(0) succeeds once on a fresh store. */
const NEVER = -1;
/** As many as etcd keeps. */
const HASHES_MAX = 10;
/** A larger store is not hashed when it is compacted: at the edge each row that is read is billed. */
const HASHED_ROWS_MAX = 100_000;
const HASH_STEP_BYTES = 1024 * 1024;

export class Compaction {
  readonly #tables: StateTables;
  #revision: number;
  #finished: number;
  /** The pass in progress. Its revision is fixed, so that frequent compactions cannot keep it from reaching the end. */
  #pass: { readonly revision: number; readonly cursor: Uint8Array | undefined } | undefined = undefined;

  /** Hashes the rows that the pass is about to remove, and those that stay. It must finish before the pass starts. */
  #walk: { readonly revision: number; readonly walk: HashWalk } | undefined;
  #hashes: readonly KeyValueHash[] = [];

  constructor(tables: StateTables) {
    const meta = tables.bucket("meta");
    this.#tables = tables;
    this.#revision = readRevision(meta, SCHEDULED_COMPACT) ?? NEVER;
    this.#finished = readRevision(meta, FINISHED_COMPACT) ?? NEVER;
  }

  /** -1 while no compaction was applied, as etcd reports it. */
  get revision(): number {
    return this.#revision;
  }

  /** True if rows are left that no request can read any more. */
  get isPending(): boolean {
    return this.#finished < this.#revision;
  }

  /** The newest hashes. They are not persisted. */
  get hashes(): readonly KeyValueHash[] {
    return this.#hashes;
  }

  schedule(revision: number, currentRevision: number): void {
    if (revision <= this.#revision) throw errCompacted;
    if (revision > currentRevision) throw errFutureRev;
    const { keys } = this.#tables;
    // A hash could not cover what an unfinished compaction has removed already.
    if (this.#finished === this.#revision && keys.rowCount <= HASHED_ROWS_MAX) {
      const state = { hashRevision: revision, compactRevision: this.#revision, byCompaction: true };
      this.#walk = { revision, walk: new HashWalk(keys, state) };
    }
    this.#revision = revision;
    writeRevision(this.#tables.bucket("meta"), SCHEDULED_COMPACT, revision);
  }

  /** Returns whether the hash of the compaction at this revision is still being computed. */
  isHashing(revision: number): boolean {
    return this.#walk?.revision === revision;
  }

  /** Runs one step of hashing. Returns whether there is more to do. */
  hash(maxRows: number): boolean {
    const hash = this.#walk?.walk.step(maxRows, HASH_STEP_BYTES);
    if (hash === undefined) return this.#walk !== undefined;
    this.#walk = undefined;
    this.#hashes = [...this.#hashes, hash].slice(-HASHES_MAX);
    return false;
  }

  /** Runs one step over at most `maxKeys` keys. Returns whether there is more to do. */
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
