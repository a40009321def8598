import { env, exports } from "cloudflare:workers";
import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { type RoomCredential, RoomError, roomRegistry, RoomRefusal } from "../../../src/transport/room.ts";

const { ROOMS } = env as unknown as { readonly ROOMS: DurableObjectNamespace };
const worker = (exports as unknown as { readonly default: Fetcher }).default;
const ORIGIN = "http://quorate.test";

/** A client as PeerJS is one, with a real WebSocket; it keeps what it is sent and lets a test wait for it. */
class Client {
  readonly messages: { type: string; src?: string; dst?: string; payload?: unknown }[] = [];
  readonly socket: WebSocket;
  readonly closed: Promise<CloseEvent>;
  #waiting: (() => void)[] = [];

  constructor(socket: WebSocket) {
    this.socket = socket;
    socket.addEventListener("message", ({ data }) => {
      this.messages.push(JSON.parse(data as string) as Client["messages"][number]);
      for (const resolve of this.#waiting.splice(0)) resolve();
    });
    this.closed = new Promise((resolve) => socket.addEventListener("close", resolve));
    socket.accept();
  }

  send(message: object): void {
    this.socket.send(JSON.stringify(message));
  }

  async take(): Promise<Client["messages"][number]> {
    while (this.messages.length === 0) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    return this.messages.shift() as Client["messages"][number];
  }
}

/** What comes with a request: headers, and what the platform says of it. */
interface Sent {
  readonly headers?: Record<string, string>;
  readonly cf?: { readonly clientIp: string };
}

/** The answer to an upgrade; whoever wants the socket accepts it. */
async function upgrade(room: string, query: string, { headers, cf }: Sent = {}): Promise<Response> {
  return worker.fetch(`${ORIGIN}/peerjs/room/${room}/peerjs?${query}`, {
    headers: { upgrade: "websocket", ...headers },
    cf: { ...cf },
  });
}

async function connect(room: string, query: string, sent: Sent = {}): Promise<Client> {
  const response = await upgrade(room, query, sent);
  if (response.webSocket === null) throw new Error(`no WebSocket, but ${response.status}`);
  return new Client(response.webSocket);
}

async function join(room: string, id: string, token: string = `token-of-${id}`, sent: Sent = {}): Promise<Client> {
  const client = await connect(room, `key=peerjs&id=${id}&token=${token}&version=1.5.5`, sent);
  expect(await client.take()).toEqual({ type: "OPEN" });
  return client;
}

function stubOf(room: string): DurableObjectStub {
  return ROOMS.get(ROOMS.idFromName(room));
}

async function get(path: string): Promise<Response> {
  return worker.fetch(`${ORIGIN}${path}`);
}

const OPEN_ROOM: RoomCredential = { type: "open" };

function registryOf(room: string, credential: RoomCredential = OPEN_ROOM) {
  return roomRegistry(ORIGIN, room, credential, (url, init) => worker.fetch(url, init));
}

/** Then no alarm rings by itself, however slow the machine is. */
function anHourAhead(): number {
  const nowMs = Date.now() + 3_600_000;
  vi.setSystemTime(nowMs);
  onTestFinished(() => void vi.useRealTimers());
  return nowMs;
}

const OFFER = { type: "OFFER", payload: { sdp: { type: "offer", sdp: "v=0" }, type: "data", connectionId: "dc_1" } };

describe("HTTP", () => {
  test("a PeerJS client gets the server's description, a fresh id for any key, and the ids that are online", async () => {
    const info = await get("/peerjs/room/http/");
    expect(info.headers.get("access-control-allow-origin")).toBe("*");
    expect(Object.keys(await info.json<object>())).toEqual(["name", "description", "website"]);
    const id = await get("/peerjs/room/http/anything/id?ts=1&version=1.5.5");
    expect(await id.text()).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$/);
    await join("http", "m1");
    await join("http", "m2");
    const peers = await get("/peerjs/room/http/peerjs/peers");
    expect((await peers.json<string[]>()).toSorted()).toEqual(["m1", "m2"]);
  });

  test("rooms do not see each other, and there is one without a name", async () => {
    await join("left", "m1");
    expect(await (await get("/peerjs/room/right/peerjs/peers")).json()).toEqual([]);
    expect(await (await get("/peerjs/peerjs/peers")).json()).toEqual([]);
    expect((await get("/peerjs/room/bad%2Fname/")).status).toBe(404);
    expect((await get("/peerjs/room/left/a/b/c")).status).toBe(404);
  });

  test("a preflight is admitted", async () => {
    const response = await worker.fetch(`${ORIGIN}/peerjs/found`, { method: "OPTIONS" });
    expect(response.status).toBe(204);
    expect(response.headers.get("access-control-allow-methods")).toContain("POST");
  });
});

