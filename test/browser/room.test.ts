/** `openRoom` in a real Chromium, with the signalling that is deployed, at another origin than the page's. */
import { afterEach, expect, inject, test, vi } from "vitest";
import { EtcdError, GrpcCode } from "../../src/client/client.ts";
import { openRoom, OpenRoomError } from "../../src/entry/room.ts";
import type { RoomClient } from "../../src/entry/room.ts";

const signalling = inject("signallingUrl");
const opened: RoomClient[] = [];

afterEach(async () => {
  await Promise.all(opened.splice(0).map((client) => client.close()));
});

function newName(): string {
  return `room-${crypto.randomUUID().slice(0, 8)}`;
}

function open(name: string, options: Parameters<typeof openRoom>[1] = {}): RoomClient {
  const client = openRoom(name, { signalling, persist: false, shape: "tabs", ...options });
  opened.push(client);
  return client;
}

async function locksHeld(name: string): Promise<number> {
  const { held = [] } = await navigator.locks.query();
  // Beside it each tab has a lock of its own, named after the room and the tab.
  return held.filter((lock) => lock.name === `quorate:room:${name}@${signalling}`).length;
}

async function textOf(client: RoomClient, key: string): Promise<string | undefined> {
  const { kvs } = await client.kv.range(key);
  return kvs[0] === undefined ? undefined : client.toText(kvs[0].value);
}

test("a room opens with a secret of its own, is written and read as any client, and says what is true", async () => {
  const name = newName();
  const client = open(name);
  const seen: string[] = [];
  client.connection.subscribe(() => seen.push(client.connection.getSnapshot().state));
  expect(client.connection.getSnapshot().state).toBe("joining");
  expect(client.room.link).toBeUndefined();
  await client.ready;
  const flags = client.namespace<boolean>("flags/");
  await flags.put("dark", true);
  expect((await flags.get("dark"))?.value).toBe(true);
  expect(client.room.secret).toHaveLength(43);
  expect(client.room.link).toBe(`${location.href.replace(/#.*/, "")}#k=${client.room.secret}`);
  expect(client.room.members).toHaveLength(1);
  expect(client.room.isOpen).toBe(false);
  await vi.waitFor(() => expect(client.connection.getSnapshot()).toMatchObject({ state: "connected", reason: "" }));
  await client.close();
  expect(client.connection.getSnapshot().state).toBe("closed");
  expect(seen.at(-1)).toBe("closed");
});

test("connection says what the member knows in the same turn: it is notified, and does not look now and then", async () => {
  const client = open(newName());
  const differences: string[] = [];
  let isConnected = false;
  for (let turns = 0; turns < 10_000 && !isConnected; turns++) {
    await new Promise((resolve) => setTimeout(resolve));
    const { view } = client.room;
    isConnected = view !== undefined && view.problem === undefined;
    const { state, reason } = client.connection.getSnapshot();
    if (isConnected !== (state === "connected")) differences.push(`${view?.problem?.code}: ${state} ${reason}`);
  }
  expect(isConnected).toBe(true);
  expect(differences).toEqual([]);
});

test("a second openRoom of one name in a page is refused; another server's room of that name is another room", async () => {
  const name = newName();
  open(name);
  expect(() => open(name)).toThrow(OpenRoomError);
  expect(() => open(name)).toThrow("open in this page already");
  const { href } = new URL(signalling.replace("127.0.0.1", "localhost"));
  open(name, { signalling: href });
});

test("close releases the lock, ends the database's use, refuses calls, and may be repeated", async () => {
  const name = newName();
  const client = open(name);
  await client.ready;
  const watcher = client.watch("k");
  await watcher.created;
  expect(await locksHeld(name)).toBe(1);
  await Promise.all([client.close(), client.close(), client[Symbol.asyncDispose]()]);
  expect(await locksHeld(name)).toBe(0);
  expect((await watcher.next()).done).toBe(true);
  const error = await client.kv.put("k", "v").catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(EtcdError);
  expect(error).toMatchObject({ code: GrpcCode.Canceled });
  // Nobody keeps it open: a deletion is not held up.
  const request = indexedDB.deleteDatabase(`quorate/room/${name}@${signalling}`);
  expect(
    await new Promise((resolve) => {
      request.addEventListener("success", () => resolve("deleted"));
      request.addEventListener("blocked", () => resolve("blocked"));
    }),
  ).toBe("deleted");
});

