/** A room of real browsers gets an object of the server, and gives it up again, while it is in use. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { launchChromium } from "../support/chromium.ts";
import { EdgeServer } from "../support/edge-server.ts";
import { quorate } from "../cli/support/fake-terminal.ts";
import { newRoom, openRoom, roomUrl, Tab } from "./tabs-support.ts";

let browser: Browser;
let data: string;
let server: EdgeServer;

beforeAll(async () => {
  data = await mkdtemp(join(tmpdir(), "quorate-reshape-"));
  [browser, server] = await Promise.all([launchChromium(), EdgeServer.start(data)]);
});

afterEach(async () => {
  await Promise.all(browser.contexts().map((context) => context.close()));
});

afterAll(async () => {
  await Promise.all([browser.close(), server.stop()]);
  await rm(data, { recursive: true, force: true });
});

function reshape({ page }: Tab, shape: "edge" | "mixed" | "tabs"): Promise<void> {
  return page.evaluate((to) => window.quorate.room.reshape(to), shape);
}

/** Until the tab says so, and the registry does: then it is in the room as one that came so. */
async function untilShape({ page }: Tab, shape: "edge" | "mixed" | "tabs"): Promise<void> {
  await page.waitForFunction((wanted) => {
    const { room } = window.quorate;
    const { state } = room;
    const edge = state.type === "running" ? state.room?.edge : undefined;
    return state.type === "running" && room.shape === wanted && (edge !== undefined) === (wanted !== "tabs");
  }, shape);
}

const votersOf = async (tab: Tab): Promise<readonly string[]> =>
  (await tab.status()).members.filter(({ learner }) => !learner).map(({ name }) => name.slice(0, 4));

test("three tabs get an object, which votes alone, serves etcd's API and keeps the room; and give it up again", async () => {
  const room = newRoom();
  const tabs = await openRoom(browser, server, room, 3);
  const [first, second, third] = tabs as [Tab, Tab, Tab];
  await first.put("founded", "by tabs");
  const clusterId = (await first.status()).clusterId;
  await reshape(second, "edge");
  await Promise.all(tabs.map((tab) => untilShape(tab, "edge")));
  await Promise.all(tabs.map((tab) => tab.ready()));
  expect(await votersOf(third)).toEqual(["edge"]);
  expect((await third.status()).clusterId).toBe(clusterId);
  const env = { QUORATE_ROOM: roomUrl(server, room) };
  expect((await quorate(server.url, ["get", "founded"], { env })).out).toContain("by tabs");
  expect((await quorate(server.url, ["put", "by", "cli"], { env })).code).toBe(0);
  expect(await third.read("by")).toBe("cli");

  // Nobody is here, and the server is killed: the object has all of it, also for whoever comes for the first time.
  await Promise.all(tabs.map((tab) => tab.page.goto("about:blank")));
  await server.killWorkerd();
  server = await EdgeServer.start(data, [], server.port);
  const late = await Tab.openLink(browser, roomUrl(server, room));
  await late.ready();
  expect([await late.read("founded"), await late.read("by")]).toEqual(["by tabs", "cli"]);
  await Promise.all(
    tabs.map(async (tab) => {
      await tab.page.goto(tab.url);
      await tab.page.waitForFunction(() => window.quorate !== undefined);
      await tab.ready();
    }),
  );

  const all = [...tabs, late];
  await reshape(late, "tabs");
  await Promise.all(all.map((tab) => untilShape(tab, "tabs")));
  await Promise.all(all.map((tab) => tab.ready()));
  await first.until(({ members }) => members.every(({ name }) => name.startsWith("tab-")), undefined);
  // One after the other.
  await first.untilVoters(3);
  await first.put("again", "of tabs");
  expect([await third.read("again"), await late.read("by")]).toEqual(["of tabs", "cli"]);
  expect((await quorate(server.url, ["get", "by"], { env })).code).not.toBe(0);
  const list = await fetch(`${server.url}/quorate/clusters/list`, { method: "POST", body: "{}" });
  expect(await list.text()).not.toContain(room);

  // And once more, by another object.
  await reshape(first, "edge");
  await Promise.all(all.map((tab) => untilShape(tab, "edge")));
  await second.put("third", "home");
  expect(await late.read("third")).toBe("home");
});

test("the command line asks tabs to add an object, and takes it away again", async () => {
  const room = newRoom();
  const tabs = await openRoom(browser, server, room, 1);
  const [tab] = tabs as [Tab];
  await tab.put("kept", "1");
  const link = roomUrl(server, room);
  expect((await quorate(server.url, ["cluster", "shape", link, "--shape", "edge"])).out).toContain("its objects vote");
  await untilShape(tab, "edge");
  const env = { QUORATE_ROOM: link };
  expect((await quorate(server.url, ["get", "kept"], { env })).out).toContain("1");
  expect((await quorate(server.url, ["cluster", "shape", link, "--shape", "tabs"])).out).toContain("its tabs vote");
  await untilShape(tab, "tabs");
  expect(await tab.read("kept")).toBe("1");
  const nobody = await quorate(server.url, ["cluster", "shape", roomUrl(server, newRoom()), "--shape", "edge"]);
  expect(nobody.code).not.toBe(0);
  expect(nobody.err).toContain("nobody has founded");
});

test("a person alone gives the room to the server; it is mixed later", async () => {
  const room = newRoom();
  const [tab] = (await openRoom(browser, server, room, 1)) as [Tab];
  await tab.put("mine", "1");
  await tab.page.getByRole("button", { name: "Let the server keep this room" }).click();
  await tab.page.getByRole("dialog").getByRole("button", { name: "Let the server keep this room" }).click();
  await untilShape(tab, "edge");
  await tab.ready();
  await tab.says(/The server keeps this room/);
  const others = [
    await Tab.openLink(browser, roomUrl(server, room)),
    await Tab.openLink(browser, roomUrl(server, room)),
  ];
  await Promise.all(others.map((other) => other.ready()));
  await reshape(tab, "mixed");
  await tab.untilVoters(3);
  await tab.put("mine", "2");
  expect(await others[1]?.read("mine")).toBe("2");
});

test("the server dies in the middle of it: the tabs go on, and it is done when the server is back", async () => {
  const room = newRoom();
  const tabs = await openRoom(browser, server, room, 3);
  const [first, second] = tabs as [Tab, Tab, Tab];
  await first.put("kept", "before");
  await reshape(first, "edge");
  await server.killWorkerd();
  server = await EdgeServer.start(data, [], server.port);
  await Promise.all(tabs.map((tab) => untilShape(tab, "edge")));
  await second.ready();
  expect(await second.read("kept")).toBe("before");
  await second.put("kept", "after");
  expect(await first.read("kept")).toBe("after");
});

test("what cannot be is refused, and the room stays as it is", async () => {
  const open = await Tab.openLink(browser, `${server.url}/?room=${newRoom()}&open`);
  await open.ready();
  await expect(reshape(open, "edge")).rejects.toThrow(/open room has no secret/);
  const odd = await Tab.openLink(browser, roomUrl(server, `${newRoom()}~x`, "tabs"));
  await odd.ready();
  await expect(reshape(odd, "mixed")).rejects.toThrow(/can have no edge/);
  await reshape(odd, "tabs");
  await odd.put("still", "here");
  expect(await odd.page.evaluate(() => window.quorate.room.shape)).toBe("tabs");
});
