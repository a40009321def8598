/** Built pages in a real Chromium. */
import type { Browser, BrowserContext, Page } from "playwright-core";
import { chromiumContextOptions, launchChromium } from "../../support/chromium.ts";
import { StaticServer } from "../static-server.ts";
import { until } from "../until.ts";

const STEP_MS = 60_000;

export class Pages {
  readonly #browser: Browser;
  readonly #server: StaticServer;

  private constructor(browser: Browser, server: StaticServer) {
    this.#browser = browser;
    this.#server = server;
  }

  static async whileOpen(root: string, run: (pages: Pages) => Promise<void>): Promise<undefined> {
    const server = await StaticServer.start(root);
    const browser = await launchChromium();
    try {
      await run(new Pages(browser, server));
    } finally {
      await browser.close();
      server.close();
    }
    return undefined;
  }

  /** A browser profile of its own. */
  async profile(): Promise<BrowserContext> {
    const context = await this.#browser.newContext({ ...chromiumContextOptions(), reducedMotion: "reduce" });
    context.setDefaultTimeout(STEP_MS);
    return context;
  }

  /** `example` is a folder of the server, or empty. */
  address(example: string, parameters: Readonly<Record<string, string>>): string {
    return `${this.#server.origin}/${example === "" ? "" : `${example}/`}?${new URLSearchParams(parameters)}`;
  }

  /** Opens a page and leaves it open. Returns the first line of its console that matches; rejects with what else it said. */
  async said(profile: BrowserContext, address: string, awaited: RegExp): Promise<string> {
    const page = await profile.newPage();
    const lines: string[] = [];
    const said = new Promise<string>((resolve) => {
      page.on("console", (message) => {
        lines.push(message.text());
        if (awaited.test(message.text())) resolve(message.text());
      });
    });
    page.on("pageerror", (error) => lines.push(String(error)));
    await page.goto(address);
    const late = new Promise<never>((_, reject) => {
      setTimeout(() => reject(new Error(`the page said only ${JSON.stringify(lines)}`)), STEP_MS).unref();
    });
    return Promise.race([said, late]);
  }

  async open(profile: BrowserContext, address: string): Promise<Page> {
    const page = await profile.newPage();
    await page.goto(address);
    return page;
  }

  /**
   * Clicks one element in each page at the same moment, as people would who do not see what the other does: all pages are
   * stopped while `meanwhile` runs, and click before anything else happens in them.
   */
  async clickBlindly(
    clicks: readonly (readonly [page: Page, selector: string])[],
    meanwhile: () => Promise<void> = () => Promise.resolve(),
  ): Promise<void> {
    const clicking = clicks.map(([page, selector]) =>
      page.evaluate((selected) => {
        const gate = new XMLHttpRequest();
        gate.open("GET", "/gate", false);
        gate.send();
        document.querySelector<HTMLElement>(selected)?.click();
      }, selector),
    );
    await until("all pages at the gate", () => this.#server.atGate === clicks.length);
    await meanwhile();
    this.#server.openGate();
    await Promise.all(clicking);
  }
}
