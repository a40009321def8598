/** A folder dropped into one tab, on its way to all of them. */
import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { access, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Browser } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { launchChromium } from "../support/chromium.ts";
import { leaderOf, openRoom, startServer } from "./tabs-support.ts";
import type { Server, Tab } from "./tabs-support.ts";

const FILES = 400;

let browser: Browser;
let server: Server;
let folder: string;

beforeAll(async () => {
  folder = join(await mkdtemp(join(tmpdir(), "quorate-folder-")), "tree");
  [browser, server] = await Promise.all([launchChromium(), startServer(), growTree(folder)]);
});

afterEach(async () => {
  await Promise.all(browser.contexts().map((context) => context.close()));
});

afterAll(async () => {
  await Promise.all([browser.close(), server.stop(), rm(dirname(folder), { recursive: true, force: true })]);
});

test("folders dropped into one tab, this machine's /etc among them, are byte-identical in all three", async () => {
  const tabs = await openRoom(browser, server, "folder", 3);
  const [tab] = tabs as [Tab, Tab, Tab];
  await drop(tab, folder);
  await tab.page.getByRole("button", { name: "Put files" }).click();
  await tab.page.locator(".upload[data-state=done]").waitFor();
  expect(await tab.page.locator(".upload p.number").textContent()).toMatch(/^Done: 400 files put/);
  await tab.page.getByRole("button", { name: "Close" }).click();

  await drop(tab, "/etc");
  await tab.page.getByLabel("Prefix for the keys").fill("etc/");
  await tab.page.getByRole("button", { name: "Put files" }).click();
  await tab.page.locator(".upload[data-state=done]").waitFor();
  const expected = { ...(await digestOf(folder)), ...(await digestOf("/etc", "etc/")) };
  const { revision } = await tab.status();
  for (const member of tabs) {
    await member.until((status, wanted) => status.revision >= wanted, revision);
    expect(await member.digest()).toEqual(expected);
  }
});

test("a folder goes on, and arrives whole, when the leader's tab dies on the way", async () => {
  const tabs = await openRoom(browser, server, "halfway", 3);
  const leader = await leaderOf(tabs);
  const others = tabs.filter((tab) => tab !== leader);
  const [tab] = others as [Tab, Tab];
  const crash = await leader.crasher();
  await tab.putFolder(folder);
  await tab.until(({ revision }, count) => revision > count / 10, FILES);
  await crash();
  expect(Number(await tab.page.locator("progress").getAttribute("value"))).toBeLessThan(1);
  await tab.page.locator(".upload[data-state=done]").waitFor();
  expect(await tab.page.locator(".upload p.number").textContent()).toMatch(/^Done: 400 files put/);
  await leader.reopen();
  await leader.ready();
  const expected = await digestOf(folder);
  const { revision } = await tab.status();
  for (const member of tabs) {
    await member.until((status, wanted) => status.revision >= wanted, revision);
    expect(await member.digest()).toEqual(expected);
  }
});

/** As from a file manager: the browser itself makes the entries. */
async function drop({ context, page }: Tab, path: string): Promise<void> {
  const session = await context.newCDPSession(page);
  const data = { items: [], files: [path], dragOperationsMask: 1 };
  for (const type of ["dragEnter", "dragOver", "drop"] as const) {
    await session.send("Input.dispatchDragEvent", { type, x: 300, y: 300, data });
  }
}

/** Small and large, text and bytes, empty, deep, and with names that are not ASCII. */
async function growTree(root: string): Promise<void> {
  for (let at = 0; at < FILES; at++) {
    const path = join(root, `d${at % 7}`, at % 3 === 0 ? "größer/日本" : "small", `file ${at}.bin`);
    const size = at % 50 === 0 ? 200_000 : (at * 37) % 3000;
    await mkdir(dirname(path), { recursive: true });
    await writeFile(
      path,
      Uint8Array.from({ length: size }, (_, byte) => (byte * 31 + at * 7) & 0xff),
    );
  }
}

/** Of all regular files that can be read; no link is followed. */
async function digestOf(root: string, prefix = ""): Promise<Record<string, string>> {
  const digests: Record<string, string> = {};
  for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (!entry.isFile() || (await access(path, constants.R_OK).then(isFalse, isTrue))) continue;
    const digest = createHash("sha256").update(await readFile(path));
    digests[prefix + path.slice(root.length + 1)] = digest.digest("hex");
  }
  return digests;
}

function isTrue(): boolean {
  return true;
}

function isFalse(): boolean {
  return false;
}
