/**
 * Compaction in two parts. The logical part is applied from the log and takes effect at once, on every member alike; the
 * physical part removes the rows in small steps whenever the member finds time, and goes on after a restart, because the
 * meta bucket tells how far each part has come.
 */
import { errCompacted, errFutureRev } from "../protocol/errors.ts";
import { FINISHED_COMPACT, SCHEDULED_COMPACT, readRevision, writeRevision } from "./meta.ts";
import type { StateTables } from "./tables.ts";

/** Below every revision that can be asked for, so that etcd's Compact(0) succeeds once on a fresh store. */
const NEVER = -1;

export class Compaction {
  readonly #tables: StateTables;
  #revision: number;
  #finished: number;
  /** The pass under way; its revision stays, so that frequent compactions cannot keep it from ever reaching the end. */
  #pass: { readonly revision: number; readonly cursor: Uint8Array | undefined } | undefined = undefined;

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

  schedule(revision: number, currentRevision: number): void {
    if (revision <= this.#revision) throw errCompacted;
    if (revision > currentRevision) throw errFutureRev;
    this.#revision = revision;
    writeRevision(this.#tables.bucket("meta"), SCHEDULED_COMPACT, revision);
  }

  /** A step over at most `maxKeys` keys. Returns whether more is to be done. */
  scrub(maxKeys: number): boolean {
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
