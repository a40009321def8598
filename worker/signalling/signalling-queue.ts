/**
 * Signals to peers who are not here (yet): they wait a few seconds, then the one who sent them is told that nobody
 * came. In memory only. What an eviction loses, PeerJS offers again.
 */

export interface Signal {
  readonly type: string;
  readonly src: string;
  readonly dst: string;
  readonly payload: unknown;
}

export interface Expired {
  readonly src: string;
  readonly dst: string;
}

export interface SignalQueueLimits {
  readonly maxSignals: number;
  readonly maxBytes: number;
  readonly waitMs: number;
}

interface Waiting {
  readonly signal: Signal;
  readonly bytes: number;
  readonly dueMs: number;
}

export class SignalQueue {
  readonly #limits: SignalQueueLimits;
  #waiting: Waiting[] = [];
  #bytes = 0;

  constructor(limits: SignalQueueLimits) {
    this.#limits = limits;
  }

  /** False when there is no room for it. `bytes` is what the sender's message weighed. */
  push(signal: Signal, bytes: number, nowMs: number): boolean {
    if (this.#waiting.length >= this.#limits.maxSignals || this.#bytes + bytes > this.#limits.maxBytes) return false;
    this.#waiting.push({ signal, bytes, dueMs: nowMs + this.#limits.waitMs });
    this.#bytes += bytes;
    return true;
  }

  clear(): void {
    this.#waiting = [];
    this.#bytes = 0;
  }

  /** What waits for that peer, oldest first. */
  take(dst: string): readonly Signal[] {
    return this.#remove(({ signal }) => signal.dst === dst).map(({ signal }) => signal);
  }

  /**
   * Each pair once, and with the first signal of a pair all others of it: an offer's candidates follow it by
   * milliseconds, and its sender needs to hear only once that nobody came.
   */
  expire(nowMs: number): readonly Expired[] {
    const pairs = new Map<string, Expired>();
    for (const { signal, dueMs } of this.#waiting) {
      if (dueMs <= nowMs) pairs.set(pairName(signal), { src: signal.src, dst: signal.dst });
    }
    this.#remove(({ signal }) => pairs.has(pairName(signal)));
    return [...pairs.values()];
  }

  /** When the next one will have waited long enough; undefined when nothing waits. */
  get dueMs(): number | undefined {
    return this.#waiting[0]?.dueMs;
  }

  #remove(condition: (waiting: Waiting) => boolean): readonly Waiting[] {
    const removed = this.#waiting.filter(condition);
    this.#waiting = this.#waiting.filter((waiting) => !removed.includes(waiting));
    for (const { bytes } of removed) this.#bytes -= bytes;
    return removed;
  }
}

function pairName({ src, dst }: Signal): string {
  return JSON.stringify([src, dst]);
}
