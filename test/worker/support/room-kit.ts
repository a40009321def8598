/**
 * One Raft group of an object and tabs, in workerd: the object is the deployed one, and a tab is the real member over its
 * real transport, with its storage in memory.
 */
import { runInDurableObject } from "cloudflare:test";
import { afterEach, expect } from "vitest";
import { Prng } from "../../../src/base/prng.ts";
import { createClient } from "../../../src/client/client.ts";
import type { Client } from "../../../src/client/client.ts";
import { bootstrapStorage } from "../../../src/member/node/bootstrap.ts";
import { Member } from "../../../src/member/node/member.ts";
import { createServices } from "../../../src/member/services/member-services.ts";
import { MemoryImage, openMemoryStorage } from "../../../src/storage/memory/memory.ts";
import type { Identity } from "../../../src/storage/storage.ts";
import { newRoomSecret, roomKeys } from "../../../src/transport/room-secret.ts";
import { newKeyPair, signingKey } from "../../../src/transport/greeting/signing-key.ts";
import type { SigningKey } from "../../../src/transport/greeting/signing-key.ts";
import type { HeldInvitation } from "../../../src/transport/invitation-code.ts";
import { hashOfKey } from "../../../src/transport/socket/socket-greeting.ts";
import { SocketDialer } from "../../../src/transport/socket/socket-dialer.ts";
import { toHex } from "../../../src/base/text-codes.ts";
import { clusterKey, type ClusterRecord } from "../../../worker/common/cluster-record.ts";
import { clusterIdOf, memberIdOf } from "../../../worker/common/identity.ts";
import { objectClock } from "../../../worker/member/clock.ts";
import { manage, memberOf } from "./clusters-kit.ts";
import { EdgeWebSocket } from "./edge-web-socket.ts";

export interface Room {
  readonly record: ClusterRecord;
  readonly secret: string;
  /** What follows from it. */
  readonly key: string;
}

let rooms = 0;

export async function newRoom(): Promise<Room> {
  const name = `room-${++rooms}`;
  const secret = newRoomSecret();
  const { registry: key = "" } = roomKeys(name, secret);
  const created = await manage("create", { name, room: toHex(hashOfKey(key)) });
  expect(created.status).toBe(200);
  return { record: created.body as unknown as ClusterRecord, secret, key };
}

export interface Tab {
  /** Of its browser profile. */
  readonly own: SigningKey;
  readonly member: Member;
  readonly client: Client;
  readonly states: string[];
  /** Past the member: whatever its rights, for as long as its socket is open. */
  send(to: bigint, frame: Uint8Array): void;
  /** What its disk holds. */
  stop(): MemoryImage;
}

const running: Tab[] = [];

afterEach(() => {
  for (const tab of running.splice(0)) tab.stop();
});

interface Coming {
  readonly memberId?: bigint;
  /** What it shows instead of the room's key. */
  readonly key?: string;
  readonly invitation?: HeldInvitation;
  /** Default: a new one. */
  readonly own?: SigningKey;
  readonly clusterId?: bigint;
  /** Of its cluster, in the order of their numbers. Default: those of a cluster that was not restored. */
  readonly objects?: readonly bigint[];
  readonly image?: MemoryImage;
}

export async function openTab({ record, key }: Room, coming: Coming = {}): Promise<Tab> {
  const cluster = clusterKey(record);
  const { memberId = crypto.getRandomValues(new BigUint64Array(1))[0] ?? 1n, clusterId = clusterIdOf(cluster) } =
    coming;
  const identity: Identity = { memberId, clusterId, name: "tab" };
  const image = coming.image ?? new MemoryImage();
  const storage = openMemoryStorage(image);
  const bootstrap = { type: "join" } as const;
  await new Promise<void>((resolve, reject) => {
    bootstrapStorage(storage, identity, bootstrap, (error) => (error === undefined ? resolve() : reject(error)));
  });
  const states: string[] = [];
  const own = coming.own ?? (await signingKey(await newKeyPair()));
  const objects = coming.objects ?? [memberIdOf(cluster, 1)];
  const dial = (to: bigint): EdgeWebSocket | undefined => {
    const number = objects.indexOf(to) + 1;
    return number === 0 ? undefined : new EdgeWebSocket(`ws://edge/c/${record.name}/m/${number}/quorate/peer`);
  };
  const transport = new SocketDialer({
    id: memberId,
    cluster: clusterId,
    credentials: { by: coming.invitation ?? { registryKey: coming.key ?? key }, member: own },
    dial,
    onState: (state, text) => states.push(text === "" ? state : `${state}: ${text}`),
    redialMs: 20,
  });
  const member = new Member({
    storage,
    transport,
    clock: objectClock,
    prng: new Prng(memberId),
    identity,
    bootstrap,
    key: own.fingerprint,
    admission: "authenticated",
    quiesceAfterTicks: 30,
    confirmsFreshness: true,
  });
  member.start();
  member.dial(objects);
  const tab: Tab = {
    own,
    member,
    client: createClient(createServices(member)),
    states,
    send: (to, frame) => transport.send(to, frame),
    stop: () => {
      member.stop();
      return image;
    },
  };
  running.push(tab);
  return tab;
}

export async function until(holds: () => boolean | Promise<boolean>, what: string): Promise<void> {
  for (let turn = 0; !(await holds()); turn++) {
    if (turn > 1_000) throw new Error(`waited in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

export function serves({ member }: Tab): Promise<void> {
  return until(() => member.unavailable === undefined, "the tab serves");
}

export async function valueAt({ client }: Tab, key: string, serializable = false): Promise<string | undefined> {
  const { kvs } = await client.kv.range(key, { serializable });
  return kvs[0] === undefined ? undefined : client.toText(kvs[0].value);
}

export function objectOf({ record }: Room): ReturnType<typeof memberOf> {
  return memberOf(record, 1);
}

/** Waits until the object has stopped its clock: then it has stored where it may go on. */
export async function untilQuiet(room: Room, { member }: Tab): Promise<void> {
  const indexOf = (): Promise<number | undefined> =>
    runInDurableObject(objectOf(room), (_object, { storage }) => storage.kv.get<{ index: number }>("resume")?.index);
  await until(async () => (await indexOf()) === member.status().lastIndex, "the object is quiet");
}
