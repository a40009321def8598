/**
 * Hides a page and freezes it, as a person who switches tabs, or a browser that saves energy. The headless Chromium of
 * npm does neither: there the page gets the events and, while it is hidden, the timers that it would have. Another one
 * (QUORATE_CHROMIUM) does both.
 */
import type { Tab } from "../e2e/tabs-support.ts";

/** Playwright starts browsers so that hidden pages run as if they were seen. */
export const UNTHROTTLED: readonly string[] = [
  "--disable-background-timer-throttling",
  "--disable-renderer-backgrounding",
  "--disable-backgrounding-occluded-windows",
];

/** Returns what shows it again. */
export async function hide(tab: Tab): Promise<() => Promise<void>> {
  const { page } = tab;
  const other = await tab.context.newPage();
  await other.bringToFront();
  const isHidden = await page.evaluate(async () => {
    await new Promise((resolve) => setTimeout(resolve, 200));
    return document.hidden;
  });
  if (!isHidden) await page.evaluate(hidden);
  return async () => {
    await other.close();
    await page.bringToFront();
    if (!isHidden) await page.evaluate(() => dispatchEvent(new Event("quorate-test-shown")));
  };
}

/** Runs in the page. A page with an open data channel has its timers once a second, however long it is hidden. */
function hidden(): void {
  const timers = { setTimeout: globalThis.setTimeout, setInterval: globalThis.setInterval };
  const later = (delayMs = 0): number => {
    const dueMs = performance.now() + delayMs;
    return Math.ceil(dueMs / 1_000) * 1_000 - performance.now();
  };
  const state = (value: "hidden" | "visible"): void => {
    Object.defineProperty(document, "visibilityState", { value, configurable: true });
    Object.defineProperty(document, "hidden", { value: value === "hidden", configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
  };
  Object.assign(globalThis, {
    setTimeout: (run: () => void, delayMs?: number) => timers.setTimeout.call(globalThis, run, later(delayMs)),
    setInterval: (run: () => void, everyMs = 0) => timers.setInterval.call(globalThis, run, Math.max(1_000, everyMs)),
  });
  addEventListener(
    "quorate-test-shown",
    () => {
      Object.assign(globalThis, timers);
      state("visible");
    },
    { once: true },
  );
  state("hidden");
}

/** Returns what thaws it. */
export async function freeze(tab: Tab): Promise<() => Promise<void>> {
  const { page } = tab;
  const session = await tab.context.newCDPSession(page);
  await page.evaluate(() => {
    let turns = 0;
    setInterval(() => (turns += 1), 20);
    Object.assign(globalThis, { turnsSoFar: () => turns });
  });
  const turns = (): Promise<number> =>
    page.evaluate(() => (globalThis as unknown as { readonly turnsSoFar: () => number }).turnsSoFar());
  await session.send("Page.setWebLifecycleState", { state: "frozen" });
  const before = await turns();
  await new Promise((resolve) => {
    setTimeout(resolve, 300);
  });
  const isFrozen = (await turns()) === before;
  const dispatch = (type: string): Promise<void> =>
    page.evaluate((name) => void document.dispatchEvent(new Event(name)), type);
  if (!isFrozen) await dispatch("freeze");
  return async () => {
    await session.send("Page.setWebLifecycleState", { state: "active" });
    if (!isFrozen) await dispatch("resume");
  };
}
