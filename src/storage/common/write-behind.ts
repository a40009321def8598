/** Decides when changed state is written: once nothing changed for a while, or under load after a longer delay. */
import type { LogIndex } from "../../protocol/peer/raft-message.ts";

export interface WriteBehindTimes {
  readonly idleMs: number;
  readonly behindMs: number;
}

export class WriteBehind {
  readonly #times: WriteBehindTimes;
  readonly #due: () => void;
  #applied: LogIndex = 0;
  #idleTimer: ReturnType<typeof setTimeout> | undefined;
  #behindTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(times: WriteBehindTimes, due: () => void) {
    this.#times = times;
    this.#due = due;
  }

  changed(applied: LogIndex): void {
    this.#applied = applied;
    this.#idleTimer ??= setTimeout(() => this.#idle(applied), this.#times.idleMs);
    this.#behindTimer ??= setTimeout(this.#due, this.#times.behindMs);
  }

  /** Stops both timers until the next change. */
  stop(): void {
    clearTimeout(this.#idleTimer);
    clearTimeout(this.#behindTimer);
    this.#idleTimer = undefined;
    this.#behindTimer = undefined;
  }

  /** The timer is not restarted with every put. When it fires, it checks whether there was one since. */
  #idle(appliedThen: LogIndex): void {
    this.#idleTimer = undefined;
    const applied = this.#applied;
    if (applied === appliedThen) return this.#due();
    this.#idleTimer = setTimeout(() => this.#idle(applied), this.#times.idleMs);
  }
}
