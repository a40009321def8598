/**
 * Waiting before a retry. Tests pass their own.
 *
 * Not a library: p-retry and its like retry a function, while here each caller decides by the call and its failure. What
 * is left to share is one line and a sleep, in 0.3 KB of a page.
 */

export interface BackoffTimer {
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** Resolves after the time, or early if the signal is aborted; in a page also if the network or its user is back. */
  readonly sleep: (milliseconds: number, signal?: AbortSignal) => Promise<void>;
}

export const SYSTEM_BACKOFF: BackoffTimer = { random: Math.random, sleep };

const FIRST_MS = 25;

/**
 * Returns the wait before retry number `attempt` (from 0) in milliseconds: 25 ms, doubled with each attempt up to the
 * limit, and of that a random share between half and all. Clients that lost the same server must not return in step.
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
    const unwatch = onReturn(end);
    function end(): void {
      clearTimeout(timer);
      signal?.removeEventListener("abort", end);
      unwatch();
      resolve();
    }
  });
}

/** What a page has and other platforms lack. */
interface PageLike {
  readonly document?: EventTargetLike & { readonly hidden: boolean };
  readonly addEventListener?: EventTargetLike["addEventListener"];
  readonly removeEventListener?: EventTargetLike["removeEventListener"];
}

interface EventTargetLike {
  addEventListener(type: string, listener: () => void): void;
  removeEventListener(type: string, listener: () => void): void;
}

/** In a page: the network is back, or somebody looks at the page again. What failed before may succeed now. */
function onReturn(run: () => void): () => void {
  const page = globalThis as unknown as PageLike;
  const { document } = page;
  if (document === undefined) return () => {};
  const seen = (): void => {
    if (!document.hidden) run();
  };
  page.addEventListener?.("online", run);
  document.addEventListener("visibilitychange", seen);
  return () => {
    page.removeEventListener?.("online", run);
    document.removeEventListener("visibilitychange", seen);
  };
}
