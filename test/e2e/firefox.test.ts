/**
 * What holds in Chromium (truth.test.ts, outbox.test.ts, test/browser/storage-quota.test.ts) in a real Firefox: what a tab
 * says of itself is so, nothing of an aborted write is believed, and queued writes survive.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Status } from "../../src/client/client.ts";
import type { RoomClient } from "../../src/room/room-client.ts";
import { EdgeServer } from "../support/edge-server.ts";
import { Firefox, firefoxPath } from "../support/firefox.ts";
import { FirefoxTab } from "../support/firefox-tab.ts";
import { newRoom, roomUrl } from "./tabs-support.ts";

/** In KiB, for all sites; one of them gets half. */
const QUOTA_KIB = 24_576;

/** A Firefox starts slowly on a busy machine. Ends what hangs. */
const HANGS_MS = 300_000;

describe.skipIf(firefoxPath() === undefined)(
  "in Firefox (skipped where none is at hand: QUORATE_FIREFOX, firefox-esr, firefox)",
  { timeout: HANGS_MS },
  () => {
    let firefox: Firefox;
    let data: string;
    let server: EdgeServer;

    beforeAll(async () => {
      data = await mkdtemp(join(tmpdir(), "quorate-firefox-server-"));
      [firefox, server] = await Promise.all([
        Firefox.launch({ "dom.quotaManager.temporaryStorage.fixedLimit": QUOTA_KIB }),
        EdgeServer.start(data),
      ]);
    }, HANGS_MS);

    afterAll(async () => {
      await Promise.all([firefox?.close(), server?.stop()]);
      await rm(data, { recursive: true, force: true });
    }, HANGS_MS);

    const open = (room: string, preload?: () => void): Promise<FirefoxTab> =>
      FirefoxTab.open(firefox, roomUrl(server, room, "tabs"), preload);

    test("a learner whose leader is gone says so, refuses writes for that reason, and reads its copy; ready settles", async () => {
      const room = newRoom();
      const leader = await open(room);
      await ready(leader);
      const learner = await open(room, countConnections);
      await ready(learner);
      // The two are connected by WebRTC, not through the server.
      expect(await learner.evaluate(() => connections().map(({ connectionState }) => connectionState))).toContain(
        "connected",
      );
      await put(leader, "kept", "here too");
      await until(learner, ({ revision }) => revision >= 2);
      expect((await status(learner)).role).toBe("learner");
      await leader.kill();
      await until(learner, ({ problem }) => problem?.code === "no-quorum");
      await says(learner, /^No quorum: 0 of 1 voter here since \d\d:\d\d\. /);
      expect(await failingPut(learner)).toMatchObject({
        message: expect.stringMatching(/^no quorum: 0 of 1 voter here since \d\d:\d\d$/),
        code: 14,
      });
      expect(await get(learner, "kept")).toBe("here too");

      await learner.reload();
      await hasClient(learner);
      await learner.evaluate(() => window.quorate.ready);
      expect(await get(learner, "kept")).toBe("here too");
      expect(await learner.evaluate(() => window.quorate.connection.getSnapshot().state)).not.toBe("connected");
      await learner.close();
    });

    test("a tab that comes back thousands of revisions behind is connected only when it has them", async () => {
      const room = newRoom();
      const leader = await open(room);
      await ready(leader);
      const returning = await open(room, recordClaims);
      await ready(returning);
      await returning.close();
      const revision = await leader.evaluate(async () => {
        for (let round = 0; round < 5; round++) {
          await Promise.all(
            Array.from({ length: 400 }, (_, at) => window.quorate.kv.put(`k/${round}/${at}`, "x".repeat(200))),
          );
        }
        return (await window.quorate.status()).revision;
      });
      await returning.reopen();
      await ready(returning);
      const claims = await returning.evaluate(() => window.claims);
      expect(claims.filter((claim) => claim.state === "connected" && claim.revision < revision)).toEqual([]);
      expect(claims.some(({ state }) => state === "connected")).toBe(true);
      await Promise.all([returning.close(), leader.close()]);
    });

    test("a member whose database is deleted has stopped, and does not say that it leads", async () => {
      const room = newRoom();
      const tab = await open(room);
      await ready(tab);
      expect((await status(tab)).role).toBe("leader");
      await tab.evaluate((name: string) => void indexedDB.deleteDatabase(name), `quorate/room/${room}`);
      await until(tab, ({ problem }) => problem?.code === "storage");
      expect(await status(tab)).toMatchObject({ role: "follower", leader: "0" });
      await says(tab, /^Storage failed/);
      await tab.close();
    });

    test("site data that is cleared under a write ends the member with a word, and its writes and watches with it", async () => {
      const tab = await open(newRoom());
      await ready(tab);
      await tab.evaluate(async () => {
        const ends: Ends = { acknowledged: 0, write: "", watch: "" };
        window.ends = ends;
        const watcher = window.quorate.watch("k");
        await watcher.created;
        const ended = (error: unknown): string => `ended: ${error instanceof Error ? error.message : "without a word"}`;
        void (async () => {
          for await (const { events } of watcher) void events;
        })().then(ended, (error: unknown) => (ends.watch = ended(error)));
        void (async () => {
          for (;;) {
            await window.quorate.kv.put("k", String(ends.acknowledged));
            ends.acknowledged += 1;
          }
        })().catch((error: unknown) => (ends.write = ended(error)));
      });
      await holds(tab, () => window.ends.acknowledged > 20);
      await tab.clearSiteData();
      await until(tab, ({ problem }) => problem?.code === "storage");
      await holds(tab, () => window.ends.write !== "" && window.ends.watch !== "");
      expect(await tab.evaluate(() => window.ends)).toMatchObject({
        write: expect.stringMatching(/^ended: .*(storage|database|stopped)/i),
        watch: expect.stringMatching(/^ended: .*(storage|database|stopped)/i),
      });
      expect(await status(tab)).toMatchObject({ role: "follower", leader: "0" });
      await says(tab, /^Storage failed/);
      await tab.close();
    });

    test.for<readonly [string, Way]>([
      ["in a write to the log", { together: 10, size: 50_000 }],
      ["in a write of the state, which has many rows", { together: 1, size: 20_000 }],
    ])("a full disk %s: nothing of it is believed, reads go on, and it goes on when there is room", async ([, way]) => {
      const tab = await open(newRoom());
      await ready(tab);
      await put(tab, "before", "here");
      await tab.evaluate(fill);
      const { acknowledged, refused } = await tab.evaluate(putUntilFull, way);
      expect(refused.length).toBeGreaterThan(0);
      await until(tab, ({ problem }) => problem !== undefined);
      await says(tab, /gives no more room to this site, which uses [\d.]+ MB of at most/);
      expect(await get(tab, "before")).toBe("here");
      await tab.evaluate(empty);
      await ready(tab);
      expect(await wholeKeys(tab, way.size)).toEqual(acknowledged.toSorted());
      await put(tab, "after", "goes on");
      await tab.reload();
      await ready(tab);
      expect(await wholeKeys(tab, way.size)).toEqual(acknowledged.toSorted());
      expect(await read(tab, "after")).toBe("goes on");
      await tab.close();
    });

    test("writes that are queued offline survive reload and kill, and are made once each when the server is back", async () => {
      const url = roomUrl(server, newRoom(), "edge");
      const tab = await FirefoxTab.open(firefox, url);
      await ready(tab);
      await holds(tab, () => navigator.serviceWorker.controller?.state === "activated");
      const { port } = server;
      await server.stop();
      await tab.reload();
      await hasClient(tab);
      await tab.evaluate(async () => {
        const writes = Array.from({ length: 300 }, (_, at) => window.quorate.outbox.put(`o/${at}`, String(at)));
        await Promise.all(writes.map(({ stored }) => stored));
      });
      await tab.kill();
      await tab.reopen();
      await hasClient(tab);
      await tab.evaluate(() => void window.quorate.outbox.subscribe(() => undefined));
      await holds(tab, () => window.quorate.outbox.getSnapshot().entries.length === 300);
      expect(await tab.evaluate(() => window.quorate.outbox.entries.filter(({ verdict }) => verdict).length)).toBe(0);
      server = await EdgeServer.start(data, [], port);
      await holds(tab, () => window.quorate.outbox.getSnapshot().pending === 0);
      const made = await tab.evaluate(async () => {
        const { toText, kv, outbox } = window.quorate;
        const { kvs } = await kv.range("o/", { prefix: true });
        const once = kvs.filter(({ key, value, version }) => version === 1 && toText(key) === `o/${toText(value)}`);
        return [once.length, outbox.entries.filter(({ verdict }) => verdict?.type === "committed").length];
      });
      expect(made).toEqual([300, 300]);
      await tab.close();
    });
  },
);

