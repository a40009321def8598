import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { bytesToLatin1, latin1ToBytes } from "../../../src/base/bytes.ts";
import { BoltReader } from "../../../src/protocol/bbolt/bolt-reader.ts";
import { compactionRequest, deleteRangeRequest, putRequest } from "../../../src/protocol/api/kv.ts";
import { keyValueSchema } from "../../../src/protocol/api/schema/kv-schema.ts";
import { leaseGrantRequest } from "../../../src/protocol/api/lease.ts";
import type { SnapshotResponse } from "../../../src/protocol/api/maintenance.ts";
import { decode } from "../../../src/protocol/codec/proto-codec.ts";
import { CALL, Cluster } from "../support/cluster.ts";
import type { Node } from "../support/cluster.ts";

const TRAILER_BYTES = 32;

async function put(cluster: Cluster, node: Node, key: string, value: string, lease = 0n): Promise<void> {
  const request = putRequest({ key: latin1ToBytes(key), value: latin1ToBytes(value), lease });
  await cluster.settled(node.services.kv.put(request, CALL));
}

async function taken(
  cluster: Cluster,
  node: Node,
  between: () => Promise<void> = async () => {},
): Promise<SnapshotResponse[]> {
  const responses: SnapshotResponse[] = [];
  const stream = node.services.maintenance.snapshot({}, CALL)[Symbol.asyncIterator]();
  for (;;) {
    const step = await cluster.settled(stream.next());
    if (step.done === true) return responses;
    responses.push(step.value);
    await between();
  }
}

function database(responses: readonly SnapshotResponse[]): Buffer {
  const file = Buffer.concat(responses.map(({ blob }) => blob));
  return file.subarray(0, file.length - TRAILER_BYTES);
}

function keysIn(file: Buffer): readonly string[] {
  const reader = new BoltReader({ sizeBytes: file.length, read: (at, length) => file.subarray(at, at + length) });
  const bucket = reader.buckets().find(({ name }) => name === "key");
  return [...(bucket?.rows() ?? [])].map(({ key, value }) => {
    const { modRevision, key: name } = decode(keyValueSchema, value);
    return key.length === 18 ? `-${bytesToLatin1(name)}` : `${bytesToLatin1(name)}@${modRevision}`;
  });
}

test("M36 the stream is a database in blobs of 32 KiB that count down, and then its SHA-256", async () => {
  const cluster = await Cluster.founded(1);
  const node = await cluster.elected();
  for (let at = 0; at < 30; at++) await put(cluster, node, `k${at}`, "x".repeat(10_000));
  const responses = await taken(cluster, node);
  const file = database(responses);
  let left = file.length;
  for (const response of responses.slice(0, -1)) {
    left -= response.blob.length;
    expect(response.remainingBytes).toBe(left);
    expect(response.version).toBe("3.7.0");
    expect(response.header).toBeUndefined();
    if (left > 0) expect(response.blob.length).toBe(32 * 1024);
  }
  expect(file.length % 512).toBe(0);
  const digest = createHash("sha256").update(file).digest();
  expect(Buffer.from(responses.at(-1)?.blob ?? []).equals(digest)).toBe(true);
  expect(responses.at(-1)?.remainingBytes).toBe(0);
  expect(keysIn(file)).toHaveLength(30);
});

test("M36 all of a snapshot is of one revision while puts, deletes and a compaction go on", async () => {
  const cluster = await Cluster.founded(1);
  const node = await cluster.elected();
  for (let at = 0; at < 20; at++) await put(cluster, node, `k${at % 10}`, "x".repeat(20_000));
  const before = keysIn(database(await taken(cluster, node)));
  expect(before).toHaveLength(20);
  let step = 0;
  const responses = await taken(cluster, node, async () => {
    step += 1;
    await put(cluster, node, `k${step % 10}`, "y".repeat(20_000));
    if (step === 1) {
      const { revision } = node.member.machine.store;
      await cluster.settled(node.services.kv.compact(compactionRequest({ revision }), CALL));
    }
    if (step === 2) {
      const all = deleteRangeRequest({ key: latin1ToBytes("k"), rangeEnd: latin1ToBytes("l") });
      await cluster.settled(node.services.kv.deleteRange(all, CALL));
    }
  });
  expect(step).toBeGreaterThan(5);
  expect(keysIn(database(responses))).toEqual(before);
});

test("compaction continues once the reader is through, or has gone away", async () => {
  const { cluster, store, stream } = await readingDuringCompaction();
  await cluster.clock.advance(1_000);
  expect(store.keys.rowCount).toBe(10);
  await stream.return?.();
  await cluster.clock.advance(1_000);
  expect(store.keys.rowCount).toBe(1);
});

test("M36 a reader that takes nothing for ten seconds holds nothing any more, and gets an error", async () => {
  const { cluster, store, stream } = await readingDuringCompaction();
  await cluster.clock.advance(11_500);
  expect(store.keys.rowCount).toBe(1);
  await expect(cluster.settled(stream.next())).rejects.toThrow("etcdserver: request timed out");
});

test("M36 few snapshots are read at a time: the fifth reader is refused, and admitted when another is through", async () => {
  const cluster = await Cluster.founded(1);
  const node = await cluster.elected();
  await put(cluster, node, "k", "v");
  const open = Array.from({ length: 5 }, () => node.services.maintenance.snapshot({}, CALL)[Symbol.asyncIterator]());
  for (const stream of open.slice(0, 4)) await cluster.settled(stream.next());
  await expect(cluster.settled((open[4] as (typeof open)[0]).next())).rejects.toThrow("etcdserver: too many requests");
  await open[0]?.return?.();
  expect(await taken(cluster, node)).not.toHaveLength(0);
  for (const stream of open.slice(1)) await stream.return?.();
});

test("a follower's snapshot has the keys, leases, members and versions that the leader's has", async () => {
  const cluster = await Cluster.founded(3);
  const leader = await cluster.elected();
  await cluster.settled(leader.services.lease.grant(leaseGrantRequest({ id: 77n, ttl: 100 }), CALL));
  await put(cluster, leader, "leased", "v", 77n);
  await put(cluster, leader, "plain", "v");
  await cluster.clock.until(
    () => [...cluster.nodes.values()].every(({ member }) => member.applied === leader.member.applied),
    "all have applied",
  );
  const files = [];
  for (const node of cluster.nodes.values()) files.push(database(await taken(cluster, node)).toString("latin1"));
  expect(new Set(files).size).toBe(1);
});

/** A member with ten versions of a key, a snapshot of which the first part was read, and a compaction of all but one. */
async function readingDuringCompaction() {
  const cluster = await Cluster.founded(1);
  const node = await cluster.elected();
  for (let at = 0; at < 10; at++) await put(cluster, node, "k", "x".repeat(20_000));
  const stream = node.services.maintenance.snapshot({}, CALL)[Symbol.asyncIterator]();
  await cluster.settled(stream.next());
  const { store } = node.member.machine;
  await cluster.settled(node.services.kv.compact(compactionRequest({ revision: store.revision }), CALL));
  return { cluster, store, stream };
}
