/** A room in which an object and the tabs of real browsers vote together, and what becomes of it when either goes. */
import type { Browser } from "playwright-core";
import { expect, test } from "vitest";
import { quorate } from "../cli/support/fake-terminal.ts";
import { browserAndServer } from "./browser-and-server.ts";
import { newRoom, roomUrl, Tab, untilSucceeded } from "./tabs-support.ts";
import type { Server } from "./tabs-support.ts";
import { comesIn, invite, untilHas } from "./visits.ts";

declare global {
  interface Window {
    openChannels(): number;
  }
}

let browser: Browser;
let server: Server;

browserAndServer((...started) => {
  [browser, server] = started;
});

async function open(room: string, count: number): Promise<readonly Tab[]> {
  const tabs: Tab[] = [];
  while (tabs.length < count) {
    const tab = await Tab.openLink(browser, roomUrl(server, room, "mixed"), countChannels);
    await tab.ready();
    tabs.push(tab);
  }
  return tabs;
}

/** In a page, before its own code: keeps the data channels between tabs, so that a test can wait for them. */
function countChannels(): void {
  const channels: RTCDataChannel[] = [];
  const Native = RTCPeerConnection;
  window.openChannels = () => channels.filter(({ readyState }) => readyState === "open").length;
  window.RTCPeerConnection = class extends Native {
    constructor(configuration?: RTCConfiguration) {
      super(configuration);
      this.addEventListener("datachannel", ({ channel }) => channels.push(channel));
    }

    override createDataChannel(label: string, options?: RTCDataChannelInit): RTCDataChannel {
      const channel = super.createDataChannel(label, options);
      channels.push(channel);
      return channel;
    }
  };
}

/** Each is connected with each other one, and needs no server for it any more. */
async function untilConnected(tabs: readonly Tab[]): Promise<void> {
  const others = tabs.length - 1;
  await Promise.all(tabs.map(({ page }) => page.waitForFunction((count) => window.openChannels() >= count, others)));
}

/** The voters are these many, and the object is or is not one of them. */
async function untilVote(tab: Tab, count: number, isObjectOne: boolean): Promise<void> {
  await tab.until(
    ({ members }, wanted: readonly [number, boolean]) => {
      const voters = members.filter(({ learner }) => !learner);
      return voters.length === wanted[0] && voters.some(({ name }) => name.startsWith("edge-")) === wanted[1];
    },
    [count, isObjectOne] as const,
  );
}

test("three profiles and the edge: one tab learns, with a second three vote; the edge is killed and started, a tab is killed", async () => {
  const room = newRoom();
  const [one] = await open(room, 1);
  await untilVote(one as Tab, 1, true);
  await (one as Tab).put("alone", "1");
  const [two, three] = await open(room, 2);
  const tabs = [one, two, three] as readonly Tab[];
  await untilVote(one as Tab, 3, true);
  expect(await (one as Tab).page.evaluate(() => window.quorate.room.shape)).toBe("mixed");

  await untilConnected(tabs);
  // The tabs go on without the edge, and take its vote.
  await server.kill();
  await Promise.all(tabs.map((tab) => untilVote(tab, 3, false)));
  await (two as Tab).put("without-edge", "2");
  expect(await (three as Tab).read("without-edge")).toBe("2");

  // It is back, votes again, and has what it missed.
  await server.restart();
  await untilVote(one as Tab, 3, true);
  const env = { QUORATE_ROOM: roomUrl(server, room) };
  expect((await quorate(server.url, ["get", "without-edge"], { env })).out).toContain("2");

  // A tab that is killed says nothing. The third one takes its vote.
  await (two as Tab).crash();
  await (one as Tab).put("after-crash", "3");
  await untilVote(one as Tab, 3, true);
  expect(await (three as Tab).read("after-crash")).toBe("3");
});

test("tabs that leave give up their votes; all are closed, the command line goes on, and one that is reopened can work", async () => {
  const room = newRoom();
  const tabs = await open(room, 2);
  await untilVote(tabs[0] as Tab, 3, true);
  await tabs[1]?.page.goto("about:blank");
  await untilVote(tabs[0] as Tab, 1, true);
  await tabs[0]?.page.goto("about:blank");
  const env = { QUORATE_ROOM: roomUrl(server, room) };
  expect((await quorate(server.url, ["put", "by-cli", "1"], { env })).code).toBe(0);
  await tabs[0]?.reopen();
  await tabs[0]?.ready();
  expect(await tabs[0]?.read("by-cli")).toBe("1");
  await tabs[0]?.put("reopened", "2");
});

test("guests of a mixed room: one votes, a reader never; both go on with the tabs while the server is gone", async () => {
  const room = newRoom();
  const [one] = (await open(room, 1)) as readonly [Tab];
  const [asMember, asReader] = [await invite(one, { role: "member" }), await invite(one)];
  const reader = await comesIn(browser, asReader.link);
  // With one more tab there would be three who might vote.
  await untilVote(one, 1, true);
  const guest = await comesIn(browser, asMember.link);
  await untilVote(one, 3, true);
  await guest.evaluate(() => window.quorate.kv.put("from", "a guest"));
  await untilHas(reader, "from");
  const roles = await one.page.evaluate(() =>
    window.quorate.room.members.map(({ invited, learner }) => [invited, learner]),
  );
  expect(roles).toContainEqual(["member", false]);
  expect(roles).toContainEqual(["reader", true]);
  // Whoever meets by the server's help is met when it is gone.
  await one.page.waitForFunction(() => window.openChannels() >= 2);
  const { leader } = await one.status();
  await server.kill();
  await untilSucceeded([one], leader);
  await one.put("without", "the server");
  await untilHas(guest, "without");
  await untilHas(reader, "without");
  await server.restart();
  await one.ready();
});

test("edge to mixed and back and again: by the page, the command line and the client, while writes go on", async () => {
  const room = newRoom();
  const tabs = [await Tab.openAtEdge(browser, server, room), await Tab.openAtEdge(browser, server, room)];
  await Promise.all(tabs.map((tab) => tab.ready()));
  await untilVote(tabs[0] as Tab, 1, true);
  const writing = tabs[1]?.page.evaluate(async () => {
    for (let at = 0; at < 100; at++) await window.quorate.kv.put("count", `${at}`);
  });
  const page = (tabs[0] as Tab).page;
  await page.getByRole("button", { name: "Let browsers vote, too" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Let browsers vote, too" }).click();
  await page.getByText("the server and browsers", { exact: true }).waitFor();
  await untilVote(tabs[0] as Tab, 3, true);
  await writing;
  const changed = await quorate(server.url, ["cluster", "shape", roomUrl(server, room), "--shape", "edge"]);
  expect([changed.code, changed.out]).toEqual([0, expect.stringContaining("its objects vote")]);
  await untilVote(tabs[0] as Tab, 1, true);
  await page.evaluate(() => window.quorate.room.reshape("mixed"));
  await untilVote(tabs[0] as Tab, 3, true);
  expect(await tabs[0]?.read("count")).toBe("99");
  await tabs[0]?.put("after", "mixed again");
});

test("three objects vote in a room at the edge; it goes on, and tabs read and write", async () => {
  const name = newRoom();
  const created = await quorate(server.url, ["cluster", "create", name, "--shape", "edge", "--size", "3", "--json"]);
  const { link } = JSON.parse(created.out) as { readonly link: string };
  const tab = await Tab.openLink(browser, link);
  await tab.ready();
  await untilVote(tab, 3, true);
  await tab.put("three", "objects");
  expect((await quorate(server.url, ["get", "three"], { env: { QUORATE_ROOM: link } })).out).toContain("objects");
});
