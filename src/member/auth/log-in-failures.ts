/**
 * Who has failed to log in lately, and how long the next attempt is held back for it. Nobody is refused: a stranger who
 * guesses a user's password must not be able to lock that user out.
 *
 *     this user from this address     after 3 failures      0.1 s, twice as long with each more, at most 5 s
 *     this address, this user         after 10 failures     50 ms, likewise, at most 1 s
 *
 * The second line does not hold back who has logged in from the same address before. All of it is forgotten ten minutes
 * after the last failure, and when there is too much of it, what is oldest.
 */
export interface Attempt {
  /** Of the caller, as networks are handed out; "" for all whose address is not known. */
  readonly address: string;
  /** The user's name, as it was given. */
  readonly name: string;
}

interface Backoff {
  readonly freeFailures: number;
  readonly firstMs: number;
  readonly mostMs: number;
}

interface Failed {
  readonly count: number;
  readonly lastMs: number;
}

const PAIR: Backoff = { freeFailures: 3, firstMs: 100, mostMs: 5_000 };
const SINGLE: Backoff = { freeFailures: 10, firstMs: 50, mostMs: 1_000 };
const FORGOTTEN_AFTER_MS = 10 * 60_000;
const REMEMBERED_MAX = 10_000;
const KNOWN_MAX = 1_000;
const NAME_LENGTH_MAX = 128;

export class LogInFailures {
  /** The latest failure is last. */
  readonly #failed = new Map<string, Failed>();
  /** Pairs that have logged in. */
  readonly #known = new Set<string>();

  failed(attempt: Attempt, nowMs: number): void {
    for (const key of keysOf(attempt)) {
      const count = this.#count(key, nowMs) + 1;
      this.#failed.delete(key);
      this.#failed.set(key, { count, lastMs: nowMs });
    }
    dropOldest(this.#failed, REMEMBERED_MAX);
  }

  succeeded(attempt: Attempt): void {
    const { pair } = namesOf(attempt);
    this.#failed.delete(pair);
    this.#known.delete(pair);
    this.#known.add(pair);
    dropOldest(this.#known, KNOWN_MAX);
  }

  /** Whose turn is first: whoever has logged in and not failed since, then others, by their failures. */
  rank(attempt: Attempt, nowMs: number): number {
    const { pair } = namesOf(attempt);
    const count = this.#count(pair, nowMs);
    return count === 0 && this.#known.has(pair) ? -1 : count;
  }

  /** From when the attempt was made on. */
  delayMs(attempt: Attempt, nowMs: number): number {
    const { pair, address, name } = namesOf(attempt);
    const own = delayOf(PAIR, this.#count(pair, nowMs));
    if (this.#known.has(pair)) return own;
    return Math.max(own, ...[address, name].map((key) => delayOf(SINGLE, this.#count(key, nowMs))));
  }

  #count(key: string, nowMs: number): number {
    const failed = this.#failed.get(key);
    return failed === undefined || nowMs - failed.lastMs > FORGOTTEN_AFTER_MS ? 0 : failed.count;
  }
}

function namesOf({ address, name }: Attempt): {
  readonly pair: string;
  readonly address: string;
  readonly name: string;
} {
  const short = name.slice(0, NAME_LENGTH_MAX);
  return { pair: `pair ${address} ${short}`, address: `address ${address}`, name: `name ${short}` };
}

function keysOf(attempt: Attempt): readonly string[] {
  return Object.values(namesOf(attempt));
}

function delayOf({ freeFailures, firstMs, mostMs }: Backoff, count: number): number {
  return count < freeFailures ? 0 : Math.min(mostMs, firstMs * 2 ** (count - freeFailures));
}

function dropOldest(kept: Map<string, unknown> | Set<string>, most: number): void {
  for (const key of kept.keys()) {
    if (kept.size <= most) break;
    kept.delete(key);
  }
}
