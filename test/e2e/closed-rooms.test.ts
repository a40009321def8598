/** A room is closed to somebody who only knows its name; with `&open` it is open, and says so. */
import type { Browser } from "playwright-core";
import { expect, test } from "vitest";
import { chromiumContextOptions } from "../support/chromium.ts";
import { browserAndServer } from "./browser-and-server.ts";
import { newRoom, openRoom, roomUrl, Tab } from "./tabs-support.ts";
import type { Server } from "./tabs-support.ts";
import { refusalAt, untilReady, visit } from "./visits.ts";

let browser: Browser;
let server: Server;

browserAndServer((...started) => {
  [browser, server] = started;
});

test("a new room gets a secret, which its link carries, this browser remembers and no request shows", async () => {
  const room = newRoom();
  const context = await browser.newContext(chromiumContextOptions());
  const asked: string[] = [];
  context.on("request", (request) => {
    asked.push(request.url(), JSON.stringify(request.headers()), request.postData() ?? "");
  });
  const page = await context.newPage();
  page.on("websocket", (socket) => {
    asked.push(socket.url());
    socket.on("framesent", ({ payload }) => asked.push(String(payload)));
  });
  await page.goto(`${server.url}/?room=${room}`);
  await untilReady(page);
  await page.evaluate(() => window.quorate.kv.put("mine", "kept"));
  const link = page.url();
  expect(link).toMatch(/#k=[A-Za-z0-9_-]{43}$/);
  expect(await page.locator("#share").inputValue()).toBe(link);
  await page.getByText("closed: by its link").waitFor();
  await page.getByRole("button", { name: "Copy" }).click();

  // A bookmark without the secret, in the profile that knows it.
  await page.goto("about:blank");
  await page.goto(`${server.url}/?room=${room}`);
  await untilReady(page);
  expect(page.url()).toBe(link);
  expect(await page.evaluate(async () => (await window.quorate.kv.range("mine")).kvs.length)).toBe(1);

  // And whoever gets the link is in.
  const other = await visit(browser, link);
  await untilReady(other);
  expect(await other.evaluate(async () => (await window.quorate.kv.range("mine")).kvs.length)).toBe(1);
  const secret = link.slice(-43);
  expect(asked.length).toBeGreaterThan(10);
  expect(asked.filter((text) => text.includes(secret))).toEqual([]);
});

test("who has the name alone, a cut secret or another one sees an error at once, and nothing of the room", async () => {
  const room = newRoom();
  const url = roomUrl(server, room);
  const [tab] = await openRoom(browser, server, room, 1);
  await tab?.put("secret-key", "secret-value");
  expect(await refusalAt(browser, `${server.url}/?room=${room}`)).toContain("This room is closed");
  expect(await refusalAt(browser, url.slice(0, -1))).toContain("This link is not whole");
  expect(await refusalAt(browser, `${url.slice(0, -43)}${"A".repeat(43)}`)).toContain("not the secret of this room");
  const open = await visit(browser, `${server.url}/?room=${room}&open`);
  await open.getByText("This room is closed: only who has its whole link").first().waitFor();
  expect((await tab?.status())?.members).toHaveLength(1);
});

test("an open room is joined by its name and says what it is; a secret does not get onto it", async () => {
  const room = newRoom();
  const url = `${server.url}/?room=${room}&open`;
  const founder = await visit(browser, url);
  await untilReady(founder);
  await founder.evaluate(() => window.quorate.kv.put("for", "all"));
  expect(founder.url()).toBe(url);
  await founder.getByText("open to anybody").waitFor();
  await founder.getByText("anybody who knows its name can join it and change everything in it").waitFor();
  const second = await visit(browser, url);
  await untilReady(second);
  expect(await second.evaluate(async () => (await window.quorate.kv.range("for")).kvs.length)).toBe(1);
  expect(await refusalAt(browser, roomUrl(server, room))).toContain("This room is open and has no secret");
  const named = await visit(browser, `${server.url}/?room=${room}`);
  await named.getByRole("link", { name: "Open it as an open room" }).click();
  await untilReady(named);
});

test("a stranger who has only the name gets nothing from the server and changes nothing in the room", async () => {
  const room = newRoom();
  const tabs = await openRoom(browser, server, room, 3);
  await tabs[0]?.put("kept", "by its members");
  const before = await Promise.all(tabs.map((tab) => tab.status()));
  const page = await visit(browser, `${server.url}/`);
  const answers = await page.evaluate(attack, {
    room,
    founder: before[0]?.id ?? "",
    cluster: before[0]?.clusterId ?? "",
  });
  expect(answers.statuses).toEqual(Array(answers.statuses.length).fill(401));
  expect(answers.statuses.length).toBe(6);
  expect(answers.received).toEqual([]);
  expect(new Set(answers.sockets)).toEqual(new Set(["closed"]));
  const after = await Promise.all(tabs.map((tab) => tab.status()));
  expect(after.map(({ term, members }) => [term, members.length])).toEqual(
    before.map(({ term, members }) => [term, members.length]),
  );
  expect(await Promise.all(tabs.map((tab) => tab.read("kept")))).toEqual(Array(3).fill("by its members"));
  // The room goes on as if nothing had been.
  const late = await Tab.open(browser, server, room);
  await late.ready();
  expect(await late.read("kept")).toBe("by its members");
});

/** Runs in a page of the same origin, and knows the room's name and even its members' ids. */
async function attack({ room, founder, cluster }: Record<"room" | "founder" | "cluster", string>) {
  const base = `/peerjs/room/${room}/`;
  const received: string[] = [];
  const ask = async (path: string, body?: object): Promise<number> => {
    const init = body === undefined ? {} : { method: "POST", body: JSON.stringify(body) };
    const response = await fetch(base + path, init);
    const text = await response.text();
    if (text.includes(founder) || text.includes(cluster)) received.push(text);
    return response.status;
  };
  const statuses = await Promise.all([
    ask("room"),
    ask("peerjs/peers"),
    ask("found", { member: "6", cluster: "66", open: true }),
    ask("founded", { member: founder, cluster }),
    ask("forget", { cluster }),
    ask("ticket", { id: "m6", token: "t" }),
  ]);
  const sockets = await Promise.all(
    Array.from({ length: 120 }, (_, at) => {
      const socket = new WebSocket(`${base}peerjs?key=peerjs&id=${at === 0 ? `m${founder}` : `m${at}`}&token=t`);
      return new Promise<string>((resolve) => {
        socket.addEventListener("message", ({ data }: MessageEvent<string>) => {
          if (data.includes("OPEN")) resolve("open");
        });
        socket.addEventListener("close", () => resolve("closed"));
      });
    }),
  );
  return { statuses, received, sockets };
}
