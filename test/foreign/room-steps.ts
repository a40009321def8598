/** A page that Vite builds from the installed package opens a room, in two profiles of a real Chromium. */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import type { Browser, Page } from "playwright-core";
import type { RoomClient } from "../../src/entry/room.ts";
import { measureSizes } from "../bench/size.ts";
import { chromiumContextOptions, launchChromium } from "../support/chromium.ts";
import { EdgeServer } from "../support/edge-server.ts";
import { tool } from "./command.ts";
import { StaticServer } from "./static-server.ts";
import { check, type Step } from "./steps.ts";

declare global {
  interface Window {
    client: RoomClient;
    openAgain: () => RoomClient;
  }
}

const STEP_MS = 60_000;
/** The bundler names and cuts the chunks of another project otherwise. */
const MAY_DIFFER = 1.02;

/** `data` is a folder for the signalling server's data. */
export function roomSteps(install: () => Promise<string>, data: string): readonly Step[] {
  let folder = "";
  return [
    {
      name: "a room: Vite bundles the member, no larger than in our own page",
      async run() {
        folder = await install();
        await tool(folder, "vite/bin/vite.js", "build", "--logLevel", "warn");
        const assets = join(folder, "dist/assets");
        const files = await Promise.all((await readdir(assets)).map((name) => readFile(join(assets, name))));
        const bytes = files.reduce((sum, file) => sum + gzipSync(file, { level: 9 }).length, 0);
        const own = await measureSizes();
        const ours = own.memberAtStart + own.peerJs + own.memberLater;
        check(bytes <= ours * MAY_DIFFER, `${bytes} bytes gzip, of at most ${ours} that ours has`);
        return `${(bytes / 1000).toFixed(1)} KB gzip in all, ours ${(ours / 1000).toFixed(1)} KB`;
      },
    },
    {
      name: "a room: two profiles of a Chromium are members of one, from a page of another origin; an object keeps it",
      run: () => inChromium(join(folder, "dist"), data, { room: "planning" }, 3),
    },
    {
      name: "a room of tabs: two profiles of a Chromium are members of one, from a page of another origin",
      run: () => inChromium(join(folder, "dist"), data, { room: "theatre", shape: "tabs" }, 2),
    },
  ];
}

async function inChromium(
  dist: string,
  data: string,
  asked: Readonly<Record<string, string>>,
  members: number,
): Promise<undefined> {
  const pages = await StaticServer.start(dist);
  const { origin } = pages;
  const server = await EdgeServer.start(data, ["--allow-origin", origin]);
  const browser = await launchChromium();
  try {
    const query = new URLSearchParams({ ...asked, signalling: new URL(server.url).origin });
    await meet(browser, `${origin}/?${query}`, members);
  } finally {
    await browser.close();
    await server.stop();
    pages.close();
  }
}

async function meet(browser: Browser, url: string, count: number): Promise<void> {
  const founder = await visit(browser, url);
  const link = await founder.evaluate(async () => {
    await window.client.ready;
    await window.client.namespace<string>("agenda/").put("first", "hello");
    return window.client.room.link;
  });
  check(link?.includes("#k=") === true, `the link is ${link}`);
  const guest = await visit(browser, link ?? "");
  const got = await guest.evaluate(async () => {
    await window.client.ready;
    return (await window.client.namespace<string>("agenda/").get("first"))?.value;
  });
  check(got === "hello", `the guest read ${JSON.stringify(got)}`);
  const members = await guest.evaluate(() => window.client.room.members.length);
  check(members === count, `the guest sees ${members} members`);
  // In a room of tabs both go through the founder, who votes alone; it closes, and opens again in the same page.
  const again = await founder.evaluate(async () => {
    await window.client.close();
    const client = window.openAgain();
    await client.ready;
    return (await client.namespace<string>("agenda/").get("first"))?.value;
  });
  check(again === "hello", `opened again, the founder read ${JSON.stringify(again)}`);
}

async function visit(browser: Browser, url: string): Promise<Page> {
  const page = await (await browser.newContext(chromiumContextOptions())).newPage();
  page.setDefaultTimeout(STEP_MS);
  await page.goto(url);
  await page.waitForFunction(() => window.client !== undefined);
  return page;
}
