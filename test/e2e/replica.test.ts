/**
 * An application with a replica in a real Chromium, of a cluster with users at a real edge. The application's page and code
 * are there without the server, as with a service worker of its own.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { connect } from "../../src/entry/index.ts";
import type { ApplicationClient } from "../../src/entry/index.ts";
import type { openReplica, ReplicaClient } from "../../src/entry/replica.ts";
import { builtLibrary } from "../bench/size/chunks.ts";
import type { Output } from "../bench/size/chunks.ts";
import { chromiumContextOptions, launchChromium } from "../support/chromium.ts";
import { EdgeServer } from "../support/edge-server.ts";
import { STEP_MS } from "./tabs-support.ts";

declare global {
  interface Window {
    replica: ReplicaClient;
    replicaModule: { readonly openReplica: typeof openReplica };
  }
}

const ROOT = { name: "root", password: "pw" };
const ANN = { name: "ann", password: "hers" };
const APP = "/application/";
const ENTRY = "src/entry/replica.ts";

let folder: string;
let server: EdgeServer;
let browser: Browser;
let code: readonly Output[];
let root: ApplicationClient;
let room: string;
let rooms = 0;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "quorate-replica-"));
  [server, browser, code] = await Promise.all([EdgeServer.start(folder), launchChromium(), builtLibrary(ENTRY)]);
  await using first = connect({ endpoint: server.url });
  await first.auth.addUser("root", { password: ROOT.password });
  await first.auth.addRole("root");
  await first.auth.grantRole("root", "root");
  await first.auth.addUser("ann", { password: ANN.password });
  await first.auth.addRole("reader");
  await first.auth.grantRole("ann", "reader");
  await first.auth.enable();
  root = connect({ endpoint: server.url, user: ROOT, timeoutMs: STEP_MS });
});
afterEach(async () => {
  await Promise.all(browser.contexts().map((context) => context.close()));
});
afterAll(async () => {
  await root.close();
  await browser.close();
  await server.stop();
  await rm(folder, { recursive: true, force: true });
});

/** A profile that has the application. `ann` may read two prefixes of her own test. */
async function newProfile(): Promise<BrowserContext> {
  room = `t${++rooms}`;
  for (const prefix of ["a/", "b/"]) await root.auth.grantPermission("reader", "read", room + prefix, { prefix: true });
  for (const key of ["a/1", "a/2", "b/1", "c/1"]) await root.kv.put(room + key, JSON.stringify(`first ${key}`));
  const context = await browser.newContext(chromiumContextOptions());
  // A page that a test hands in comes from no address, and this machine's own are local to it.
  await context.grantPermissions(["local-network-access"]);
  const entry = code.find((output) => output.type === "chunk" && (output.facadeModuleId?.endsWith(ENTRY) ?? false));
  await context.route(`**${APP}**`, async (route) => {
    const path = new URL(route.request().url()).pathname.slice(APP.length);
    const file = code.find(({ fileName }) => fileName === path);
    if (file?.type === "chunk") return route.fulfill({ contentType: "text/javascript", body: file.code });
    const script = `import * as all from "${APP}${entry?.fileName}"; window.replicaModule = all;`;
    return route.fulfill({ contentType: "text/html", body: `<script type="module">${script}</script>` });
  });
  return context;
}

/** The application opens a replica of both prefixes. */
async function open(context: BrowserContext): Promise<Page> {
  const page = await context.newPage();
  page.setDefaultTimeout(STEP_MS);
  await page.goto(server.url + APP);
  await page.waitForFunction(() => window.replicaModule !== undefined);
  await page.evaluate(
    ({ user, prefixes }) => {
      window.replica = window.replicaModule.openReplica({
        endpoint: location.origin,
        user,
        prefixes,
        timeoutMs: 20_000,
      });
    },
    { user: ANN, prefixes: [`${room}a/`, `${room}b/`] },
  );
  return page;
}

async function current(page: Page): Promise<void> {
  await page.waitForFunction(() => window.replica.connection.getSnapshot().state === "connected");
}

/** What the page has of a prefix, without the network. */
function held(page: Page, prefix: string): Promise<Readonly<Record<string, unknown>>> {
  return page.evaluate(async (inner) => {
    const { entries } = await window.replica.namespace(inner).list({ serializable: true });
    return Object.fromEntries(entries.map(({ key, value }) => [key, value]));
  }, room + prefix);
}

async function untilHeld(page: Page, prefix: string, wanted: Readonly<Record<string, unknown>>): Promise<void> {
  await page.waitForFunction(
    async ([inner, text]) => {
      const { entries } = await window.replica.namespace(inner).list({ serializable: true });
      return JSON.stringify(entries.map(({ key, value }) => [key, value])) === text;
    },
    [room + prefix, JSON.stringify(Object.entries(wanted))] as const,
  );
}

