/** Tabs of one browser profile: one of them is the member, and serves the others (src/room/tabs). */
import { kill } from "node:process";
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

async function twoTabs(): Promise<readonly [Tab, Tab]> {
  const first = await Tab.open(browser, server, newRoom());
  await first.ready();
  const second = await first.second();
  await second.ready();
  return [first, second];
}

test("a second tab is served by the first: it reads and writes what the first does, under the same id", async () => {
  const [first, second] = await twoTabs();
  await first.put("from", "the first");
  expect(await second.read("from")).toBe("the first");
  await second.put("from", "the second");
  expect(await first.read("from")).toBe("the second");
  expect((await second.status()).id).toBe((await first.status()).id);
  const snapshot = await second.page.evaluate(() => window.quorate.connection.getSnapshot());
  expect(snapshot).toMatchObject({ state: "connected", isServedByTab: true });
});

test("the page of a served tab shows the member's numbers as they change, and does not ask for them again and again", async () => {
  const [first, second] = await twoTabs();
  const revision = await first.put("number", "one");
  const shown = second.page.locator('[data-fact="Revision"]');
  await expect.poll(() => shown.textContent()).toBe(String(revision));
  await second.page.evaluate(() => {
    const asked: unknown[] = [];
    const post = Reflect.get(BroadcastChannel.prototype, "postMessage") as (
      this: BroadcastChannel,
      data: unknown,
    ) => void;
    BroadcastChannel.prototype.postMessage = function postMessage(data: unknown): void {
      if (data === "look") asked.push(data);
      post.call(this, data);
    };
    Object.assign(window, { asked });
  });
  await new Promise((resolve) => setTimeout(resolve, 2_000));
  // It asked eight times before; a holder of an earlier version is asked every other second.
  expect(await second.page.evaluate(() => (window as unknown as { asked: unknown[] }).asked.length)).toBeLessThan(3);
  await expect.poll(() => shown.textContent()).toBe(String(await first.put("number", "two")));
});

test("a first tab that closes hands over: a watch and a live map go on without a gap or a double, a lock is kept", async () => {
  const [first, second] = await twoTabs();
  const { id } = await first.status();
  await second.page.evaluate(async () => {
    const { quorate } = window;
    const seen: string[] = [];
    const map = quorate.namespace<string>("n/").live();
    await map.ready;
    const lock = await quorate.acquire("mine", { ttl: 60 });
    const watcher = quorate.watch("n/", { prefix: true });
    await watcher.created;
    const reading = (async () => {
      for await (const { events } of watcher) for (const { kv } of events) seen.push(quorate.toText(kv.value));
    })();
    Object.assign(window, { seen, map, lock, reading });
  });
  for (let n = 0; n < 5; n += 1) await first.put(`n/${n}`, JSON.stringify(`before ${n}`));
  await first.page.close();
  for (let n = 5; n < 10; n += 1) await second.put(`n/${n}`, JSON.stringify(`after ${n}`));
  const expected = Array.from({ length: 10 }, (_, n) => JSON.stringify(`${n < 5 ? "before" : "after"} ${n}`));
  // The map has a watch of its own, which resumes by itself.
  await second.page.waitForFunction(() => {
    const { seen, map } = window as unknown as Kept;
    return seen.length >= 10 && map.getSnapshot().entries.size >= 10;
  });
  const kept = await second.page.evaluate(async () => {
    const { seen, map, lock } = window as unknown as Kept;
    const { fence } = lock;
    const { kvs } = await window.quorate.kv.range("mine/", { prefix: true });
    return { seen, size: map.getSnapshot().entries.size, isHeld: !lock.signal.aborted, fence, locks: kvs.length };
  });
  expect(kept).toMatchObject({ seen: expected, size: 10, isHeld: true });
  expect((await second.status()).id).toBe(id);
  const { isServedByTab } = await second.page.evaluate(() => window.quorate.connection.getSnapshot());
  expect(isServedByTab).toBeUndefined();
});

interface Kept {
  readonly seen: string[];
  readonly map: { getSnapshot(): { readonly entries: ReadonlyMap<string, unknown> } };
  readonly lock: { readonly signal: AbortSignal; readonly fence: number };
}

