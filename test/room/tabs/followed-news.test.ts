/** A served tab that shows the member's numbers is told when they change, over a real BroadcastChannel. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { ServedTab } from "../../../src/room/tabs/served-tab.ts";
import { TabServer } from "../../../src/room/tabs/tab-server.ts";

let server: TabServer;
let tab: ServedTab;
let news: number;
let served: number;
let channel: string;

beforeEach(async () => {
  channel = `test/${crypto.randomUUID()}`;
  news = 0;
  served = 0;
  server = new TabServer({
    channelOf: () => channel,
    news: () => {
      served += 1;
      return { type: "news", state: { type: "opening" }, view: undefined };
    },
    onRequest: () => {},
    whenGone: () => {},
  });
});

afterEach(() => {
  tab.close();
  server.close();
});

const pause = (ms = 50): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function open(isFollowing: boolean): Promise<void> {
  await new Promise<void>((resolve) => {
    tab = new ServedTab({
      channel,
      onOpen: () => resolve(),
      onNews: () => {
        news += 1;
      },
      onLost: () => {},
    });
    tab.follow(isFollowing);
    server.connect("0123456789abcdef");
  });
  await pause();
  news = 0;
  served = 0;
}

test("a tab that follows from before it is connected is told, once for many changes; one that stops is not", async () => {
  await open(true);
  for (let n = 0; n < 100; n += 1) server.progressed();
  await expect.poll(() => news).toBe(1);
  server.progressed();
  await expect.poll(() => news).toBe(2);
  expect(served).toBe(2);
  tab.follow(false);
  await pause();
  server.progressed();
  await pause(400);
  expect(news).toBe(2);
});

test("a tab that does not follow is told nothing, and asks when it looks", async () => {
  await open(false);
  server.progressed();
  await pause(400);
  expect([news, served]).toEqual([0, 0]);
  tab.refresh();
  await expect.poll(() => news).toBe(1);
  tab.follow(true);
  await expect.poll(() => news).toBe(2);
});

test("a tab that follows does not ask again for what it was told just now", async () => {
  await open(true);
  await pause(300);
  for (let n = 0; n < 10; n += 1) tab.refresh();
  await pause();
  expect(served).toBe(0);
});
