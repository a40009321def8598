/** The page as people use it: with a keyboard, on a phone, in the dark, with many keys. */
import { readFile } from "node:fs/promises";
import type { Browser, Page } from "playwright-core";
import { expect, test } from "vitest";
import { chromiumContextOptions } from "../support/chromium.ts";
import { browserAndServer } from "./browser-and-server.ts";
import { STEP_MS } from "./tabs-support.ts";
import type { Server } from "./tabs-support.ts";

let browser: Browser;
let server: Server;

browserAndServer((...started) => {
  [browser, server] = started;
});

async function openPage(path: string, options: Parameters<Browser["newContext"]>[0] = {}): Promise<Page> {
  const context = await browser.newContext({ ...chromiumContextOptions(), ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(STEP_MS);
  await page.goto(server.url + path);
  await page.waitForFunction(() => window.quorate !== undefined);
  await page.evaluate(() => window.quorate.ready);
  return page;
}

/** Waits until the key's value is this, as a reader elsewhere sees it. */
async function untilValue(page: Page, key: string, value: string | undefined): Promise<void> {
  await page.evaluate(
    async (wanted) => {
      for (const startMs = performance.now(); ;) {
        const { kvs } = await window.quorate.kv.range(wanted.key);
        const found = kvs[0] === undefined ? undefined : window.quorate.toText(kvs[0].value);
        if (found === wanted.value) return;
        if (performance.now() - startMs > wanted.withinMs)
          throw new Error(`${wanted.key} is ${found}, not ${wanted.value}`);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    },
    { key, value, withinMs: STEP_MS },
  );
}

/** A dialog that saves closes when it is answered, which is after others see the value. */
async function untilClosed(page: Page): Promise<void> {
  await page.locator("dialog").waitFor({ state: "detached" });
}

test("without a room the page shows the cluster at the edge, and loads nothing that only a member needs", async () => {
  const scripts: string[] = [];
  const context = await browser.newContext();
  context.on("request", (request) => {
    // The service worker stores all files of the page, for a time without a network.
    if (request.serviceWorker() === null) scripts.push(request.url());
  });
  const page = await context.newPage();
  await page.goto(server.url);
  await page.locator("[data-fact=Members]", { hasText: "3 of 3" }).waitFor();
  await page.locator(".members tbody tr", { hasText: "leader" }).waitFor();
  expect(await page.locator(".members tbody tr").count()).toBe(3);
  expect(await page.locator("[data-role=badge]").textContent()).toBe("Client");
  expect(scripts.filter((url) => url.includes("peerjs"))).toEqual([]);
  expect(scripts.filter((url) => new URL(url).host !== new URL(server.url).host)).toEqual([]);
});

test("a key is made, changed and deleted by keyboard alone", async () => {
  const page = await openPage("/");
  const { keyboard } = page;
  await page.locator("button:enabled", { hasText: "New key" }).focus();
  await keyboard.press("Enter");
  await keyboard.type("keyboard/key");
  await keyboard.press("Tab");
  await keyboard.press("Tab");
  await keyboard.type("typed");
  await keyboard.press("Control+Enter");
  await untilValue(page, "keyboard/key", "typed");
  await untilClosed(page);

  await page.getByRole("button", { name: "keyboard/key", exact: true }).focus();
  await keyboard.press("Enter");
  await page.locator("dialog[open]").waitFor();
  await keyboard.press("Escape");
  await untilClosed(page);
  expect(await page.evaluate(() => document.activeElement?.textContent)).toBe("keyboard/key");
  await keyboard.press("Enter");
  await keyboard.press("Control+A");
  await keyboard.type("typed again");
  await keyboard.press("Control+Enter");
  await untilValue(page, "keyboard/key", "typed again");
  await untilClosed(page);

  await page.locator("tr", { hasText: "typed again" }).waitFor();
  await page.getByRole("button", { name: "Delete keyboard/key" }).focus();
  await keyboard.press("Enter");
  expect(await page.evaluate(() => document.activeElement?.textContent)).toBe("Cancel");
  await keyboard.press("Tab");
  await keyboard.press("Enter");
  await untilValue(page, "keyboard/key", undefined);
  await page.locator('tr[data-key="keyboard/key"]').waitFor({ state: "detached" });
});

test("an edit that lost a race against another client writes nothing until its author has decided", async () => {
  const page = await openPage("/");
  await page.evaluate(() => window.quorate.kv.put("shared", "first"));
  await page.getByRole("button", { name: "shared", exact: true }).click();
  await page.locator("#edit-value").fill("mine");
  await page.evaluate(() => window.quorate.kv.put("shared", "theirs"));
  await page.getByRole("alert").getByText("just changed this key").waitFor();
  await page.getByRole("button", { name: "Save", exact: true }).click();
  await page.getByRole("alert").getByText("Nothing was written").waitFor();
  await untilValue(page, "shared", "theirs");
  await page.getByRole("button", { name: "Overwrite" }).click();
  await untilValue(page, "shared", "mine");
  await untilClosed(page);
});

test("bytes that are no text are shown as such, and edited as hex", async () => {
  const page = await openPage("/");
  await page.evaluate(() => window.quorate.kv.put("bytes", new Uint8Array([0, 255, 16])));
  await page.locator("tr[data-key=bytes]").getByText("binary, 3 bytes: 00 ff 10").waitFor();
  await page.getByRole("button", { name: "bytes", exact: true }).click();
  expect(await page.locator("#edit-value").inputValue()).toBe("00 ff 10");
  await page.locator("#edit-value").fill("00 ff zz");
  await page.getByRole("button", { name: "Save", exact: true }).click();
  await page.getByRole("alert").getByText("two digits").waitFor();
  await page.locator("#edit-value").fill("68 69");
  await page.getByRole("button", { name: "Save", exact: true }).click();
  await untilValue(page, "bytes", "hi");
});

test("events follow what happens, and stand still while they are paused", async () => {
  const page = await openPage("/");
  // The page's watch begins when it is registered; what was written before is no news.
  const event = page.locator(".event", { hasText: "events/0" });
  while ((await event.count()) === 0) await page.evaluate(() => window.quorate.kv.put("events/0", "seen"));
  await page.evaluate(() => window.quorate.kv.put("events/1", "seen"));
  await page.locator(".event", { hasText: "events/1" }).waitFor();
  await page.getByRole("button", { name: "Pause" }).click();
  await page.evaluate(() => window.quorate.kv.deleteRange("events/1"));
  await page.getByText("Paused; 1 event not shown.").waitFor();
  expect(await page.locator(".event", { hasText: "delete" }).count()).toBe(0);
  await page.getByRole("button", { name: "Go on" }).click();
  await page.evaluate(() => window.quorate.kv.put("events/2", "seen"));
  await page.locator(".event", { hasText: "events/2" }).waitFor();
});

test("10,000 keys are paged and filtered without a long halt", async () => {
  const page = await openPage("/?room=many-keys");
  await page.evaluate(async () => {
    const { kv, op } = window.quorate;
    for (let batch = 0; batch < 100; batch++) {
      const names = Array.from({ length: 100 }, (_, at) => `many/${String(batch * 100 + at).padStart(5, "0")}`);
      await kv
        .txn()
        .then(...names.map((name) => op.put(name, `value of ${name}`)))
        .commit();
    }
    Object.assign(window, { halts: [] as number[] });
    new PerformanceObserver((list) => {
      const { halts } = window as unknown as { readonly halts: number[] };
      halts.push(...list.getEntries().map(({ duration }) => duration));
    }).observe({ type: "longtask" });
  });
  await page.getByText("1 to 50 of 10,000 keys").waitFor();
  await page.getByRole("button", { name: "Next page" }).click();
  await page.getByText("51 to 100 of 10,000 keys").waitFor();
  expect(await page.locator(".keys tbody tr").count()).toBe(50);
  await page.getByLabel("Prefix").fill("many/099");
  await page.getByText("1 to 50 of 100 keys").waitFor();
  await page.getByRole("button", { name: "many/09900", exact: true }).waitFor();
  await page.getByLabel("Prefix").fill("none such");
  await page.getByText("No key begins with this prefix.").waitFor();
  const halts = await page.evaluate(() => (window as unknown as { readonly halts: readonly number[] }).halts);
  // None of 50 ms is seen where nobody else wants the processor.
  expect(Math.max(0, ...halts)).toBeLessThan(5_000);
});

test("at 400 px nothing is cut off or reached only by scrolling sideways, at the edge and in a room", async () => {
  for (const path of ["/", "/?room=narrow"]) {
    const page = await openPage(path, { viewport: { width: 400, height: 800 } });
    await page.evaluate(() => window.quorate.kv.put(`${"a-long-name/".repeat(8)}end`, "long value ".repeat(40)));
    await page.locator(".keys tbody tr").first().waitFor();
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(400);
    const outside = await page.evaluate(() =>
      Array.from(document.querySelectorAll("button, input, dd, td"), (element) => element.getBoundingClientRect())
        .filter(({ width, left, right }) => width > 1 && (left < 0 || right > 400))
        .map(({ left, right }) => [left, right]),
    );
    expect(outside).toEqual([]);
  }
});

test("every text has the contrast of WCAG AA, by day and by night", async () => {
  for (const colorScheme of ["light", "dark"] as const) {
    const page = await openPage(`/?room=contrast-${colorScheme}`, { colorScheme });
    await page.evaluate(() => window.quorate.kv.put("empty", ""));
    // The page's watch begins when it is registered; what was written before is no news.
    while ((await page.locator(".event", { hasText: "delete" }).count()) === 0) {
      await page.evaluate(() => window.quorate.kv.put("bytes", new Uint8Array([0])));
      await page.evaluate(() => window.quorate.kv.deleteRange("bytes"));
    }
    expect(await page.evaluate(lowContrasts)).toEqual([]);
    await page.getByRole("button", { name: "empty", exact: true }).click();
    expect(await page.evaluate(lowContrasts)).toEqual([]);
  }
});

/** Runs in the page: texts whose colour is too near to that of what lies behind them. */
function lowContrasts(): readonly string[] {
  const channels = (color: string): readonly number[] => (color.match(/[\d.]+/g) ?? []).map(Number);
  const luminance = (color: readonly number[]): number => {
    const [red = 0, green = 0, blue = 0] = color.map((value) => {
      const part = value / 255;
      return part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const ground = (element: Element | null): readonly number[] => {
    const color = element === null ? [255, 255, 255] : channels(getComputedStyle(element).backgroundColor);
    return color[3] === 0 ? ground(element?.parentElement ?? null) : color;
  };
  const low: string[] = [];
  for (const element of document.querySelectorAll("body *")) {
    const hasText = Array.from(element.childNodes).some(
      (node) => node.nodeType === 3 && node.textContent?.trim() !== "",
    );
    // What cannot be used is exempt.
    if (!hasText || element.closest(":disabled, [hidden], .visually-hidden, .drop-hint, noscript") !== null) continue;
    const [text, behind] = [luminance(channels(getComputedStyle(element).color)), luminance(ground(element))];
    const contrast = (Math.max(text, behind) + 0.05) / (Math.min(text, behind) + 0.05);
    if (contrast < 4.5) low.push(`${element.className} "${element.textContent}" ${contrast.toFixed(2)}`);
  }
  return low;
}

test("a snapshot is saved as a file, of the edge and of a room", async () => {
  for (const path of ["/", "/?room=snapshot"]) {
    const page = await openPage(path);
    await page.evaluate(() => window.quorate.kv.put("in-the-snapshot", "yes"));
    const begun = page.waitForEvent("download");
    const button = page.getByRole("button", { name: "Save a snapshot" });
    await button.press("Enter");
    const file = await readFile(await (await begun).path());
    // By keyboard: it says what has come of it, and the focus stays where it was.
    await page.getByRole("status").filter({ hasText: "Saved: " }).waitFor();
    expect(await button.evaluate((element) => document.activeElement === element)).toBe(true);
    expect(file.length % 512).toBe(32);
    expect(file.includes("in-the-snapshot")).toBe(true);
  }
});

test("an invalid room name is rejected with a message", async () => {
  const page = await (await browser.newContext()).newPage();
  await page.goto(`${server.url}/?room=${encodeURIComponent("no/slash")}`);
  expect(await page.getByRole("alert").textContent()).toContain("cannot be a room’s name");
});