describe("signalling", () => {
  test("offers, answers and candidates are forwarded with their true sender, and nothing else of them", async () => {
    const [left, right] = [await join("forward", "m1"), await join("forward", "m2")];
    left.send({ ...OFFER, dst: "m2", src: "somebody-else", extra: 1 });
    expect(await right.take()).toEqual({ ...OFFER, src: "m1", dst: "m2" });
    right.send({ type: "ANSWER", dst: "m1", payload: { sdp: "x" } });
    right.send({ type: "CANDIDATE", dst: "m1", payload: { candidate: "y" } });
    right.send({ type: "LEAVE", dst: "m1" });
    right.send({ type: "RELAY", dst: "m1", src: "m9", payload: "sealed" });
    expect(await left.take()).toEqual({ type: "ANSWER", src: "m2", dst: "m1", payload: { sdp: "x" } });
    expect(await left.take()).toEqual({ type: "CANDIDATE", src: "m2", dst: "m1", payload: { candidate: "y" } });
    expect(await left.take()).toEqual({ type: "LEAVE", src: "m2", dst: "m1" });
    expect(await left.take()).toEqual({ type: "RELAY", src: "m2", dst: "m1", payload: "sealed" });
  });

  test("what is meant for a peer that comes a little later waits for it", async () => {
    anHourAhead();
    const left = await join("queue", "m1");
    left.send({ ...OFFER, dst: "m2" });
    left.send({ type: "CANDIDATE", dst: "m2", payload: 1 });
    left.send({ type: "LEAVE", dst: "m2" });
    left.send({ type: "RELAY", dst: "m2", payload: "late" });
    left.send({ type: "nonsense", dst: "m2" });
    left.send({ type: "CANDIDATE", dst: "m1", payload: "a mark" });
    await left.take();
    const right = await join("queue", "m2");
    expect(await right.take()).toEqual({ ...OFFER, src: "m1", dst: "m2" });
    expect(await right.take()).toEqual({ type: "CANDIDATE", src: "m1", dst: "m2", payload: 1 });
    expect(right.messages).toEqual([]);
  });

  test("a peer that offers to an absent one receives one EXPIRE, and then no alarm is left", async () => {
    const sentMs = anHourAhead();
    const left = await join("expire", "m1");
    left.send({ ...OFFER, dst: "m9" });
    left.send({ type: "CANDIDATE", dst: "m9", payload: 1 });
    left.send({ type: "CANDIDATE", dst: "m1", payload: "a mark" });
    expect((await left.take()).payload).toBe("a mark");
    const stub = stubOf("expire");
    const dueMs = await runInDurableObject(stub, (_, { storage }) => storage.getAlarm());
    expect((dueMs ?? 0) - sentMs).toBeGreaterThanOrEqual(5000);
    vi.setSystemTime(dueMs ?? 0);
    expect(await runDurableObjectAlarm(stub)).toBe(true);
    expect(await left.take()).toEqual({ type: "EXPIRE", src: "m9", dst: "m1" });
    expect(left.messages).toEqual([]);
    expect(await runDurableObjectAlarm(stub)).toBe(false);
  });

  test("a full queue responds with EXPIRE at once instead of growing", async () => {
    const left = await join("full", "m1");
    for (let index = 0; index < 201; index++) left.send({ type: "CANDIDATE", dst: "m9", payload: index });
    expect(await left.take()).toEqual({ type: "EXPIRE", src: "m9", dst: "m1" });
    await runInDurableObject(stubOf("full"), (_, state) => state.storage.deleteAlarm());
  });

  test("sockets, ids and tokens outlive the object's hibernation", async () => {
    const [left, right] = [await join("sleep", "m1"), await join("sleep", "m2")];
    await evictDurableObject(stubOf("sleep"));
    left.send({ ...OFFER, dst: "m2" });
    expect(await right.take()).toEqual({ ...OFFER, src: "m1", dst: "m2" });
    const thief = await connect("sleep", "key=peerjs&id=m1&token=other");
    expect((await thief.take()).type).toBe("ID-TAKEN");
  });

  test("the platform replies to the client's heartbeat, byte for byte", async () => {
    const left = await join("heartbeat", "m1");
    left.send({ type: "HEARTBEAT" });
    expect(await left.take()).toEqual({ type: "HEARTBEAT" });
    const seen = await runInDurableObject(stubOf("heartbeat"), (_, state) =>
      state.getWebSockets("m1").map((socket) => state.getWebSocketAutoResponseTimestamp(socket) !== null),
    );
    expect(seen).toEqual([true]);
  });

  test("a peer without contact for 90 s is gone: its id is free and signals for it wait", async () => {
    const left = await join("dead", "m1");
    await join("dead", "m2");
    await runInDurableObject(stubOf("dead"), (_, state) => {
      for (const socket of state.getWebSockets("m2")) {
        const attachment = socket.deserializeAttachment() as { seenMs: number };
        socket.serializeAttachment({ ...attachment, seenMs: attachment.seenMs - 90_001 });
      }
    });
    expect(await (await get("/peerjs/room/dead/peerjs/peers")).json()).toEqual(["m1"]);
    left.send({ ...OFFER, dst: "m2" });
    const again = await join("dead", "m2", "another token");
    expect((await again.take()).type).toBe("OFFER");
  });
});

