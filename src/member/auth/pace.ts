/**
 * Runs expensive work in slices beside the member's other work. The thread is the member's own, in a tab as in a
 * Durable Object. So after each slice the thread is left to other work for twice as long as the slice took.
 *
 * The work is not moved elsewhere: a worker or another object would have to be sent the hashes, and be trusted when it
 * reports a right password. Locally it would be the same thread all the same.
 */
import type { Clock } from "../clock.ts";

/** Runs one slice, after earlier slices and the pauses that follow them. */
export type Slice = <R>(work: () => Promise<R>) => Promise<R>;

/**
 * State shared by all members on a thread: one clock is one thread. Objects of one isolate cannot wait for each other.
 */
interface Thread {
  /** No slice begins before this time. */
  freeAtMs: number;
  lastSliceMs: number;
}

const OTHERS_SHARE = 2;
/** Longest pause. A longer slice was interrupted by other work, which needs no further share. */
const REST_MS_MAX = 1_000;

const threads = new WeakMap<Clock, Thread>();

export function paced(clock: Clock): Slice {
  const thread = threads.get(clock) ?? { freeAtMs: 0, lastSliceMs: 0 };
  threads.set(clock, thread);
  let rested: Promise<void> = Promise.resolve();
  const pause = (ms: number): Promise<void> => new Promise((wake) => void clock.setTimer(ms, wake));
  const restAfter = (sliceMs: number): number => Math.min(REST_MS_MAX, OTHERS_SHARE * sliceMs);
  return (work) => {
    let beganMs = 0;
    const rest = async (): Promise<void> => {
      // On Cloudflare a clock stands still while code runs, and advances with the next event.
      await pause(0);
      const nowMs = clock.nowMs();
      thread.lastSliceMs = Math.max(0, nowMs - beganMs);
      thread.freeAtMs = nowMs + restAfter(thread.lastSliceMs);
    };
    const done = rested.then(async () => {
      for (;;) {
        const waitMs = thread.freeAtMs - clock.nowMs();
        if (waitMs <= 0) break;
        await pause(waitMs);
      }
      beganMs = clock.nowMs();
      // Another member's timer may be due at the same time.
      thread.freeAtMs = beganMs + thread.lastSliceMs + restAfter(thread.lastSliceMs);
      return work();
    });
    rested = done.then(rest, rest);
    return done;
  };
}
