/**
 * Counts wrong setup tokens per network address, against guessing. A caller that shares the owner's address, as behind
 * a proxy, cannot lock it out: an address that has sent the right token is not limited.
 */

interface Tries {
  count: number;
  readonly sinceMs: number;
}

const WITHIN_MS = 60_000;
const TRIES_MAX = 10;
/** Limit of remembered addresses. The oldest one is forgotten first. */
const ADDRESSES_MAX = 1_000;

export class WrongTokens {
  readonly #nowMs: () => number;
  readonly #tries: Map<string, Tries> = new Map();
  /** Only a caller with the right token adds an address. */
  readonly #known: Set<string> = new Set();

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** Callers without an address are not limited: one of them would lock out all. */
  isTooMany(address: string | undefined): boolean {
    const tries = address === undefined || this.#known.has(address) ? undefined : this.#tries.get(address);
    return tries !== undefined && tries.count >= TRIES_MAX && this.#nowMs() - tries.sinceMs < WITHIN_MS;
  }

  /** The right token was sent from this address. */
  know(address: string | undefined): void {
    if (address !== undefined && this.#known.size < ADDRESSES_MAX) this.#known.add(address);
  }

  count(address: string | undefined): void {
    if (address === undefined) return;
    const nowMs = this.#nowMs();
    const known = this.#tries.get(address);
    if (known !== undefined && nowMs - known.sinceMs < WITHIN_MS) {
      known.count += 1;
      return;
    }
    this.#tries.delete(address);
    const [first] = this.#tries.keys();
    if (first !== undefined && this.#tries.size >= ADDRESSES_MAX) this.#tries.delete(first);
    this.#tries.set(address, { count: 1, sinceMs: nowMs });
  }
}
