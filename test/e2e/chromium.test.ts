import { expect, test } from "vitest";
import type { Page } from "playwright-core";
import { chromiumContextOptions, launchChromium } from "../support/chromium.ts";

test("Chromium shows text on a machine that has no fonts of its own", async () => {
  const browser = await launchChromium();
  try {
    const page = await browser.newPage({ viewport: { width: 400, height: 200 } });
    await page.setContent("<p style='font: 40px sans-serif'>iiii</p><p style='font: 40px sans-serif'>WWWW</p>");
    const blank = await browser.newPage({ viewport: { width: 400, height: 200 } });
    const [withText, without] = [await page.screenshot(), await blank.screenshot()];
    // A font that is missing gives glyphs of no width, or boxes that are all alike.
    const [narrow, wide] = await page.$$eval("p", (elements) =>
      elements.map((element) => {
        const range = document.createRange();
        range.selectNodeContents(element);
        return range.getBoundingClientRect().width;
      }),
    );
    expect(narrow).toBeGreaterThan(0);
    expect(wide).toBeGreaterThan(2 * (narrow ?? Infinity));
    expect(withText.equals(without)).toBe(false);
  } finally {
    await browser.close();
  }
});

test("two browsers of one machine connect over WebRTC, with a network or without", async () => {
  const browsers = await Promise.all([launchChromium(), launchChromium()]);
  try {
    const [caller, callee] = await Promise.all(
      browsers.map(async (browser) => (await browser.newContext(chromiumContextOptions())).newPage()),
    );
    expect(await echoOver(caller as Page, callee as Page, "term 7")).toBe("term 7");
  } finally {
    await Promise.all(browsers.map((browser) => browser.close()));
  }
});

/** Sends `text` from one page to the other and back, with the candidates inside offer and answer. */
async function echoOver(caller: Page, callee: Page, text: string): Promise<string> {
  await Promise.all([caller, callee].map((page) => page.evaluate(preparePeer)));
  const offer = await caller.evaluate(() => globalThis.peer.describe("offer"));
  await callee.evaluate((sdp) => globalThis.peer.connection.setRemoteDescription({ type: "offer", sdp }), offer);
  const answer = await callee.evaluate(() => globalThis.peer.describe("answer"));
  return caller.evaluate(
    async ([sdp, message]) => {
      await globalThis.peer.connection.setRemoteDescription({ type: "answer", sdp });
      return globalThis.peer.roundTrip(message);
    },
    [answer, text] as const,
  );
}

interface Peer {
  readonly connection: RTCPeerConnection;
  describe(type: "offer" | "answer"): Promise<string>;
  roundTrip(message: string): Promise<string>;
}

declare global {
  var peer: Peer;
}

/** Runs in the page, so it stands alone. */
function preparePeer(): void {
  const connection = new RTCPeerConnection();
  const channel = connection.createDataChannel("echo", { negotiated: true, id: 0 });
  const opened = new Promise((resolve) => channel.addEventListener("open", resolve, { once: true }));
  const heard = new Promise<string>((resolve) => {
    channel.addEventListener("message", ({ data }: MessageEvent<string>) => resolve(data), { once: true });
  });
  void heard.then((data) => channel.send(data));
  globalThis.peer = {
    connection,
    async describe(type): Promise<string> {
      const gathered = new Promise<void>((resolve) => {
        connection.addEventListener("icegatheringstatechange", () => {
          if (connection.iceGatheringState === "complete") resolve();
        });
      });
      await connection.setLocalDescription(
        await (type === "offer" ? connection.createOffer() : connection.createAnswer()),
      );
      await gathered;
      return connection.localDescription?.sdp ?? "";
    },
    async roundTrip(message): Promise<string> {
      await opened;
      channel.send(message);
      return heard;
    },
  };
}
