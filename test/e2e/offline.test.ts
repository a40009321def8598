/** The page without a network: from a service worker, on what this browser has stored. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { chromiumContextOptions, launchChromium } from "../support/chromium.ts";
import { EdgeServer } from "../support/edge-server.ts";
import { startPageServer, type PageServer } from "./page-server.ts";
import { newRoom, Tab } from "./tabs-support.ts";

let browser: Browser;
beforeAll(async () => {
  browser = await launchChromium();
});
afterEach(async () => {
  await Promise.all(browser.contexts().map((context) => context.close()));
});
afterAll(() => browser.close());

/** Until the page's files are stored, and this page is served from there. */
async function untilStored(page: Page): Promise<void> {
  await page.waitForFunction(() => navigator.serviceWorker.controller?.state === "activated");
}

/** Tells what the browser was doing when the version does not come. */
async function untilVersion(page: Page, wanted: string): Promise<void> {
  const arrived = (version: string): boolean => document.documentElement.dataset["version"] === version;
  await page.waitForFunction(arrived, wanted).catch(async (error: unknown) => {
    const state = await page.evaluate(async () => {
      const registration = await navigator.serviceWorker.getRegistration();
      const { installing, waiting, active } = registration ?? {};
      const states = [installing, waiting, active].map((worker) => worker?.state ?? "none");
      return [document.documentElement.dataset["version"], document.readyState, ...states].join(" ");
    });
    throw new Error(`not of version ${wanted}, but ${state}`, { cause: error });
  });
}

function cachedPaths(page: Page): Promise<readonly string[]> {
  return page.evaluate(async () => {
    const paths: string[] = [];
    for (const name of await caches.keys()) {
      for (const { url } of await (await caches.open(name)).keys()) paths.push(new URL(url).pathname);
    }
    return paths;
  });
}

describe("with no server at all", () => {
  let data: string;
  let server: EdgeServer;
  beforeEach(async () => {
    data = await mkdtemp(join(tmpdir(), "quorate-offline-"));
    server = await EdgeServer.start(data);
  });
  afterEach(async () => {
    await server.stop();
    await rm(data, { recursive: true, force: true });
  });

  test("OF1 a room's page comes, its data is readable and live, and a queued write is made when its quorum is back", async () => {
    const room = newRoom();
    const tab = await Tab.open(browser, server, room);
    await tab.ready();
    await tab.put("kept/a", "1");
    await tab.untilVoters(1);
    // A second voter, without which this tab has no quorum.
    const others = [await Tab.open(browser, server, room), await Tab.open(browser, server, room)];
    await tab.untilVoters(3);
    await untilStored(tab.page);
    const { port } = server;
    await Promise.all(others.map((other) => other.page.goto("about:blank")));
    await server.stop();

    await tab.page.reload();
    await tab.page.waitForFunction(() => window.quorate !== undefined);
    const seen = await tab.page.evaluate(async () => {
      const client = window.quorate;
      await client.ready;
      const live = client.namespace<number>("kept/").live({ pending: true });
      await live.ready;
      const write = client.namespace<number>("kept/").outbox.put("b", 2);
      await write.stored;
      while (live.get("b") === undefined) await new Promise((resolve) => setTimeout(resolve, 10));
      const { isStale, revision, since } = live.getSnapshot();
      const pending = client.outbox.getSnapshot().entries.map(({ verdict }) => verdict ?? "none");
      const values = [live.get("a")?.value, live.get("b")?.value, live.get("b")?.isPending];
      return {
        isStale,
        hasRevision: revision > 0 && since > 0,
        values,
        pending,
        state: client.connection.getSnapshot().state,
      };
    });
    expect(seen).toMatchObject({ isStale: true, hasRevision: true, values: [1, 2, true], pending: ["none"] });
    expect(seen.state).not.toBe("connected");
    expect(await tab.get("kept/a")).toBe("1");

    server = await EdgeServer.start(data, [], port);
    await Promise.all(others.map((other) => other.page.goto(other.url)));
    await tab.page.waitForFunction(() => window.quorate.outbox.entries[0]?.verdict?.type === "committed");
    expect(await tab.read("kept/b")).toBe("2");
  });

  test("OF2 what is stored are the page's files, and no answer of the API, whatever the page has asked", async () => {
    const context = await browser.newContext(chromiumContextOptions());
    const page = await context.newPage();
    await page.goto(server.url);
    await untilStored(page);
    await server.put("flags/dark", "on");
    await page.evaluate(async () => {
      for (const path of [
        "/kv/flags/dark",
        "/health",
        "/quorate/status",
        "/metrics",
        "/kv/assets/x",
        "/assets/missing.js",
      ]) {
        await fetch(path);
      }
    });
    await page.goto(`${server.url}/kv/flags/dark`);
    await page.goto(server.url);
    const paths = await cachedPaths(page);
    expect(paths).toContain("/");
    expect(paths.filter((path) => path !== "/" && !/^\/assets\/[\w-]+\.(?:js|css)$/.test(path))).toEqual([]);
    expect(paths).not.toContain("/assets/missing.js");
    // What the worker does not know goes to the server, and fails with it.
    await server.stop();
    expect(await page.evaluate(() => fetch("/kv/flags/dark").catch(() => "no answer"))).toBe("no answer");
    await expect(page.goto(`${server.url}/kv/flags/dark`)).rejects.toThrow("ERR_CONNECTION_REFUSED");
  });

  test("OF3 the stored page keeps its security headers, and its worker may only load", async () => {
    const context = await browser.newContext(chromiumContextOptions());
    const page = await context.newPage();
    await page.goto(server.url);
    await untilStored(page);
    const script = await fetch(`${server.url}/sw.js`);
    expect(script.headers.get("content-security-policy")).toMatch(/^default-src 'none'; connect-src 'self'; frame-anc/);
    expect(script.headers.get("cache-control")).toBe("no-cache");
    await script.text();
    await server.stop();
    const response = await page.reload();
    expect(response?.fromServiceWorker()).toBe(true);
    expect(response?.headers()["content-security-policy"]).toContain("script-src 'self'");
  });
});

