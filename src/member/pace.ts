/**
 * Costly work beside the member's turn. Its thread is the member's own, in a tab as in a Durable Object, so work is done
 * in slices, and after each the thread belongs to others for twice as long as the slice took.
 *
 * Why not elsewhere: a worker in front of the object, or another object, would have to be sent the hashes, and be
 * believed when it says that a password was right. Locally it would be the same thread all the same.
 */
import type { Clock } from "./clock.ts";

/** Runs one slice, after the slices before it and the others' share of the time. */
export type Slice = <R>(work: () => Promise<R>) => Promise<R>;

const OTHERS_SHARE = 2;
/** A slice that took longer than this was held up by others, who need no further share. */
const REST_MS_MAX = 1_000;

export function paced(clock: Clock): Slice {
  let rested: Promise<void> = Promise.resolve();
  const pause = (ms: number): Promise<void> => new Promise((wake) => void clock.setTimer(ms, wake));
  return (work) => {
    let beganMs = 0;
    const rest = async (): Promise<void> => {
      // At Cloudflare's a clock stands still while code runs, and goes on with the next event.
      await pause(0);
      await pause(Math.min(REST_MS_MAX, OTHERS_SHARE * Math.max(0, clock.nowMs() - beganMs)));
    };
    const done = rested.then(() => {
      beganMs = clock.nowMs();
      return work();
    });
    rested = done.then(rest, rest);
    return done;
  };
}
