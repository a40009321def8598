/**
 * A tab that is opened again: from the navigation until it reads a key from what it has stored. The first store was
 * written many keys at a time, so its log has few records; in the second as many entries as a member keeps were written
 * one at a time. Nobody else is in the room.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import type { BrowserContext } from "playwright-core";
import { buildAll, DIST } from "../../worker/local/build.ts";
import { Tab } from "../e2e/tabs-support.ts";
import { launchChromiumProfile } from "../support/chromium.ts";
import { EdgeFolder } from "./edge/server.ts";
import { type Aim, atMost, type Figure } from "./figures.ts";
import type { BenchOptions } from "./options.ts";

const COMMAND = "npm run bench -- reopen";
const FIRST_READ_AIM_MS = 1_000;
const KEYS = 100_000;
const SINGLE_PUTS = 9_000;

interface Measured {
  readonly batched: number[];
  readonly single: number[];
  readonly pipelined: number[];
  readonly alone: number[];
}

export async function benchReopen({ isQuick }: BenchOptions): Promise<readonly Figure[]> {
  await buildAll();
  const measured: Measured = {
    batched: [],
    single: [],
    pipelined: [],
    alone: [],
  };
  const folder = await EdgeFolder.make();
  const server = await folder.start();
  const profile = await mkdtemp(join(DIST, "bench-reopen-"));
  let context: BrowserContext | undefined;
  try {
    context = await launchChromiumProfile(profile);
    const tab = await Tab.openIn(context, server, "reopen");
    await tab.ready();
    measured.pipelined.push(await fill(tab, KEYS));
    const rounds = isQuick ? 2 : 5;
    context = await reopened(context, profile, tab.url, rounds, measured.batched);
    const again = await Tab.openIn(context, server, "reopen");
    await again.ready();
    measured.alone.push(await putsAlone(again, SINGLE_PUTS));
    context = await reopened(context, profile, again.url, rounds, measured.single);
  } finally {
    await context?.close().catch(() => {});
    await server.stop();
    await folder.remove();
    await rm(profile, { recursive: true, force: true });
  }
  return figuresOf(measured);
}

/** Each time in a browser that was started anew, so that nothing of the store is in its memory. */
async function reopened(
  first: BrowserContext,
  profile: string,
  url: string,
  rounds: number,
  measured: number[],
): Promise<BrowserContext> {
  let context = first;
  for (let round = 0; round < rounds; round++) {
    // What is written behind has been written by then.
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    await context.close();
    context = await launchChromiumProfile(profile);
    const page = await context.newPage();
    await page.goto(url);
    const tookMs = await page.evaluate(
      async (key) => {
        for (;;) {
          const read = await window.quorate?.kv.range(key, { serializable: true }).catch(() => undefined);
          if (read?.kvs[0] !== undefined) return performance.now();
          await new Promise((resolve) => setTimeout(resolve, 1));
        }
      },
      nameOf(KEYS / 2),
    );
    measured.push(tookMs);
    await page.close();
  }
  return context;
}

function nameOf(at: number): string {
  return `bench/${String(at).padStart(26, "0")}`;
}

/** Puts per second of 500 callers. */
function fill({ page }: Tab, keys: number): Promise<number> {
  return page.evaluate(async (count) => {
    let next = 0;
    const startMs = performance.now();
    const caller = async (): Promise<void> => {
      while (next < count) {
        const at = next++;
        await window.quorate.kv.put(`bench/${String(at).padStart(26, "0")}`, `${at}`.padEnd(256, "v"));
      }
    };
    await Promise.all(Array.from({ length: 500 }, caller));
    return (count / (performance.now() - startMs)) * 1_000;
  }, keys);
}

/** Puts per second of one caller. */
function putsAlone({ page }: Tab, puts: number): Promise<number> {
  return page.evaluate(async (count) => {
    const startMs = performance.now();
    for (let at = 0; at < count; at++) {
      await window.quorate.kv.put(`bench/${String(at).padStart(26, "0")}`, `${at}`.padEnd(256, "w"));
    }
    return (count / (performance.now() - startMs)) * 1_000;
  }, puts);
}

function figuresOf({ batched, single, pipelined, alone }: Measured): readonly Figure[] {
  const figure = (name: string, unit: string, runs: readonly number[], aim?: Aim): Figure => ({
    name: `reopen: ${name}`,
    unit,
    runs,
    aim,
    command: COMMAND,
  });
  return [
    figure("first read of 100,000 keys, after the page is asked for", "ms", batched, atMost(FIRST_READ_AIM_MS)),
    figure("the same, entries of the log in a record each", "ms", single, atMost(FIRST_READ_AIM_MS)),
    figure("puts, 500 in flight", "puts/s", pipelined),
    figure("puts, one at a time", "puts/s", alone),
  ];
}
