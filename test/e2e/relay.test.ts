/** Tabs whose network forbids WebRTC meet over the room's server, which reads nothing of what they say. */
import type { Browser, BrowserContext } from "playwright-core";
import { expect, test } from "vitest";
import { chromiumContextOptions } from "../support/chromium.ts";
import { browserAndServer } from "./browser-and-server.ts";
import { newRoom, roomUrl, Tab } from "./tabs-support.ts";
import type { Server } from "./tabs-support.ts";
import { invite, untilHas, untilReady } from "./visits.ts";

let browser: Browser;
let server: Server;

browserAndServer((...started) => {
  [browser, server] = started;
});

/** No candidate of a peer is ever taken, so that no connection opens. */
async function withoutWebRtc(): Promise<BrowserContext> {
  const context = await browser.newContext(chromiumContextOptions());
  await context.addInitScript(() => {
    RTCPeerConnection.prototype.addIceCandidate = () => Promise.resolve();
  });
  return context;
}

test("a guest whose network forbids WebRTC comes in for the first time over the server, and stays a guest", async () => {
  const room = newRoom();
  const host = await Tab.openIn(await withoutWebRtc(), server, room);
  await host.ready();
  await host.put("kept", "by its members");
  const [{ link }, once] = [await invite(host, { role: "member" }), await invite(host)];
  const context = await withoutWebRtc();
  const guest = await context.newPage();
  await guest.goto(link);
  await untilReady(guest);
  await untilHas(guest, "kept");
  await guest.evaluate(() => window.quorate.kv.put("from", "a guest"));
  expect(await host.read("from")).toBe("a guest");
  expect(await guest.evaluate(() => [window.quorate.room.invited, window.quorate.room.secret])).toEqual([
    "member",
    undefined,
  ]);
  // Back by the key of the room that its log brought; another guest is let in by the host, not by this one.
  await guest.reload();
  await untilReady(guest);
  await guest.evaluate(() => window.quorate.room.connected);
  const second = await (await withoutWebRtc()).newPage();
  await second.goto(once.link);
  await untilReady(second);
  await untilHas(second, "from");
});

test("tabs that cannot connect directly form a room over the server, say so, and it reads nothing", async () => {
  const room = newRoom();
  const sent: string[] = [];
  const contexts = await Promise.all([withoutWebRtc(), withoutWebRtc(), withoutWebRtc()]);
  for (const context of contexts) {
    context.on("page", (page) => {
      page.on("websocket", (socket) => {
        socket.on("framesent", ({ payload }) => sent.push(String(payload)));
      });
    });
  }
  const tabs: Tab[] = [];
  for (const context of contexts) {
    const tab = await Tab.openIn(context, server, room);
    await tab.ready();
    tabs.push(tab);
  }
  await Promise.all(tabs.map((tab) => tab.untilVoters(3)));
  const [first, second, third] = tabs as [Tab, Tab, Tab];
  await first.put("over", "the-server-plaintext");
  expect([await second.read("over"), await third.read("over")]).toEqual(Array(2).fill("the-server-plaintext"));
  const large = "x".repeat(300_000);
  await second.put("large", large);
  expect((await third.read("large"))?.length).toBe(large.length);
  await first.says(/reached over the server, which cannot read along/);
  const relayed = sent.filter((text) => text.includes('"RELAY"'));
  expect(relayed.length).toBeGreaterThan(10);
  const secret = new URL(roomUrl(server, room)).hash.slice(3);
  for (const word of ["the-server-plaintext", btoa("the-server-plaintext").slice(0, 20), secret]) {
    expect(sent.filter((text) => text.includes(word))).toEqual([]);
  }
  // The loss of a voter is noticed and survived as in any room.
  await first.close();
  await second.put("after", "loss");
  expect(await third.read("after")).toBe("loss");
});
