/** Time in a Durable Object. A pending timer keeps the object in memory; a quiesced member has none. */
import type { Clock } from "../../src/member/clock.ts";

export const objectClock: Clock = {
  nowMs: () => Date.now(),
  setTimer(delayMs, fire) {
    const timer = setTimeout(fire, delayMs);
    return () => clearTimeout(timer);
  },
  // A timer would be an event of its own, three times per put at each member. Requests of many events still share a run:
  // the worker sends them in batches, and those that arrive while a write is under way wait for it.
  // A promise, because workerd's queueMicrotask costs many times as much.
  defer: (run) => void Promise.resolve().then(run),
};
