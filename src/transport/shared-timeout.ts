/**
 * Time-outs of one duration that share a timer of the platform. At the edge a timer that is set and cleared for each
 * request costs more than the request's own code. The timer is left to fire when the last time-out is cancelled; then it
 * is not set again.
 */
import type { TransportClock } from "./clock.ts";

interface Pending {
  readonly dueMs: number;
  readonly callback: () => void;
}

export class SharedTimeout {
  readonly #clock: TransportClock;
  readonly #delayMs: number;
  readonly #checkMs: number;
  /** In the order in which they are due. */
  readonly #pending: Set<Pending> = new Set();
  #cancelTimer: (() => void) | undefined;

  /** A timer outlives the last time-out by at most `checkMs`, and a time-out is no later than that. */
  constructor(clock: TransportClock, delayMs: number, checkMs: number = delayMs) {
    this.#clock = clock;
    this.#delayMs = delayMs;
    this.#checkMs = checkMs;
  }

  /** Calls back after the delay unless cancelled. Returns the function that cancels it. */
  add(callback: () => void): () => void {
    const pending = { dueMs: this.#clock.nowMs() + this.#delayMs, callback };
    this.#pending.add(pending);
    this.#arm();
    return () => void this.#pending.delete(pending);
  }

  /** Drops all time-outs. */
  close(): void {
    this.#pending.clear();
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
  }

  #arm(): void {
    const next = this.#pending.values().next();
    if (this.#cancelTimer !== undefined || next.done === true) return;
    const delayMs = Math.min(Math.max(next.value.dueMs - this.#clock.nowMs(), 0), this.#checkMs);
    this.#cancelTimer = this.#clock.after(delayMs, () => this.#fired());
  }

  #fired(): void {
    this.#cancelTimer = undefined;
    const nowMs = this.#clock.nowMs();
    for (const pending of this.#pending) {
      if (pending.dueMs > nowMs) break;
      this.#pending.delete(pending);
      pending.callback();
    }
    this.#arm();
  }
}
