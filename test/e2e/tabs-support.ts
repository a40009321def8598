/** A server as `npm start` runs it, and tabs of it: each in a browser profile of its own, with its own IndexedDB and locks. */
import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, BrowserContext, Page } from "playwright-core";
import type { Status } from "../../src/client/client.ts";
import type { RoomShape } from "../../src/room/common/room-edge.ts";
import type { RoomClient } from "../../src/room/room-client.ts";
import { chromiumContextOptions } from "../support/chromium.ts";
import { EdgeServer } from "../support/edge-server.ts";

declare global {
  interface Window {
    quorate: RoomClient;
  }
}

/** For one step in a page: no step takes so long, however slow the machine, unless it hangs. */
export const STEP_MS = 60_000;

/** With data of its own, which goes when it stops. */
export interface Server {
  readonly url: string;
  /** SIGKILL. */
  kill(): Promise<unknown>;
  /** After `kill`: the same data at the same address. */
  restart(): Promise<void>;
  stop(): Promise<unknown>;
}

export async function startServer(): Promise<Server> {
  const data = await mkdtemp(join(tmpdir(), "quorate-tabs-"));
  let server = await EdgeServer.start(data);
  return {
    url: server.url,
    kill: () => server.killWorkerd(),
    restart: async () => {
      server = await EdgeServer.start(data, [], server.port);
    },
    stop: async () => {
      await server.stop();
      await rm(data, { recursive: true, force: true });
    },
  };
}

/** A room that no other test is in. */
export function newRoom(): string {
  return `room-${crypto.randomUUID().slice(0, 8)}`;
}

/** A room's link, with the secret that the tests' rooms have: it follows from the name. */
export function roomUrl(server: Pick<Server, "url">, room: string, shape?: RoomShape): string {
  const asked = shape === undefined ? "" : `&shape=${shape}`;
  return `${server.url}/?room=${room}${asked}#k=${createHash("sha256").update(room).digest("base64url")}`;
}

/** A browser profile, and the tab in it that is a member of the room. */
export class Tab {
  readonly context: BrowserContext;
  readonly url: string;
  page: Page;

  private constructor(context: BrowserContext, page: Page, url: string) {
    this.context = context;
    this.page = page;
    this.url = url;
  }

  /** Of a room whose members are tabs. */
  static async open(browser: Browser, server: Pick<Server, "url">, room: string): Promise<Tab> {
    return Tab.openIn(await browser.newContext(chromiumContextOptions()), server, room);
  }

  static async openIn(
    context: BrowserContext,
    server: Pick<Server, "url">,
    room: string,
    shape: RoomShape = "tabs",
  ): Promise<Tab> {
    const url = roomUrl(server, room, shape);
    return new Tab(context, await openPage(context, url), url);
  }

  /** Of a room whose cluster is at the edge. */
  static async openAtEdge(browser: Browser, server: Pick<Server, "url">, room: string): Promise<Tab> {
    return Tab.openIn(await browser.newContext(chromiumContextOptions()), server, room, "edge");
  }

  /** `before` runs in each page, before its own code. */
  static async openLink(browser: Browser, url: string, before: () => void = () => {}): Promise<Tab> {
    const context = await browser.newContext(chromiumContextOptions());
    await context.addInitScript(before);
    return new Tab(context, await openPage(context, url), url);
  }

  /** A profile in which the site may store so much and no more, until the quota is set anew. */
  static async openWithQuota(
    browser: Browser,
    server: Server,
    room: string,
    quotaSize: number,
  ): Promise<{ readonly tab: Tab; readonly setQuota: (bytes: number) => Promise<void> }> {
    const context = await browser.newContext(chromiumContextOptions());
    const setQuota = await quotaSetter(context, server);
    await setQuota(quotaSize);
    return { tab: await Tab.openIn(context, server, room), setQuota };
  }

  /** Another tab of the same profile. */
  async second(): Promise<Tab> {
    return new Tab(this.context, await openPage(this.context, this.url), this.url);
  }

  async reopen(): Promise<void> {
    this.page = await openPage(this.context, this.url);
  }

  /** Its renderer dies in the middle of whatever it does: no handler of the page runs. */
  async crash(): Promise<void> {
    const crash = await this.crasher();
    await crash();
  }

  /** For a test in which the right moment matters: all is ready for the crash when it comes. */
  async crasher(): Promise<() => Promise<void>> {
    const { page } = this;
    const session = await this.context.newCDPSession(page);
    return async () => {
      const crashed = page.waitForEvent("crash");
      void session.send("Page.crash").catch(() => {});
      await crashed;
      await page.close();
    };
  }

