/** Decides what to write next, and holds messages until that is durable. */
import type { Entry, HardState, RaftMessage, SnapshotMeta } from "../protocol/peer/raft-message.ts";
import type { Core } from "./core.ts";
import type { Persist } from "./ready.ts";

const NO_ENTRIES: readonly Entry[] = [];

export class Persister {
  readonly #core: Core;
  /** The hard state that storage was last requested to write. */
  #written: HardState;

  constructor(core: Core, written: HardState) {
    this.#core = core;
    this.#written = written;
  }

  get isDue(): boolean {
    const { unstable } = this.#core.log;
    return (
      unstable.issued < unstable.last ||
      this.#unissuedSnapshot() !== undefined ||
      this.#hasNewTermOrVote() ||
      this.#hasUnpersistedConfChange()
    );
  }

  /** `release` receives messages that were held and wait for no write any more. */
  take(release: (held: readonly RaftMessage[]) => void): Persist | undefined {
    const core = this.#core;
    const { log } = core;
    const { unstable, writes } = log;
    const held = core.takeHeld();
    if (!this.isDue) {
      // There is nothing new to write, but earlier decisions may still be on their way to the disk.
      if (writes.newest === undefined) release(held);
      else writes.newest.held.push(...held);
      return undefined;
    }
    const snapshot = this.#unissuedSnapshot();
    const entries =
      unstable.issued < unstable.last ? unstable.slice(unstable.issued + 1, unstable.last + 1, Infinity) : NO_ENTRIES;
    const hardState = this.#takeHardState();
    unstable.issued = unstable.last;
    unstable.isSnapshotIssued = true;
    const { id } = writes.issue(log.lastIndex, this.#written.commit, snapshot, held);
    return { id, hardState, entries, snapshot };
  }

  #takeHardState(): HardState | undefined {
    const { term, vote, log } = this.#core;
    if (!this.#hasNewTermOrVote() && log.committed === this.#written.commit) return undefined;
    this.#written = { term, vote, commit: log.committed };
    return this.#written;
  }

  #unissuedSnapshot(): SnapshotMeta | undefined {
    const { unstable } = this.#core.log;
    return unstable.isSnapshotIssued ? undefined : unstable.snapshot;
  }

  #hasNewTermOrVote(): boolean {
    return this.#core.term !== this.#written.term || this.#core.vote !== this.#written.vote;
  }

  #hasUnpersistedConfChange(): boolean {
    const { exposedCommit, log, pendingConfIndex } = this.#core;
    return exposedCommit < log.committed && this.#written.commit < pendingConfIndex;
  }
}
