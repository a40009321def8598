/** Whoever comes to a room with a browser profile that has never been here. */
import type { Browser, Page } from "playwright-core";
import { expect } from "vitest";
import { chromiumContextOptions } from "../support/chromium.ts";
import { STEP_MS } from "./tabs-support.ts";
import type { Tab } from "./tabs-support.ts";
import type { InviteOptions, NewRoomInvitation } from "../../src/room/member/invitations.ts";

export async function visit(browser: Browser, url: string): Promise<Page> {
  const page = await (await browser.newContext(chromiumContextOptions())).newPage();
  page.setDefaultTimeout(STEP_MS);
  await page.goto(url);
  return page;
}

/** Comes in by the link. */
export async function comesIn(browser: Browser, url: string): Promise<Page> {
  const page = await visit(browser, url);
  await untilReady(page);
  return page;
}

export async function untilReady(page: Page): Promise<void> {
  await page.waitForFunction(() => window.quorate !== undefined);
  await page.evaluate(() => window.quorate.ready);
}

/** What the page says to somebody who does not come in: it shows nothing of the room. */
export async function refusalAt(browser: Browser, url: string): Promise<string> {
  const page = await visit(browser, url);
  const text = (await page.getByRole("alert").textContent()) ?? "";
  expect(await page.evaluate(() => [window.quorate, document.title])).toEqual([undefined, "Quorate"]);
  await page.context().close();
  return text;
}

type Options = Omit<InviteOptions, "expires"> & { readonly expiresInMs?: number };

export function invite(tab: Tab, options: Options = {}): Promise<NewRoomInvitation> {
  return tab.page.evaluate(async ({ expiresInMs, ...rest }) => {
    const expires = expiresInMs === undefined ? {} : { expires: new Date(Date.now() + expiresInMs) };
    return window.quorate.room.invite({ ...rest, ...expires });
  }, options);
}

/** Number of pairs with this key that the page's own member has. */
export function countAt(page: Page, key: string): Promise<number> {
  return page.evaluate(async (name) => (await window.quorate.kv.range(name, { serializable: true })).kvs.length, key);
}

export async function untilHas(page: Page, key: string): Promise<void> {
  await page.waitForFunction(
    async (name) => (await window.quorate.kv.range(name, { serializable: true })).kvs.length > 0,
    key,
  );
}