/** Counts in a loop, by compare and swap, until it is told to stop. */
async function count(tab: Tab): Promise<void> {
  await tab.page.evaluate(() => {
    const { quorate } = window;
    const told = { acknowledged: 0, unknown: 0, refused: 0, errors: [] as string[], isOver: false, done: undefined };
    const run = async (): Promise<void> => {
      while (!told.isOver) {
        try {
          const { kvs } = await quorate.kv.range("n");
          const [entry] = kvs;
          const value = entry === undefined ? 0 : Number(quorate.toText(entry.value));
          const result = await quorate.kv
            .txn()
            .if(quorate.compare.modRevision("n").equals(entry?.modRevision ?? 0))
            .then(quorate.op.put("n", `${value + 1}`))
            .commit();
          if (result.succeeded) told.acknowledged += 1;
          else told.refused += 1;
        } catch (error) {
          told.unknown += 1;
          told.errors.push(String(error));
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
      }
    };
    Object.assign(window, { told, counting: run() });
  });
}

interface Told {
  readonly acknowledged: number;
  readonly unknown: number;
  readonly errors: readonly string[];
}

async function counted(tab: Tab): Promise<Told> {
  return tab.page.evaluate(async () => {
    const { told, counting } = window as unknown as { told: Told & { isOver: boolean }; counting: Promise<void> };
    told.isOver = true;
    await counting;
    return told;
  });
}

/** What was acknowledged is there, and what was not is at most once. */
async function expectTrue(tab: Tab, { acknowledged, unknown, errors }: Told): Promise<void> {
  const value = Number(await tab.read("n"));
  expect(value, errors.join("\n")).toBeGreaterThanOrEqual(acknowledged);
  expect(value, errors.join("\n")).toBeLessThanOrEqual(acknowledged + unknown);
}

async function untilCounted(tab: Tab, more: number): Promise<void> {
  const acknowledged = (): number => (window as unknown as { told: Told }).told.acknowledged;
  const before = await tab.page.evaluate(acknowledged);
  await tab.page.waitForFunction(
    (enough) => (window as unknown as { told: Told }).told.acknowledged >= enough,
    before + more,
  );
}

test("a first tab that crashes is followed within the writes of the second: none is lost, none done twice", async () => {
  const [first, second] = await twoTabs();
  const { id } = await first.status();
  await count(second);
  await untilCounted(second, 20);
  await first.crash();
  await untilCounted(second, 20);
  await expectTrue(second, await counted(second));
  expect((await second.status()).id).toBe(id);
});

test("a first tab that is frozen is followed; thawed, it is served, and never writes its store again", async () => {
  const [first, second] = await twoTabs();
  const { id } = await first.status();
  await count(second);
  await untilCounted(second, 20);
  await lifecycle(first, "freeze");
  await second.page.waitForFunction(() => window.quorate.room.state.type === "running");
  await untilCounted(second, 20);
  await lifecycle(first, "resume");
  await first.page.waitForFunction(() => window.quorate.room.state.type === "served");
  await first.put("thawed", "yes");
  expect(await second.read("thawed")).toBe("yes");
  await expectTrue(first, await counted(second));
  expect((await first.status()).id).toBe(id);
});

/** The browser of the tests never hides a page, and freezes only hidden ones. What a frozen page runs is its handler. */
function lifecycle(tab: Tab, type: "freeze" | "resume"): Promise<void> {
  return tab.page.evaluate((name) => void document.dispatchEvent(new Event(name)), type);
}

test("a first tab whose process is stopped is followed; it goes on as one that is served, and responds to nothing old", async () => {
  const before = await renderers();
  const first = await Tab.open(browser, server, newRoom());
  await first.ready();
  const [pid] = (await renderers()).filter((each) => !before.includes(each));
  const second = await first.second();
  await second.ready();
  await second.put("n", "0");
  const reads = first.page.evaluate(async () => {
    const { quorate } = window;
    const read: [string, string][] = [];
    for (;;) {
      const result = await quorate.kv.range("n").catch(() => undefined);
      const [entry] = result?.kvs ?? [];
      if (entry !== undefined) read.push([quorate.room.state.type, quorate.toText(entry.value)]);
      if (quorate.room.state.type === "served" && read.length > 20) return read;
    }
  });
  kill(pid ?? 0, "SIGSTOP");
  try {
    await second.page.waitForFunction(() => window.quorate.room.state.type === "running");
    await second.put("n", "1");
  } finally {
    kill(pid ?? 0, "SIGCONT");
  }
  const values = (await reads).map(([, value]) => value);
  // Each read began after the former had its response, so none goes back.
  expect(values).toEqual(values.toSorted());
  expect(values.at(-1)).toBe("1");
  await first.put("n", "2");
  expect(await second.read("n")).toBe("2");
});

test("a tab whose lock is taken from it stops its member at once, and is served by whoever has it then", async () => {
  const [first, second] = await twoTabs();
  await second.page.evaluate(() => window.quorate.room.takeOver());
  await second.page.waitForFunction(() => window.quorate.room.state.type === "running");
  await first.page.waitForFunction(() => window.quorate.room.state.type === "served");
  await first.put("taken", "over");
  expect(await second.read("taken")).toBe("over");
});

async function renderers(): Promise<readonly number[]> {
  const session = await browser.newBrowserCDPSession();
  const { processInfo } = await session.send("SystemInfo.getProcessInfo");
  await session.detach();
  return processInfo.filter(({ type }) => type === "renderer").map(({ id }) => id);
}

test("of three tabs that open at once one is the member, and when it is gone one of the others is", async () => {
  const tab = await Tab.open(browser, server, newRoom());
  await tab.ready();
  const { id } = await tab.status();
  await tab.page.close();
  const tabs = await Promise.all([1, 2, 3].map(() => tab.second()));
  const types = async (): Promise<readonly string[]> =>
    (await Promise.all(tabs.map(({ page }) => page.evaluate(() => window.quorate.room.state.type)))).toSorted();
  await Promise.all(tabs.map((each) => each.ready()));
  await expect.poll(types).toEqual(["running", "served", "served"]);
  await tabs[2]?.put("of", "three");
  for (let left = 2; left > 0; left -= 1) {
    const states = await Promise.all(tabs.map(({ page }) => page.evaluate(() => window.quorate.room.state.type)));
    const [holder] = tabs.splice(states.indexOf("running"), 1);
    await holder?.page.close();
    await tabs[0]?.put("left", `${left}`);
    expect(await tabs.at(-1)?.read("of")).toBe("three");
    await expect.poll(types).toEqual(["running", "served"].slice(0, left));
  }
  expect((await tabs[0]?.status())?.id).toBe(id);
});

test("a tab that is served leaves for its whole profile, and all tabs say so", async () => {
  const [first, second] = await twoTabs();
  await second.page.evaluate(() => window.quorate.room.leave());
  await first.says(/left the room|closed/);
  await second.says(/left the room|closed/);
  // The tab that has the member deletes its data after all tabs were told.
  await second.page.waitForFunction(async () => (await indexedDB.databases()).length === 0);
});
