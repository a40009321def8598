import type { Browser } from "playwright-core";
import { expect, test } from "vitest";
import { browserAndServer } from "./browser-and-server.ts";
import { leaderOf, newRoom, openRoom, Tab, untilSucceeded } from "./tabs-support.ts";
import type { Server } from "./tabs-support.ts";

let browser: Browser;
let server: Server;

browserAndServer((...started) => {
  [browser, server] = started;
});

test("tabs that open one room one after the other are one cluster: founder, learner, then three voters", async () => {
  const room = newRoom();
  const founder = await Tab.open(browser, server, room);
  await founder.ready();
  await founder.put("colour", "blue");
  const second = await Tab.open(browser, server, room);
  await second.ready();
  expect((await second.status()).role).toBe("learner");
  const third = await Tab.open(browser, server, room);
  await Promise.all([founder, second, third].map((tab) => tab.untilVoters(3)));
  const statuses = await Promise.all([founder, second, third].map((tab) => tab.status()));
  expect(new Set(statuses.map(({ clusterId }) => clusterId)).size).toBe(1);
  expect(new Set(statuses.map(({ id }) => id)).size).toBe(3);
  expect(statuses.map(({ role }) => role).toSorted()).toEqual(["follower", "follower", "leader"]);
  expect(await third.read("colour")).toBe("blue");
  await third.put("colour", "green");
  expect(await second.read("colour")).toBe("green");
  expect(await founder.read("colour")).toBe("green");
});

test("tabs that open a new room at the same moment end up in one cluster", async () => {
  const room = newRoom();
  const tabs = await Promise.all([1, 2, 3].map(() => Tab.open(browser, server, room)));
  await Promise.all(tabs.map((tab) => tab.untilVoters(3)));
  await Promise.all(tabs.map((tab) => tab.ready()));
  const statuses = await Promise.all(tabs.map((tab) => tab.status()));
  expect(new Set(statuses.map(({ clusterId }) => clusterId)).size).toBe(1);
  expect(statuses.filter(({ role }) => role === "leader")).toHaveLength(1);
});

test("a leader's tab that dies is succeeded, and comes back with its data, its id and what it missed", async () => {
  const tabs = await openRoom(browser, server, newRoom(), 3);
  const leader = await leaderOf(tabs);
  const { id, term } = await leader.status();
  await leader.put("before", "it died");
  const others = tabs.filter((tab) => tab !== leader);
  await leader.crash();
  await untilSucceeded(others, id);
  const successor = await leaderOf(others);
  expect((await successor.status()).term).toBeGreaterThan(term);
  expect(await successor.read("before")).toBe("it died");
  await others[0]?.put("meanwhile", "it was away");

  await leader.reopen();
  await leader.ready();
  expect((await leader.status()).id).toBe(id);
  expect(await leader.get("before")).toBe("it died");
  expect(await leader.get("meanwhile")).toBe("it was away");
  await leader.put("after", "it is back");
  expect(await successor.read("after")).toBe("it is back");
});

test("a leader that closes its client has handed over when that is done, and its tab may come back", async () => {
  const tabs = await openRoom(browser, server, newRoom(), 3);
  const leader = await leaderOf(tabs);
  const { id } = await leader.status();
  const others = tabs.filter((tab) => tab !== leader);
  await leader.page.evaluate(() => window.quorate.close());
  // Nobody has waited for an election time-out.
  expect((await (await leaderOf(others)).status()).members).toHaveLength(3);
  await others[0]?.put("after", "it closed");
  await expect(leader.put("after", "it closed")).rejects.toThrow("the client is closed");
  await leader.page.reload();
  await leader.page.waitForFunction(() => window.quorate !== undefined);
  await leader.ready();
  expect((await leader.status()).id).toBe(id);
  expect(await leader.read("after")).toBe("it closed");
});

test("a page that the browser kept while it was away has a member again when it is back", async () => {
  const tab = await Tab.open(browser, server, newRoom());
  await tab.ready();
  await tab.put("kept", "yes");
  const { id } = await tab.status();
  const show = (type: string): Promise<void> =>
    tab.page.evaluate((name) => void dispatchEvent(new PageTransitionEvent(name, { persisted: true })), type);
  await show("pagehide");
  await expect(tab.put("meanwhile", "no")).rejects.toThrow("The page was left");
  await show("pageshow");
  await tab.until((status) => status.problem === undefined && status.leader === status.id, undefined);
  await tab.put("again", "yes");
  expect((await tab.status()).id).toBe(id);
  expect(await tab.read("kept")).toBe("yes");
});