describe("access", () => {
  test.each([
    ["id=m1&token=t", "No id, token, or key supplied to websocket server"],
    ["key=peerjs&token=t", "No id, token, or key supplied to websocket server"],
    ["key=peerjs&id=m1", "No id, token, or key supplied to websocket server"],
    ["key=other&id=m1&token=t", "Invalid key provided"],
    ["key=peerjs&id=-m1&token=t", "Invalid id or token provided"],
    [`key=peerjs&id=${"m".repeat(65)}&token=t`, "Invalid id or token provided"],
    [`key=peerjs&id=m1&token=${"t".repeat(129)}`, "Invalid id or token provided"],
  ])("a client with %s gets the reason, and is closed", async (query, msg) => {
    const client = await connect("refused", query);
    expect(await client.take()).toEqual({ type: "ERROR", payload: { msg } });
    await client.closed;
    expect(await (await get("/peerjs/room/refused/peerjs/peers")).json()).toEqual([]);
  });

  test("an id that is held with another token is taken", async () => {
    const first = await join("taken", "m1");
    const second = await connect("taken", "key=peerjs&id=m1&token=other");
    expect(await second.take()).toEqual({ type: "ID-TAKEN", payload: { msg: "ID is taken" } });
    await second.closed;
    first.send({ type: "CANDIDATE", dst: "m1", payload: "still here" });
    expect((await first.take()).payload).toBe("still here");
  });

  test("the same id with the same token takes over: OPEN for the new socket, the old one is closed", async () => {
    const old = await join("again", "m1");
    const other = await join("again", "m2");
    const fresh = await join("again", "m1");
    await old.closed;
    other.send({ ...OFFER, dst: "m1" });
    expect((await fresh.take()).type).toBe("OFFER");
    expect((await registryOf("again").peers()).length).toBe(2);
  });

  test("a hundred peers fit into a room; the next one is refused, and one that is in may come again", async () => {
    const from = (index: number) => ({ cf: { clientIp: `192.0.2.${index % 10}` } });
    await Promise.all(
      Array.from({ length: 100 }, (_, index) => join("crowd", `m${index + 1}`, undefined, from(index))),
    );
    const late = await connect("crowd", "key=peerjs&id=m101&token=t");
    expect(await late.take()).toEqual({
      type: "ERROR",
      payload: { msg: "Server has reached its concurrent user limit" },
    });
    await join("crowd", "m7");
  });

  test("a client that leaves is gone, and its id is free", async () => {
    const left = await join("leave", "m1");
    left.send({ type: "LEAVE" });
    await left.closed;
    await join("leave", "m1", "another token");
  });

  test.each([["not JSON"], ["[]"], ["7"], ['{"type":7}'], ['{"type":"OFFER","dst":{}}'], ["x".repeat(65 * 1024)]])(
    "nonsense (%.20s) closes the socket that it came by and no other",
    async (text) => {
      const room = crypto.randomUUID();
      const [left, right] = [await join(room, "m1"), await join(room, "m2")];
      left.socket.send(text);
      expect(await left.take()).toEqual({ type: "ERROR", payload: { msg: "Invalid message" } });
      await left.closed;
      right.send({ type: "CANDIDATE", dst: "m2", payload: "still here" });
      expect((await right.take()).payload).toBe("still here");
    },
  );
});

