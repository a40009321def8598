/** Who has called within the last moment, and how much each has waiting or under way: what a fair share is goes by that. */

interface Recent {
  /** Waiting or under way. */
  now: number;
  /** The most that it had within the last moment. */
  peak: number;
  peakMs: number;
  lastMs: number;
}

/** A caller who asks one thing after the other is there between two of them, too. */
const MOMENT_MS = 1_000;
/** What a caller may have under way beside others who ask one thing at a time. */
const LEAST_SHARE = 4;
/** More are not compared one by one. */
const COMPARED_MAX = 256;

export class RecentCallers {
  readonly #all: number;
  readonly #nowMs: () => number;
  /** The one that came last is last. */
  readonly #recent: Map<string, Recent> = new Map();

  /** `all` is what one caller may have while there is no other. */
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

  /** How many calls the caller may have under way: all while nobody else is there, else about as many as the others. */
  shareOf(caller: string): number {
    const nowMs = this.#nowMs();
    if (this.#recent.size > COMPARED_MAX) return LEAST_SHARE;
    let others = 0;
    for (const [other, { now, peak, lastMs }] of this.#recent) {
      if (other !== caller && (now > 0 || nowMs - lastMs < MOMENT_MS)) others = Math.max(others, peak);
    }
    return others === 0 ? this.#all : Math.min(LEAST_SHARE + 2 * others, this.#all);
  }

  /** Two at a time, so that it takes no long turn and the map does not grow. */
  #forgetOldest(nowMs: number): void {
    let looked = 0;
    for (const [caller, { now, lastMs }] of this.#recent) {
      if (looked === 2) return;
      looked += 1;
      if (now === 0 && nowMs - lastMs > MOMENT_MS) this.#recent.delete(caller);
    }
  }
}
