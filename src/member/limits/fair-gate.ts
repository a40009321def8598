/**
 * Limits how many calls of one caller are executed at once while other callers are active: to about as many as theirs
 * (recent-callers.ts). Further calls wait here, in order, and do not delay the others. A single caller has no such
 * limit.
 */
import type { EtcdError } from "../../protocol/errors.ts";
import type { RecentCallers } from "./recent-callers.ts";

interface Waiter {
  readonly sinceMs: number;
  readonly go: () => void;
  readonly refuse: (error: EtcdError) => void;
}

interface CallerQueue {
  inFlight: number;
  waiting: Waiter[];
}

export interface FairGateOptions {
  readonly recent: RecentCallers;
  readonly nowMs: () => number;
  /** A call that has waited this long is not admitted any more: its caller has given up. */
  readonly timeoutMs: number;
  readonly late: EtcdError;
}

export class FairGate {
  readonly #options: FairGateOptions;
  readonly #queues: Map<string, CallerQueue> = new Map();
  #waiting = 0;

  constructor(options: FairGateOptions) {
    this.#options = options;
  }

  get waiting(): number {
    return this.#waiting;
  }

  /**
   * Returns undefined if the call is admitted at once, otherwise a promise that resolves when it is. Rejects if it is
   * refused. Call `leave` for each admitted call, and only for those.
   */
  enter(caller: string): Promise<void> | undefined {
    const { recent, nowMs } = this.#options;
    recent.began(caller);
    const queue = this.#queues.get(caller) ?? { inFlight: 0, waiting: [] };
    this.#queues.set(caller, queue);
    if (queue.waiting.length === 0 && queue.inFlight < recent.shareOf(caller)) {
      queue.inFlight += 1;
      return undefined;
    }
    this.#waiting += 1;
    return new Promise((go, refuse) => {
      queue.waiting.push({ sinceMs: nowMs(), go, refuse });
    });
  }

  leave(caller: string): void {
    const { recent, nowMs, timeoutMs, late } = this.#options;
    const queue = this.#queues.get(caller);
    if (queue === undefined) return;
    queue.inFlight -= 1;
    recent.ended(caller);
    while (queue.waiting.length > 0 && queue.inFlight < recent.shareOf(caller)) {
      const waiter = queue.waiting.shift() as Waiter;
      this.#waiting -= 1;
      if (nowMs() - waiter.sinceMs > timeoutMs) {
        recent.ended(caller);
        waiter.refuse(late);
        continue;
      }
      queue.inFlight += 1;
      waiter.go();
    }
    if (queue.inFlight === 0 && queue.waiting.length === 0) this.#queues.delete(caller);
  }
}
