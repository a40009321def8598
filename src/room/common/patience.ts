/** Waits of a tab's member for those who may not answer now. */
import type { Clock } from "../../member/clock.ts";
import { RoomRefusal } from "../../transport/room.ts";

const FIRST_PAUSE_MS = 300;
const GROWTH = 1.5;
const LIMIT_MS = 5_000;

export class Patience {
  readonly #clock: Clock;
  #endPause: () => void = () => {};

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The page woke up, or the network is back: who waits tries again at once. */
  retryNow(): void {
    this.#endPause();
  }

  /** Ends early when the signal aborts, and with retryNow(). One at a time. */
  pause(milliseconds: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal.aborted) return resolve();
      const cancel = this.#clock.setTimer(milliseconds, end);
      signal.addEventListener("abort", end, { once: true });
      this.#endPause = end;
      function end(): void {
        cancel();
        signal.removeEventListener("abort", end);
        resolve();
      }
    });
  }

  /** Attempts it until it succeeds. Undefined when the signal aborts first. Rejects with a RoomRefusal. */
  async until<Value>(
    attempt: () => Promise<Value>,
    trouble: (text: string) => void,
    signal: AbortSignal,
  ): Promise<Value | undefined> {
    for (let pauseMs = FIRST_PAUSE_MS; !signal.aborted; pauseMs = Math.min(pauseMs * GROWTH, LIMIT_MS)) {
      try {
        return await attempt();
      } catch (error) {
        if (error instanceof RoomRefusal) throw error;
        if (!signal.aborted) trouble(messageOf(error));
        await this.pause(pauseMs, signal);
      }
    }
    return undefined;
  }
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
