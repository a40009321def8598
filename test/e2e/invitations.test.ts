/** Invitations to a room, with a real browser for each who is invited, and the real signalling server between them. */
import type { Browser } from "playwright-core";
import { expect, test } from "vitest";
import { chromiumContextOptions } from "../support/chromium.ts";
import { browserAndServer } from "./browser-and-server.ts";
import { newRoom, openRoom, STEP_MS } from "./tabs-support.ts";
import type { Server, Tab } from "./tabs-support.ts";
import { comesIn, countAt, invite, refusalAt, untilHas, visit } from "./visits.ts";

let browser: Browser;
let server: Server;

browserAndServer((...started) => {
  [browser, server] = started;
});

async function founded(): Promise<{ readonly room: string; readonly tab: Tab }> {
  const room = newRoom();
  const [tab] = await openRoom(browser, server, room, 1);
  if (tab === undefined) throw new Error("one tab was asked for");
  await tab.put("kept", "by its members");
  return { room, tab };
}

test("a guest reads and writes, does not learn the secret, is back after a reload, and ends with its removal", async () => {
  const { tab } = await founded();
  const { id, link } = await invite(tab, { role: "member" });
  const guest = await comesIn(browser, link);
  await untilHas(guest, "kept");
  await guest.evaluate(() => window.quorate.kv.put("from", "a guest"));
  expect(await tab.get("from")).toBe("a guest");
  const told = await guest.evaluate(() => {
    const { invited, link: shown, secret } = window.quorate.room;
    return { invited, shown, secret, stored: JSON.stringify(localStorage) };
  });
  expect([told.invited, told.shown, told.secret]).toEqual(["member", undefined, undefined]);
  const secret = tab.url.slice(-43);
  expect(told.stored).not.toContain(secret);
  expect(guest.url()).not.toContain("#");
  // It comes back without the link, after the last use.
  await guest.reload();
  await guest.waitForFunction(() => window.quorate !== undefined);
  await guest.evaluate(() => window.quorate.room.connected);
  await guest.evaluate(() => window.quorate.kv.put("from", "a guest that is back"));
  expect(await invite(tab).then(() => tab.page.evaluate(() => window.quorate.room.invitations()))).toMatchObject([
    { state: "open", usesLeft: 1, role: "reader", members: [] },
    { state: "used", usesLeft: 0, role: "member", id },
  ]);
  const refused = await guest.evaluate(() => window.quorate.room.invite().catch((error: Error) => error.message));
  expect(refused).toBe("quorate: whoever was invited invites nobody");

  // Removed, it does not come back: by what it stored, by the link, or with a lost store.
  const member = await guest.evaluate(() => window.quorate.room.view?.id ?? "");
  await tab.page.evaluate((gone) => window.quorate.cluster.remove(BigInt(gone)), member);
  await guest
    .getByText(/was removed from its room/)
    .first()
    .waitFor();
  await tab.put("after", "its removal");
  const context = guest.context();
  await guest.goto(`${server.url}/no-such-page`);
  await guest.evaluate(async () => {
    for (const { name = "" } of await indexedDB.databases()) {
      if (name.startsWith("quorate/room/")) indexedDB.deleteDatabase(name);
    }
  });
  const back = await context.newPage();
  await back.goto(link);
  await back
    .getByText(/removed from the room|invitation/)
    .first()
    .waitFor();
  await tab.put("later", "still without it");
  expect((await tab.status()).members).toHaveLength(1);
  expect(await back.evaluate(() => window.quorate?.room.members.length ?? 0)).toBe(0);
});

