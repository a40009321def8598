import { expect, test } from "vitest";
import { utf8Encode } from "../../../src/base/utf8.ts";
import { putRequest } from "../../../src/protocol/api/kv.ts";
import type { LogBatch, Storage } from "../../../src/storage/storage.ts";
import { CALL, Cluster } from "../support/cluster.ts";
import type { Node } from "../support/cluster.ts";

const PUTS = 200;

/** Records for each write with entries whether it was for messages only. */
function recordWrites(node: Node, hasOutputGate: boolean): boolean[] {
  const writes: boolean[] = [];
  const storage: Storage = node.storage;
  const append = storage.append.bind(storage);
  Object.defineProperties(storage, {
    hasOutputGate: { value: hasOutputGate },
    append: {
      value: (batch: LogBatch, done: () => void) => {
        if (batch.entries.length > 0) writes.push(batch.isForMessages === true);
        append(batch, done);
      },
    },
  });
  return writes;
}

async function putMany(cluster: Cluster, leader: Node): Promise<void> {
  for (let at = 0; at < PUTS; at++) {
    await cluster.settled(leader.services.kv.put(putRequest({ key: utf8Encode(`${at}`) }), CALL));
  }
}

test("M57 behind an output gate a follower's writes are for messages, but for some that are timed; a leader's are not", async () => {
  const cluster = await Cluster.founded(3);
  const leader = await cluster.elected();
  const follower = [...cluster.nodes.values()].find((node) => node !== leader) as Node;
  const ofLeader = recordWrites(leader, true);
  const ofFollower = recordWrites(follower, true);
  const timedBefore = follower.member.metrics.logWriteSeconds.count;
  await putMany(cluster, leader);
  expect(ofLeader).toHaveLength(PUTS);
  expect(ofLeader).not.toContain(true);
  const awaited = ofFollower.filter((isForMessages) => !isForMessages).length;
  expect(awaited).toBeGreaterThan(0);
  expect(awaited).toBeLessThan(PUTS / 32);
  // What ended before its write was durable says nothing about the disk.
  expect(follower.member.metrics.logWriteSeconds.count - timedBefore).toBeLessThanOrEqual(awaited + 1);
});

test("M57 without an output gate every write is awaited", async () => {
  const cluster = await Cluster.founded(3);
  const leader = await cluster.elected();
  const follower = [...cluster.nodes.values()].find((node) => node !== leader) as Node;
  const writes = recordWrites(follower, false);
  await putMany(cluster, leader);
  expect(writes).not.toContain(true);
});