describe("founding", () => {
  test("tabs that open a new room at the same moment end in one cluster", async () => {
    const claims = await Promise.all(
      Array.from({ length: 20 }, (_, index) => registryOf("new").claim(BigInt(index + 1), BigInt(index + 1001))),
    );
    const founders = claims.filter(({ founded }) => founded);
    expect(founders).toHaveLength(1);
    expect(new Set(claims.map(({ cluster }) => cluster)).size).toBe(1);
    expect(new Set(claims.map(({ founder }) => founder)).size).toBe(1);
    expect(founders[0]?.cluster).toBe((founders[0]?.founder ?? 0n) + 1000n);
  });

  test("a claim is the claimer's until it has had 15 s to confirm, then the next one's", async () => {
    const registry = registryOf("slow");
    expect((await registry.claim(1n, 11n)).founded).toBe(true);
    expect(await registry.claim(2n, 22n)).toMatchObject({
      founded: false,
      founder: 1n,
      cluster: 11n,
      confirmed: false,
    });
    await runInDurableObject(stubOf("slow"), (_, { storage }) => {
      const founding = storage.kv.get<{ sinceMs: number }>("founding");
      storage.kv.put("founding", { ...founding, sinceMs: (founding?.sinceMs ?? 0) - 15_001 });
    });
    expect(await registry.claim(2n, 22n)).toMatchObject({ founded: true, founder: 2n, cluster: 22n });
    expect(await registry.confirm(1n, 11n)).toBe(false);
    expect(await registry.confirm(2n, 22n)).toBe(true);
  });

  test("a confirmed claim stays, over time and eviction; claiming and confirming are idempotent", async () => {
    const registry = registryOf("stays");
    expect((await registry.claim(1n, 11n)).founded).toBe(true);
    expect((await registry.claim(1n, 11n)).founded).toBe(true);
    expect(await registry.confirm(1n, 11n)).toBe(true);
    expect(await registry.confirm(1n, 11n)).toBe(true);
    await runInDurableObject(stubOf("stays"), (_, { storage }) => {
      const founding = storage.kv.get<{ sinceMs: number }>("founding");
      storage.kv.put("founding", { ...founding, sinceMs: 0 });
    });
    await evictDurableObject(stubOf("stays"));
    expect(await registry.claim(2n, 22n)).toMatchObject({ founded: false, founder: 1n, cluster: 11n, confirmed: true });
    expect(await registry.info()).toEqual({
      access: "open",
      cluster: 11n,
      founder: 1n,
      confirmed: true,
      sinceMs: 0,
      members: [],
    });
  });

  test("a room is forgotten only under the name of the cluster that is meant", async () => {
    const registry = registryOf("forget");
    await registry.claim(1n, 11n);
    await registry.confirm(1n, 11n);
    expect(await registry.forget(12n)).toBe(false);
    expect((await registry.info()).cluster).toBe(11n);
    expect(await registry.forget(11n)).toBe(true);
    expect(await registry.info()).toEqual({
      access: "open",
      cluster: undefined,
      founder: undefined,
      confirmed: false,
      sinceMs: 0,
      members: [],
    });
  });

  test("a caller sees which members are online, and no other peers", async () => {
    await join("mixed", "m12");
    await join("mixed", "chat-client");
    expect(await registryOf("mixed").peers()).toEqual([12n]);
    expect((await registryOf("mixed").claim(12n, 5n)).members).toEqual([12n]);
  });

  test.each([
    ["{}"],
    ['{"member":"1"}'],
    ['{"member":"0","cluster":"1"}'],
    ['{"member":1,"cluster":2}'],
    ["x"],
    ['{"member":"1","cluster":"2"}'],
    [`{"member":"1","cluster":"2","open":true,"more":"${"x".repeat(4096)}"}`],
  ])("a claim that is not one (%.40s) is refused", async (body) => {
    const response = await worker.fetch(`${ORIGIN}/peerjs/room/bad/found`, { method: "POST", body });
    expect(response.status).toBe(400);
    await response.text();
  });

  test("ids of 64 bits pass unharmed, longer ones do not", async () => {
    const registry = registryOf("big");
    const member = (1n << 64n) - 1n;
    expect(await registry.claim(member, member - 1n)).toMatchObject({ founder: member, cluster: member - 1n });
    await expect(registry.claim(member + 1n, 1n)).rejects.toThrow(RoomError);
  });
});

