/**
 * etcd's `simple` tokens: random text, known to every member because the log issues them, and kept in memory only. So
 * they are lost with the member's memory: a tab that is closed, a Durable Object that is evicted. Their clients get
 * "invalid auth token" and authenticate again, which etcd's clients do by themselves.
 */
import type { TokenHook } from "../../auth/auth-store.ts";

export interface SimpleTokenLimits {
  /** Milliseconds until a token expires, counted from its last use on this member. etcd's --auth-token-ttl. */
  readonly ttlMs: number;
  /** Maximum number of tokens. Beyond it the least recently used one is dropped. */
  readonly countMax: number;
  /**
   * Last index of the log when the member was opened. Entries up to it are applied again after a crash, and their
   * tokens may have expired long ago, so these are not issued a second time.
   */
  readonly lastIndexAtOpen: number;
}

interface Issued {
  readonly username: string;
  readonly endsMs: number;
}

export class SimpleTokens implements TokenHook {
  readonly #nowMs: () => number;
  readonly #limits: SimpleTokenLimits;
  /** In the order of their last use, which is the order of their expiry. */
  readonly #issued: Map<string, Issued> = new Map();

  constructor(nowMs: () => number, limits: SimpleTokenLimits) {
    this.#nowMs = nowMs;
    this.#limits = limits;
  }

  get size(): number {
    return this.#issued.size;
  }

  /** Returns the user of a token. The lookup counts as use. */
  userOf(token: string): string | undefined {
    const nowMs = this.#nowMs();
    this.#dropEnded(nowMs);
    const issued = this.#issued.get(token);
    if (issued === undefined) return undefined;
    this.#keep(issued.username, token, nowMs);
    return issued.username;
  }

  assign(username: string, token: string): void {
    if ((indexOfToken(token) ?? 0) <= this.#limits.lastIndexAtOpen) return;
    const nowMs = this.#nowMs();
    this.#dropEnded(nowMs);
    this.#keep(username, token, nowMs);
    for (const oldest of this.#issued.keys()) {
      if (this.#issued.size <= this.#limits.countMax) break;
      this.#issued.delete(oldest);
    }
  }

  invalidateUser(username: string): void {
    for (const [token, issued] of this.#issued) {
      if (issued.username === username) this.#issued.delete(token);
    }
  }

  invalidateAll(): void {
    this.#issued.clear();
  }

  #keep(username: string, token: string, nowMs: number): void {
    this.#issued.delete(token);
    this.#issued.set(token, { username, endsMs: nowMs + this.#limits.ttlMs });
  }

  #dropEnded(nowMs: number): void {
    for (const [token, { endsMs }] of this.#issued) {
      if (endsMs > nowMs) break;
      this.#issued.delete(token);
    }
  }
}

/** Returns the index of the log entry that issued a token; undefined if the text cannot be a token. */
export function indexOfToken(token: string): number | undefined {
  const [prefix, digits, ...rest] = token.split(".");
  if (prefix === undefined || digits === undefined || rest.length > 0 || !/^[0-9]{1,16}$/.test(digits))
    return undefined;
  const index = Number(digits);
  return Number.isSafeInteger(index) ? index : undefined;
}
