/**
 * Cancels streams opened with `hasleader` after three election timeouts without a leader, as etcd does. New streams are
 * refused at once; open ones get this grace period, because reopening is expensive for clients.
 */
import type { MemberId } from "../../protocol/peer/raft-message.ts";

const ELECTION_TIMEOUTS = 3;
/** A successful election takes no longer than this. */
const FRESH_ELECTION_TIMEOUTS = 2;

export class LeaderMonitor {
  readonly #limitTicks: number;
  readonly #freshTicks: number;
  readonly #waiting: Set<() => void> = new Set();
  #ticks = 0;

  constructor(electionTicks: number) {
    this.#limitTicks = ELECTION_TIMEOUTS * electionTicks;
    this.#freshTicks = FRESH_ELECTION_TIMEOUTS * electionTicks;
  }

  /** True if the leader was lost so recently that an election may still be in progress. Always true at a start. */
  get isInGracePeriod(): boolean {
    return this.#ticks < this.#freshTicks;
  }

  /** Registers a listener. The returned function removes it. */
  onLost(run: () => void): () => void {
    this.#waiting.add(run);
    return () => this.#waiting.delete(run);
  }

  /** Counts a tick without a leader. A quiesced cluster does not tick, so it never counts as leaderless. */
  tick(leader: MemberId): void {
    this.#ticks = leader === 0n ? this.#ticks + 1 : 0;
    if (this.#ticks === 0 || this.#ticks % this.#limitTicks !== 0) return;
    for (const run of this.#waiting) run();
  }
}