test("what the client held is given back before its member stops", async () => {
  const name = newName();
  const first = open(name);
  await first.ready;
  await first.acquire("refresh", { ttl: 60 });
  await first.close();
  const again = open(name);
  await again.ready;
  expect((await again.lease.leases()).ids).toEqual([]);
  const lock = await again.acquire("refresh");
  await lock[Symbol.asyncDispose]();
});

test("a remount (close, and open in the same turn) finds the same member with its data", async () => {
  const name = newName();
  const first = open(name);
  await first.ready;
  await first.kv.put("kept", "yes");
  const { id } = await first.status();
  void first.close();
  const second = open(name);
  void second.close();
  const third = open(name);
  const reasons: string[] = [];
  third.connection.subscribe(() => reasons.push(third.connection.getSnapshot().reason));
  await third.ready;
  // It waited for its turn, and not as a second tab does.
  expect(reasons.join()).not.toContain("another tab");
  expect((await third.status()).id).toBe(id);
  expect(await textOf(third, "kept")).toBe("yes");
  await expect(second.ready).rejects.toThrow("closed");
});

test("close in the middle of the opening leaves nothing behind", async () => {
  const name = newName();
  for (const waitMs of [0, 5, 20, 60]) {
    const client = open(name);
    await new Promise((resolve) => setTimeout(resolve, waitMs));
    await client.close();
    expect(await locksHeld(name)).toBe(0);
  }
  const client = open(name);
  await client.ready;
  await client.kv.put("k", "v");
});

test("a signal closes it; one that has aborted before closes it at once", async () => {
  const name = newName();
  const abort = new AbortController();
  const client = open(name, { signal: abort.signal });
  await client.ready;
  abort.abort();
  await vi.waitFor(async () => expect(await locksHeld(name)).toBe(0));
  expect(client.connection.getSnapshot().state).toBe("closed");
  const late = open(name, { signal: abort.signal });
  await expect(late.ready).rejects.toThrow("closed");
});

test("another secret than the room's is refused, with the reason, and stores nothing", async () => {
  const name = newName();
  const owner = open(name);
  await owner.ready;
  const right = owner.room.secret;
  await owner.close();
  const stranger = open(name, { secret: `#k=${"A".repeat(43)}` });
  await expect(stranger.room.admitted).rejects.toMatchObject({ reason: "key-wrong", code: GrpcCode.PermissionDenied });
  await expect(stranger.ready).rejects.toBeInstanceOf(OpenRoomError);
  expect(stranger.connection.getSnapshot()).toMatchObject({ state: "stopped" });
  await expect(stranger.kv.put("k", "v")).rejects.toThrow("not the secret of this room");
  await stranger.close();
  // The one that fits is still known.
  const again = open(name);
  await again.ready;
  expect(again.room.secret).toBe(right);
});

test("without a server a new room is refused as unreachable", async () => {
  const client = open(newName(), { signalling: "http://127.0.0.1:9" });
  await expect(client.ready).rejects.toMatchObject({ reason: "unreachable", code: GrpcCode.Unavailable });
});

test("settings go by etcd's names; one that is none is refused", async () => {
  const name = newName();
  const client = open(name, { flags: { "max-txn-ops": "1" } });
  await client.ready;
  const two = client.kv.txn().then(client.op.put("a", "2"), client.op.put("b", "2"));
  await expect(two.commit()).rejects.toThrow("too many operations");
  const wrong = open(newName(), { flags: { "max-txn-ops": "many" } });
  await expect(wrong.ready).rejects.toMatchObject({ reason: "invalid" });
});

test("leave closes, and deletes what is stored here", async () => {
  const name = newName();
  const client = open(name);
  await client.ready;
  const { id } = await client.status();
  await client.room.leave();
  expect((await indexedDB.databases()).filter((each) => each.name?.includes(name))).toEqual([]);
  const again = open(name);
  await again.room.opened.catch(() => {});
  expect((await again.status()).id).not.toBe(id);
});
