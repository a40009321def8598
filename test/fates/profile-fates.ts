/** What happens to a profile: its data goes, its disk is full, it has two tabs, or nobody has one. */
import type { Status } from "../../src/client/client.ts";
import { standing } from "./claims.ts";
import type { Fates, Outcome } from "./fate.ts";
import { pause, putUntilDone, secondsOf } from "./steps.ts";
import type { World } from "./world.ts";

const ROOMS = ["tabs", "edge"] as const;

export const PROFILE_FATES: Fates = {
  "site-cleared": { what: "a profile's site data is cleared", places: ROOMS, run: (world) => cleared(world, "all") },
  "database-cleared": {
    what: "a profile's database is evicted",
    places: ROOMS,
    run: (world) => cleared(world, "indexeddb"),
  },
  quota: { what: "a profile's disk is full, and has room again", places: ROOMS, run: quota },
  "two-tabs": { what: "a profile has two tabs, and the first is closed", places: ROOMS, run: twoTabs },
  "one-reopened": { what: "all tabs are closed, and one is opened again", places: ROOMS, run: oneReopened },
  "quorum-lost": { what: "two of three are gone for good", places: ["tabs"], run: quorumLost },
};

async function cleared(world: World, storageTypes: string): Promise<Outcome> {
  const { hit, other, third } = await world.trio();
  await hit.put("kept", "yes");
  const former = (await third.status()).id;
  const session = await third.context.newCDPSession(third.page);
  await session.send("Storage.clearDataForOrigin", { origin: world.server.url, storageTypes });
  const says = await third.says(/Storage failed/);
  await third.page.reload();
  await third.page.waitForFunction(() => window.quorate !== undefined);
  const isNew = ({ id }: Status, was: string): boolean => id !== was;
  const seconds = await secondsOf(async () => {
    // A voter that is lost must lose its vote. A learner counts for nothing; it goes when the room is full.
    if (world.place === "tabs") await world.untilAllVote([hit, other, third], former);
    else await third.until(isNew, former);
    await third.ready();
  });
  // The next one that leaves does not stop the room.
  await other.crash();
  await putUntilDone(hit, "after", "yes");
  const right = (await third.read("kept")) === "yes" && (await third.read("after")) === "yes";
  return { right, says, recovers: "after a reload it is a new member in place of the lost one", seconds };
}

async function quota(world: World): Promise<Outcome> {
  const { tab: full, setQuota } = await world.openWithQuota(400_000);
  await full.ready();
  const others = [await world.open(), await world.open()] as const;
  await world.untilAllVote([full, ...others]);
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
  const backSeconds = await secondsOf(() => full.ready());
  const right = (await others[1].read("after")) === "yes" && (await full.read("after")) === "yes";
  const recovers = `the others go on, and the tab with them ${backSeconds.toFixed(1)} s after there is room`;
  return { right, says, recovers, seconds };
}

async function twoTabs(world: World): Promise<Outcome> {
  const first = await world.open();
  await first.ready();
  await first.put("kept", "yes");
  const second = await world.openSecond(first);
  await second.ready();
  const says = await standing(second);
  await first.page.close();
  const seconds = await secondsOf(() => putUntilDone(second, "after", "yes"));
  const right = (await second.read("kept")) === "yes";
  return { right, says, recovers: "the second tab is the member", seconds };
}

async function oneReopened(world: World): Promise<Outcome> {
  const { hit, other, third } = await world.trio();
  await hit.put("kept", "yes");
  // State is written behind. What was put in the last moment before is in the log, and shown when a quorum confirms it.
  await pause(2);
  await Promise.all([hit, other, third].map(({ page }) => page.close()));
  await hit.reopen();
  const seconds = await secondsOf(() => hit.page.evaluate(() => window.quorate.ready));
  const isReadable = (await hit.get("kept")) === "yes";
  const votes = world.place === "tabs";
  const says = await hit.says(votes ? /No quorum/ : /^Ready/);
  if (votes) await other.reopen();
  await putUntilDone(hit, "after", "yes");
  const right = isReadable && (await hit.read("kept")) === "yes";
  const recovers = votes ? "it reads at once, and writes with the second one" : "it reads at once, and writes alone";
  return { right, says, recovers, seconds };
}

async function quorumLost(world: World): Promise<Outcome> {
  const { hit, other, third } = await world.trio();
  await hit.put("kept", "yes");
  // What others were told and this tab does not have is lost here by a person's decision; so all have it.
  await world.witness.rest();
  const { revision } = await hit.status();
  await Promise.all([other, third].map((tab) => tab.until((status, wanted) => status.revision >= wanted, revision)));
  await Promise.all([other.crash(), third.crash()]);
  const says = await hit.says(/No quorum/);
  const recover = { name: "Go on from this tab’s data" };
  const seconds = await secondsOf(async () => {
    await hit.page.getByRole("button", recover).click();
    await hit.page.getByRole("dialog").getByRole("button", recover).click();
    await hit.says(/^Ready/);
  });
  const right = (await hit.read("kept")) === "yes" && (await hit.status()).members.length === 1;
  return { right, says, recovers: "a person goes on from this tab's data, as another cluster", seconds };
}
