/** The time that carriers live by, injected so that a test can move it: time-outs, pings, back-off. */

export interface TransportClock {
  /** Milliseconds from an arbitrary start; only differences mean something. */
  nowMs(): number;
  /** Calls back once, after the delay or later; the result takes it back. */
  after(delayMs: number, callback: () => void): () => void;
}

export const platformClock: TransportClock = {
  nowMs: () => performance.now(),
  after(delayMs, callback) {
    const timer = setTimeout(callback, delayMs);
    return () => clearTimeout(timer);
  },
};
