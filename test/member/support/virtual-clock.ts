/** A clock that stands still until a test moves it; all members of a test share one. */
import type { Clock } from "../../../src/member/clock.ts";

interface Timer {
  readonly dueMs: number;
  readonly order: number;
  readonly fire: () => void;
}

export class VirtualClock implements Clock {
  #nowMs = 0;
  #order = 0;
  readonly #timers = new Set<Timer>();
  #deferred: (() => void)[] = [];
  /** What the wall clock has gone on while no timer ran. */
  sleptMs = 0;

  wallMs(): number {
    return this.#nowMs + this.sleptMs;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  setTimer(delayMs: number, fire: () => void): () => void {
    const timer: Timer = { dueMs: this.#nowMs + delayMs, order: this.#order++, fire };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  defer(run: () => void): void {
    this.#deferred.push(run);
  }

  get timerCount(): number {
    return this.#timers.size;
  }

  /** Runs until `condition` holds; fails after `limitMs` of virtual time. */
  async until(condition: () => boolean, what: string, limitMs = 30_000): Promise<void> {
    const endMs = this.#nowMs + limitMs;
    for (;;) {
      await this.#settle();
      if (condition()) return;
      if (this.#nowMs >= endMs) throw new Error(`after ${limitMs} ms of virtual time: not ${what}`);
      if (!this.#fireNext()) throw new Error(`nothing is left to happen, and not ${what}`);
    }
  }

  async advance(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms;
    for (;;) {
      await this.#settle();
      const next = this.#next();
      if (next === undefined || next.dueMs > endMs) break;
      this.#fireNext();
    }
    this.#nowMs = endMs;
    await this.#settle();
  }

  /** Runs promises and deferred callbacks, until none is left. */
  async #settle(): Promise<void> {
    for (let idle = 0; idle < 8; idle++) {
      await Promise.resolve();
      if (this.#deferred.length === 0) continue;
      idle = 0;
      const deferred = this.#deferred;
      this.#deferred = [];
      for (const run of deferred) run();
    }
  }

  #next(): Timer | undefined {
    let next: Timer | undefined;
    for (const timer of this.#timers) {
      if (next === undefined || timer.dueMs < next.dueMs || (timer.dueMs === next.dueMs && timer.order < next.order)) {
        next = timer;
      }
    }
    return next;
  }

  #fireNext(): boolean {
    const next = this.#next();
    if (next === undefined) return false;
    this.#timers.delete(next);
    this.#nowMs = Math.max(this.#nowMs, next.dueMs);
    next.fire();
    return true;
  }
}
