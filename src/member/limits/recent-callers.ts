/**
 * Tracks the callers of the last moment, and how many calls each has waiting or in flight. Fair shares are computed
 * from that.
 */

interface Recent {
  /** Calls waiting or in flight. */
  now: number;
  /** Maximum of `now` within the last moment. */
  peak: number;
  peakMs: number;
  lastMs: number;
}

/** A caller that makes one call after the other is active between two of them, too. */
const MOMENT_MS = 1_000;
/** Calls that a caller may have in flight beside others that make one call at a time. */
const LEAST_SHARE = 2;
/** With more callers they are not compared one by one. */
const COMPARED_MAX = 256;

export class RecentCallers {
  readonly #all: number;
  readonly #nowMs: () => number;
  /** Ordered by the last call, the latest at the end. */
  readonly #recent: Map<string, Recent> = new Map();

  /** `all` is what a single caller may have. */
  constructor(all: number, nowMs: () => number) {
    this.#all = all;
    this.#nowMs = nowMs;
  }

  get size(): number {
    return this.#recent.size;
  }

  began(caller: string): void {
    const nowMs = this.#nowMs();
    const recent = this.#recent.get(caller) ?? { now: 0, peak: 0, peakMs: nowMs, lastMs: nowMs };
    recent.now += 1;
    recent.lastMs = nowMs;
    if (recent.now >= recent.peak || nowMs - recent.peakMs > MOMENT_MS) {
      recent.peak = recent.now;
      recent.peakMs = nowMs;
    }
    this.#recent.delete(caller);
    this.#recent.set(caller, recent);
    this.#forgetOldest(nowMs);
  }

  ended(caller: string): void {
    const recent = this.#recent.get(caller);
    if (recent === undefined) return;
    recent.now -= 1;
    recent.lastMs = this.#nowMs();
  }

  /**
   * Returns how many calls the caller may have in flight: all while no other caller is active, otherwise about as many
   * as the others.
   */
  shareOf(caller: string): number {
    const nowMs = this.#nowMs();
    if (this.#recent.size > COMPARED_MAX) return LEAST_SHARE;
    let others = 0;
    for (const [other, { now, peak, lastMs }] of this.#recent) {
      if (other !== caller && (now > 0 || nowMs - lastMs < MOMENT_MS)) others = Math.max(others, peak);
    }
    return others === 0 ? this.#all : Math.min(LEAST_SHARE + 2 * others, this.#all);
  }

  /** Removes at most two at a time, so that a call stays short and the map does not grow. */
  #forgetOldest(nowMs: number): void {
    let looked = 0;
    for (const [caller, { now, lastMs }] of this.#recent) {
      if (looked === 2) return;
      looked += 1;
      if (now === 0 && nowMs - lastMs > MOMENT_MS) this.#recent.delete(caller);
    }
  }
}
