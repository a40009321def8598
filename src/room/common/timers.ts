/** Timers of a page as functions that end them, and a turn of its own. */

/** After what the browser runs at once, even in a page that is being frozen. */
export function soon(run: () => void): void {
  let turns = 8;
  const next = (): void => (turns-- === 0 ? run() : queueMicrotask(next));
  next();
}

/** Returns a function that ends it. */
export function every(intervalMs: number, run: () => void): () => void {
  const timer = setInterval(run, intervalMs);
  return () => clearInterval(timer);
}

/** Returns a function that ends it. */
export function after(delayMs: number, run: () => void): () => void {
  const timer = setTimeout(run, delayMs);
  return () => clearTimeout(timer);
}