interface Claim {
  readonly state: string;
  readonly revision: number;
}

interface Ends {
  acknowledged: number;
  write: string;
  watch: string;
}

declare global {
  interface Window {
    claims: Claim[];
    ends: Ends;
  }
  /** Of this page, once `countConnections` was loaded before it. */
  function connections(): readonly RTCPeerConnection[];
}

/** Runs in a page before all else. */
function countConnections(): void {
  const made: RTCPeerConnection[] = [];
  const { RTCPeerConnection: Native } = globalThis;
  globalThis.RTCPeerConnection = class extends Native {
    constructor(configuration?: RTCConfiguration) {
      super(configuration);
      made.push(this);
    }
  };
  Object.assign(globalThis, { connections: () => made });
}

/** Runs in a page before all else. */
function recordClaims(): void {
  const claims: Claim[] = [];
  window.claims = claims;
  const look = (): void => {
    const client = window.quorate as RoomClient | undefined;
    if (client !== undefined) {
      claims.push({ state: client.connection.getSnapshot().state, revision: client.room.view?.revision ?? 0 });
    }
    setTimeout(look);
  };
  look();
}

/** Takes room that `empty` gives back. */
async function fill(): Promise<void> {
  const database = await new Promise<IDBDatabase>((resolve, reject) => {
    const opening = indexedDB.open("filler", 1);
    opening.onupgradeneeded = () => void opening.result.createObjectStore("rows");
    opening.onsuccess = () => resolve(opening.result);
    opening.onerror = () => reject(opening.error ?? new Error("it was not opened"));
  });
  for (let row = 0; row < 70; row++) {
    await new Promise<void>((resolve, reject) => {
      const transaction = database.transaction("rows", "readwrite");
      transaction.objectStore("rows").put(crypto.getRandomValues(new Uint8Array(60_000)), row);
      transaction.oncomplete = () => resolve();
      transaction.onabort = () => reject(transaction.error ?? new Error("it was not written"));
    });
  }
  database.close();
}

