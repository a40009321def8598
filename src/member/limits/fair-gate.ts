/**
 * How many calls of one caller are worked on at once while others call too: about as many as theirs (recent-callers.ts).
 * More of them wait here, in order, and cost the others nothing. While a caller is alone it has all it asks for.
 */
import type { EtcdError } from "../../protocol/errors.ts";
import type { RecentCallers } from "./recent-callers.ts";

interface Waiter {
  readonly sinceMs: number;
  readonly go: () => void;
  readonly refuse: (error: EtcdError) => void;
}

interface Line {
  underWay: number;
  waiting: Waiter[];
}

export interface FairGateOptions {
  readonly recent: RecentCallers;
  readonly nowMs: () => number;
  /** Who has waited for so long is not let in any more: its caller has given up. */
  readonly timeoutMs: number;
  readonly late: EtcdError;
}

export class FairGate {
  readonly #options: FairGateOptions;
  readonly #lines: Map<string, Line> = new Map();
  #waiting = 0;

  constructor(options: FairGateOptions) {
    this.#options = options;
  }

  get waiting(): number {
    return this.#waiting;
  }

  /** Undefined: come in at once. Each call that came in is told of by `leave`; who is refused never did. */
  enter(caller: string): Promise<void> | undefined {
    const { recent, nowMs } = this.#options;
    recent.began(caller);
    const line = this.#lines.get(caller) ?? { underWay: 0, waiting: [] };
    this.#lines.set(caller, line);
    if (line.waiting.length === 0 && line.underWay < recent.shareOf(caller)) {
      line.underWay += 1;
      return undefined;
    }
    this.#waiting += 1;
    return new Promise((go, refuse) => {
      line.waiting.push({ sinceMs: nowMs(), go, refuse });
    });
  }

  leave(caller: string): void {
    const { recent, nowMs, timeoutMs, late } = this.#options;
    const line = this.#lines.get(caller);
    if (line === undefined) return;
    line.underWay -= 1;
    recent.ended(caller);
    while (line.waiting.length > 0 && line.underWay < recent.shareOf(caller)) {
      const waiter = line.waiting.shift() as Waiter;
      this.#waiting -= 1;
      if (nowMs() - waiter.sinceMs > timeoutMs) {
        recent.ended(caller);
        waiter.refuse(late);
        continue;
      }
      line.underWay += 1;
      waiter.go();
    }
    if (line.underWay === 0 && line.waiting.length === 0) this.#lines.delete(caller);
  }
}
