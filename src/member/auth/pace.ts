/**
 * Costly work beside the member's turn. Its thread is the member's own, in a tab as in a Durable Object, so work is done
 * in slices, and after each the thread belongs to others for twice as long as the slice took.
 *
 * Why not elsewhere: a worker in front of the object, or another object, would have to be sent the hashes, and be
 * believed when it says that a password was right. Locally it would be the same thread all the same.
 */
import type { Clock } from "../clock.ts";

/** Runs one slice, after the slices before it and the others' share of the time. */
export type Slice = <R>(work: () => Promise<R>) => Promise<R>;

/** What all members of a thread share: one clock is one thread. Objects of one isolate cannot wait for each other. */
interface Thread {
  /** No slice begins before. */
  freeAtMs: number;
  lastSliceMs: number;
}

const OTHERS_SHARE = 2;
/** A slice that took longer than this was held up by others, who need no further share. */
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
      // At Cloudflare's a clock stands still while code runs, and goes on with the next event.
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
