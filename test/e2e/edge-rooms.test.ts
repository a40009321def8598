/** A room whose cluster is at the edge: an object votes, and the tabs of real browsers learn from it over a WebSocket each. */
import type { Browser } from "playwright-core";
import { expect, test } from "vitest";
import { chromiumContextOptions } from "../support/chromium.ts";
import { quorate } from "../cli/support/fake-terminal.ts";
import { browserAndServer } from "./browser-and-server.ts";
import { newRoom, roomUrl, Tab } from "./tabs-support.ts";
import type { Server } from "./tabs-support.ts";
import { comesIn, invite, refusalAt, untilHas, visit } from "./visits.ts";

let browser: Browser;
let server: Server;

browserAndServer((...started) => {
  [browser, server] = started;
});

test("a person alone works in a room at the edge, and finds everything after all tabs were closed", async () => {
  const room = newRoom();
  const tab = await Tab.openAtEdge(browser, server, room);
  await tab.ready();
  await tab.put("mine", "kept");
  const { members, role } = await tab.status();
  expect(role).toBe("learner");
  expect(new Map(members.map(({ name, learner }) => [name.slice(0, 4), learner]))).toEqual(
    new Map([
      ["edge", false],
      ["tab-", true],
    ]),
  );
  await tab.close();

  const other = await Tab.openAtEdge(browser, server, room);
  await other.ready();
  expect(await other.read("mine")).toBe("kept");
  expect(await other.get("mine")).toBe("kept");
});

test("the command line and two tabs see the same data, by the room's link; a tab follows what others write", async () => {
  const room = newRoom();
  const one = await Tab.openAtEdge(browser, server, room);
  await one.ready();
  const env = { QUORATE_ROOM: roomUrl(server, room) };
  await one.put("by-tab", "1");
  expect((await quorate(server.url, ["get", "by-tab"], { env })).out).toContain("1");
  const two = await Tab.openAtEdge(browser, server, room);
  await two.ready();
  expect((await quorate(server.url, ["put", "by-cli", "2"], { env })).code).toBe(0);
  for (const tab of [one, two]) expect(await tab.read("by-cli")).toBe("2");
  for (const tab of [one, two]) expect(await tab.get("by-tab")).toBe("1");
  await one.says(/The server keeps this room/);
  // The page says who votes.
  await one.page.getByText("Who votes").waitFor();
  await one.page.getByText("the server", { exact: true }).waitFor();
});

test("a stranger with the name only gets nothing of it, by page or by request; another secret is refused", async () => {
  const room = newRoom();
  const tab = await Tab.openAtEdge(browser, server, room);
  await tab.ready();
  await tab.put("secret", "value");
  for (const url of [`${server.url}/?room=${room}`, `${server.url}/?room=${room}&shape=edge`]) {
    expect(await refusalAt(browser, url)).toContain("This room is closed");
  }
  const other = `${server.url}/?room=${room}&shape=edge#k=${"A".repeat(43)}`;
  expect(await refusalAt(browser, other)).toContain("not the secret of this room");
  for (const path of ["v3/kv/range", "quorate/status", "metrics", "kv/secret", "m/1/v3/kv/range"]) {
    const init = path.includes("v3") ? { method: "POST", body: JSON.stringify({ key: btoa("secret") }) } : {};
    const response = await fetch(`${server.url}/c/${room}/${path}`, init);
    expect([path, response.status]).toEqual([path, 401]);
    expect(await response.text()).not.toContain("value");
  }
});

test("guests of a room at the edge: they never see the secret, the server refuses a reader's writes and whoever comes too late", async () => {
  const room = newRoom();
  const tab = await Tab.openAtEdge(browser, server, room);
  await tab.ready();
  await tab.put("kept", "by its members");
  // By the page, as a person does it.
  await tab.page.getByRole("button", { name: "Make an invitation" }).click();
  const shown = tab.page.locator("#invitation");
  await shown.waitFor();
  const reader = await comesIn(browser, await shown.inputValue());
  await untilHas(reader, "kept");
  await reader
    .getByText(/invited to read only/)
    .first()
    .waitFor();
  const told = await reader.evaluate(async () => ({
    wrote: await window.quorate.kv.put("kept", "changed").then(
      () => "done",
      (error: Error) => error.message,
    ),
    read: (await window.quorate.kv.range("kept")).kvs.length,
    stored: JSON.stringify(localStorage),
  }));
  expect([told.wrote, told.read]).toEqual(["quorate: this member was invited to read only", 1]);
  expect(told.stored).not.toContain(tab.url.slice(-43));

  const [member, late, ended] = [
    await invite(tab, { role: "member", uses: 2 }),
    await invite(tab, { expiresInMs: 1_000 }),
    await invite(tab, { uses: 3 }),
  ];
  const guest = await comesIn(browser, member.link);
  await guest.evaluate(() => window.quorate.kv.put("from", "a guest"));
  expect(await tab.read("from")).toBe("a guest");
  await tab.page.evaluate((id) => window.quorate.room.revoke(id), ended.id);
  expect(await refusalAt(browser, ended.link)).toContain("This invitation was revoked");
  await tab.page.waitForTimeout(1_000);
  expect(await refusalAt(browser, late.link)).toContain("This invitation has expired");

  // Nobody who knows the secret is here: the server lets guests in and keeps them out.
  const removed = await guest.evaluate(() => window.quorate.room.view?.id ?? "");
  await tab.close();
  const second = await comesIn(browser, member.link);
  await untilHas(second, "from");
  const third = await visit(browser, member.link);
  await third
    .getByText(/This invitation is used up/)
    .first()
    .waitFor();
  const env = { QUORATE_ROOM: roomUrl(server, room) };
  expect((await quorate(server.url, ["member", "remove", BigInt(removed).toString(16)], { env })).code).toBe(0);
  await guest
    .getByText(/was removed from its room/)
    .first()
    .waitFor();
  await second.evaluate(() => window.quorate.kv.put("after", "its removal"));
  await guest.reload();
  await guest
    .getByText(/was removed from its room/)
    .first()
    .waitFor();
});

