/** A token bucket: permits a burst, and a rate per second. For requests that deserve a response, but not many. */
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

  /** Takes one permit. Returns false if there is none left. */
  take(): boolean {
    const nowMs = this.#nowMs();
    // A clock that is set back adds no permits.
    const seconds = Math.max(0, nowMs - this.#sinceMs) / 1_000;
    this.#sinceMs = nowMs;
    this.#left = Math.min(this.#burst, this.#left + seconds * this.#perSecond);
    if (this.#left < 1) return false;
    this.#left -= 1;
    return true;
  }
}
