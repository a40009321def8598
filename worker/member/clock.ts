/** Time in a Durable Object. A pending timer keeps the object in memory; a member that is quiet has none. */
import type { Clock } from "../../src/member/clock.ts";

export const objectClock: Clock = {
  nowMs: () => Date.now(),
  setTimer(delayMs, fire) {
    const timer = setTimeout(fire, delayMs);
    return () => clearTimeout(timer);
  },
  // Not a microtask: that would run at the end of each event, and every request would be a batch of its own. A timer
  // runs after the events that are waiting already; with 32 clients this halves what a put costs.
  defer(run) {
    setTimeout(run, 0);
  },
};
