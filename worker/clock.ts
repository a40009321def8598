/** Time in a Durable Object. A pending timer keeps the object in memory; a member that is quiet has none. */
import type { Clock } from "../src/member/clock.ts";

export const objectClock: Clock = {
  nowMs: () => Date.now(),
  setTimer(delayMs, fire) {
    const timer = setTimeout(fire, delayMs);
    return () => clearTimeout(timer);
  },
  defer: (run) => queueMicrotask(run),
};
