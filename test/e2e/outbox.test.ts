/** The outbox in a real Chromium against the running product: pages die, disks are full. */
import type { Browser, BrowserContext, Page } from "playwright-core";
import { describe, expect, test } from "vitest";
import type { connect } from "../../src/entry/index.ts";
import { browserAndServer } from "./browser-and-server.ts";
import type { Server } from "./tabs-support.ts";

type Client = ReturnType<typeof connect>;

declare global {
  interface Window {
    app: Client;
  }
}

let browser: Browser;
let server: Server;
browserAndServer((...given) => ([browser, server] = given));

/** A page with a client, as an application without a bundler has it. */
async function openPage(context: BrowserContext): Promise<Page> {
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  await page.goto(server.url);
  // As text: the test runner would rewrite an import.
  await page.evaluate(
    'import("/quorate.js").then(({ connect }) => { window.app = connect({ endpoint: location.origin }); })',
  );
  return page;
}

async function slow(page: Page, latency: number): Promise<void> {
  const session = await page.context().newCDPSession(page);
  await session.send("Network.enable");
  await session.send("Network.emulateNetworkConditions", {
    offline: false,
    latency,
    downloadThroughput: -1,
    uploadThroughput: -1,
  });
}

describe("client.outbox in a browser", () => {
  test("OB50 a thousand writes that were queued offline are there once each, though the page is killed twice on the way", async () => {
    const context = await browser.newContext();
    const page = await openPage(context);
    await context.setOffline(true);
    await page.evaluate(async () => {
      const writes = Array.from({ length: 1_000 }, (_, at) =>
        window.app.outbox.put(`ob50/${String(at).padStart(4, "0")}`, String(at)),
      );
      await Promise.all(writes.map(({ stored }) => stored));
    });
    await killWhileSending(page, context, 900);
    await killWhileSending(await openPage(context), context, 500);
    const last = await openPage(context);
    await last.evaluate(() => void window.app.outbox.subscribe(() => {}));
    await last.waitForFunction(() => {
      const { state, pending } = window.app.outbox.getSnapshot();
      return state === "idle" && pending === 0;
    });
    const [found, verdicts] = await last.evaluate(async () => {
      const { kvs } = await window.app.kv.range("ob50/", { prefix: true });
      return [
        kvs.map(({ value, version }) => `${window.app.toText(value)} ${version}`),
        window.app.outbox.entries.map(({ verdict }) => verdict?.type),
      ] as const;
    });
    expect(found).toEqual(Array.from({ length: 1_000 }, (_, at) => `${at} 1`));
    expect(verdicts).toEqual(Array<string>(1_000).fill("committed"));
  });

  test("OB51 a browser that gives no more room says so, keeps what was stored, and goes on when there is room", async () => {
    const context = await browser.newContext();
    // The browser heeds it only if it has not looked for room before; it lasts as long as this page.
    const session = await context.newCDPSession(await context.newPage());
    await session.send("Storage.overrideQuotaForOrigin", { origin: server.url, quotaSize: 3_000_000 });
    const page = await openPage(context);
    await context.setOffline(true);
    const [stored, refusal] = await page.evaluate(async () => {
      for (let at = 0; ; at++) {
        try {
          // By chance: the browser counts what is left after compression.
          await window.app.outbox.put(`ob51/${at}`, crypto.getRandomValues(new Uint8Array(60_000))).stored;
        } catch (error) {
          const { name, limit, message } = error as Error & { readonly limit?: string };
          return [at, { name, limit, message }] as const;
        }
      }
    });
    expect(refusal).toMatchObject({ name: "OutboxFullError", limit: "quota" });
    expect(refusal.message).toMatch(
      new RegExp(`uses 3\\.\\d MB of at most .* the outbox 2\\.\\d MB \\(${stored} writes\\)`),
    );
    await session.send("Storage.overrideQuotaForOrigin", { origin: server.url, quotaSize: 1e9 });
    await context.setOffline(false);
    await page.waitForFunction(() => window.app.outbox.getSnapshot().pending === 0);
    const count = await page.evaluate(async () => (await window.app.kv.range("ob51/", { prefix: true })).count);
    expect(count).toBe(stored);
  });
});

/** Its renderer dies in the middle of whatever it does, when so many are left. */
async function killWhileSending(page: Page, context: BrowserContext, left: number): Promise<void> {
  await slow(page, 150);
  await context.setOffline(false);
  await page.evaluate(() => void window.app.outbox.subscribe(() => {}));
  await page.waitForFunction((most) => {
    const { state, pending } = window.app.outbox.getSnapshot();
    return state !== "opening" && pending <= most && pending > 0;
  }, left);
  const session = await context.newCDPSession(page);
  const crashed = page.waitForEvent("crash");
  void session.send("Page.crash").catch(() => {});
  await crashed;
  await page.close();
}