  /** Serves writes and linearizable reads. */
  async ready(): Promise<void> {
    await this.page.evaluate(async () => {
      for (;;) {
        const { problem } = await window.quorate.status();
        if (problem === undefined) return;
        if (["stopped", "storage", "removed", "refused"].includes(problem.code)) throw new Error(problem.text);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    });
  }

  status(): Promise<Status> {
    return this.page.evaluate(() => window.quorate.status());
  }

  async put(key: string, value: string): Promise<number> {
    return this.page.evaluate(async (put) => (await window.quorate.kv.put(put.key, put.value)).header.revision, {
      key,
      value,
    });
  }

  /** Text of the key as this very member has it. */
  async get(key: string): Promise<string | undefined> {
    return this.page.evaluate(async (name) => {
      const { kvs } = await window.quorate.kv.range(name, { serializable: true });
      return kvs[0] === undefined ? undefined : window.quorate.toText(kvs[0].value);
    }, key);
  }

  /** Linearizable. */
  async read(key: string): Promise<string | undefined> {
    return this.page.evaluate(async (name) => {
      const { kvs } = await window.quorate.kv.range(name);
      return kvs[0] === undefined ? undefined : window.quorate.toText(kvs[0].value);
    }, key);
  }

  async untilVoters(count: number): Promise<void> {
    await this.until((status, wanted) => status.members.filter(({ learner }) => !learner).length === wanted, count);
  }

  /** Waits until the condition holds in the tab; it runs there, so it stands alone. */
  async until<Argument>(condition: (status: Status, argument: Argument) => boolean, argument: Argument): Promise<void> {
    await this.page.evaluate(
      async ({ text, values, withinMs }) => {
        // oxlint-disable-next-line typescript/no-implied-eval -- a function cannot be handed to a page but as text
        const holds = new Function(`return (${text})`)() as (status: Status, argument: unknown) => boolean;
        const untilMs = performance.now() + withinMs;
        for (;;) {
          const status = await window.quorate.status();
          if (holds(status, values)) return;
          if (performance.now() > untilMs) throw new Error(`waited in vain: ${JSON.stringify(status)}`);
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
      },
      { text: condition.toString(), values: argument, withinMs: STEP_MS },
    );
  }

  /** Chooses a folder as a person does, and lets it begin. */
  async putFolder(folder: string): Promise<void> {
    await this.page.locator("input[webkitdirectory]").setInputFiles(folder);
    await this.page.getByRole("button", { name: "Put files" }).click();
  }

  /** All that this very member has: keys, and the SHA-256 of each value. */
  async digest(): Promise<Readonly<Record<string, string>>> {
    return this.page.evaluate(async () => {
      const { kvs } = await window.quorate.kv.range("", { prefix: true, serializable: true });
      const digests: Record<string, string> = {};
      for (const { key, value } of kvs) {
        const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", value as Uint8Array<ArrayBuffer>));
        digests[window.quorate.toText(key)] = Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
      }
      return digests;
    });
  }

  /** What the page says of itself, once it says it. */
  async says(text: RegExp): Promise<string> {
    const standing = this.page.locator(".standing-text").filter({ hasText: text });
    return (await standing.textContent()) ?? "";
  }

  close(): Promise<void> {
    return this.context.close();
  }
}

/**
 * Sets how many bytes the site may store in a profile. The browser heeds it only if it has not looked for room before.
 */
export async function quotaSetter(
  context: BrowserContext,
  { url }: Pick<Server, "url">,
): Promise<(bytes: number) => Promise<void>> {
  // It lasts as long as this page.
  const session = await context.newCDPSession(await context.newPage());
  return async (bytes) => {
    await session.send("Storage.overrideQuotaForOrigin", { origin: url, quotaSize: bytes });
  };
}

async function openPage(context: BrowserContext, url: string): Promise<Page> {
  const page = await context.newPage();
  page.setDefaultTimeout(STEP_MS);
  await page.goto(url);
  await page.waitForFunction(() => window.quorate !== undefined);
  return page;
}

/** Waits until each of the tabs follows, or is, a leader other than the former one. */
export async function untilSucceeded(tabs: readonly Tab[], former: string): Promise<void> {
  await Promise.all(tabs.map((tab) => tab.until(({ leader }, id) => leader !== "0" && leader !== id, former)));
}

export async function leaderOf(tabs: readonly Tab[]): Promise<Tab> {
  const statuses = await Promise.all(tabs.map((tab) => tab.status()));
  const leader = tabs.find((_, at) => statuses[at]?.role === "leader");
  if (leader === undefined) throw new Error(`nobody leads: ${JSON.stringify(statuses)}`);
  return leader;
}

/** A room of `count` tabs, all of them ready; three and five of them all vote. */
export async function openRoom(
  browser: Browser,
  server: Pick<Server, "url">,
  room: string,
  count: number,
): Promise<readonly Tab[]> {
  const tabs = [await Tab.open(browser, server, room)];
  await tabs[0]?.ready();
  while (tabs.length < count) tabs.push(await Tab.open(browser, server, room));
  await Promise.all(tabs.map((tab) => tab.ready()));
  if (count % 2 === 1) await Promise.all(tabs.map((tab) => tab.untilVoters(count)));
  return tabs;
}
