/**
 * Limits how often one address may do something in a minute. Kept in memory only: hibernation resets it, and a flood
 * keeps the object awake. The number of addresses is bounded; at the limit all counts are reset.
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

  /** Counts one more. Returns false if the limit is exceeded. */
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