describe("a room that was claimed with a key", () => {
  const KEY: RoomCredential = { type: "key", key: "the-key-of-the-room" };
  const WRONG: RoomCredential = { type: "key", key: "the-key-of-the-roon" };
  const bearer = ({ key }: { readonly key: string }) => ({ headers: { authorization: `Bearer ${key}` } });

  async function closedRoom(): Promise<string> {
    const room = crypto.randomUUID();
    await registryOf(room, KEY).claim(1n, 11n);
    await registryOf(room, KEY).confirm(1n, 11n);
    return room;
  }

  /** All that a room can be asked, and what it keeps. */
  async function everything(room: string, credential: RoomCredential): Promise<readonly unknown[]> {
    const registry = registryOf(room, credential);
    const outcome = (asked: Promise<unknown>) =>
      asked.catch((error: unknown) => (error instanceof RoomRefusal ? error.code : error));
    return Promise.all([
      outcome(registry.info()),
      outcome(registry.peers()),
      outcome(registry.claim(6n, 66n)),
      outcome(registry.confirm(1n, 11n)),
      outcome(registry.forget(11n)),
      outcome(registry.ticket("m6", "t")),
    ]);
  }

  function kept(room: string): Promise<string> {
    return runInDurableObject(stubOf(room), (_, { storage }) => JSON.stringify([...storage.kv.list()]));
  }

  test("returns nothing to a caller without the key or with another one, and stores nothing of it", async () => {
    const room = await closedRoom();
    const before = await kept(room);
    expect(await everything(room, OPEN_ROOM)).toEqual(Array(6).fill("key-needed"));
    expect(await everything(room, WRONG)).toEqual(Array(6).fill("key-wrong"));
    expect(await kept(room)).toBe(before);
    for (const authorization of [
      "Basic dGhlLWtleS1vZi10aGUtcm9vbQ==",
      "Bearer",
      "Bearer ",
      `Bearer ${"k".repeat(300)}`,
    ]) {
      const response = await worker.fetch(`${ORIGIN}/peerjs/room/${room}/room`, { headers: { authorization } });
      expect(response.status).toBe(403);
      expect(Object.keys(await response.json<object>())).toEqual(["code", "error"]);
    }
    const none = await get(`/peerjs/room/${room}/room`);
    expect([none.status, none.headers.get("www-authenticate")]).toEqual([401, "Bearer"]);
    await none.text();
  });

  test("stores the key's hash only, and still has it after an eviction", async () => {
    const room = await closedRoom();
    expect(await kept(room)).not.toContain(KEY.key);
    await evictDurableObject(stubOf(room));
    expect(await registryOf(room, KEY).info()).toMatchObject({ access: "closed", cluster: 11n });
    await expect(registryOf(room, WRONG).info()).rejects.toThrow(RoomRefusal);
  });

  test("stays closed by that key when its claim is forgotten: a caller without the key neither takes nor opens it", async () => {
    const room = await closedRoom();
    expect(await registryOf(room, KEY).forget(11n)).toBe(true);
    expect(await everything(room, WRONG)).toEqual(Array(6).fill("key-wrong"));
    expect(await everything(room, OPEN_ROOM)).toEqual(Array(6).fill("key-needed"));
    expect(await registryOf(room, KEY).claim(2n, 22n)).toMatchObject({ founded: true, access: "closed" });
  });

  test("opens no WebSocket to a caller without the key, by whatever token, and holds no connection of one", async () => {
    const room = await closedRoom();
    const query = (token: string) => `key=peerjs&id=m6&token=${token}`;
    for (const sent of [{}, bearer({ key: "another" })]) {
      for (let index = 0; index < 120; index++) {
        const response = await upgrade(room, query("t"), sent);
        expect([401, 403, 429]).toContain(response.status);
        expect(response.webSocket).toBeNull();
        await response.text();
      }
    }
    const count = await runInDurableObject(stubOf(room), (_, state) => state.getWebSockets().length);
    expect(count).toBe(0);
    // Who has the key is let in all the same, from the same address.
    const ticket = await registryOf(room, KEY).ticket("m6", "t");
    expect((await (await connect(room, query(ticket))).take()).type).toBe("OPEN");
    expect(await registryOf(room, KEY).peers()).toEqual([6n]);
  });

  test("gives tickets that are good once, for one id, and not for long", async () => {
    const room = await closedRoom();
    const registry = registryOf(room, KEY);
    const ticket = await registry.ticket("m6", "t");
    expect((await upgrade(room, `key=peerjs&id=m7&token=${ticket}`)).status).toBe(401);
    const client = await connect(room, `key=peerjs&id=m6&token=${ticket}`);
    expect(await client.take()).toEqual({ type: "OPEN" });
    expect((await upgrade(room, `key=peerjs&id=m6&token=${ticket}`)).status).toBe(401);
    client.send({ type: "CANDIDATE", dst: "m6", payload: "still here" });
    expect((await client.take()).payload).toBe("still here");
    const old = await registry.ticket("m7", "t");
    vi.setSystemTime(Date.now() + 31_000);
    onTestFinished(() => void vi.useRealTimers());
    expect((await upgrade(room, `key=peerjs&id=m7&token=${old}`)).status).toBe(401);
  });

  test("accepts the key in a header of the upgrade too; the token of a ticket identifies a returning peer", async () => {
    const room = await closedRoom();
    const registry = registryOf(room, KEY);
    const first = await connect(room, `key=peerjs&id=m6&token=${await registry.ticket("m6", "mine")}`);
    await first.take();
    const thief = await connect(room, "key=peerjs&id=m6&token=other", bearer(KEY));
    expect((await thief.take()).type).toBe("ID-TAKEN");
    const again = await connect(room, `key=peerjs&id=m6&token=${await registry.ticket("m6", "mine")}`);
    expect((await again.take()).type).toBe("OPEN");
    await first.closed;
  });

  test("disconnects peers that connected before it was claimed, and does not forward their signals", async () => {
    const room = crypto.randomUUID();
    anHourAhead();
    const stranger = await join(room, "m66");
    stranger.send({ ...OFFER, dst: "m1" });
    stranger.send({ type: "CANDIDATE", dst: "m66", payload: "a mark" });
    await stranger.take();
    const early = await connect(room, `key=peerjs&id=m2&token=${await registryOf(room, KEY).ticket("m2", "t")}`);
    await early.take();
    await registryOf(room, KEY).claim(1n, 11n);
    await stranger.closed;
    const founder = await connect(room, `key=peerjs&id=m1&token=${await registryOf(room, KEY).ticket("m1", "t")}`);
    expect(await founder.take()).toEqual({ type: "OPEN" });
    early.send({ type: "CANDIDATE", dst: "m1", payload: "a member's" });
    expect(await founder.take()).toMatchObject({ src: "m2" });
    expect(new Set((await registryOf(room, KEY).info()).members)).toEqual(new Set([1n, 2n]));
  });

  test("is free again when its claim is not confirmed in time; the key goes with the claim", async () => {
    const room = crypto.randomUUID();
    expect((await registryOf(room, WRONG).claim(6n, 66n)).founded).toBe(true);
    await expect(registryOf(room, KEY).claim(1n, 11n)).rejects.toThrow(RoomRefusal);
    vi.setSystemTime(Date.now() + 16_000);
    onTestFinished(() => void vi.useRealTimers());
    // Only the claimer learns that its claim ran out.
    expect(await registryOf(room, KEY).info()).toMatchObject({ access: "free", cluster: undefined });
    expect(await registryOf(room, KEY).confirm(6n, 66n)).toBe(false);
    expect(await registryOf(room, KEY).claim(1n, 11n)).toMatchObject({ founded: true, access: "closed" });
    await expect(registryOf(room, WRONG).confirm(6n, 66n)).rejects.toThrow(RoomRefusal);
    expect(await registryOf(room, KEY).confirm(1n, 11n)).toBe(true);
  });

  test("responds to a flood of wrong keys with 429, and to the right one as before", async () => {
    const room = await closedRoom();
    const statuses: number[] = [];
    for (let index = 0; index < 60; index++) {
      const response = await worker.fetch(`${ORIGIN}/peerjs/room/${room}/room`, {
        ...bearer({ key: `k${index}` }),
      });
      statuses.push(response.status);
      await response.text();
    }
    expect(new Set(statuses.slice(0, 30))).toEqual(new Set([403]));
    expect(new Set(statuses.slice(30))).toEqual(new Set([429]));
    expect((await registryOf(room, KEY).info()).access).toBe("closed");
  });
});

