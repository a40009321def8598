/** Where a fate happens: a server, a Chromium, a room of three profiles that all vote, and a stopwatch. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { leaderOf, newRoom, openRoom } from "../e2e/tabs-support.ts";
import type { Tab } from "../e2e/tabs-support.ts";
import { launchChromium } from "../support/chromium.ts";
import { EdgeServer } from "../support/edge-server.ts";
import { UNTHROTTLED } from "./page-life.ts";

/** For the browser the name of another machine, although it leads to this one. */
export const LAN_NAME = "lan.test";
const SERVER_OPTIONS: readonly string[] = ["--host-whitelist", LAN_NAME];

/** What came of a fate, in the words that the page or an error used. */
export interface Outcome {
  /** Nothing acknowledged was lost, and nothing untrue was served. */
  readonly right: boolean;
  /** What whoever it happened to was told meanwhile. */
  readonly says: string;
  /** What works again, and without whom. */
  readonly recovers: string;
  /** Until it worked again, or was noticed. */
  readonly seconds: number;
}

export interface Fate {
  readonly what: string;
  /** Seconds that the cause lasts; shortened in the short run. */
  readonly lastsSeconds?: number;
  readonly run: (world: World, lastsSeconds: number) => Promise<Outcome>;
}

export class World {
  readonly browser: Browser;
  readonly room: string = newRoom();
  server: EdgeServer;
  readonly #data: string;

  private constructor(browser: Browser, server: EdgeServer, data: string) {
    this.browser = browser;
    this.server = server;
    this.#data = data;
  }

  static async create(): Promise<World> {
    const data = await mkdtemp(join(tmpdir(), "quorate-fates-"));
    const args = [`--host-resolver-rules=MAP ${LAN_NAME} 127.0.0.1`];
    const [browser, server] = await Promise.all([
      launchChromium({ args, ignoreDefaultArgs: [...UNTHROTTLED] }),
      EdgeServer.start(data, SERVER_OPTIONS),
    ]);
    return new World(browser, server, data);
  }

  /** Opens the room with three voters. */
  async trio(): Promise<{ readonly leader: Tab; readonly follower: Tab; readonly third: Tab }> {
    const tabs = await openRoom(this.browser, this.serverOfTabs, this.room, 3);
    const leader = await leaderOf(tabs);
    const [follower, third] = tabs.filter((tab) => tab !== leader) as [Tab, Tab];
    return { leader, follower, third };
  }

  get serverOfTabs(): { readonly url: string; stop(): Promise<void> } {
    return { url: this.server.url, stop: async () => {} };
  }

  /** The server comes back at its address with its data. */
  async restartServer(): Promise<void> {
    this.server = await EdgeServer.start(this.#data, SERVER_OPTIONS, this.server.port);
  }

  async end(): Promise<void> {
    await this.browser.close().catch(() => {});
    await this.server.stop().catch(() => {});
    await rm(this.#data, { recursive: true, force: true });
  }
}

export async function secondsOf(run: () => Promise<unknown>): Promise<number> {
  const fromMs = performance.now();
  await run();
  return (performance.now() - fromMs) / 1000;
}

export function pause(seconds: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, seconds * 1000);
  });
}

/** For a page that was opened by something else than a Tab. */
export function untilText(page: Page, text: RegExp): Promise<void> {
  return page.locator(".standing-text").filter({ hasText: text }).waitFor();
}

/** Puts again and again, as an application that is told that it may, until it succeeds. */
export async function putUntilDone(tab: Tab, key: string, value: string): Promise<void> {
  await tab.page.evaluate(
    async (put) => {
      for (;;) {
        const failed = await window.quorate.kv.put(put.key, put.value).then(
          () => false,
          () => true,
        );
        if (!failed) return;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    },
    { key, value },
  );
}

/** What a tab said of itself, and what it held when it said so. */
export interface Sample {
  readonly wallMs: number;
  readonly isConnected: boolean;
  readonly revision: number;
}

/** Records from now on, whenever the page runs. */
export async function record(tab: Tab): Promise<() => Promise<readonly Sample[]>> {
  await tab.page.evaluate(() => {
    const samples: Sample[] = [];
    Object.assign(window, { samples });
    setInterval(() => {
      const client = window.quorate;
      const isConnected = client.connection.getSnapshot().state === "connected";
      samples.push({ wallMs: Date.now(), isConnected, revision: client.room.view?.revision ?? 0 });
    }, 5);
  });
  return () => tab.page.evaluate(() => (window as unknown as { readonly samples: readonly Sample[] }).samples);
}

export function standing(tab: Tab): Promise<string> {
  return tab.page
    .locator(".standing-text")
    .textContent()
    .then((text) => text ?? "");
}
