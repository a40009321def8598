/**
 * Time as a member sees it. The member never asks the platform: whoever composes it hands a clock in, and the
 * simulator hands in one that it drives itself.
 */
export interface Clock {
  /** Milliseconds from some fixed point; only differences mean anything. */
  nowMs(): number;
  /** Fires once; the returned function cancels. A late timer fires once, however late it is. */
  setTimer(delayMs: number, fire: () => void): () => void;
  /** Runs soon, after the inputs that are already waiting: many requests of one turn then share one proposal. */
  defer(run: () => void): void;
}