describe("an open room", () => {
  const KEY: RoomCredential = { type: "key", key: "a-stranger's-key" };

  test("is claimed as open and stays so: no later caller can add a key", async () => {
    const room = crypto.randomUUID();
    const registry = registryOf(room);
    expect(await registry.claim(1n, 11n)).toMatchObject({ access: "open", founded: true });
    await registry.confirm(1n, 11n);
    const stranger = registryOf(room, KEY);
    for (const asked of [stranger.info(), stranger.claim(6n, 66n), stranger.forget(11n), stranger.ticket("m6", "t")]) {
      await expect(asked).rejects.toMatchObject({ code: "room-open" });
    }
    await registry.forget(11n);
    await expect(stranger.claim(6n, 66n)).rejects.toMatchObject({ code: "room-open" });
    expect(await registry.info()).toMatchObject({ access: "open", cluster: undefined });
  });

  test("is what a room of an older version is, whose entry says nothing of a key", async () => {
    const room = crypto.randomUUID();
    await runInDurableObject(stubOf(room), (_, { storage }) =>
      storage.kv.put("founding", { cluster: "11", member: "1", sinceMs: 5, confirmed: true }),
    );
    expect(await registryOf(room).info()).toMatchObject({ access: "open", cluster: 11n });
    await expect(registryOf(room, KEY).claim(6n, 66n)).rejects.toMatchObject({ code: "room-open" });
  });

  test("forgets its founder only while no two peers are here", async () => {
    const room = crypto.randomUUID();
    const registry = registryOf(room);
    await registry.claim(1n, 11n);
    await registry.confirm(1n, 11n);
    const [, second] = [await join(room, "m1"), await join(room, "m2")];
    expect(await registry.forget(11n)).toBe(false);
    second.send({ type: "LEAVE" });
    await second.closed;
    expect(await registry.forget(11n)).toBe(true);
  });

  test("gives one address a limited number of places, so that idle sockets do not fill it", async () => {
    const room = crypto.randomUUID();
    const sent = { cf: { clientIp: "192.0.2.1" } };
    for (let index = 1; index <= 32; index++) await join(room, `m${index}`, undefined, sent);
    const late = await connect(room, "key=peerjs&id=m33&token=t", sent);
    expect(await late.take()).toMatchObject({ type: "ERROR" });
    await join(room, "m7", undefined, sent);
    await join(room, "m33", undefined, { cf: { clientIp: "192.0.2.2" } });
  });

  test("accepts a limited number of requests of one address per minute", async () => {
    const room = crypto.randomUUID();
    const ask = async (clientIp: string): Promise<number> => {
      const response = await worker.fetch(`${ORIGIN}/peerjs/room/${room}/room`, { cf: { clientIp } });
      await response.text();
      return response.status;
    };
    let status = 200;
    for (let index = 0; index < 601; index++) status = await ask("192.0.2.1");
    expect(status).toBe(429);
    expect(await ask("192.0.2.2")).toBe(200);
  });
});