function empty(): Promise<void> {
  return new Promise((resolve, reject) => {
    const deleting = indexedDB.deleteDatabase("filler");
    deleting.onsuccess = () => resolve();
    deleting.onerror = () => reject(deleting.error ?? new Error("it was not deleted"));
  });
}

interface Way {
  /** Writes at a time, which share a record of the log. */
  readonly together: number;
  /** Bytes of a value. */
  readonly size: number;
}

/** Each value begins and ends with its key's number. */
async function putUntilFull({
  together,
  size,
}: Way): Promise<{ readonly acknowledged: string[]; readonly refused: string[] }> {
  const acknowledged: string[] = [];
  const refused: string[] = [];
  for (let number = 0; number < 2_000 && refused.length === 0; number += together) {
    const puts = Array.from({ length: together }, async (_, at) => {
      const key = `k/${number + at}`;
      const value = crypto.getRandomValues(new Uint8Array(size));
      value[0] = value[size - 1] = (number + at) % 256;
      const isDone = await window.quorate.kv.put(key, value).then(
        () => true,
        () => false,
      );
      (isDone ? acknowledged : refused).push(key);
    });
    await Promise.all(puts);
  }
  return { acknowledged, refused };
}

/** The keys of `putUntilFull` that have a value; one that is not whole has a name of its own. */
async function wholeKeys(tab: FirefoxTab, size: number): Promise<readonly string[]> {
  const keys = await tab.evaluate(async (bytes: number) => {
    const { kvs } = await window.quorate.kv.range("k/", { prefix: true });
    return kvs.map(({ key, value }) => {
      const name = window.quorate.toText(key);
      const mark = Number(name.slice(2)) % 256;
      return value.length === bytes && value[0] === mark && value[bytes - 1] === mark ? name : `${name} is torn`;
    });
  }, size);
  return keys.toSorted();
}

