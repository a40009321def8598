/** The time of a tab. Hidden, its timers come once a second or a minute; the member counts a late tick once. */
import type { Clock } from "../../member/clock.ts";

export const tabClock: Clock = {
  nowMs: () => performance.now(),
  wallMs: () => Date.now(),
  setTimer(delayMs, fire) {
    const timer = setTimeout(fire, delayMs);
    return () => clearTimeout(timer);
  },
  defer: (run) => queueMicrotask(run),
};
