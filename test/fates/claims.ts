/** What a page says of itself, and whether that was so when it said it. */
import type { Page } from "playwright-core";
import type { Tab } from "../e2e/tabs-support.ts";

/** What a tab said of itself, and what it held when it said so. */
export interface Sample {
  readonly wallMs: number;
  readonly isConnected: boolean;
  readonly revision: number;
}

/** Records from now on, whenever the page runs. */
export async function record(tab: Tab): Promise<() => Promise<readonly Sample[]>> {
  await tab.page.evaluate(() => {
    const samples: Sample[] = [];
    // A clock of the page may be wrong.
    const nowMs = (): number => performance.timeOrigin + performance.now();
    Object.assign(window, { samples });
    setInterval(() => {
      const client = window.quorate;
      const isConnected = client.connection.getSnapshot().state === "connected";
      samples.push({ wallMs: nowMs(), isConnected, revision: client.room.view?.revision ?? 0 });
    }, 5);
  });
  return () => tab.page.evaluate(() => (window as unknown as { readonly samples: readonly Sample[] }).samples);
}

export function standing({ page }: { readonly page: Page }): Promise<string> {
  return page
    .locator(".standing-text")
    .textContent()
    .then((text) => text ?? "");
}

/** For a page that was opened by something else than a Tab. */
export function untilText(page: Page, text: RegExp): Promise<void> {
  return page.locator(".standing-text").filter({ hasText: text }).waitFor();
}