/** The keys that IndexedDB has of all replicas of the profile. */
function stored(page: Page): Promise<readonly string[]> {
  return page.evaluate(async () => {
    const keys: string[] = [];
    for (const { name = "" } of await indexedDB.databases()) {
      if (!name.startsWith("quorate/replica/")) continue;
      const database = await new Promise<IDBDatabase>((resolve, reject) => {
        const opening = indexedDB.open(name);
        opening.onsuccess = () => resolve(opening.result);
        opening.onerror = () => reject(opening.error ?? new Error(name));
      });
      const found = await new Promise<IDBValidKey[]>((resolve) => {
        const request = database.transaction("pairs").objectStore("pairs").getAllKeys();
        request.onsuccess = () => resolve(request.result);
      });
      database.close();
      for (const key of found) keys.push(new TextDecoder().decode(key as ArrayBuffer));
    }
    return keys;
  });
}

async function untilStored(page: Page, keys: readonly string[]): Promise<void> {
  await expect.poll(() => stored(page), { timeout: STEP_MS, interval: 50 }).toEqual(keys.map((key) => room + key));
}

const FIRST = { 1: "first a/1", 2: "first a/2" };

test("ER1 a page holds what its user may read, follows others' writes, and passes its own on", async () => {
  const page = await open(await newProfile());
  await current(page);
  expect([await held(page, "a/"), await held(page, "b/")]).toEqual([FIRST, { 1: "first b/1" }]);
  await root.kv.put(`${room}a/3`, '"third"');
  await untilHeld(page, "a/", { ...FIRST, 3: "third" });
  const refused = await page.evaluate(
    (key) => window.replica.kv.put(key, "x").catch((error: Error) => error.message),
    `${room}a/4`,
  );
  expect(refused).toBe("etcdserver: permission denied");
  await root.auth.grantPermission("reader", "readwrite", `${room}a/4`);
  await page.evaluate((key) => window.replica.kv.put(key, '"own"'), `${room}a/4`);
  await untilHeld(page, "a/", { ...FIRST, 3: "third", 4: "own" });
});

test("ER2 opened again while the server is dead, it reads at once and says since when; then it goes on, also over a compaction", async () => {
  const context = await newProfile();
  const first = await open(context);
  await current(first);
  await untilStored(first, ["a/1", "a/2", "b/1"]);
  await first.close();
  await server.killWorkerd();
  const page = await open(context);
  await page.evaluate(() => window.replica.ready);
  expect([await held(page, "a/"), await held(page, "b/")]).toEqual([FIRST, { 1: "first b/1" }]);
  await page.waitForFunction(() => window.replica.connection.getSnapshot().state === "disconnected");
  const { since } = await page.evaluate(() => window.replica.connection.getSnapshot());
  expect(since).toBeGreaterThan(Date.now() - 10 * 60_000);
  expect(since).toBeLessThan(Date.now());
  server = await EdgeServer.start(folder, [], server.port);
  await current(page);
  await root.kv.put(`${room}b/2`, '"after"');
  await untilHeld(page, "b/", { 1: "first b/1", 2: "after" });
  await page.close();
  // While nobody looks.
  await root.kv.deleteRange(`${room}a/1`);
  const { header } = await root.kv.put(`${room}a/2`, '"changed"');
  await root.kv.compact(header.revision);
  const again = await open(context);
  await current(again);
  expect([await held(again, "a/"), await held(again, "b/")]).toEqual([
    { 2: "changed" },
    { 1: "first b/1", 2: "after" },
  ]);
  await untilStored(again, ["a/2", "b/1", "b/2"]);
});

test("ER3 two tabs keep one copy; a right that ends is gone from both and from the disk; who forgets leaves nothing", async () => {
  const context = await newProfile();
  const tabs = [await open(context), await open(context)] as const;
  for (const page of tabs) await current(page);
  for (let at = 0; at < 30; at++) await root.kv.put(`${room}a/${at % 5}`, JSON.stringify(at));
  const last = { 0: 25, 1: 26, 2: 27, 3: 28, 4: 29 };
  for (const page of tabs) await untilHeld(page, "a/", last);
  await untilStored(tabs[0], ["a/0", "a/1", "a/2", "a/3", "a/4", "b/1"]);
  for (const page of tabs) {
    expect(await page.evaluate(() => window.replica.replica.getSnapshot().storage)).toBe("indexeddb");
  }
  await root.auth.revokePermission("reader", `${room}b/`, { prefix: true });
  await root.kv.put(`${room}b/2`, '"not for her"');
  for (const page of tabs) {
    await page.waitForFunction(() => window.replica.replica.getSnapshot().denied.length === 1);
    const told = await page.evaluate(
      (prefix) =>
        window.replica
          .namespace(prefix)
          .list({ serializable: true })
          .catch((error: Error) => error.message),
      `${room}b/`,
    );
    expect(told).toBe("etcdserver: permission denied");
    await untilHeld(page, "a/", last);
  }
  await untilStored(tabs[0], ["a/0", "a/1", "a/2", "a/3", "a/4"]);
  await tabs[0].evaluate(() => window.replica.replica.forget());
  await tabs[1].waitForFunction(() => window.replica.replica.getSnapshot().storage === "memory");
  expect(await stored(tabs[0])).toEqual([]);
  await untilHeld(tabs[1], "a/", last);
});
