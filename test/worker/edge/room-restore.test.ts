/** A snapshot that is restored into a room: the room's cluster is another one then, and the registry leads tabs to it. */
import { runInDurableObject } from "cloudflare:test";
import { expect, test } from "vitest";
import { latin1ToBytes } from "../../../src/base/bytes.ts";
import { Sha256 } from "../../../src/base/sha256.ts";
import { toBase64 } from "../../../src/base/text-codes.ts";
import { joinRecords } from "../../../src/member/snapshot/snapshot-codec.ts";
import { encode } from "../../../src/protocol/codec/proto-codec.ts";
import { snapshotRecordSchema } from "../../../src/protocol/peer/snapshot-schema.ts";
import { snapshotRow } from "../../../src/protocol/peer/snapshot.ts";
import { roomRegistry } from "../../../src/transport/room.ts";
import type { RoomInfo, RoomRegistry } from "../../../src/transport/room.ts";
import type { EdgeMember } from "../../../worker/member/member-object.ts";
import { call, manage } from "../support/clusters-kit.ts";
import { edge } from "../support/edge-kit.ts";
import { newRoom, objectOf, openTab, serves, until, valueAt } from "../support/room-kit.ts";
import type { Room, Tab } from "../support/room-kit.ts";

const ORIGIN = "http://edge";
const REVISION = 9;

/** One key, "from", written at a revision of its own. */
const CHUNK: Uint8Array = (() => {
  const row = snapshotRow({
    ...{ key: latin1ToBytes("from"), main: REVISION, createRevision: REVISION, version: 1 },
    ...{ lease: 0n, value: latin1ToBytes("a snapshot") },
  });
  const bytes = encode(snapshotRecordSchema, { type: "row", row });
  return joinRecords([bytes], bytes.length + 4);
})();

interface Answer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

async function step(
  { record, key }: Room,
  name: string,
  query: Readonly<Record<string, string>>,
  body: Uint8Array = new Uint8Array(),
): Promise<Answer> {
  const bytes = Uint8Array.from(body);
  const headers = { "content-length": String(bytes.length), authorization: key };
  const path = `/c/${record.name}/quorate/restore/${name}?${new URLSearchParams(query).toString()}`;
  const response = await edge(path, { method: "POST", body: bytes, headers });
  return { status: response.status, body: await response.json() };
}

async function restored(room: Room): Promise<void> {
  const begun = await step(room, "begin", {});
  expect(begun).toMatchObject({ status: 200 });
  const restore = String(begun.body["restore"]);
  expect(await step(room, "chunk", { restore, piece: "0" }, CHUNK)).toMatchObject({ status: 200 });
  const sha256 = toBase64(new Sha256().update(CHUNK).digest());
  expect(await step(room, "commit", { restore, sha256 })).toMatchObject({ status: 200, body: { revision: REVISION } });
}

function registryOf({ record, key }: Room): RoomRegistry {
  const fetchEdge = (url: string, init: RequestInit): Promise<Response> => edge(url.slice(ORIGIN.length), init);
  return roomRegistry(ORIGIN, record.name, { type: "key", key }, fetchEdge);
}

/** Comes into the cluster that the registry names. */
async function openTabBy(room: Room, { cluster, edge: known }: RoomInfo): Promise<Tab> {
  const tab = await openTab(room, { clusterId: cluster ?? 0n, objects: known?.objects ?? [] });
  await serves(tab);
  return tab;
}

async function reshape({ record, key }: Room, shape: string): Promise<number> {
  return (await call(`/c/${record.name}`, "/quorate/shape", { shape }, key)).status;
}

