/** Leaders that leave while others write: how long do the writes of the others stall? */
import { leaderOf, openRoom } from "../e2e/tabs-support.ts";
import type { Tab } from "../e2e/tabs-support.ts";
import { freeze } from "./page-life.ts";
import { standing } from "./claims.ts";
import type { Fates, Outcome } from "./fate.ts";
import type { World } from "./world.ts";

const ROUNDS = 12;

export const HAND_OVER_FATES: Fates = {
  "leader-closed": {
    what: "the leader's tab is closed while others write; longest stall",
    places: ["tabs"],
    lastsSeconds: ROUNDS,
    run: (world, rounds) => handOvers(world, rounds, ({ page }) => page.close({ runBeforeUnload: true })),
  },
  "leader-left": {
    what: "the leader's tab shows another page while others write; longest stall",
    places: ["tabs"],
    lastsSeconds: ROUNDS,
    run: (world, rounds) => handOvers(world, rounds, async ({ page }) => void (await page.goto("about:blank"))),
  },
  "leader-freezes": {
    what: "the leader's page is frozen without being hidden before; longest stall",
    places: ["tabs"],
    lastsSeconds: ROUNDS,
    run: (world, rounds) => handOvers(world, rounds, freeze),
  },
};

/** In a page that puts numbers, one after another, and more beside them. */
interface Writing {
  readonly key: string;
  /** The last number that was acknowledged. */
  last: number;
  acknowledged: number;
  /** The longest time without an acknowledgement. */
  stallMs: number;
  isOver: boolean;
}

declare global {
  interface Window {
    writing: Writing;
  }
}

async function handOvers(world: World, rounds: number, leave: (leader: Tab) => Promise<unknown>): Promise<Outcome> {
  // Nobody else calls: the tabs write as fast as they can.
  const tabs = await openRoom(world.browser, { url: world.server.url }, world.room, 3);
  const stallsMs: number[] = [];
  let right = true;
  let says = "";
  for (let round = 0; round < rounds; round++) {
    const former = await leaderOf(tabs);
    const { id } = await former.status();
    const others = tabs.filter((tab) => tab !== former);
    await Promise.all(others.map((tab) => beginWriting(tab)));
    await Promise.all(others.map((tab) => moreAcknowledged(tab)));
    await leave(former);
    await Promise.all(others.map((tab) => tab.until(({ leader: next }, was) => next !== "0" && next !== was, id)));
    await Promise.all(others.map((tab) => moreAcknowledged(tab)));
    says = await Promise.all(others.map((tab) => standing(tab))).then((texts) => texts[0] ?? "");
    const written = await Promise.all(others.map(({ page }) => page.evaluate(() => window.writing)));
    stallsMs.push(Math.max(...written.map(({ stallMs }) => stallMs)));
    await former.page.close();
    await former.reopen();
    await former.ready();
    await former.untilVoters(3);
    for (const { key, last } of written) right &&= Number(await former.read(key)) >= last;
    await Promise.all(others.map(({ page }) => page.evaluate(() => (window.writing.isOver = true))));
  }
  process.stderr.write(`stalls of ${stallsMs.map((ms) => ms.toFixed(0)).join(", ")} ms\n`);
  return { right, says, recovers: "another one leads at once", seconds: Math.max(...stallsMs) / 1000 };
}

async function beginWriting({ page }: Tab): Promise<void> {
  await page.evaluate(async () => {
    const { id } = await window.quorate.status();
    const writing: Writing = { key: `w/${id}`, last: 0, acknowledged: 0, stallMs: 0, isOver: false };
    window.writing = writing;
    let lastMs = performance.now();
    const put = async (key: string, value: string): Promise<boolean> => {
      try {
        await window.quorate.kv.put(key, value);
      } catch {
        return false;
      }
      const nowMs = performance.now();
      writing.acknowledged += 1;
      writing.stallMs = Math.max(writing.stallMs, nowMs - lastMs);
      lastMs = nowMs;
      return true;
    };
    const inTurn = async (): Promise<void> => {
      for (let number = Date.now(); !writing.isOver; number++) {
        if (await put(writing.key, String(number))) writing.last = number;
      }
    };
    const beside = async (at: number): Promise<void> => {
      while (!writing.isOver) await put(`x/${id}/${at}`, "x".repeat(500));
    };
    void inTurn();
    for (let at = 0; at < 4; at++) void beside(at);
  });
}

async function moreAcknowledged({ page }: Tab): Promise<void> {
  const from = await page.evaluate(() => window.writing.acknowledged);
  await page.waitForFunction((count) => window.writing.acknowledged > count + 40, from);
}
