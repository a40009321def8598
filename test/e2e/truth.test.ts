/** What a tab says of itself is so: it is ready only if it can serve, and errors give the reason that is known. */
import type { Browser } from "playwright-core";
import { expect, test } from "vitest";
import type { RoomClient } from "../../src/entry/room.ts";
import { browserAndServer } from "./browser-and-server.ts";
import { leaderOf, newRoom, openRoom, Tab } from "./tabs-support.ts";
import type { Server } from "./tabs-support.ts";

let browser: Browser;
let server: Server;

browserAndServer((...started) => {
  [browser, server] = started;
});

interface Sample {
  readonly state: string;
  readonly revision: number;
}

const SINCE = "since \\d\\d:\\d\\d";

/** How a put ends that cannot succeed, and after how many milliseconds. */
function failingPut(tab: Tab): Promise<{ readonly message: string; readonly code: unknown; readonly afterMs: number }> {
  return tab.page.evaluate(async () => {
    const fromMs = performance.now();
    const error = await window.quorate.kv.put("k", "v").catch((thrown: unknown) => thrown);
    const { message, code } = error as { readonly message: string; readonly code: unknown };
    return { message, code, afterMs: performance.now() - fromMs };
  });
}

test("a learner whose leader is gone says so, refuses writes for that reason, reads its copy, and may go on from that", async () => {
  const room = newRoom();
  const [leader, learner] = (await openRoom(browser, server, room, 2)) as [Tab, Tab];
  await leader.put("kept", "here too");
  expect((await learner.status()).role).toBe("learner");
  await learner.until(({ revision }) => revision >= 2, undefined);
  await leader.crash();
  expect(await learner.says(/No quorum/)).toMatch(new RegExp(`^No quorum: 0 of 1 voter here ${SINCE}\\. `));
  const status = await learner.status();
  expect(status).toMatchObject({ leader: "0", problem: { code: "no-quorum" } });
  const { message, code, afterMs } = await failingPut(learner);
  expect(message).toMatch(new RegExp(`^no quorum: 0 of 1 voter here ${SINCE}$`));
  expect(code).toBe(14);
  // etcd's time-out is 7 s. The machine may be slow.
  expect(afterMs).toBeLessThan(4_000);
  expect(await learner.get("kept")).toBe("here too");

  await learner.page.reload();
  await learner.page.waitForFunction(() => window.quorate !== undefined);
  await learner.page.evaluate(() => window.quorate.ready);
  expect(await learner.get("kept")).toBe("here too");
  const connection = await learner.page.evaluate(() => window.quorate.connection.getSnapshot().state);
  expect(connection).not.toBe("connected");

  // The leader had the only vote. Somebody decides that it is gone for good.
  const former = await learner.status();
  // A button of the page does so too, after a while (npm run fates).
  await learner.page.evaluate(() => window.quorate.room.recover());
  await learner.says(/^Ready/);
  const anew = await learner.status();
  expect(anew.clusterId).not.toBe(former.clusterId);
  expect(await learner.read("kept")).toBe("here too");
  await learner.put("after", "it went on");
  const newcomer = await Tab.open(browser, server, room);
  await newcomer.ready();
  expect(await newcomer.read("after")).toBe("it went on");
  // It is a room by itself when it is back, and is told.
  await leader.reopen();
  expect(await leader.says(/founded anew/)).toMatch(/The two never meet/);
  expect((await leader.status()).clusterId).toBe(former.clusterId);
  await learner.page.reload();
  await learner.page.waitForFunction(() => window.quorate !== undefined);
  await learner.ready();
  expect(await learner.status()).toMatchObject({ id: anew.id, clusterId: anew.clusterId });
});

test("a tab that comes back thousands of revisions behind is connected only when it has them, and says so until then", async () => {
  const tabs = await openRoom(browser, server, newRoom(), 3);
  const leader = await leaderOf(tabs);
  const returning = tabs.find((tab) => tab !== leader) as Tab;
  await returning.page.close();
  const revision = await leader.page.evaluate(async () => {
    const value = "x".repeat(200);
    for (let round = 0; round < 10; round++) {
      await Promise.all(Array.from({ length: 400 }, (_, at) => window.quorate.kv.put(`k/${round}/${at}`, value)));
    }
    return (await window.quorate.status()).revision;
  });
  await returning.context.addInitScript(() => {
    const seen: Sample[] = [];
    Object.assign(window, { seen });
    const look = (): void => {
      const client = window.quorate as RoomClient | undefined;
      if (client !== undefined) {
        seen.push({ state: client.connection.getSnapshot().state, revision: client.room.view?.revision ?? 0 });
      }
      setTimeout(look);
    };
    look();
  });
  await returning.reopen();
  await returning.ready();
  const seen = await returning.page.evaluate(() => (window as unknown as { readonly seen: readonly Sample[] }).seen);
  expect(seen.filter((sample) => sample.state === "connected" && sample.revision < revision)).toEqual([]);
  expect(seen.some((sample) => sample.state === "connected")).toBe(true);
  expect(seen.some((sample) => sample.state === "catching-up")).toBe(true);
});

test("a member that has stopped does not say that it leads", async () => {
  const tab = await Tab.open(browser, server, newRoom());
  await tab.ready();
  expect((await tab.status()).role).toBe("leader");
  const database = `quorate/room/${new URL(tab.url).searchParams.get("room")}`;
  await tab.page.evaluate((name) => void indexedDB.deleteDatabase(name), database);
  await tab.says(/Storage failed/);
  expect(await tab.status()).toMatchObject({ role: "follower", leader: "0", problem: { code: "storage" } });
  expect(await tab.page.locator("dl").first().textContent()).toMatch(/Role\s*stopped/);
});

test("a snapshot is restored into a room by its file", async () => {
  const tab = await Tab.open(browser, server, newRoom());
  await tab.ready();
  await tab.put("kept", "in the file");
  const saved = tab.page.waitForEvent("download");
  await tab.page.getByRole("button", { name: "Save a snapshot" }).click();
  const file = await (await saved).path();
  await tab.put("kept", "later");
  await tab.page.locator("#restore").setInputFiles(file);
  await tab.page.getByRole("dialog").getByRole("button", { name: "Restore" }).click();
  await tab.page.getByText(/^Restored: /).waitFor();
  await tab.ready();
  expect(await tab.read("kept")).toBe("in the file");
});

test("a newcomer that nobody lets in says what it waits for, also to whoever gives up waiting", async () => {
  const room = newRoom();
  const founder = await Tab.open(browser, server, room);
  await founder.ready();
  await founder.crash();
  const newcomer = await Tab.open(browser, server, room);
  await newcomer.says(/Nobody of this room is here/);
  const waited = newcomer.page.evaluate(async () => {
    const client = window.quorate;
    setTimeout(() => void client.close(), 500);
    return client.ready.then(
      () => "ready",
      (error: Error) => error.message,
    );
  });
  expect(await waited).toMatch(/^the room was closed\. Nobody else of this room is here; .*Waiting to be added/);
});