describe("guests of a closed room", () => {
  const KEY = "k".repeat(43);
  const GUEST = "g".repeat(43);
  const OTHER = "o".repeat(43);
  const NEVER = 4_102_444_800_000;

  const registryWith = (room: string, key: string): ReturnType<typeof roomRegistry> =>
    roomRegistry(ORIGIN, room, { type: "key", key }, (url, init) => worker.fetch(url, init));

  async function hashOf(key: string): Promise<string> {
    const bytes = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(key)));
    return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  }

  async function closedRoom(): Promise<string> {
    const room = `guests-${crypto.randomUUID().slice(0, 8)}`;
    const registry = registryWith(room, KEY);
    await registry.claim(1n, 2n);
    await registry.confirm(1n, 2n);
    return room;
  }

  const codeOf = (call: Promise<unknown>): Promise<unknown> =>
    call.then(
      () => "answered",
      (error: unknown) => (error instanceof RoomRefusal ? error.code : String(error)),
    );

  test("a guest asks who is here and connects, and does nothing else", async () => {
    const room = await closedRoom();
    const [owner, guest] = [registryWith(room, KEY), registryWith(room, GUEST)];
    expect(await codeOf(guest.info())).toBe("key-wrong");
    await owner.setGuests("v1", [{ hash: await hashOf(GUEST), untilMs: NEVER }]);
    expect(await guest.info()).toMatchObject({ access: "closed", cluster: 2n, guests: "v1" });
    const ticket = await guest.ticket("guest", "token");
    const client = await join(room, "guest", ticket);
    for (const call of [
      guest.claim(9n, 9n),
      guest.confirm(1n, 2n),
      guest.forget(2n),
      guest.setGuests("mine", [{ hash: await hashOf(OTHER) }]),
    ]) {
      expect(await codeOf(call)).toBe(
        "RoomError: the room answered 403: only members that know the room's secret do this",
      );
    }
    expect(await codeOf(registryWith(room, OTHER).info())).toBe("key-wrong");
    expect((await owner.info()).guests).toBe("v1");
    client.socket.close();
  });

  test("whose time is over, who is revoked or comes too late is told, and its connection ends", async () => {
    const room = await closedRoom();
    const [owner, guest] = [registryWith(room, KEY), registryWith(room, GUEST)];
    const hash = await hashOf(GUEST);
    await owner.setGuests("v1", [{ hash }]);
    const client = await join(room, "guest", await guest.ticket("guest", "token"));
    await owner.setGuests("v2", [{ hash, over: "revoked" }]);
    expect((await client.closed).code).toBe(1008);
    expect(await codeOf(guest.info())).toBe("invitation-revoked");
    await owner.setGuests("v3", [{ hash, over: "used" }]);
    expect(await codeOf(guest.info())).toBe("invitation-used");
    await owner.setGuests("v4", [{ hash, untilMs: 1 }]);
    expect(await codeOf(guest.ticket("guest", "token"))).toBe("invitation-expired");
    await owner.setGuests("v5", []);
    expect(await codeOf(guest.info())).toBe("key-wrong");
  });

  test.each<[string, unknown]>([
    ["no list", { version: "v" }],
    ["no version", { guests: [] }],
    ["a hash that is none", { version: "v", guests: [{ hash: "x" }] }],
    ["a time that is none", { version: "v", guests: [{ hash: "0".repeat(64), untilMs: "soon" }] }],
    ["another end", { version: "v", guests: [{ hash: "0".repeat(64), over: "so" }] }],
    ["too many", { version: "v", guests: Array.from({ length: 257 }, () => ({ hash: "0".repeat(64) })) }],
  ])("a list with %s is refused", async (_, body) => {
    const room = await closedRoom();
    const response = await worker.fetch(`${ORIGIN}/peerjs/room/${room}/guests`, {
      method: "POST",
      headers: { authorization: `Bearer ${KEY}`, "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    expect(response.status).toBe(400);
    await response.text();
  });
});
