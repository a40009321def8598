/** A room that is opened while the browser gives its site no room at all. */
import type { Browser } from "playwright-core";
import { expect, test } from "vitest";
import { browserAndServer } from "./browser-and-server.ts";
import { newRoom, Tab } from "./tabs-support.ts";
import type { Server } from "./tabs-support.ts";

let browser: Browser;
let server: Server;

browserAndServer((...started) => {
  [browser, server] = started;
});

/** Runs in a page. Other data of the site takes all that is left, down to the last byte. */
async function fillUp(): Promise<void> {
  const request = indexedDB.open("filler");
  request.addEventListener("upgradeneeded", () => request.result.createObjectStore("filler", { autoIncrement: true }));
  const database = await new Promise<IDBDatabase>((resolve) => {
    request.addEventListener("success", () => resolve(request.result));
  });
  const isPut = (bytes: number): Promise<boolean> =>
    new Promise((resolve) => {
      const transaction = database.transaction("filler", "readwrite");
      transaction.objectStore("filler").put(crypto.getRandomValues(new Uint8Array(bytes)));
      transaction.addEventListener("complete", () => resolve(true));
      transaction.addEventListener("abort", () => resolve(false));
    });
  for (const bytes of [50_000, 5_000, 500, 50, 5, 1]) while (await isPut(bytes)) void bytes;
  database.close();
}

/** All that can be known without a write, as an application asks for it. */
function readAll(tab: Tab): Promise<object> {
  return tab.page.evaluate(async () => {
    const { quorate } = window;
    await quorate.ready;
    const live = quorate.namespace("notes/").live();
    await live.ready;
    const watcher = quorate.watch("notes/", { prefix: true, startRevision: 1 });
    const watched: string[] = [];
    for await (const { events } of watcher) {
      watched.push(...events.map(({ kv }) => quorate.toText(kv.key)));
      if (watched.length >= 2) break;
    }
    const { state, reason, since } = quorate.connection.getSnapshot();
    const { entries, isStale } = live.getSnapshot();
    return {
      live: [...entries].map(([key, { value }]) => [key, value]),
      isStale,
      isSinceBeforeNow: since <= Date.now(),
      watched,
      state,
      reason,
    };
  });
}

test("a room opened on a full disk reads, lives and watches from what is stored, in all tabs of the profile, votes for nobody, and goes on by itself", async () => {
  const room = newRoom();
  const { tab: full, setQuota } = await Tab.openWithQuota(browser, server, room, 400_000);
  const others = [await Tab.open(browser, server, room), await Tab.open(browser, server, room)];
  await Promise.all([full, ...others].map((tab) => tab.untilVoters(3)));
  await full.put("notes/a", '"one"');
  await full.put("notes/b", '"two"');
  // A disk knows of a commit from the next write on.
  await full.put("last", "word");
  const { id } = await full.status();
  await full.page.close();
  const filler = await full.context.newPage();
  await filler.goto(`${server.url}/health`);
  await filler.evaluate(fillUp);
  await filler.close();
  await others[0]?.put("notes/c", "written elsewhere");

  await full.reopen();
  const read = {
    live: [
      ["a", "one"],
      ["b", "two"],
    ],
    isStale: true,
    isSinceBeforeNow: true,
    watched: ["notes/a", "notes/b"],
    state: "unavailable",
    reason: expect.stringMatching(
      /no more room.*the log [\d.]+ k?B, the keys .*What helps.*copy is from [\d:]+ or before/s,
    ),
  };
  expect(await readAll(full)).toMatchObject(read);
  expect(await full.get("notes/a")).toBe('"one"');
  await expect(full.put("notes/d", "no")).rejects.toThrow("no more room");
  await expect(full.read("notes/a")).rejects.toThrow("no more room");
  expect(await full.status()).toMatchObject({ id, problem: { code: "disk-full" }, members: { length: 3 } });
  await full.says(/no more room.*looks for room again/s);

  const second = await full.second();
  expect(await readAll(second)).toMatchObject(read);
  await expect(second.put("notes/d", "no")).rejects.toThrow("no more room");

  // It would be the second of three.
  await others[1]?.page.close();
  await others[0]?.until(({ problem }) => problem?.code === "no-quorum", undefined);
  await expect(others[0]?.put("notes/e", "no")).rejects.toThrow("no quorum: 1 of 3 voters here");

  await Promise.all([full, second].map(({ page }) => page.evaluate(() => Object.assign(window, { isSamePage: true }))));
  await setQuota(1e9);
  await full.ready();
  await second.ready();
  expect(await full.read("notes/c")).toBe("written elsewhere");
  expect(await second.read("notes/c")).toBe("written elsewhere");
  await second.put("notes/d", "on disk");
  expect(await others[0]?.read("notes/d")).toBe("on disk");
  for (const tab of [full, second]) {
    expect((await tab.status()).id).toBe(id);
    expect(await tab.page.evaluate(() => "isSamePage" in window)).toBe(true);
  }
});
