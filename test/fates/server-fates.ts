/** What happens to the server, and to those who need it. */
import { LAN_NAME, pause, secondsOf, standing, untilText } from "./world.ts";
import type { Fate, Outcome, World } from "./world.ts";

export const SERVER_FATES: Readonly<Record<string, Fate>> = {
  "signalling-back": {
    what: "the signalling server is away, and comes back",
    lastsSeconds: 60,
    run: (world, lastsSeconds) => signallingBack(world, lastsSeconds, false),
  },
  "signalling-online": {
    what: "the same, and the browser says that it is online",
    lastsSeconds: 60,
    run: (world, lastsSeconds) => signallingBack(world, lastsSeconds, true),
  },
  "edge-killed": { what: "the edge is killed, and comes back", lastsSeconds: 20, run: edgeKilled },
  insecure: { what: "a room over plain http on a LAN", run: insecure },
};

const IS_COMPLETE = /^Ready: reads and writes are served/;

async function signallingBack(world: World, lastsSeconds: number, isTold: boolean): Promise<Outcome> {
  const { leader, follower, third } = await world.trio();
  await world.server.stop();
  await leader.says(/newcomers cannot find this room/);
  const says = await standing(leader);
  await leader.put("meanwhile", "yes");
  await pause(lastsSeconds);
  await world.restartServer();
  if (isTold)
    for (const { page } of [leader, follower, third]) await page.evaluate(() => dispatchEvent(new Event("online")));
  const seconds = await secondsOf(() => leader.says(IS_COMPLETE));
  const right = (await third.read("meanwhile")) === "yes";
  return { right, says, recovers: "writes go on meanwhile; newcomers find the room again", seconds };
}

async function edgeKilled(world: World, lastsSeconds: number): Promise<Outcome> {
  const page = await (await world.browser.newContext()).newPage();
  await page.goto(world.server.url);
  await page.waitForFunction(() => window.quorate !== undefined);
  await page.evaluate(async () => {
    await window.quorate.kv.put("k", "before");
    const seen: string[] = [];
    Object.assign(window, { seen });
    const watcher = window.quorate.watch("k");
    await watcher.created;
    void (async () => {
      for await (const { events } of watcher) for (const { kv } of events) seen.push(window.quorate.toText(kv.value));
    })();
  });
  await world.server.killWorkerd();
  await untilText(page, /No member can be asked/);
  const says = (await page.locator(".standing-text").textContent()) ?? "";
  await pause(lastsSeconds);
  await world.restartServer();
  // The cluster itself has to elect a leader first.
  await world.server.put("k", "after");
  const seconds = await secondsOf(async () => {
    await page.waitForFunction(() =>
      (window as unknown as { readonly seen: readonly string[] }).seen.includes("after"),
    );
  });
  const kept = await world.server.get("k");
  return { right: kept === "after", says, recovers: "the watch goes on and misses nothing", seconds };
}

async function insecure(world: World): Promise<Outcome> {
  const page = await (await world.browser.newContext()).newPage();
  const errors: string[] = [];
  page.on("pageerror", ({ message }) => errors.push(message));
  const at = `http://${LAN_NAME}:${world.server.port}/`;
  await page.goto(`${at}?room=${world.room}`);
  const says = (await page.locator(".refusal p").first().textContent()) ?? "";
  const seconds = await secondsOf(async () => {
    await page.goto(at);
    await page.waitForFunction(() => window.quorate !== undefined);
    await page.evaluate(() => window.quorate.kv.put("k", "v"));
  });
  const isSecure = await page.evaluate(() => isSecureContext);
  const right = !isSecure && errors.length === 0 && (await world.server.get("k")) === "v";
  return { right, says, recovers: "the edge's page and client work there", seconds };
}