describe("a new version", () => {
  let server: PageServer;
  beforeEach(async () => {
    server = await startPageServer();
  });
  afterEach(() => server.stop());

  test.each(["/", "/c/other/"])(
    "OF4 is offered on the page at %s, taken with a click, and the old files go",
    async (path) => {
      const context = await browser.newContext(chromiumContextOptions());
      const page = await context.newPage();
      await page.goto(server.url + path);
      await untilStored(page);
      for (const version of ["2", "3"]) {
        const before = await page.evaluate(() => document.documentElement.dataset["version"]);
        server.publish(version);
        await page.evaluate(async () => (await navigator.serviceWorker.getRegistration())?.update());
        const bar = page.getByRole("status").filter({ hasText: "A new version of this page is ready." });
        await bar.waitFor();
        // Nothing happens before somebody wants it.
        expect(await page.evaluate(() => document.documentElement.dataset["version"])).toBe(before);
        await bar.getByRole("button", { name: "Reload" }).press("Enter");
        await untilVersion(page, version);
        await untilStored(page);
      }
      const names = await page.evaluate(() => caches.keys());
      expect(names).toHaveLength(2);
      expect(names.every((name) => name.startsWith(`quorate-page ${path} `))).toBe(true);
      await server.stop();
      await page.reload();
      expect(await page.evaluate(() => document.documentElement.dataset["version"])).toBe("3");
    },
  );

  test("OF5 a worker that does not take over keeps nobody from the new version", async () => {
    const context = await browser.newContext(chromiumContextOptions());
    const page = await context.newPage();
    // The worker is never told that it may.
    await page.addInitScript(() => {
      const real = Object.getOwnPropertyDescriptor(ServiceWorker.prototype, "postMessage")?.value as (
        this: ServiceWorker,
        ...sent: readonly unknown[]
      ) => void;
      ServiceWorker.prototype.postMessage = function (...sent: readonly unknown[]): void {
        if (sent[0] !== "activate") real.call(this, ...sent);
      };
    });
    await page.goto(server.url);
    await untilStored(page);
    server.publish("2");
    await page.evaluate(async () => (await navigator.serviceWorker.getRegistration())?.update());
    await page.getByRole("button", { name: "Reload" }).press("Enter");
    await untilVersion(page, "2");
  });
});
