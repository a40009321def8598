/**
 * The time of a tab. Hidden, its timers come once a second or a minute; the member counts a late tick once.
 *
 * A page that was frozen may have lost its lock meanwhile. That news waits in line when the page thaws, like the timers
 * that were due, and must be heard before the member does anything: a very late timer therefore lets others go first.
 */
import type { Clock } from "../member/clock.ts";

/** Even an unfrozen tab in the background has its timers once a minute. */
const VERY_LATE_MS = 65_000;
const LET_OTHERS_GO_MS = 250;

export const tabClock: Clock = {
  nowMs: () => performance.now(),
  wallMs: () => Date.now(),
  setTimer(delayMs, fire) {
    const dueMs = performance.now() + delayMs;
    let timer = setTimeout(() => {
      if (performance.now() - dueMs < VERY_LATE_MS) fire();
      else timer = setTimeout(fire, LET_OTHERS_GO_MS);
    }, delayMs);
    return () => clearTimeout(timer);
  },
  defer: (run) => queueMicrotask(run),
};
