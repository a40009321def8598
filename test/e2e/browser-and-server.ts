/** What the tests of a file in a real browser share: one Chromium and one server. */
import type { Browser } from "playwright-core";
import { afterAll, afterEach, beforeAll } from "vitest";
import { launchChromium } from "../support/chromium.ts";
import { startServer } from "./tabs-support.ts";
import type { Server } from "./tabs-support.ts";

/** Starts both before the tests of the file, closes each test's pages after it, and ends both at the end. */
export function browserAndServer(give: (browser: Browser, server: Server) => void): void {
  let browser: Browser | undefined;
  let server: Server | undefined;

  beforeAll(async () => {
    const started = await Promise.all([launchChromium(), startServer()]);
    [browser, server] = started;
    give(...started);
  });

  afterEach(async () => {
    await Promise.all((browser?.contexts() ?? []).map((context) => context.close()));
  });

  afterAll(async () => {
    await Promise.all([browser?.close(), server?.stop()]);
  });
}
