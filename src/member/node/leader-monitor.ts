/**
 * When streams whose callers want a leader are given up. Refusing a new one costs little, but ending one costs its
 * client a new stream; so only after three election timeouts in a row without a leader, as etcd has it.
 */
import type { MemberId } from "../../protocol/peer/raft-message.ts";

const ELECTION_TIMEOUTS = 3;
/** An election that goes well takes no longer. */
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

  /** So lately that the members may not have found each other yet; always so at a start. */
  get isInGracePeriod(): boolean {
    return this.#ticks < this.#freshTicks;
  }

  /** Gives back what takes it back. */
  onLost(run: () => void): () => void {
    this.#waiting.add(run);
    return () => this.#waiting.delete(run);
  }

  /** A cluster that sleeps does not tick, and has lost nothing. */
  tick(leader: MemberId): void {
    this.#ticks = leader === 0n ? this.#ticks + 1 : 0;
    if (this.#ticks === 0 || this.#ticks % this.#limitTicks !== 0) return;
    for (const run of this.#waiting) run();
  }
}
