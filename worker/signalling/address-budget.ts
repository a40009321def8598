/**
 * How often one address may do something in a minute. In memory only: an object that went to sleep has forgotten, and
 * nobody who floods lets it sleep. The number of addresses is bounded; when it is reached all counts begin anew.
 */
const WINDOW_MS = 60_000;
const MAX_ADDRESSES = 1000;

export class AddressBudget {
  readonly #perMinute: number;
  readonly #spent: Map<string, number> = new Map();
  #sinceMs = 0;

  constructor(perMinute: number) {
    this.#perMinute = perMinute;
  }

  /** Counts one more; false when that is too many. */
  spend(address: string, nowMs: number): boolean {
    if (nowMs - this.#sinceMs >= WINDOW_MS || this.#spent.size >= MAX_ADDRESSES) {
      this.#spent.clear();
      this.#sinceMs = nowMs;
    }
    const spent = (this.#spent.get(address) ?? 0) + 1;
    this.#spent.set(address, spent);
    return spent <= this.#perMinute;
  }
}