async function hasClient(tab: FirefoxTab): Promise<void> {
  await holds(tab, () => (window.quorate as RoomClient | undefined) !== undefined);
}

/** Serves writes and linearizable reads. */
async function ready(tab: FirefoxTab): Promise<void> {
  await hasClient(tab);
  await until(tab, ({ problem }) => problem === undefined);
}

function status(tab: FirefoxTab): Promise<Status> {
  return tab.evaluate(() => window.quorate.status());
}

/** Until the page says it of itself. */
async function says(tab: FirefoxTab, text: RegExp): Promise<void> {
  await holds(
    tab,
    (source: string) => {
      const said = document.querySelector(".standing-text")?.textContent ?? "";
      return new RegExp(source).test(said);
    },
    text.source,
  );
}

async function put(tab: FirefoxTab, key: string, value: string): Promise<void> {
  await tab.evaluate(async (pair: readonly [string, string]) => void (await window.quorate.kv.put(...pair)), [
    key,
    value,
  ] as const);
}

/** As this very member has it. */
function get(tab: FirefoxTab, key: string): Promise<string | undefined> {
  return tab.evaluate(async (name: string) => {
    const { kvs } = await window.quorate.kv.range(name, { serializable: true });
    return kvs[0] === undefined ? undefined : window.quorate.toText(kvs[0].value);
  }, key);
}

/** Linearizable. */
function read(tab: FirefoxTab, key: string): Promise<string | undefined> {
  return tab.evaluate(async (name: string) => {
    const { kvs } = await window.quorate.kv.range(name);
    return kvs[0] === undefined ? undefined : window.quorate.toText(kvs[0].value);
  }, key);
}

function failingPut(tab: FirefoxTab): Promise<{ readonly message: string; readonly code: unknown }> {
  return tab.evaluate(async () => {
    const error = await window.quorate.kv.put("k", "v").catch((thrown: unknown) => thrown);
    const { message, code } = error as { readonly message: string; readonly code: unknown };
    return { message, code };
  });
}

/** Ends what hangs; a busy machine is slow. */
const WITHIN_MS = 100_000;

async function until(tab: FirefoxTab, condition: (status: Status) => boolean): Promise<void> {
  const untilMs = Date.now() + WITHIN_MS;
  for (;;) {
    const now = await status(tab);
    if (condition(now)) return;
    if (Date.now() > untilMs) throw new Error(`waited in vain: ${JSON.stringify(now)}`);
    await pause();
  }
}

/** The condition is asked in the page. */
async function holds<Argument = undefined>(
  tab: FirefoxTab,
  condition: (argument: Argument) => boolean,
  ...argument: Argument extends undefined ? [] : [Argument]
): Promise<void> {
  const untilMs = Date.now() + WITHIN_MS;
  while (!(await tab.evaluate(condition, ...argument))) {
    if (Date.now() > untilMs) throw new Error(`waited in vain for ${condition.toString()}(${String(argument)})`);
    await pause();
  }
}

function pause(): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, 50);
  });
}
