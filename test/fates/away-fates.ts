/** Tabs that die, or do not run for a while, or slowly, or by another clock. */
import type { CDPSession } from "playwright-core";
import type { Tab } from "../e2e/tabs-support.ts";
import { record, standing } from "./claims.ts";
import type { Fates, Outcome } from "./fate.ts";
import { freeze, hide } from "./page-life.ts";
import { pause, putUntilDone, secondsOf } from "./steps.ts";
import type { Trio, World } from "./world.ts";

const ROOMS = ["tabs", "edge"] as const;

export const AWAY_FATES: Fates = {
  killed: { what: "a tab is killed, and opened again", places: ROOMS, run: killed },
  frozen: {
    what: "a page is frozen, and thaws",
    places: ROOMS,
    lastsSeconds: 30,
    run: (...given) => gone(freeze, ...given),
  },
  hidden: {
    what: "a page is hidden, and seen again",
    places: ROOMS,
    lastsSeconds: 300,
    run: (...given) => gone(hide, ...given),
  },
  sigstop: { what: "a tab's process is stopped (SIGSTOP), and goes on", places: ROOMS, lastsSeconds: 90, run: stopped },
  throttled: { what: "a tab's processor is twenty times slower", places: ROOMS, run: throttled },
  "clock-jump": { what: "a tab's clock jumps by an hour", places: ROOMS, run: clockJump },
};

async function killed(world: World): Promise<Outcome> {
  const { hit, other, third } = await world.trio();
  await hit.put("kept", "yes");
  await hit.crash();
  const seconds = await secondsOf(() => putUntilDone(other, "after", "yes"));
  const says = await standing(other);
  await hit.reopen();
  const backSeconds = await secondsOf(() => hit.ready());
  const right = (await third.read("kept")) === "yes" && (await hit.read("after")) === "yes";
  return {
    right,
    says,
    recovers: `the others write on; the tab is the member that it was ${after(backSeconds)}`,
    seconds,
  };
}

async function gone(
  leave: (tab: Tab) => Promise<() => Promise<void>>,
  world: World,
  lastsSeconds: number,
): Promise<Outcome> {
  const trio = await world.trio();
  return away(
    trio,
    async (meanwhile) => {
      const comeBack = await leave(trio.hit);
      await meanwhile();
      await comeBack();
    },
    lastsSeconds,
  );
}

async function stopped(world: World, lastsSeconds: number): Promise<Outcome> {
  const trio = await world.trio();
  const browser = await world.browser.newBrowserCDPSession();
  const pid = await rendererOf(browser, trio.hit);
  return away(
    trio,
    async (meanwhile) => {
      process.kill(pid, "SIGSTOP");
      try {
        await meanwhile();
      } finally {
        process.kill(pid, "SIGCONT");
      }
    },
    lastsSeconds,
  );
}

/** Each tab has a renderer of its own; a page that keeps its processor busy for a moment shows which. */
async function rendererOf(browser: CDPSession, tab: Tab): Promise<number> {
  const times = async (): Promise<ReadonlyMap<number, number>> => {
    const { processInfo } = await browser.send("SystemInfo.getProcessInfo");
    return new Map(processInfo.filter(({ type }) => type === "renderer").map(({ id, cpuTime }) => [id, cpuTime]));
  };
  const before = await times();
  await tab.page.evaluate(() => {
    const untilMs = performance.now() + 700;
    while (performance.now() < untilMs);
  });
  const used = [...(await times())].map(([id, cpuTime]) => [id, cpuTime - (before.get(id) ?? 0)] as const);
  const [busiest] = used.toSorted(([, left], [, right]) => right - left);
  if (busiest === undefined) throw new Error("no renderer was found");
  return busiest[0];
}

/** A page looks at itself every 5 ms while it runs: more samples than these are no moment of waking. */
const UNTRUE_SAMPLES_MAX = 100;

/** A tab that does not run for a while, and what it says when it does again. */
async function away(
  { hit, other }: Trio,
  during: (meanwhile: () => Promise<void>) => Promise<void>,
  lastsSeconds: number,
): Promise<Outcome> {
  const samples = await record(hit);
  let seconds = 0;
  let revision = 0;
  let backMs = 0;
  await during(async () => {
    seconds = await secondsOf(() => putUntilDone(other, "meanwhile", "yes"));
    revision = await other.page.evaluate(async () => {
      for (let at = 0; at < 300; at++) await window.quorate.kv.put(`k${at}`, "x").catch(() => undefined);
      return (await window.quorate.status()).revision;
    });
    await pause(Math.max(0, lastsSeconds - seconds));
    backMs = Date.now();
  });
  const backSeconds = await secondsOf(() => hit.until((status, wanted) => status.revision >= wanted, revision));
  await pause(0.5);
  await hit.ready();
  const untrue = (await samples()).filter((one) => one.wallMs >= backMs && one.isConnected && one.revision < revision);
  const untrueMs = untrue.length === 0 ? 0 : Math.max(...untrue.map(({ wallMs }) => wallMs)) - backMs;
  const right = (await hit.read("meanwhile")) === "yes" && untrue.length <= UNTRUE_SAMPLES_MAX;
  const says = `${await standing(hit)} (said to be connected while it was behind for ${Math.round(untrueMs)} ms)`;
  return { right, says, recovers: `the others write on; the tab has it all ${after(backSeconds)}`, seconds };
}

async function throttled(world: World): Promise<Outcome> {
  const { hit, other } = await world.trio();
  const session = await hit.context.newCDPSession(hit.page);
  await session.send("Emulation.setCPUThrottlingRate", { rate: 20 });
  const seconds = await secondsOf(async () => {
    await putUntilDone(other, "slow", "yes");
    await putUntilDone(hit, "slower", "yes");
  });
  const right = (await other.read("slower")) === "yes";
  return { right, says: await standing(hit), recovers: "writes go on, slower", seconds };
}

async function clockJump(world: World): Promise<Outcome> {
  const { hit, other } = await world.trio();
  const { role } = await hit.status();
  await hit.page.evaluate(() => {
    const now = Date.now.bind(Date);
    Date.now = () => now() + 3_600_000;
  });
  const seconds = await secondsOf(async () => {
    await putUntilDone(hit, "after", "yes");
    await hit.ready();
  });
  const right = (await other.read("after")) === "yes" && (await hit.status()).role === role;
  return { right, says: await standing(hit), recovers: "it goes on as what it was", seconds };
}

function after(seconds: number): string {
  return `${seconds.toFixed(1)} s after it is back`;
}
