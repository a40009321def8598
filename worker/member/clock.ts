/** Time in a Durable Object. A pending timer keeps the object in memory; a quiesced member has none. */
import type { Clock } from "../../src/member/clock.ts";

export const objectClock: Clock = {
  nowMs: () => Date.now(),
  setTimer(delayMs, fire) {
    const timer = setTimeout(fire, delayMs);
    return () => clearTimeout(timer);
  },
  // Not a microtask, which runs at the end of each event, so that every request would be a batch of its own. A timer
  // runs after the events that already wait. With 32 clients this halves the cost of a put.
  defer(run) {
    setTimeout(run, 0);
  },
};
