/** Writes that are queued while nothing answers, and made when something does. */
import { standing } from "./claims.ts";
import type { Fates, Outcome } from "./fate.ts";
import { madeOnce, pause, putUntilDone, queue, secondsOf, untilSent, verdicts } from "./steps.ts";
import type { World } from "./world.ts";

export const OFFLINE_FATES: Fates = {
  offline: {
    what: "a thousand writes are queued offline, the page is loaded anew twice; and back",
    places: ["tabs", "edge"],
    lastsSeconds: 20,
    run: offline,
  },
  "room-server-killed": {
    what: "the server that votes is killed while tabs read and queue writes, and comes back",
    places: ["edge"],
    lastsSeconds: 20,
    run: roomServerKilled,
  },
};

const WRITES = 1_000;

/** No network at all: neither the server nor the others of the room. The page comes from its service worker. */
async function offline(world: World, lastsSeconds: number): Promise<Outcome> {
  const { hit, other, third } = await world.trio();
  const { page } = hit;
  await page.waitForFunction(() => navigator.serviceWorker.controller?.state === "activated");
  await Promise.all([other.page.goto("about:blank"), third.page.goto("about:blank")]);
  await world.server.stop();
  await page.reload();
  await page.waitForFunction(() => window.quorate !== undefined);
  await queue(hit, WRITES, "offline/");
  await page.reload();
  await page.waitForFunction(() => window.quorate !== undefined);
  const says = await hit.says(world.place === "tabs" ? /No quorum/ : /cannot reach the room’s server/);
  // Nothing is told to be committed before it is.
  const early = await verdicts(hit);
  await pause(lastsSeconds);
  await world.restartServer();
  const seconds = await secondsOf(async () => {
    await Promise.all([other.page.goto(other.url), third.page.goto(third.url)]);
    await untilSent(hit);
  });
  const once = await madeOnce(hit, third, "offline/");
  return { right: early === 0 && once === WRITES, says, recovers: "each write is made once, by itself", seconds };
}

/** The tabs keep their copies, and keep what they are to write; one of them dies with it and is opened again. */
async function roomServerKilled(world: World, lastsSeconds: number): Promise<Outcome> {
  const { hit, other, third } = await world.trio();
  await hit.put("kept", "yes");
  await Promise.all([other, third].map((tab) => tab.until(({ revision }, wanted) => revision >= wanted, 2)));
  await hit.page.waitForFunction(() => navigator.serviceWorker.controller?.state === "activated");
  await world.server.killWorkerd();
  const noticedSeconds = await secondsOf(() => hit.says(/cannot reach the room’s server/));
  const says = await standing(hit);
  const reads = await Promise.all([hit, other, third].map((tab) => tab.get("kept")));
  await Promise.all([queue(hit, WRITES, "hit/"), queue(other, WRITES, "other/")]);
  await hit.crash();
  await hit.reopen();
  const early = (await verdicts(hit)) + (await verdicts(other));
  await pause(lastsSeconds);
  await world.restartServer();
  const seconds = await secondsOf(async () => {
    await putUntilDone(third, "after", "yes");
    await Promise.all([untilSent(hit), untilSent(other)]);
  });
  const once = (await madeOnce(hit, third, "hit/")) + (await madeOnce(other, third, "other/"));
  const right = reads.every((value) => value === "yes") && early === 0 && once === 2 * WRITES;
  const recovers = `tabs read their copies meanwhile; each write is made once, by itself (noticed after ${noticedSeconds.toFixed(1)} s)`;
  return { right, says, recovers, seconds };
}
