/** Members whose disk is full: they read, and take no part. */
import { describe, expect, test } from "vitest";
import { Prng } from "../../../src/base/prng.ts";
import { utf8Encode } from "../../../src/base/utf8.ts";
import { bootstrapStorage } from "../../../src/member/node/bootstrap.ts";
import { Member } from "../../../src/member/node/member.ts";
import { createServices } from "../../../src/member/services/member-services.ts";
import type { Services } from "../../../src/member/api/services.ts";
import { GrpcCode } from "../../../src/protocol/errors.ts";
import { member as memberRecord } from "../../../src/protocol/api/cluster.ts";
import { putRequest, rangeRequest } from "../../../src/protocol/api/kv.ts";
import { watchCreateRequest } from "../../../src/protocol/api/watch.ts";
import type { WatchResponse } from "../../../src/protocol/api/watch.ts";
import { ReadOnlyStorage } from "../../../src/storage/common/read-only.ts";
import { MemoryStorage } from "../../../src/storage/memory/memory.ts";
import type { MemoryImage } from "../../../src/storage/memory/memory.ts";
import { StorageError } from "../../../src/storage/storage-error.ts";
import type { Storage } from "../../../src/storage/storage.ts";
import type { Transport } from "../../../src/transport/transport.ts";
import { CALL, CLUSTER_ID, Cluster } from "../support/cluster.ts";
import type { Node } from "../support/cluster.ts";
import { VirtualClock } from "../support/virtual-clock.ts";

const KEY = utf8Encode("key");
const FULL = new StorageError("quota", "The disk is full.");
const SERIALIZABLE = rangeRequest({ key: KEY, serializable: true });

class SilentTransport implements Transport {
  readonly maxFrameBytes = 1_000_000;
  readonly sent: bigint[] = [];
  starts = 0;
  start(): void {
    this.starts += 1;
  }
  send(to: bigint): void {
    this.sent.push(to);
  }
  setPeers(): void {}
  isAuthenticated(): boolean {
    return false;
  }
  close(): void {}
}

interface Opened {
  readonly member: Member;
  readonly services: Services;
  readonly transport: SilentTransport;
  readonly clock: VirtualClock;
}

function opened(storage: Storage, memberId = 1n): Opened {
  const [clock, transport] = [new VirtualClock(), new SilentTransport()];
  const identity = { clusterId: CLUSTER_ID, memberId, name: "m" };
  const bootstrap = { type: "join" } as const;
  const member = new Member({ storage, transport, clock, prng: new Prng(1), identity, bootstrap });
  return { member, services: createServices(member), transport, clock };
}

function readOnly(image: MemoryImage): ReadOnlyStorage {
  const { identity, log, tables, hardState, appliedAtOpen: applied } = new MemoryStorage({ image });
  if (identity === undefined) throw new Error("a member was there");
  return new ReadOnlyStorage({ identity, log, tables, hardState, applied, held: { log: 1, state: 1 } }, FULL);
}

/** The disk of the only voter of a cluster, with `puts` entries in its log that its stored state does not have. */
async function behindItsLog(puts: number, bytes: number): Promise<MemoryImage> {
  const storage = new MemoryStorage({ flushRows: 1e9 });
  const founding = { type: "found", members: [memberRecord({ id: 1n, name: "m" })] } as const;
  await new Promise<void>((resolve) => {
    bootstrapStorage(storage, { clusterId: CLUSTER_ID, memberId: 1n, name: "m" }, founding, () => resolve());
  });
  const { member, services, clock } = opened(storage);
  member.start();
  for (let at = 0; at < puts; at++) {
    let isDone = false;
    void services.kv.put(putRequest({ key: KEY, value: new Uint8Array(bytes) }), CALL).then(() => (isDone = true));
    await clock.until(() => isDone, "written");
  }
  member.stop();
  const image = storage.crash();
  expect([image.applied, image.hardState.commit]).not.toContain(image.log.lastIndex());
  return image;
}

async function follower(cluster: Cluster): Promise<Node> {
  const leader = await cluster.elected();
  for (let at = 0; at < 5; at++) {
    await cluster.settled(leader.services.kv.put(putRequest({ key: KEY, value: KEY }), CALL));
  }
  const node = [...cluster.nodes.values()].find(({ id }) => id !== leader.id) as Node;
  await cluster.clock.until(() => node.member.applied === leader.member.applied, "it holds what the leader has");
  return node;
}

