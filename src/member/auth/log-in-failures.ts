/**
 * Records recent failed log-ins, and how long they delay the next attempt. No attempt is refused: a stranger who
 * guesses a user's password must not be able to lock that user out.
 *
 *     this user from this address     after 3 failures      0.1 s, twice as long with each more, at most 5 s
 *     this address, this user         after 10 failures     50 ms, likewise, at most 1 s
 *
 * The second rule does not delay a user who has logged in from the same address before. Records expire ten minutes
 * after the last failure. If there are too many, the oldest are dropped.
 */
export interface Attempt {
  /** The caller's network; "" for all callers whose address is unknown. */
  readonly address: string;
  /** The user's name as the caller sent it. */
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
  /** Ordered by the last failure, the latest at the end. */
  readonly #failed = new Map<string, Failed>();
  /** Pairs of user and address that have logged in. */
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

  /**
   * Returns the rank of an attempt, lowest first: users that have logged in and not failed since, then the others by
   * number of failures.
   */
  rank(attempt: Attempt, nowMs: number): number {
    const { pair } = namesOf(attempt);
    const count = this.#count(pair, nowMs);
    return count === 0 && this.#known.has(pair) ? -1 : count;
  }

  /** Returns the delay in milliseconds, counted from the attempt. */
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