test("ED15 a snapshot is restored into a room that has tabs and no data: it is another cluster, to which the registry leads", async () => {
  const room = await newRoom();
  const registry = registryOf(room);
  const before = await registry.info();
  const former = await openTab(room);
  await serves(former);

  await restored(room);
  // The tab finds another cluster at the address of its object, and has the room look.
  await until(() => former.states.join().includes("another cluster"), "its former cluster is refused");
  const after = await registry.look();
  expect(after.cluster).not.toBe(before.cluster);
  expect(after.edge?.path).toBe(before.edge?.path);
  expect(after.edge?.objects).not.toEqual(before.edge?.objects);
  expect(await registry.info()).toEqual(after);

  const tab = await openTabBy(room, after);
  expect(await valueAt(tab, "from")).toBe("a snapshot");
  expect(tab.member.status().isLearner).toBe(true);
  expect(tab.member.machine.membership.shape).toEqual({ shape: "edge", objects: after.edge?.objects });
  const path = `/c/${room.record.name}`;
  await call(path, "/v3/kv/put", { key: btoa("to"), value: btoa("the tab") }, room.key);
  await until(async () => (await valueAt(tab, "to", true)) === "the tab", "the tab learns");
  await tab.client.kv.put("from", "the tab");
  const { body } = await call(path, "/v3/kv/range", { key: btoa("from") }, room.key);
  expect(body.kvs?.map(({ value }) => atob(value))).toEqual(["the tab"]);
  // It was never let in again.
  expect(former.member.machine.store.revision).toBe(1);
});

test("ED16 the registry finds the restored cluster also after the object was killed, and when it has lost its claim", async () => {
  const room = await newRoom();
  await restored(room);
  await runInDurableObject(objectOf(room), (_object, state) => state.abort("killed")).catch(() => {});
  const after = await registryOf(room).look();
  const tab = await openTabBy(room, after);
  expect(await valueAt(tab, "from")).toBe("a snapshot");
  // A look that finds nothing new changes nothing.
  expect(await registryOf(room).look()).toMatchObject({ cluster: after.cluster, edge: after.edge });
});

test("ED17 a mixed room stays mixed when a snapshot is restored into it; a room whose tabs vote is refused", async () => {
  const room = await newRoom();
  expect(await reshape(room, "mixed")).toBe(200);
  await restored(room);
  const after = await registryOf(room).look();
  const tab = await openTabBy(room, after);
  expect(tab.member.machine.membership.shape).toEqual({ shape: "mixed", objects: after.edge?.objects });

  const voting = await newRoom();
  expect(await reshape(voting, "mixed")).toBe(200);
  const [one, two] = [await openTab(voting), await openTab(voting)];
  const votes = ({ member }: Tab): boolean => member.machine.membership.confState.voters.includes(member.id);
  await until(() => votes(one) && votes(two), "the tabs vote");
  const refused = await step(voting, "begin", {});
  expect(refused).toMatchObject({ status: 412 });
  expect(String(refused.body["message"])).toContain("its objects alone have ever voted");
  // What may be lost with the tabs' votes stays: it is refused for good.
  expect(await reshape(voting, "edge")).toBe(200);
  await until(() => !votes(one) && !votes(two), "the object votes alone");
  expect(await step(voting, "begin", {})).toMatchObject({ status: 412 });
});

test("ED18 nothing is restored over data that a tab wrote; all is as it was then", async () => {
  const room = await newRoom();
  const tab = await openTab(room);
  await serves(tab);
  await tab.client.kv.put("mine", "kept");
  expect(await step(room, "begin", {})).toMatchObject({ status: 412 });
  expect(await valueAt(tab, "mine")).toBe("kept");
  expect(await runInDurableObject(objectOf(room), (object: EdgeMember) => object.standing())).toMatchObject({
    restored: undefined,
  });
});

test("ED19 a room that was deleted is created again with the same secret: its tabs' cluster is another one", async () => {
  const room = await newRoom();
  const before = await registryOf(room).info();
  const tab = await openTab(room);
  await serves(tab);
  await tab.client.kv.put("mine", "kept");
  expect(await manage("delete", { name: room.record.name })).toMatchObject({ status: 200 });
  const again = await manage("create", { name: room.record.name, room: room.record.room });
  expect(again.status).toBe(200);
  const anew = { ...room, record: again.body as unknown as Room["record"] };
  // The front remembers for a moment that there is none.
  const isServed = async (): Promise<boolean> =>
    (await call(`/c/${room.record.name}`, "/v3/kv/range", { key: btoa("mine") }, room.key)).status === 200;
  await until(isServed, "it is served");
  await restored(anew);
  const after = await registryOf(room).look();
  expect(after.cluster).not.toBe(before.cluster);
  expect(await valueAt(await openTabBy(anew, after), "from")).toBe("a snapshot");
});
