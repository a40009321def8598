/** What happens to tabs of a room. */
import type { CDPSession } from "playwright-core";
import { Tab } from "../e2e/tabs-support.ts";
import { freeze, hide } from "./page-life.ts";
import { pause, putUntilDone, record, secondsOf, standing } from "./world.ts";
import type { Fate, Outcome, World } from "./world.ts";

export const ROOM_FATES: Readonly<Record<string, Fate>> = {
  killed: { what: "the leader's tab is killed", run: killed },
  frozen: { what: "the leader's page is frozen, and thaws", lastsSeconds: 30, run: frozen },
  hidden: { what: "the leader's page is hidden, and seen again", lastsSeconds: 300, run: hidden },
  sigstop: { what: "the leader's renderer is stopped (SIGSTOP), and goes on", lastsSeconds: 90, run: stopped },
  throttled: { what: "the leader's processor is twenty times slower", run: throttled },
  "clock-jump": { what: "the leader's clock jumps by an hour", run: clockJump },
  "site-cleared": { what: "a voter's site data is cleared", run: (world) => cleared(world, "all") },
  "database-cleared": { what: "a voter's database is evicted", run: (world) => cleared(world, "indexeddb") },
  quota: { what: "a voter's disk is full", run: quota },
  "two-tabs": { what: "a second tab of a profile, and the first is closed", run: twoTabs },
  "one-reopened": { what: "all tabs are closed, and one is opened again", run: oneReopened },
  "quorum-lost": { what: "two of three are gone for good", run: quorumLost },
};

async function killed(world: World): Promise<Outcome> {
  const { leader, follower, third } = await world.trio();
  await leader.put("kept", "yes");
  await leader.crash();
  const seconds = await secondsOf(() => putUntilDone(follower, "after", "yes"));
  const said = await standing(follower);
  await leader.reopen();
  await leader.ready();
  const right = (await third.read("kept")) === "yes" && (await leader.read("after")) === "yes";
  return { right, says: said, recovers: "the others elect; the tab comes back as the member that it was", seconds };
}

async function frozen(world: World, lastsSeconds: number): Promise<Outcome> {
  return gone(world, freeze, lastsSeconds);
}

async function hidden(world: World, lastsSeconds: number): Promise<Outcome> {
  return gone(world, hide, lastsSeconds);
}

async function gone(
  world: World,
  leave: (tab: Tab) => Promise<() => Promise<void>>,
  lastsSeconds: number,
): Promise<Outcome> {
  const tabs = await world.trio();
  return away(
    tabs,
    async (meanwhile) => {
      const comeBack = await leave(tabs.leader);
      await meanwhile();
      await comeBack();
    },
    lastsSeconds,
  );
}

