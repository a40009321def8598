/**
 * Time as a member sees it. The member never reads the platform's clock: its composer passes a clock in, and the
 * simulator passes one that it drives itself.
 */
export interface Clock {
  /** Milliseconds since a fixed point. Only differences are meaningful. */
  nowMs(): number;
  /** Milliseconds since 1970, for messages to people. It may jump. Default: `nowMs`. */
  wallMs?(): number;
  /** Calls `fire` once; the returned function cancels. A late timer also fires once, however late it is. */
  setTimer(delayMs: number, fire: () => void): () => void;
  /** Runs soon, after the inputs that are already waiting. So many requests of one turn share one proposal. */
  defer(run: () => void): void;
}
