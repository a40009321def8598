/** Sockets of a cluster that is deleted: each is closed for good, and its client asks no more. */
import { evictDurableObject } from "cloudflare:test";
import { afterEach, expect, test } from "vitest";
import { createClient } from "../../../src/client/client.ts";
import { httpServices } from "../../../src/client/http/http-services.ts";
import { GrpcCode } from "../../../src/protocol/errors.ts";
import { CLOSE_FINAL } from "../../../src/protocol/mux-frame.ts";
import { CLOSE_DELETED } from "../../../src/transport/socket/socket-hub.ts";
import { create, manage, memberOf } from "../support/clusters-kit.ts";
import { edge } from "../support/edge-kit.ts";
import { EdgeWebSocket } from "../support/edge-web-socket.ts";
import { JsonSocket } from "../support/json-socket.ts";
import { newRoom, objectOf, openTab, serves, until, untilQuiet } from "../support/room-kit.ts";

const FINAL = CLOSE_FINAL + GrpcCode.NotFound;
/** A client that dials again does so several times in it. */
const LONG_MS = 3_000;
const CONNECTING = "connecting: connecting to the room’s server";
const open: { close(): void }[] = [];
let dialed = 0;

class CountedSocket extends EdgeWebSocket {
  constructor(url: string, protocols: readonly string[] = []) {
    super(url, protocols);
    dialed += 1;
  }
}

afterEach(() => {
  for (const each of open.splice(0)) each.close();
  dialed = 0;
});

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

test("the code is the same for clients and tabs", () => {
  expect(CLOSE_DELETED).toBe(FINAL);
});

test.each([false, true])("a watch over the shared socket fails with NotFound (asleep: %s)", async (isAsleep) => {
  const record = await create(`shared-${String(isAsleep)}`);
  let asked = 0;
  const services = httpServices({
    endpoint: `http://edge/c/${record.name}`,
    WebSocket: CountedSocket,
    fetch: (input, init) => {
      asked += 1;
      return edge(new URL(input instanceof Request ? input.url : input).pathname, init);
    },
  });
  const client = createClient(services);
  open.push(client, services);
  const watcher = client.watch("a");
  await watcher.created;
  expect(dialed).toBe(1);
  if (isAsleep) {
    await pause(1_500);
    await evictDurableObject(memberOf(record, 1));
  }
  await manage("delete", { name: record.name });
  await expect(watcher.next()).rejects.toMatchObject({ code: GrpcCode.NotFound });
  const before = dialed + asked;
  await pause(LONG_MS);
  expect(dialed + asked).toBe(before);
});

test("a watch over a socket of its own is closed with the final code, and who opens another one is told at once", async () => {
  const record = await create("own");
  const socket = await JsonSocket.open("/c/own/v3/watch");
  open.push(socket);
  socket.send({ create_request: { key: btoa("a") } });
  await socket.until(1);
  await manage("delete", { name: record.name });
  await until(() => socket.isClosed, "it is closed");
  expect(socket.closed).toEqual({ code: FINAL, reason: "the cluster was deleted" });
  const again = await JsonSocket.open("/c/own/v3/watch");
  await until(() => again.isClosed, "it is closed at once");
  expect(again.closed?.code).toBe(FINAL);
  const other = await JsonSocket.open("/c/never-was/v3/watch");
  await until(() => other.isClosed, "it is closed at once, too");
  expect(other.closed).toEqual({ code: FINAL, reason: "there is no such cluster" });
  expect((await edge("/c/own/v3/watch", { method: "POST", body: "{}" })).status).toBe(404);
});

test.each([false, true])(
  "a tab of a room whose cluster is deleted is refused, and dials no more (asleep: %s)",
  async (isAsleep) => {
    const room = await newRoom();
    const tab = await openTab(room);
    await serves(tab);
    if (isAsleep) {
      await untilQuiet(room, tab);
      await evictDurableObject(objectOf(room));
    }
    await manage("delete", { name: room.record.name });
    await until(() => tab.states.some((state) => state.startsWith("refused")), "the tab is refused");
    // The socket itself told it: it was dialed once.
    expect(tab.states).toEqual([CONNECTING, "open", "refused: the cluster was deleted"]);
    const before = tab.states.length;
    await pause(LONG_MS);
    expect(tab.states).toHaveLength(before);
    // Who was away while it was deleted learns it at its first attempt.
    const late = await openTab(room);
    await until(() => late.states.some((state) => state.startsWith("refused")), "the late one is refused");
    await pause(LONG_MS);
    expect(late.states.filter((state) => state === CONNECTING)).toHaveLength(1);
  },
);

test("a socket opened at once after its cluster was created again reaches the new one", async () => {
  await create("anew");
  const former = await JsonSocket.open("/c/anew/v3/watch");
  open.push(former);
  former.send({ create_request: { key: btoa("a") } });
  await former.until(1);
  await manage("delete", { name: "anew" });
  await until(() => former.isClosed, "it is closed");
  // This isolate still knows the former cluster by the name.
  await create("anew");
  const socket = await JsonSocket.open("/c/anew/v3/watch");
  open.push(socket);
  socket.send({ create_request: { key: btoa("a") } });
  await socket.until(1);
  expect(socket.isClosed).toBe(false);
});
