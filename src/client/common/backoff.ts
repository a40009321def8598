/** How long to wait before trying again, and the waiting itself. Tests hand in their own. */

export interface BackoffTimer {
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** Resolves after the time, or early when the signal is aborted. */
  readonly sleep: (milliseconds: number, signal?: AbortSignal) => Promise<void>;
}

export const SYSTEM_BACKOFF: BackoffTimer = { random: Math.random, sleep };

const FIRST_MS = 25;

/**
 * Doubles from 25 ms up to the limit, each time between half and all of it: many clients that lost the same server must
 * not come back in step.
 */
export function backoffMs(attempt: number, limitMs: number, random: () => number): number {
  const full = Math.min(limitMs, FIRST_MS * 2 ** Math.min(attempt, 20));
  return full * (0.5 + random() / 2);
}

function sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted === true) return resolve();
    const timer = setTimeout(end, milliseconds);
    signal?.addEventListener("abort", end, { once: true });
    function end(): void {
      clearTimeout(timer);
      signal?.removeEventListener("abort", end);
      resolve();
    }
  });
}