test("a reader sees everything and writes nothing: its page says so, its client is refused", async () => {
  const { tab } = await founded();
  const { link } = await invite(tab);
  const reader = await comesIn(browser, link);
  await untilHas(reader, "kept");
  const outcome = await reader.evaluate(async () => {
    const refused = (call: Promise<unknown>): Promise<string> =>
      call.then(
        () => "done",
        (error: Error) => error.message,
      );
    const { kv, lease, cluster } = window.quorate;
    const linearizable = (await kv.range("kept")).kvs.length;
    return [
      linearizable,
      await refused(kv.put("kept", "changed")),
      await refused(kv.deleteRange("kept")),
      await refused(lease.grant(30)),
      await refused(cluster.remove(1n)),
    ];
  });
  const word = "quorate: this member was invited to read only";
  expect(outcome).toEqual([1, word, word, word, word]);
  // It never votes, however many are here.
  const { members } = await tab.status();
  expect(members.filter(({ learner }) => learner)).toHaveLength(1);
  expect(await tab.get("kept")).toBe("by its members");
  await reader
    .getByText(/invited to read only/)
    .first()
    .waitFor();
  expect(await reader.getByRole("button", { name: "New key" }).isDisabled()).toBe(true);
});

test("a reader whose page was changed to write all the same changes nothing: the members drop what it proposes", async () => {
  const { tab } = await founded();
  const { link } = await invite(tab);
  const context = await browser.newContext({ ...chromiumContextOptions(), serviceWorkers: "block" });
  let changed = 0;
  await context.route("**/*.js", async (route) => {
    const response = await route.fetch();
    const code = (await response.text()).replaceAll(/role\s*===\s*(["'`])reader\1/g, () => {
      changed++;
      return 'role==="nobody"';
    });
    await route.fulfill({ response, body: code });
  });
  const page = await context.newPage();
  page.setDefaultTimeout(STEP_MS);
  await page.goto(link);
  await page.waitForFunction(() => window.quorate !== undefined);
  await page.evaluate(() => window.quorate.ready);
  await untilHas(page, "kept");
  expect(changed).toBeGreaterThan(0);
  const word = await page.evaluate(() =>
    window.quorate.kv.put("kept", "changed", { timeoutMs: 3_000 }).then(
      () => "done",
      (error: Error) => error.message,
    ),
  );
  expect(word).not.toBe("done");
  expect(word).not.toContain("read only");
  expect(await tab.get("kept")).toBe("by its members");
  await tab.put("and", "the room goes on");
  await untilHas(page, "and");
});

test("an invitation that is over says so at once, and shows nothing of the room", async () => {
  const { room, tab } = await founded();
  const [once, soon, ended] = [
    await invite(tab, { role: "member" }),
    await invite(tab, { expiresInMs: 1_500 }),
    await invite(tab, { uses: 3 }),
  ];
  const first = await comesIn(browser, once.link);
  await tab.page.evaluate((id) => window.quorate.room.revoke(id), ended.id);
  expect(await refusalAt(browser, ended.link)).toContain("This invitation was revoked");
  await tab.page.waitForTimeout(1_600);
  expect(await refusalAt(browser, soon.link)).toContain("This invitation has expired");
  // The registry knows the used one, because a member came by it; the members refuse the second browser.
  const second = await visit(browser, once.link);
  await second
    .getByText(/This invitation is used up/)
    .first()
    .waitFor();
  expect(await second.evaluate(() => window.quorate?.room.members.length ?? 0)).toBe(0);
  expect(await countAt(first, "kept")).toBe(1);
  expect(await refusalAt(browser, once.link.slice(0, -1))).toContain("This link is not whole");
  expect(await refusalAt(browser, `${once.link.slice(0, -128)}${"A".repeat(128)}`)).toContain("none of this room");
  const other = (await invite(tab)).link;
  expect(await refusalAt(browser, other.replace(room, newRoom()))).toContain("none of this room");
  expect(await refusalAt(browser, `${server.url}/?room=${room}`)).toContain("This room is closed");
  expect((await tab.status()).members).toHaveLength(2);
});

test("two who take the last use at once: one is in, the other is told", async () => {
  const { tab } = await founded();
  const { link } = await invite(tab, { role: "member" });
  const both = await Promise.all([visit(browser, link), visit(browser, link)]);
  await Promise.any(
    both.map((page) =>
      page
        .getByText(/This invitation is used up/)
        .first()
        .waitFor(),
    ),
  );
  expect((await tab.status()).members).toHaveLength(2);
  const inside = await Promise.all(both.map((page) => page.evaluate(() => window.quorate?.room.invited)));
  expect(inside.filter((invited) => invited !== undefined)).toEqual(["member"]);
});
