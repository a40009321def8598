/** A member of a room is the browser that has its key: its store and the room's link are not enough. */
import type { Browser } from "playwright-core";
import type { Status } from "../../src/client/client.ts";
import { expect, test } from "vitest";
import { chromiumContextOptions } from "../support/chromium.ts";
import { browserAndServer } from "./browser-and-server.ts";
import { copyDatabase, databaseOf } from "./copied-database.ts";
import { newRoom, openRoom, roomUrl, STEP_MS, Tab } from "./tabs-support.ts";
import type { Server } from "./tabs-support.ts";

let browser: Browser;
let server: Server;

browserAndServer((...started) => {
  [browser, server] = started;
});

const SHAPES = ["tabs", "edge", "mixed"] as const;
type Shape = (typeof SHAPES)[number];

/** Three tabs of a room of that shape; the first leads where tabs lead, and so sees who is here. */
async function opened(shape: Shape, room: string): Promise<readonly [Tab, Tab, Tab]> {
  if (shape === "tabs") return (await openRoom(browser, server, room, 3)) as [Tab, Tab, Tab];
  const tabs: Tab[] = [];
  while (tabs.length < 3) {
    const tab = await Tab.openLink(browser, roomUrl(server, room, shape));
    await tab.ready();
    tabs.push(tab);
  }
  return tabs as [Tab, Tab, Tab];
}

test.each(SHAPES)(
  "%s: a browser with the link and a copy of an absent member's store does not get its place; the member does",
  async (shape) => {
    const room = newRoom();
    const tabs = await opened(shape, room);
    await tabs[0].put("kept", "before");
    const absent = tabs[2];
    await absent.until(({ revision }, wanted) => revision >= wanted, 2);
    const { id } = await absent.status();
    await absent.page.goto(`${server.url}/no-such-page`);
    const copy = await databaseOf(absent.page, `quorate/room/${room}`);

    const thief = await browser.newContext(chromiumContextOptions());
    const page = await thief.newPage();
    page.setDefaultTimeout(STEP_MS);
    await page.goto(`${server.url}/no-such-page`);
    await copyDatabase(page, copy);
    await tabs[0].put("kept", "without the absent member");
    const stolen = await Tab.openIn(thief, server, room, shape);
    await stolen.says(/belongs to a member of another browser, whose key it does not have/);
    expect((await stolen.status()).id).toBe(id);
    expect(await stolen.get("kept")).not.toBe("without the absent member");
    // What it sends is no sign of life of the member.
    if (shape === "tabs") await tabs[0].until(isAbsent, id);
    await thief.close();

    await absent.page.goto("about:blank");
    await absent.reopen();
    await absent.ready();
    expect(await absent.status()).toMatchObject({ id });
    expect(await absent.read("kept")).toBe("without the absent member");
  },
);

function hasNoVote({ members }: Status, gone: string): boolean {
  return members.some((one) => one.id === gone && one.learner);
}

function isAbsent({ members }: Status, gone: string): boolean {
  return members.some((one) => one.id === gone && one.active === false);
}

test.each(SHAPES)(
  "%s: a browser that was removed does not come back, under a new id either; one that lost its store replaces itself",
  async (shape) => {
    const room = newRoom();
    const [first, removed, lost] = await opened(shape, room);
    const { id } = await removed.status();
    await removed.page.goto("about:blank");
    // A leader that does not know yet who is here refuses to remove a voter.
    if (shape === "tabs") await first.until(isAbsent, id);
    else await first.until(hasNoVote, id);
    await first.page.evaluate((member) => window.quorate.cluster.remove(BigInt(member)), id);
    await removed.reopen();
    await removed.says(/was removed from its room/);
    await removed.page.getByRole("button", { name: "Delete this tab’s copy" }).click();
    await removed.page.getByRole("dialog").getByRole("button").last().click();
    await removed.says(/was removed from the room, and the members do not let it in again/);
    const others = shape === "tabs" ? 2 : 3;
    expect((await first.status()).members).toHaveLength(others);

    const former = (await lost.status()).id;
    await lost.page.goto(`${server.url}/no-such-page`);
    await lost.page.evaluate(
      (name) =>
        new Promise<void>((resolve, reject) => {
          const request = indexedDB.deleteDatabase(name);
          request.addEventListener("success", () => resolve());
          request.addEventListener("error", () => reject(new Error("it stays")));
        }),
      `quorate/room/${room}`,
    );
    await lost.page.goto(roomUrl(server, room));
    await lost.page.waitForFunction(() => window.quorate !== undefined);
    await lost.ready();
    const { members } = await lost.status();
    expect(members.map((member) => member.id)).not.toContain(former);
    expect(members).toHaveLength(others);
  },
);
