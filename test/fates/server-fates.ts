/** What happens to the server, and to those who need it. */
import { standing, untilText } from "./claims.ts";
import type { Fates, Outcome } from "./fate.ts";
import { pause, putUntilDone, secondsOf } from "./steps.ts";
import { LAN_NAME } from "./world.ts";
import type { World } from "./world.ts";

export const SERVER_FATES: Fates = {
  "signalling-back": {
    what: "the signalling server is away, and comes back",
    places: ["tabs"],
    lastsSeconds: 60,
    run: (world, lastsSeconds) => signallingBack(world, lastsSeconds, false),
  },
  "signalling-online": {
    what: "the same, and the browser says that it is online",
    places: ["tabs"],
    lastsSeconds: 60,
    run: (world, lastsSeconds) => signallingBack(world, lastsSeconds, true),
  },
  "signalling-killed": {
    what: "the edge is killed where it is the signalling server, and comes back",
    places: ["tabs"],
    lastsSeconds: 20,
    run: signallingKilled,
  },
  "edge-killed": {
    what: "the edge is killed, and comes back",
    places: ["endpoint"],
    lastsSeconds: 20,
    run: edgeKilled,
  },
  insecure: { what: "a room over plain http on a LAN", places: ["endpoint"], run: insecure },
};

const IS_COMPLETE = /^Ready: reads and writes are served/;

async function signallingBack(world: World, lastsSeconds: number, isTold: boolean): Promise<Outcome> {
  const { hit, other, third } = await world.trio();
  await world.server.stop();
  await hit.says(/newcomers cannot find this room/);
  const says = await standing(hit);
  await hit.put("meanwhile", "yes");
  await pause(lastsSeconds);
  await world.restartServer();
  if (isTold) for (const { page } of [hit, other, third]) await page.evaluate(() => dispatchEvent(new Event("online")));
  const seconds = await secondsOf(() => hit.says(IS_COMPLETE));
  const right = (await third.read("meanwhile")) === "yes";
  return { right, says, recovers: "writes go on meanwhile; newcomers find the room again", seconds };
}

/** What is open stays open; a tab that is closed meanwhile comes back when the server does. */
async function signallingKilled(world: World, lastsSeconds: number): Promise<Outcome> {
  const { hit, other, third } = await world.trio();
  await world.server.killWorkerd();
  await hit.says(/newcomers cannot find this room/);
  const says = await standing(hit);
  await hit.put("meanwhile", "yes");
  await third.crash();
  await putUntilDone(other, "after", "yes");
  await pause(lastsSeconds);
  await world.restartServer();
  const seconds = await secondsOf(async () => {
    await Promise.all([hit.says(IS_COMPLETE), other.says(IS_COMPLETE)]);
    await third.reopen();
    await third.ready();
  });
  const right = (await third.read("meanwhile")) === "yes" && (await third.read("after")) === "yes";
  return { right, says, recovers: "writes go on meanwhile; a tab that was closed is back with the server", seconds };
}

async function edgeKilled(world: World, lastsSeconds: number): Promise<Outcome> {
  const page = await world.openEndpoint();
  await page.evaluate(() => window.quorate.kv.put("k", "before"));
  await world.server.killWorkerd();
  await untilText(page, /No member can be asked/);
  const says = await standing({ page });
  await pause(lastsSeconds);
  await world.restartServer();
  const seconds = await secondsOf(() => putUntilDone({ page }, "after", "yes"));
  const kept = await world.server.get("k");
  return { right: kept === "before", says, recovers: "calls and watches go on, and watches miss nothing", seconds };
}

async function insecure(world: World): Promise<Outcome> {
  const page = await (await world.browser.newContext()).newPage();
  const errors: string[] = [];
  page.on("pageerror", ({ message }) => errors.push(message));
  const at = `http://${LAN_NAME}:${world.server.port}/`;
  await page.goto(`${at}?room=${world.room}`);
  const says = (await page.locator(".refusal p").first().textContent()) ?? "";
  let isSecure = true;
  const seconds = await secondsOf(async () => {
    const plain = await world.openEndpoint(LAN_NAME);
    await plain.evaluate(() => window.quorate.kv.put("k", "v"));
    isSecure = await plain.evaluate(() => isSecureContext);
  });
  const right = !isSecure && errors.length === 0 && (await world.server.get("k")) === "v";
  return { right, says, recovers: "the edge's page and client work there", seconds };
}
