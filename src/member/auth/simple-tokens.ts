/**
 * etcd's `simple` tokens: random text, known to every member because the log hands them out, and kept in memory only. So
 * they end with the member's memory too: a tab that is closed, a Durable Object that is evicted. Their owners are told
 * "invalid auth token" and authenticate again, which etcd's clients do by themselves.
 */
import type { TokenHook } from "../../auth/auth-store.ts";

export interface SimpleTokenLimits {
  /** Counted from the last use on this member. etcd's --auth-token-ttl. */
  readonly ttlMs: number;
  /** Beyond it, the one that was used least lately goes. */
  readonly countMax: number;
  /**
   * Of the log when the member was opened. What was in it then is applied again after a crash, and its tokens may have
   * ended long ago: they are not handed out a second time.
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
  /** In the order of their last use, which is the order of their ends. */
  readonly #issued: Map<string, Issued> = new Map();

  constructor(nowMs: () => number, limits: SimpleTokenLimits) {
    this.#nowMs = nowMs;
    this.#limits = limits;
  }

  get size(): number {
    return this.#issued.size;
  }

  /** Whose it is; asking counts as use. */
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

/** Which entry of the log issued it; undefined for what cannot be a token. */
export function indexOfToken(token: string): number | undefined {
  const [prefix, digits, ...rest] = token.split(".");
  if (prefix === undefined || digits === undefined || rest.length > 0 || !/^[0-9]{1,16}$/.test(digits))
    return undefined;
  const index = Number(digits);
  return Number.isSafeInteger(index) ? index : undefined;
}
