/**
 * The writes that storage has not acknowledged, oldest first. They complete in order.
 *
 * A completed write proves the log up to its last index, except what has been rewritten since: a later write covers the
 * suffix that a newer leader replaced. So a rewrite lowers what all outstanding writes prove. An old acknowledgement
 * can never confirm a new entry at the same index.
 */
import { assert } from "../../base/assert.ts";
import type { LogIndex, RaftMessage, SnapshotMeta } from "../../protocol/peer/raft-message.ts";

export interface Write {
  readonly id: number;
  /** The log is durable up to this index once the write is; 0 proves nothing. */
  lastIndex: LogIndex;
  /** The commit index that is on disk once the write is. */
  readonly commit: LogIndex;
  readonly snapshot: SnapshotMeta | undefined;
  /** To be sent once the write is durable. */
  readonly held: RaftMessage[];
}

export class Writes {
  #outstanding: Write[] = [];
  #lastId = 0;

  get newest(): Write | undefined {
    return this.#outstanding.at(-1);
  }

  get count(): number {
    return this.#outstanding.length;
  }

  issue(lastIndex: LogIndex, commit: LogIndex, snapshot: SnapshotMeta | undefined, held: RaftMessage[]): Write {
    this.#lastId++;
    const write: Write = { id: this.#lastId, lastIndex, commit, snapshot, held };
    this.#outstanding.push(write);
    return write;
  }

  /** Call when the entries from `index` on no longer equal what the outstanding writes wrote. */
  rewrittenFrom(index: LogIndex): void {
    for (const write of this.#outstanding) write.lastIndex = Math.min(write.lastIndex, index - 1);
  }

  /** Call when the log was replaced as a whole. */
  replaced(): void {
    for (const write of this.#outstanding) write.lastIndex = 0;
  }

  /** Removes and returns the writes that are durable now that `id` is, oldest first. */
  complete(id: number): readonly Write[] {
    assert(id <= this.#lastId, `write ${id} was issued`);
    let done = 0;
    while (done < this.#outstanding.length && (this.#outstanding[done] as Write).id <= id) done++;
    return this.#outstanding.splice(0, done);
  }
}
