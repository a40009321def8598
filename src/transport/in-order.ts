/**
 * Restores the order of numbered batches of one sender, as long as that is cheap. A batch that came too early waits a
 * moment for those before it. If they do not come, they are lost or late, and delivery continues without them.
 */
import type { TransportClock } from "./clock.ts";

const MAX_HELD = 16;

export class InOrder {
  readonly #clock: TransportClock;
  readonly #waitMs: number;
  #epoch: number | undefined;
  #next = 0;
  readonly #held: Map<number, () => void> = new Map();
  #cancelTimer: (() => void) | undefined;

  constructor(clock: TransportClock, waitMs: number) {
    this.#clock = clock;
    this.#waitMs = waitMs;
  }

  /** Calls `take` now or later, once. A late batch (a duplicate, a straggler) is taken at once. */
  arrived(epoch: number, sequence: number, take: () => void): void {
    if (epoch !== this.#epoch) {
      this.release();
      this.#epoch = epoch;
      this.#next = sequence;
    }
    if (sequence <= this.#next || this.#held.has(sequence)) {
      if (sequence === this.#next) this.#next = sequence + 1;
      take();
      this.#takeNext();
      return;
    }
    this.#held.set(sequence, take);
    if (this.#held.size > MAX_HELD) this.release();
    else this.#cancelTimer ??= this.#clock.after(this.#waitMs, () => this.release());
  }

  /** Takes all held batches, in order, whatever is missing. */
  release(): void {
    for (const [sequence, take] of [...this.#held].sort(([left], [right]) => left - right)) {
      this.#held.delete(sequence);
      this.#next = sequence + 1;
      take();
    }
    this.#takeNext();
  }

  /** Drops all held batches. */
  close(): void {
    this.#held.clear();
    this.#stopTimer();
  }

  #takeNext(): void {
    for (let take = this.#held.get(this.#next); take !== undefined; take = this.#held.get(this.#next)) {
      this.#held.delete(this.#next);
      this.#next += 1;
      take();
    }
    if (this.#held.size === 0) this.#stopTimer();
  }

  #stopTimer(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
  }
}