async function stopped(world: World, lastsSeconds: number): Promise<Outcome> {
  const tabs = await world.trio();
  const { leader } = tabs;
  const browser = await world.browser.newBrowserCDPSession();
  const pid = await rendererOf(browser, leader);
  return away(
    tabs,
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
  const after = [...(await times())].map(([id, cpuTime]) => [id, cpuTime - (before.get(id) ?? 0)] as const);
  const [busiest] = after.toSorted(([, left], [, right]) => right - left);
  if (busiest === undefined) throw new Error("no renderer was found");
  return busiest[0];
}

/** A leader that does not run for a while, and what it says when it does again. */
async function away(
  { leader, follower }: { readonly leader: Tab; readonly follower: Tab },
  during: (meanwhile: () => Promise<void>) => Promise<void>,
  lastsSeconds: number,
): Promise<Outcome> {
  const samples = await record(leader);
  let seconds = 0;
  let revision = 0;
  let backMs = 0;
  await during(async () => {
    seconds = await secondsOf(() => putUntilDone(follower, "meanwhile", "yes"));
    revision = await follower.page.evaluate(async () => {
      for (let at = 0; at < 300; at++) await window.quorate.kv.put(`k${at}`, "x");
      return (await window.quorate.status()).revision;
    });
    await pause(Math.max(0, lastsSeconds - seconds));
    backMs = Date.now();
  });
  await pause(0.5);
  await leader.ready();
  const untrue = (await samples()).filter((one) => one.wallMs >= backMs && one.isConnected && one.revision < revision);
  const untrueMs = untrue.length === 0 ? 0 : Math.max(...untrue.map(({ wallMs }) => wallMs)) - backMs;
  const right = (await leader.read("meanwhile")) === "yes";
  const says = `${await standing(leader)} (said to be connected while it was behind for ${Math.round(untrueMs)} ms)`;
  return { right, says, recovers: "the others elect; the tab catches up", seconds };
}

async function throttled(world: World): Promise<Outcome> {
  const { leader, follower } = await world.trio();
  const session = await leader.context.newCDPSession(leader.page);
  await session.send("Emulation.setCPUThrottlingRate", { rate: 20 });
  const seconds = await secondsOf(() => putUntilDone(follower, "slow", "yes"));
  const right = (await follower.read("slow")) === "yes";
  return { right, says: await standing(follower), recovers: "writes go on, slower", seconds };
}

async function clockJump(world: World): Promise<Outcome> {
  const { leader, follower } = await world.trio();
  await leader.page.evaluate(() => {
    const now = Date.now.bind(Date);
    Date.now = () => now() + 3_600_000;
  });
  const seconds = await secondsOf(async () => {
    await putUntilDone(leader, "after", "yes");
    await leader.ready();
  });
  const right = (await follower.read("after")) === "yes" && (await leader.status()).role === "leader";
  return { right, says: await standing(leader), recovers: "it confirms that it leads, and goes on", seconds };
}

async function cleared(world: World, storageTypes: string): Promise<Outcome> {
  const { leader, follower, third } = await world.trio();
  await leader.put("kept", "yes");
  const former = (await third.status()).id;
  const session = await third.context.newCDPSession(third.page);
  await session.send("Storage.clearDataForOrigin", { origin: world.server.url, storageTypes });
  const says = await third.says(/Storage failed/);
  await third.page.reload();
  await third.page.waitForFunction(() => window.quorate !== undefined);
  const seconds = await secondsOf(() =>
    leader.until((status, id) => {
      const voters = status.members.filter(({ learner }) => !learner);
      return voters.length === 3 && voters.every((member) => member.id !== id);
    }, former),
  );
  // The next one that leaves does not stop the room.
  await follower.crash();
  await putUntilDone(leader, "after", "yes");
  const right = (await third.read("kept")) === "yes" && (await third.read("after")) === "yes";
  return { right, says, recovers: "a new member has the vote of the one that is lost", seconds };
}

async function quota({ browser, serverOfTabs, room }: World): Promise<Outcome> {
  const { tab: full, setQuota } = await Tab.openWithQuota(browser, serverOfTabs, room, 400_000);
  const others = [await Tab.open(browser, serverOfTabs, room), await Tab.open(browser, serverOfTabs, room)] as const;
  await Promise.all([full, ...others].map((tab) => tab.untilVoters(3)));
  const seconds = await secondsOf(async () => {
    await full.page.evaluate(async () => {
      const value = crypto.getRandomValues(new Uint8Array(60_000));
      for (let at = 0; at < 40; at++) {
        const failed = await window.quorate.kv.put(`k${at}`, value).then(
          () => false,
          () => true,
        );
        if (failed) return;
      }
    });
    await full.says(/no more room/);
  });
  const says = await standing(full);
  await putUntilDone(others[0], "after", "yes");
  await setQuota(1e9);
  await full.ready();
  const right = (await others[1].read("after")) === "yes" && (await full.read("after")) === "yes";
  return { right, says, recovers: "the others go on, and the tab with them when there is room", seconds };
}

async function twoTabs({ browser, serverOfTabs, room }: World): Promise<Outcome> {
  const first = await Tab.open(browser, serverOfTabs, room);
  await first.ready();
  await first.put("kept", "yes");
  const second = await first.second();
  const says = await standing(second);
  await first.page.close();
  const seconds = await secondsOf(() => second.ready());
  return { right: (await second.read("kept")) === "yes", says, recovers: "the second tab is the member", seconds };
}

async function oneReopened(world: World): Promise<Outcome> {
  const { leader, follower, third } = await world.trio();
  await leader.put("kept", "yes");
  // State is written behind. What was put in the last moment before is in the log, and shown when a quorum confirms it.
  await pause(2);
  const tabs = [leader, follower, third];
  await Promise.all(tabs.map(({ page }) => page.close()));
  await leader.reopen();
  const seconds = await secondsOf(() => leader.page.evaluate(() => window.quorate.ready));
  const says = await leader.says(/No quorum/);
  const isReadable = (await leader.get("kept")) === "yes";
  await follower.reopen();
  await putUntilDone(leader, "after", "yes");
  const right = isReadable && (await leader.read("kept")) === "yes";
  return { right, says, recovers: "it reads at once, and writes with the second one", seconds };
}

async function quorumLost(world: World): Promise<Outcome> {
  const { leader, follower, third } = await world.trio();
  await leader.put("kept", "yes");
  await leader.until(({ revision }) => revision >= 2, undefined);
  await Promise.all([follower.crash(), third.crash()]);
  const says = await leader.says(/No quorum/);
  const recover = { name: "Go on from this tab’s data" };
  const seconds = await secondsOf(async () => {
    await leader.page.getByRole("button", recover).click();
    await leader.page.getByRole("dialog").getByRole("button", recover).click();
    await leader.says(/^Ready/);
  });
  const right = (await leader.read("kept")) === "yes" && (await leader.status()).members.length === 1;
  return { right, says, recovers: "a person goes on from this tab's data, as another cluster", seconds };
}