describe("M74 a store that cannot be written is read", () => {
  test("what is known to be committed is applied; nothing is sent, received or promised", async () => {
    const cluster = await Cluster.founded(3);
    const node = await follower(cluster);
    const { term } = node.member.status();
    const image = cluster.crash(node.id);
    image.hardState = { ...image.hardState, commit: image.log.lastIndex() };
    const { member, services, transport, clock } = opened(readOnly(image), node.id);
    member.startReading(FULL);
    expect(member.applied).toBe(image.log.lastIndex());
    expect(member.problem).toMatchObject({ code: "disk-full", text: "The disk is full." });
    expect((await services.kv.range(SERIALIZABLE, CALL)).kvs[0]?.version).toBe(5);
    const full = { code: GrpcCode.ResourceExhausted, message: "The disk is full." };
    await expect(services.kv.put(putRequest({ key: KEY, value: KEY }), CALL)).rejects.toMatchObject(full);
    await expect(services.kv.range(rangeRequest({ key: KEY }), CALL)).rejects.toMatchObject(full);
    await clock.advance(60_000);
    expect([transport.starts, transport.sent]).toEqual([0, []]);
    expect(member.status()).toMatchObject({ term, role: "follower", leader: 0n });
    expect(await services.inspect.view()).toMatchObject({ leader: "0", members: { length: 3 } });
  });

  test("the only voter of a cluster does not even campaign", async () => {
    const image = await behindItsLog(3, 10);
    const { member } = opened(readOnly(image));
    member.startReading(FULL);
    expect(member.applied).toBe(image.log.lastIndex());
    expect(member.status().term).toBe(image.hardState.term);
  });

  test("entries of several voters that are not known to be committed are not shown", async () => {
    const cluster = await Cluster.founded(3);
    const node = await follower(cluster);
    const image = cluster.crash(node.id);
    image.hardState = { ...image.hardState, commit: Math.max(image.applied, image.log.lastIndex() - 1) };
    const { member, services } = opened(readOnly(image), node.id);
    member.startReading(FULL);
    expect(member.applied).toBe(image.log.lastIndex() - 1);
    expect((await services.kv.range(SERIALIZABLE, CALL)).kvs[0]?.version).toBe(4);
  });

  test("a copy can be saved elsewhere", async () => {
    const { member, services, clock } = opened(readOnly(await behindItsLog(3, 10)));
    member.startReading(FULL);
    let bytes = 0;
    const save = async (): Promise<void> => {
      for await (const { blob } of services.maintenance.snapshot({}, CALL)) bytes += blob.length;
    };
    const saved = save();
    saved.catch(() => {});
    for (let turn = 0; turn < 100; turn++) await clock.advance(10);
    await saved;
    expect(bytes).toBeGreaterThan(10_000);
  });
});

describe("M74 a disk that fills under a member", () => {
  test("right after it was opened keeps it from nothing that its log says", async () => {
    // Raft hands out 4 MiB at a time.
    const image = await behindItsLog(12, 1_000_000);
    const storage = new MemoryStorage({ image });
    storage.failWrites(FULL);
    const { member, clock } = opened(storage);
    member.start();
    await clock.until(() => member.problem !== undefined, "the first write has failed");
    expect(member.problem?.code).toBe("disk-full");
    expect(member.applied).toBe(image.log.lastIndex());
  });

  test("tells the author of a write under way that its outcome is unknown, and others that it was not made", async () => {
    const cluster = await Cluster.founded(3);
    const node = await follower(cluster);
    const put = (): Promise<unknown> => node.services.kv.put(putRequest({ key: KEY, value: KEY }), CALL);
    cluster.network.setLink(node.id, node.member.leader, false);
    const proposed = put();
    proposed.catch(() => {});
    await cluster.clock.advance(10);
    const storage: Storage = node.storage;
    storage.onFailed?.(FULL);
    await expect(proposed).rejects.toThrow("The disk is full. This write was proposed before");
    await expect(put()).rejects.toMatchObject({ message: "The disk is full." });
  });
});

describe("M74 watches of a member whose disk is full", () => {
  const revisionsOf = (response: WatchResponse | undefined): readonly number[] | undefined =>
    response?.events.map(({ kv }) => kv?.modRevision ?? 0);

  test("tell what is here, wait, and end with the member", async () => {
    const { member, services, clock } = opened(readOnly(await behindItsLog(3, 10)));
    member.startReading(FULL);
    const stream = services.watch.watch(CALL);
    const create = (startRevision: number): void =>
      stream.request({ type: "create", create: watchCreateRequest({ key: KEY, startRevision }) });
    create(2);
    expect((await stream.next())?.created).toBe(true);
    const history = stream.next();
    await clock.advance(100);
    expect(revisionsOf(await history)).toEqual([2, 3, 4]);
    // What the caller has seen elsewhere is not told again, and nothing older.
    create(9);
    expect((await stream.next())?.created).toBe(true);
    const end = stream.next();
    await clock.advance(10_000);
    expect(member.problem?.code).toBe("disk-full");
    member.stop();
    expect(await end).toBeUndefined();
    expect(() => services.watch.watch(CALL)).toThrow("server stopped");
    await expect(services.kv.range(SERIALIZABLE, CALL)).rejects.toThrow("server stopped");
  });

  test("are refused to who asks for a leader", async () => {
    const { member, services } = opened(readOnly(await behindItsLog(1, 10)));
    member.startReading(FULL);
    const context = { ...CALL, requireLeader: true };
    expect(() => services.watch.watch(context)).toThrow("no leader");
    await expect(services.kv.range(SERIALIZABLE, context)).rejects.toThrow("no leader");
  });
});