test("the server is killed: tabs read their copies and say so, writes fail, and all go on when it is back", async () => {
  const room = newRoom();
  const tab = await Tab.openAtEdge(browser, server, room);
  await tab.ready();
  await tab.put("kept", "before");
  await server.kill();
  await tab.says(/cannot reach the room’s server/);
  expect(await tab.get("kept")).toBe("before");
  await expect(tab.put("lost", "x")).rejects.toThrow(/no quorum|no leader|cannot|timed out|unknown/);
  await server.restart();
  await tab.ready();
  expect(await tab.read("kept")).toBe("before");
  await tab.put("after", "on");
  const late = await Tab.openAtEdge(browser, server, room);
  await late.ready();
  expect([await late.read("kept"), await late.read("after")]).toEqual(["before", "on"]);
});

test("a room keeps the shape that it was founded with, whatever a later link asks for", async () => {
  const [room, plain] = [newRoom(), newRoom()];
  const founder = await Tab.openAtEdge(browser, server, room);
  await founder.ready();
  await founder.put("here", "1");
  const asTabs = await Tab.open(browser, server, room);
  await asTabs.ready();
  expect(await asTabs.read("here")).toBe("1");
  expect(await shapesIn(asTabs)).toEqual(["edge", "tabs"]);
  expect(await shapesIn(founder)).toEqual(["edge", undefined]);
  await asTabs.says(/This link asks for a room in which the browsers would vote; the room has its own shape/);

  const other = await Tab.open(browser, server, plain);
  await other.ready();
  const asEdge = await Tab.openAtEdge(browser, server, plain);
  await asEdge.ready();
  expect(await shapesIn(asEdge)).toEqual(["tabs", "edge"]);
  expect((await asEdge.status()).clusterId).toBe((await other.status()).clusterId);
  await asEdge.says(/This link asks for a room in which the server would vote/);

  // Whoever names none is told nothing.
  for (const [name, shape] of [
    [room, "edge"],
    [plain, "tabs"],
  ] as const) {
    const late = await Tab.openLink(browser, roomUrl(server, name));
    await late.ready();
    expect(await shapesIn(late)).toEqual([shape, undefined]);
  }
});

test("a room for which no shape is asked is kept by an object, and read in a tab that opens without the server", async () => {
  const room = newRoom();
  const tab = await Tab.openLink(browser, roomUrl(server, room));
  await tab.ready();
  expect(await shapesIn(tab)).toEqual(["edge", undefined]);
  await tab.put("kept", "by the server");
  await tab.page.waitForFunction(() => navigator.serviceWorker.controller?.state === "activated");
  await server.kill();
  await tab.reopen();
  await tab.says(/cannot reach the room’s server.*this tab reads its own copy, and writes wait or fail/);
  expect(await tab.get("kept")).toBe("by the server");
  const verdict = tab.page.evaluate(
    async () => (await window.quorate.namespace<string>("queued/").outbox.put("a", "1").verdict).type,
  );
  await server.restart();
  await tab.ready();
  expect(await verdict).toBe("committed");
});

function shapesIn({ page }: Tab): Promise<readonly (string | undefined)[]> {
  return page.evaluate(() => [window.quorate.room.shape, window.quorate.room.shapeAsked]);
}

test("a browser without WebRTC is a member of a room at the edge, and is told that it cannot be one of tabs", async () => {
  const context = await browser.newContext(chromiumContextOptions());
  await context.addInitScript(() => Reflect.deleteProperty(globalThis, "RTCPeerConnection"));
  const [room, plain] = [newRoom(), newRoom()];
  const page = await context.newPage();
  await page.goto(roomUrl(server, room));
  await page.waitForFunction(() => window.quorate !== undefined);
  const value = await page.evaluate(async () => {
    await window.quorate.room.connected;
    await window.quorate.kv.put("without", "WebRTC");
    return window.quorate.toText((await window.quorate.kv.range("without")).kvs[0]?.value ?? new Uint8Array());
  });
  expect(value).toBe("WebRTC");

  const founder = await Tab.open(browser, server, plain);
  await founder.ready();
  await page.goto("about:blank");
  await page.goto(roomUrl(server, plain));
  await page.waitForFunction(() => window.quorate !== undefined);
  const why = await page.evaluate(() =>
    window.quorate.ready.then(
      () => ["none", ""],
      (error: { readonly reason: string; readonly message: string }) => [error.reason, error.message],
    ),
  );
  expect(why).toEqual(["unsupported", expect.stringContaining("this browser has none")]);
  expect((await founder.status()).members).toHaveLength(1);
  // The address alone says so.
  await page.goto("about:blank");
  await page.goto(roomUrl(server, plain, "tabs"));
  expect(await page.getByRole("alert").textContent()).toContain("WebRTC (RTCPeerConnection)");
});
