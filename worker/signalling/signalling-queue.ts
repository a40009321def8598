/**
 * Queues signals to peers that are not connected (yet). They wait for a few seconds, then the sender is notified that
 * they expired. Kept in memory only: PeerJS repeats what an eviction loses.
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

  /** Returns false if the queue is full. `bytes` is the size of the sender's message. */
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

  /** Removes and returns the signals for that peer, oldest first. */
  take(dst: string): readonly Signal[] {
    return this.#remove(({ signal }) => signal.dst === dst).map(({ signal }) => signal);
  }

  /**
   * Returns each pair of peers once, and removes all signals of the pair together with its first one: an offer's
   * candidates follow it within milliseconds, and its sender needs one notification only.
   */
  expire(nowMs: number): readonly Expired[] {
    const pairs = new Map<string, Expired>();
    for (const { signal, dueMs } of this.#waiting) {
      if (dueMs <= nowMs) pairs.set(pairName(signal), { src: signal.src, dst: signal.dst });
    }
    this.#remove(({ signal }) => pairs.has(pairName(signal)));
    return [...pairs.values()];
  }

  /** When the next signal expires; undefined if the queue is empty. */
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
