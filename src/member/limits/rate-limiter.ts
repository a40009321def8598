/** So many at once, and so many more each second: for what others may ask for, and is worth an answer but not many. */
export class RateLimiter {
  readonly #burst: number;
  readonly #perSecond: number;
  readonly #nowMs: () => number;
  #left: number;
  #sinceMs: number;

  constructor(burst: number, perSecond: number, nowMs: () => number) {
    this.#burst = burst;
    this.#perSecond = perSecond;
    this.#nowMs = nowMs;
    this.#left = burst;
    this.#sinceMs = nowMs();
  }

  /** False when there is none left. */
  take(): boolean {
    const nowMs = this.#nowMs();
    // A clock that goes back gives nothing.
    const seconds = Math.max(0, nowMs - this.#sinceMs) / 1_000;
    this.#sinceMs = nowMs;
    this.#left = Math.min(this.#burst, this.#left + seconds * this.#perSecond);
    if (this.#left < 1) return false;
    this.#left -= 1;
    return true;
  }
}
