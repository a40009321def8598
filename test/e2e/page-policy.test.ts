/** The page under its Content Security Policy: it needs nothing that the policy forbids, and what is foreign does not run. */
import type { Browser, BrowserContext, Page } from "playwright-core";
import { expect, test } from "vitest";
import { chromiumContextOptions } from "../support/chromium.ts";
import { browserAndServer } from "./browser-and-server.ts";
import { STEP_MS, Tab, type Server } from "./tabs-support.ts";

interface Watched extends Window {
  violations: string[];
}

let browser: Browser;
let server: Server;

browserAndServer((...started) => {
  [browser, server] = started;
});

/** In which each page keeps what its policy stopped, and `errors` what its console says. */
async function watchedContext(errors: string[] = []): Promise<BrowserContext> {
  const context = await browser.newContext(chromiumContextOptions());
  await context.addInitScript(() => {
    const watched = window as unknown as Watched;
    watched.violations = [];
    document.addEventListener("securitypolicyviolation", ({ effectiveDirective, blockedURI }) => {
      watched.violations.push(`${effectiveDirective} ${blockedURI}`);
    });
  });
  context.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") errors.push(message.text());
  });
  context.on("weberror", (error) => errors.push(error.error().message));
  return context;
}

function violations(page: Page): Promise<readonly string[]> {
  return page.evaluate(() => (window as unknown as Watched).violations);
}

test("the page and what it loads later need nothing that the policy forbids, at the edge and in a room over WebRTC", async () => {
  const errors: string[] = [];
  const edge = await (await watchedContext(errors)).newPage();
  edge.setDefaultTimeout(STEP_MS);
  await edge.goto(server.url);
  await edge.waitForFunction(() => window.quorate !== undefined);
  const tabs: Tab[] = [];
  for (let at = 0; at < 3; at++) {
    const tab = await Tab.openIn(await watchedContext(errors), server, "under-policy");
    await tab.ready();
    tabs.push(tab);
  }
  await Promise.all(tabs.map((tab) => tab.untilVoters(3)));

  for (const page of [edge, ...tabs.map((tab) => tab.page)]) {
    await page.evaluate(() => window.quorate.kv.put("policy", "kept"));
    await page.locator(".event", { hasText: "policy" }).first().waitFor();
    await page.getByRole("button", { name: "policy", exact: true }).click();
    await page.locator("dialog[open]").waitFor();
    await page.keyboard.press("Escape");
    const download = page.waitForEvent("download");
    await page.getByRole("button", { name: "Save a snapshot" }).press("Enter");
    await (await download).path();
    expect(await violations(page)).toEqual([]);
  }
  expect(errors).toEqual([]);
});

test("a room is opened by the page's own form", async () => {
  const page = await (await watchedContext()).newPage();
  await page.goto(server.url);
  await page.locator(".room-form input").fill("by-form");
  await page.getByRole("button", { name: "Open", exact: true }).click();
  await page.waitForURL(/room=by-form/);

  expect(await violations(page)).toEqual([]);
});

test("what somebody brings into the page does not run, is not loaded, and tells nobody", async () => {
  const page = await (await watchedContext()).newPage();
  await page.goto(server.url);
  const tried = await page.evaluate(async () => {
    const ran: string[] = [];
    Object.assign(window, { ran: (what: string) => ran.push(what) });
    const attempt = (work: () => unknown): void => {
      try {
        work();
      } catch {
        // Trusted Types throw where the policy otherwise only stops.
      }
    };
    attempt(() =>
      document.body.append(Object.assign(document.createElement("script"), { textContent: "ran('script')" })),
    );
    attempt(() => document.body.insertAdjacentHTML("beforeend", `<img src="data:," onerror="ran('handler')">`));
    const link = document.createElement("a");
    attempt(() => link.setAttribute("onclick", "ran('attribute')"));
    attempt(() => Object.assign(link, { href: "javascript:ran('address')" }));
    document.body.append(link);
    link.click();
    // oxlint-disable-next-line typescript/no-implied-eval -- it is tried so
    attempt(() => setTimeout("ran('text')"));
    attempt(() => document.body.append(Object.assign(document.createElement("script"), { src: "data:,ran('data')" })));
    attempt(() => document.body.append(Object.assign(document.createElement("iframe"), { src: "/" })));
    attempt(() =>
      document.head.append(Object.assign(document.createElement("base"), { href: "https://evil.example/" })),
    );
    const styled = document.createElement("p");
    styled.setAttribute("style", "position: fixed");
    document.body.append(styled);
    document.body.append(Object.assign(new Image(), { src: "http://127.0.0.1:1/told" }));
    const fetched = await fetch("http://127.0.0.1:1/told").catch((error: unknown) => String(error));
    attempt(() => new WebSocket("ws://127.0.0.1:1/told"));
    await new Promise((resolve) => setTimeout(resolve, 50));
    return { ran, fetched, position: getComputedStyle(styled).position, base: document.baseURI };
  });
  const stopped = new Set((await violations(page)).map((violation) => violation.split(" ")[0]));

  expect(tried).toMatchObject({ ran: [], position: "static", base: `${server.url}/` });
  expect(stopped).toEqual(
    new Set([
      "base-uri",
      "connect-src",
      "frame-src",
      "img-src",
      "require-trusted-types-for",
      "script-src-elem",
      "style-src-attr",
    ]),
  );
});
