/** What happens to the server, and to those who need it. */
import { LAN_NAME, pause, putUntilDone, secondsOf, standing, untilText } from "./world.ts";
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
  "signalling-killed": {
    what: "the edge is killed where it is the signalling server, and comes back",
    lastsSeconds: 20,
    run: signallingKilled,
  },
  offline: {
    what: "offline: a thousand writes are queued, the page is loaded anew twice; and back",
    lastsSeconds: 20,
    run: offline,
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

/** What is open stays open; a tab that is closed meanwhile comes back when the server does. */
async function signallingKilled(world: World, lastsSeconds: number): Promise<Outcome> {
  const { leader, follower, third } = await world.trio();
  await world.server.killWorkerd();
  await leader.says(/newcomers cannot find this room/);
  const says = await standing(leader);
  await leader.put("meanwhile", "yes");
  await third.crash();
  await putUntilDone(follower, "after", "yes");
  await pause(lastsSeconds);
  await world.restartServer();
  const seconds = await secondsOf(async () => {
    await Promise.all([leader.says(IS_COMPLETE), follower.says(IS_COMPLETE)]);
    await third.reopen();
    await third.ready();
  });
  const right = (await third.read("meanwhile")) === "yes" && (await third.read("after")) === "yes";
  return { right, says, recovers: "writes go on meanwhile; a tab that was closed is back with the server", seconds };
}

const WRITES = 1_000;

/** No network at all: neither the server nor the others of the room. The page comes from its service worker. */
async function offline(world: World, lastsSeconds: number): Promise<Outcome> {
  const { leader, follower, third } = await world.trio();
  const { page } = leader;
  await page.waitForFunction(() => navigator.serviceWorker.controller?.state === "activated");
  await Promise.all([follower.page.goto("about:blank"), third.page.goto("about:blank")]);
  await world.server.stop();
  await page.reload();
  await page.waitForFunction(() => window.quorate !== undefined);
  await page.evaluate(async (count) => {
    const { outbox } = window.quorate;
    const writes = Array.from({ length: count }, (_, at) => outbox.put(`offline/${at}`, String(at)));
    await Promise.all(writes.map(({ stored }) => stored));
  }, WRITES);
  await page.reload();
  await page.waitForFunction(() => window.quorate !== undefined);
  const says = await leader.says(/No quorum/);
  // Nothing is told to be committed before it is.
  const early = await page.evaluate(async () => {
    const { outbox } = window.quorate;
    outbox.subscribe(() => {});
    while (outbox.entries.length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
    return outbox.entries.filter(({ verdict }) => verdict !== undefined).length;
  });
  await pause(lastsSeconds);
  await world.restartServer();
  const seconds = await secondsOf(async () => {
    await Promise.all([follower.page.goto(follower.url), third.page.goto(third.url)]);
    await page.waitForFunction(() => {
      const { state, pending } = window.quorate.outbox.getSnapshot();
      return state === "idle" && pending === 0;
    });
  });
  const committed = await page.evaluate(
    () => window.quorate.outbox.entries.filter(({ verdict }) => verdict?.type === "committed").length,
  );
  await third.page.waitForFunction(() => window.quorate !== undefined);
  const once = await third.page.evaluate(async () => {
    const { toText, kv } = window.quorate;
    const { kvs } = await kv.range("offline/", { prefix: true });
    return kvs.filter(({ key, value, version }) => version === 1 && toText(key) === `offline/${toText(value)}`).length;
  });
  const right = early === 0 && once === WRITES && committed === WRITES;
  return { right, says, recovers: "each write is made once, by itself", seconds };
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
