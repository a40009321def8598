/** The clock of the transports, injected so that a test can advance it: timeouts, pings, backoff. */

export interface TransportClock {
  /** Milliseconds from an arbitrary start; only differences have a meaning. */
  nowMs(): number;
  /** Calls back once, after the delay or later. Returns a function that cancels the call. */
  after(delayMs: number, callback: () => void): () => void;
}

export const platformClock: TransportClock = {
  nowMs: () => performance.now(),
  after(delayMs, callback) {
    const timer = setTimeout(callback, delayMs);
    return () => clearTimeout(timer);
  },
};
