/** What happens to a page that has a room open: its network is back, it is shown or hidden, left or frozen, and comes back. */

export interface PageHandlers {
  readonly onOnline: () => void;
  /** It is shown or hidden, or was frozen and goes on. */
  readonly onSeen: () => void;
  /** It is left or frozen, and may never run again. */
  readonly onAway: (text: string) => void;
  /** It runs, perhaps after it was away. */
  readonly onBack: () => void;
}

export function watchPage({ onOnline, onSeen, onAway, onBack }: PageHandlers, signal: AbortSignal): void {
  addEventListener("online", onOnline, { signal });
  document.addEventListener("visibilitychange", onSeen, { signal });
  document.addEventListener("resume", onSeen, { signal });
  addEventListener("pagehide", () => onAway("The page was left."), { signal });
  document.addEventListener("freeze", () => onAway("The page was frozen."), { signal });
  addEventListener("pageshow", onBack, { signal });
  document.addEventListener("resume", onBack, { signal });
}
