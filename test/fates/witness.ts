/**
 * Reads and writes in every page while a fate takes its course, records what each was told, and judges it in the end by
 * the simulator's checkers: nothing acknowledged is lost, no read is older than it may be, no watch leaves out a revision.
 */
import type { BrowserContext, Page } from "playwright-core";
import { Prng } from "../../src/base/prng.ts";
import { utf8Encode } from "../../src/base/utf8.ts";
import { Caller } from "../chaos/callers.ts";
import { judge, judgeWatch } from "../chaos/judge.ts";
import type { Event, Log, Sent } from "../chaos/judge.ts";
import { History } from "../sim/history.ts";
import { everything, execute, watchAll } from "./page-witness.ts";
import type { Seen } from "./page-witness.ts";

/** Ends what hangs: a page that is alive is connected long before. */
const BACK_WITHIN_MS = 120_000;

/** The page may be another one later: people close tabs and open them again. */
export interface Watched {
  readonly page: Page;
}

interface Life {
  readonly page: Page;
  readonly sent: Sent[];
  last: number;
}

export class Witness {
  readonly #history = new History();
  readonly #watched: Watched[] = [];
  readonly #callers: Caller[] = [];
  readonly #running: Promise<void>[] = [];
  readonly #lives = new Map<string, Life>();

  /** For each context before its first page. */
  async enter(context: BrowserContext): Promise<void> {
    await context.exposeBinding("quorateWatched", ({ page }, life: string, seen: readonly Seen[]) => {
      const known = this.#lives.get(life) ?? { page, sent: [], last: 0 };
      this.#lives.set(life, known);
      known.sent.push({ events: seen.map(eventOf) });
      known.last = seen.at(-1)?.revision ?? known.last;
    });
    await context.addInitScript(watchAll);
  }

  /** Calls from this page from now on. */
  follow(watched: Watched): void {
    const caller = new Caller(
      this.#callers.length,
      [(operation) => watched.page.evaluate(execute, operation)],
      this.#history,
      new Prng(this.#callers.length + 1),
    );
    this.#watched.push(watched);
    this.#callers.push(caller);
    this.#running.push(caller.run());
  }

  /** Begins no more calls. */
  stop(): void {
    for (const caller of this.#callers) caller.stop();
  }

  /** Waits until the last call has ended. */
  async rest(): Promise<void> {
    this.stop();
    await Promise.all(this.#running);
  }

  /** Returns what is wrong. Every page that is open must be connected by itself, and its watch go on. */
  async verdict(): Promise<readonly string[]> {
    await this.rest();
    const pages = await this.#livingPages();
    const [first] = pages;
    if (first === undefined) return this.#watched.length === 0 ? [] : ["no page is left"];
    const wrong: string[] = [];
    for (const page of pages) wrong.push(...(await untilConnected(page)));
    if (wrong.length > 0) return wrong;
    const log = logOf(await first.evaluate(everything));
    const last = Math.max(1, ...log.keys());
    for (const page of pages) wrong.push(...(await this.#untilWatched(page, last)));
    wrong.push(...judge(this.#history, forChecker(log)));
    for (const { sent } of this.#lives.values()) wrong.push(...judgeWatch("a watch", sent, log));
    if (!this.#history.calls.some(({ result }) => result !== undefined)) wrong.push("no call was answered");
    return wrong;
  }

  async #livingPages(): Promise<readonly Page[]> {
    const pages = [...new Set(this.#watched.map(({ page }) => page))].filter((page) => !page.isClosed());
    const hasClient = await Promise.all(pages.map((page) => page.evaluate(() => "quorate" in window)));
    return pages.filter((_, at) => hasClient[at]);
  }

  async #untilWatched(page: Page, revision: number): Promise<readonly string[]> {
    const untilMs = Date.now() + BACK_WITHIN_MS;
    for (;;) {
      const last = Math.max(
        0,
        ...[...this.#lives.values()].filter((life) => life.page === page).map((life) => life.last),
      );
      if (last >= revision) return [];
      if (Date.now() > untilMs) return [`a watch stands at revision ${last} of ${revision}`];
      await new Promise((resolve) => {
        setTimeout(resolve, 50);
      });
    }
  }
}

function untilConnected(page: Page): Promise<readonly string[]> {
  return page.evaluate(async (withinMs) => {
    const untilMs = performance.now() + withinMs;
    for (;;) {
      // The endpoint's own page has a client without a connection to ask.
      const { connection } = window.quorate as Partial<typeof window.quorate>;
      const { state, reason } = connection?.getSnapshot() ?? { state: "connected", reason: "" };
      if (state === "connected") return [];
      if (performance.now() > untilMs) return [`a page does not come back: ${state}, ${reason}`];
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }, BACK_WITHIN_MS);
}

function eventOf({ type, key, revision }: Seen): Sent["events"][number] {
  return { type, kv: { key: utf8Encode(key), modRevision: revision } };
}

function logOf(seen: readonly Seen[]): Log {
  const log = new Map<number, Event[]>();
  for (const { revision, ...event } of seen) log.set(revision, [...(log.get(revision) ?? []), event]);
  return log;
}

/** The checkers know the callers' keys. What fates write beside them becomes one key, with another value each time. */
function forChecker(log: Log): Log {
  const known = (revision: number, events: readonly Event[]): readonly Event[] => {
    const called = events.filter(({ key }) => /^key\d$/.test(key));
    return called.length > 0 ? called : [{ type: "PUT", key: "other", value: `at ${revision}` }];
  };
  return new Map([...log].map(([revision, events]) => [revision, known(revision, events)]));
}