test("all tabs closed and opened again later find everything", async () => {
  const tabs = await openRoom(browser, server, newRoom(), 3);
  await tabs[1]?.put("kept", "on three disks");
  const before = await Promise.all(tabs.map((tab) => tab.status()));
  await Promise.all(tabs.map(({ page }) => page.close()));
  await Promise.all(tabs.map((tab) => tab.reopen()));
  await Promise.all(tabs.map((tab) => tab.ready()));
  const after = await Promise.all(tabs.map((tab) => tab.status()));
  expect(after.map(({ id }) => id)).toEqual(before.map(({ id }) => id));
  expect(await Promise.all(tabs.map((tab) => tab.get("kept")))).toEqual(Array(3).fill("on three disks"));
});

test("a damaged row stops the member, names the row, and serves nothing", async () => {
  const tab = await Tab.open(browser, server, newRoom());
  await tab.ready();
  await tab.put("precious", "value");
  await tab.page.close();
  const room = new URL(tab.url).searchParams.get("room") ?? "";
  const page = await tab.context.newPage();
  await page.goto(`${server.url}/health`);
  await page.evaluate(damageLog, `quorate/room/${room}`);
  await page.close();
  await tab.reopen();
  const text = await tab.says(/Storage failed/);
  expect(text).toMatch(/damaged/);
  const status = await tab.status();
  expect(status.problem?.code).toBe("storage");
  await expect(tab.get("precious")).rejects.toThrow("stopped");
});

/** Runs in the page. Flips a byte in the last record of the log. */
async function damageLog(name: string): Promise<void> {
  const request = indexedDB.open(name);
  const database = await new Promise<IDBDatabase>((resolve, reject) => {
    request.addEventListener("success", () => resolve(request.result));
    request.addEventListener("error", () => reject(request.error as DOMException));
  });
  const transaction = database.transaction("log", "readwrite");
  const cursor = transaction.objectStore("log").openCursor(null, "prev");
  cursor.addEventListener("success", () => {
    const found = cursor.result;
    if (found === null) return;
    const bytes = findBytes(found.value);
    if (bytes === undefined) return found.continue();
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 0xff;
    found.update(found.value);
  });
  await new Promise((resolve) => transaction.addEventListener("complete", resolve));
  database.close();

  function findBytes(value: unknown): Uint8Array | undefined {
    if (value instanceof Uint8Array) return value.length > 0 ? value : undefined;
    if (value instanceof ArrayBuffer) return new Uint8Array(value);
    if (typeof value !== "object" || value === null) return undefined;
    for (const part of Object.values(value)) {
      const bytes = findBytes(part);
      if (bytes !== undefined) return bytes;
    }
    return undefined;
  }
}

test("a full disk: the tab says what takes it and reads on, the others go on, and with room it is back without a reload", async () => {
  const room = newRoom();
  const { tab: full, setQuota } = await Tab.openWithQuota(browser, server, room, 400_000);
  const others = [await Tab.open(browser, server, room), await Tab.open(browser, server, room)];
  const tabs = [full, ...others];
  await Promise.all(tabs.map((tab) => tab.untilVoters(3)));
  await full.put("before", "here");
  await full.page.evaluate(() => {
    const puts = Array.from({ length: 20 }, (_, at) => {
      const value = crypto.getRandomValues(new Uint8Array(50_000));
      return window.quorate.kv.put(`filler/${at}`, value);
    });
    void Promise.allSettled(puts);
  });
  const said = await full.says(/no more room/);
  expect(said).toMatch(/which uses [\d.]+ kB of at most .*the log [\d.]+ kB, the keys .*What helps: free space/);
  const { id, problem } = await full.status();
  expect(problem?.code).toBe("disk-full");
  await expect(full.put("more", "in memory")).rejects.toThrow("no more room");
  await expect(full.read("before")).rejects.toThrow("no more room");
  // A leader has handed over: nobody waits for an election.
  await untilSucceeded(others, id);
  expect(await full.get("before")).toBe("here");
  await others[0]?.put("life", "goes on");
  expect(await others[1]?.read("life")).toBe("goes on");
  const connection = await full.page.evaluate(() => window.quorate.connection.getSnapshot());
  expect(connection).toMatchObject({ state: "unavailable", reason: expect.stringContaining("no more room") });

  await full.page.evaluate(() => Object.assign(window, { isSamePage: true }));
  await setQuota(1e9);
  await full.ready();
  expect(await full.read("life")).toBe("goes on");
  await full.put("more", "on disk");
  expect((await full.status()).id).toBe(id);
  expect(await full.page.evaluate(() => "isSamePage" in window)).toBe(true);
  await full.page.reload();
  await full.ready();
  expect((await full.status()).id).toBe(id);
  expect(await full.read("more")).toBe("on disk");
});
