/** Where a fate happens: a server, a Chromium, a room of three profiles, and who watches over what they are told. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, BrowserContext, Page } from "playwright-core";
import type { Status } from "../../src/client/client.ts";
import { leaderOf, newRoom, quotaSetter, Tab } from "../e2e/tabs-support.ts";
import { chromiumContextOptions, launchChromium } from "../support/chromium.ts";
import { EdgeServer } from "../support/edge-server.ts";
import { UNTHROTTLED } from "./page-life.ts";
import { Witness } from "./witness.ts";

/** A room whose tabs vote, a room whose cluster is at the edge, or a page of the endpoint alone. */
export type Place = "tabs" | "edge" | "endpoint";

/** For the browser the name of another machine, although it leads to this one. */
export const LAN_NAME = "lan.test";
const SERVER_OPTIONS: readonly string[] = ["--host-whitelist", LAN_NAME];

/** The tabs of three profiles in one room. */
export interface Trio {
  /** The one that it happens to: the leader, where tabs vote. */
  readonly hit: Tab;
  readonly other: Tab;
  readonly third: Tab;
}

export class World {
  readonly place: Place;
  readonly browser: Browser;
  readonly witness: Witness = new Witness();
  readonly room: string = newRoom();
  server: EdgeServer;
  readonly #data: string;

  private constructor(place: Place, browser: Browser, server: EdgeServer, data: string) {
    this.place = place;
    this.browser = browser;
    this.server = server;
    this.#data = data;
  }

  static async create(place: Place): Promise<World> {
    const data = await mkdtemp(join(tmpdir(), "quorate-fates-"));
    const args = [`--host-resolver-rules=MAP ${LAN_NAME} 127.0.0.1`];
    const [browser, server] = await Promise.all([
      launchChromium({ args, ignoreDefaultArgs: [...UNTHROTTLED] }),
      EdgeServer.start(data, SERVER_OPTIONS),
    ]);
    return new World(place, browser, server, data);
  }

  /** Opens the room in three profiles, all of which vote where tabs do. */
  async trio(): Promise<Trio> {
    const first = await this.open();
    await first.ready();
    const tabs = [first, await this.open(), await this.open()];
    await this.untilAllVote(tabs);
    const hit = this.place === "tabs" ? await leaderOf(tabs) : first;
    const [other, third] = tabs.filter((tab) => tab !== hit) as [Tab, Tab];
    return { hit, other, third };
  }

  /** Opens the room in a new profile. */
  async open(): Promise<Tab> {
    return this.#openIn(await this.#newContext());
  }

  /** Opens the room in a profile in which the site may store so many bytes. */
  async openWithQuota(
    bytes: number,
  ): Promise<{ readonly tab: Tab; readonly setQuota: (bytes: number) => Promise<void> }> {
    const context = await this.#newContext();
    const setQuota = await quotaSetter(context, this.server);
    await setQuota(bytes);
    return { tab: await this.#openIn(context), setQuota };
  }

  /** Opens the room in another tab of the same profile. */
  async openSecond(first: Tab): Promise<Tab> {
    const tab = await first.second();
    this.witness.follow(tab);
    return tab;
  }

  /** Opens the endpoint's own page. */
  async openEndpoint(host = "127.0.0.1"): Promise<Page> {
    const page = await (await this.#newContext()).newPage();
    await page.goto(`http://${host}:${this.server.port}/`);
    await page.waitForFunction(() => window.quorate !== undefined);
    this.witness.follow({ page });
    return page;
  }

  /** Until the tabs, and no others, vote, where tabs do. */
  async untilAllVote(tabs: readonly Tab[], exceptId = ""): Promise<void> {
    await Promise.all(tabs.map((tab) => tab.ready()));
    if (this.place !== "tabs") return;
    const wanted = { count: tabs.length, exceptId };
    const areVoters = ({ members }: Status, { count, exceptId: former }: typeof wanted): boolean => {
      const voters = members.filter(({ learner }) => !learner);
      return voters.length === count && voters.every(({ id }) => id !== former);
    };
    await Promise.all(tabs.map((tab) => tab.until(areVoters, wanted)));
  }

  /** The server comes back at its address with its data. */
  async restartServer(): Promise<void> {
    this.server = await EdgeServer.start(this.#data, SERVER_OPTIONS, this.server.port);
  }

  async end(): Promise<void> {
    this.witness.stop();
    await this.browser.close().catch(() => {});
    await this.server.stop().catch(() => {});
    await rm(this.#data, { recursive: true, force: true });
  }

  async #newContext(): Promise<BrowserContext> {
    const context = await this.browser.newContext(chromiumContextOptions());
    await this.witness.enter(context);
    return context;
  }

  async #openIn(context: BrowserContext): Promise<Tab> {
    const tab = await Tab.openIn(context, this.server, this.room, this.place === "edge" ? "edge" : undefined);
    this.witness.follow(tab);
    return tab;
  }
}
