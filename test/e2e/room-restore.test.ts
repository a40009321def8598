/** A snapshot is restored into a room of real browsers: what becomes of its tabs. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { quorate } from "../cli/support/fake-terminal.ts";
import { browserAndServer } from "./browser-and-server.ts";
import { newRoom, roomUrl, STEP_MS, Tab } from "./tabs-support.ts";
import type { Server } from "./tabs-support.ts";

let browser: Browser;
let server: Server;
let folder: string;
let snapshot: string;

browserAndServer((...started) => {
  [browser, server] = started;
});

/** Of a room that has "from". */
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "quorate-room-restore-"));
  snapshot = join(folder, "room.db");
  const room = newRoom();
  const tab = await Tab.openAtEdge(browser, server, room);
  await tab.ready();
  await tab.put("from", "a backup");
  await command(room, ["snapshot", "save", snapshot]);
  await tab.close();
});

afterAll(() => rm(folder, { recursive: true, force: true }));

async function command(room: string, words: readonly string[]): Promise<string> {
  const env = { QUORATE_ROOM: roomUrl(server, room) };
  const { code, out, err } = await quorate(server.url, words, { env });
  expect([code, err]).toEqual([0, expect.anything()]);
  return out;
}

test("the tabs of a room into which a snapshot is restored come into its new cluster by themselves, and so does a new one", async () => {
  const room = newRoom();
  const former = await Tab.openAtEdge(browser, server, room);
  await former.ready();
  const { id } = await former.status();

  expect(await command(room, ["restore", snapshot])).toContain("Restored 1 keys");
  await former.until((status, before) => status.id !== before && status.members.length > 1, id);
  await former.ready();
  expect(await former.read("from")).toBe("a backup");
  const other = await Tab.openAtEdge(browser, server, room);
  await other.ready();
  expect(await other.get("from")).toBe("a backup");
  // Both learn what others write, and write themselves.
  await command(room, ["put", "by-cli", "1"]);
  for (const tab of [former, other]) expect(await tab.read("by-cli")).toBe("1");
  await former.put("by-tab", "2");
  expect(await command(room, ["get", "by-tab"])).toContain("2");
  // A reload comes back as the member that it is now.
  await former.reopen();
  await former.ready();
  expect(await former.get("by-tab")).toBe("2");
});

test("a tab with a copy of a room that was deleted and restored asks before it drops that, and keeps its queued writes", async () => {
  const room = newRoom();
  const former = await Tab.openAtEdge(browser, server, room);
  await former.ready();
  await former.put("only-here", "by the former room");
  expect((await quorate(server.url, ["cluster", "delete", room, "--yes"], {})).code).toBe(0);
  await former.page.evaluate(() => window.quorate.outbox.put("queued", "in this browser").stored);
  // Whoever has the link founds the room anew, once the server has forgotten the deleted one.
  await new Promise((resolve) => setTimeout(resolve, 12_000));
  const other = await Tab.openAtEdge(browser, server, room);
  await other.ready();
  const { id } = await other.status();
  await command(room, ["restore", snapshot]);
  await other.until((status, before) => status.id !== before && status.members.length > 1, id);
  await other.ready();
  expect(await other.read("from")).toBe("a backup");

  await former.reopen();
  await former.says(/The room began anew at its server/);
  expect(await former.get("only-here")).toBe("by the former room");
  await former.page.getByRole("button", { name: "Join the new one" }).click();
  const loaded = former.page.waitForEvent("load");
  await former.page.getByRole("dialog").getByRole("button", { name: "Join the new one" }).click();
  await loaded;
  await former.page.waitForFunction(() => window.quorate !== undefined);
  await former.ready();
  expect(await former.read("from")).toBe("a backup");
  expect(await former.read("only-here")).toBeUndefined();
  // As an application does that has an outbox.
  await former.page.evaluate(() => void window.quorate.outbox.subscribe(() => {}));
  await expect.poll(() => other.read("queued"), { timeout: STEP_MS }).toBe("in this browser");
});
