/**
 * Counts wrong setup tokens of each network address, so that nobody tries many. Whoever shares the owner's address, as
 * behind a proxy, does not lock it out: an address that has shown the right token is not held back.
 */

interface Tries {
  count: number;
  readonly sinceMs: number;
}

const WITHIN_MS = 60_000;
const TRIES_MAX = 10;
/** Addresses that are remembered; the one that began first is forgotten. */
const ADDRESSES_MAX = 1_000;

export class WrongTokens {
  readonly #nowMs: () => number;
  readonly #tries: Map<string, Tries> = new Map();
  /** Only whoever has the right token adds to it. */
  readonly #known: Set<string> = new Set();

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** Without an address nobody is held back: one caller would lock out all. */
  isTooMany(address: string | undefined): boolean {
    const tries = address === undefined || this.#known.has(address) ? undefined : this.#tries.get(address);
    return tries !== undefined && tries.count >= TRIES_MAX && this.#nowMs() - tries.sinceMs < WITHIN_MS;
  }

  /** The right one was shown from there. */
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
