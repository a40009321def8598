import { describe, expect, test } from "vitest";
import { utf8Decode, utf8Encode } from "../../../src/base/utf8.ts";
import type { WatchStream } from "../../../src/member/api/services.ts";
import { compactionRequest, putRequest } from "../../../src/protocol/api/kv.ts";
import { watchCreateRequest } from "../../../src/protocol/api/watch.ts";
import type { WatchCreateRequest } from "../../../src/protocol/api/watch.ts";
import { CALL, Cluster } from "../support/cluster.ts";
import type { Node } from "../support/cluster.ts";

const KEY = utf8Encode("key");

async function putMany(cluster: Cluster, node: Node, from: number, to: number, bytes = 0): Promise<void> {
  const puts = [];
  for (let at = from; at < to; at++) {
    const value = utf8Encode(`${at}`.padEnd(bytes, " "));
    puts.push(node.services.kv.put(putRequest({ key: KEY, value }), CALL));
  }
  await cluster.settled(Promise.all(puts));
}

function watch(node: Node, set: Partial<WatchCreateRequest> = {}): WatchStream {
  const stream = node.services.watch.watch(CALL);
  stream.request({ type: "create", create: watchCreateRequest({ key: KEY, ...set }) });
  return stream;
}

/** Values in the order in which they arrive, until there are `count`. */
async function values(cluster: Cluster, stream: WatchStream, count: number): Promise<readonly number[]> {
  const seen: number[] = [];
  while (seen.length < count) {
    const response = await cluster.settled(stream.next());
    for (const event of response?.events ?? []) seen.push(Number(utf8Decode(event.kv?.value ?? KEY)));
  }
  return seen;
}

const numbers = (from: number, to: number): readonly number[] =>
  Array.from({ length: to - from }, (_, at) => from + at);

describe("a watch stream", () => {
  test("with progress notifications gets them at the configured interval, ten minutes by default", async () => {
    for (const [options, intervalMs] of [
      [{}, 600_000],
      [{ watchProgressMs: 1_000 }, 1_000],
    ] as const) {
      const cluster = await Cluster.founded(1, options);
      const node = await cluster.elected();
      const stream = watch(node, { progressNotify: true });
      await cluster.settled(stream.next());
      const notice = stream.next();
      let isTold = false;
      void notice.then(() => (isTold = true));
      await cluster.clock.advance(intervalMs - 1);
      expect(isTold).toBe(false);
      await cluster.clock.advance(1);
      expect(isTold).toBe(true);
      expect(await notice).toMatchObject({ events: [], header: { revision: 1 } });
    }
  });

  test("from a past revision gets all history, in order, and then new events", async () => {
    const cluster = await Cluster.founded(1);
    const node = await cluster.elected();
    await putMany(cluster, node, 0, 3_000);
    const stream = watch(node, { startRevision: 2 });
    expect(await values(cluster, stream, 3_000)).toEqual(numbers(0, 3_000));
    await putMany(cluster, node, 3_000, 3_010);
    expect(await values(cluster, stream, 10)).toEqual(numbers(3_000, 3_010));
  });

  test("M45 with a slow reader costs bounded memory, and delivers everything once the reader reads", async () => {
    const cluster = await Cluster.founded(1, { limits: { watchStreamBytes: 10_000 } });
    const node = await cluster.elected();
    const stream = watch(node);
    expect((await stream.next())?.created).toBe(true);
    await putMany(cluster, node, 0, 2_000, 200);
    // 2,000 responses of more than 200 bytes were not buffered for it: it is unsynced.
    expect(node.member.machine.hub.slowWatcherCount).toBe(1);
    expect(await values(cluster, stream, 2_000)).toEqual(numbers(0, 2_000));
    await cluster.clock.until(() => node.member.machine.hub.slowWatcherCount === 0, "caught up");
    await putMany(cluster, node, 2_000, 2_001);
    expect(await values(cluster, stream, 1)).toEqual([2_000]);
  });

  test("that waits for revisions compacted meanwhile is cancelled with that reason", async () => {
    const cluster = await Cluster.founded(1, { limits: { watchStreamBytes: 1_000 } });
    const node = await cluster.elected();
    const stream = watch(node);
    await putMany(cluster, node, 0, 100, 100);
    await cluster.settled(node.services.kv.compact(compactionRequest({ revision: 90, physical: true }), CALL));
    for (;;) {
      const response = await cluster.settled(stream.next());
      if (response?.canceled !== true) continue;
      expect(response.compactRevision).toBe(90);
      break;
    }
  });

  test("continues over the installation of a snapshot", async () => {
    const limits = { logEntries: 20, catchUpEntries: 5, snapshotChunkBytes: 200 };
    const cluster = await Cluster.founded(3, { limits });
    const leader = await cluster.elected();
    const follower = [...cluster.nodes.values()].find(({ id }) => id !== leader.id) as Node;
    const stream = watch(follower);
    await putMany(cluster, leader, 0, 10);
    expect(await values(cluster, stream, 10)).toEqual(numbers(0, 10));
    for (const node of cluster.nodes.values()) {
      if (node !== follower) cluster.network.setLink(follower.id, node.id, false);
    }
    for (let at = 10; at < 200; at++) await putMany(cluster, leader, at, at + 1);
    for (const node of cluster.nodes.values()) {
      if (node !== follower) cluster.network.setLink(follower.id, node.id, true);
    }
    expect(await values(cluster, stream, 190)).toEqual(numbers(10, 200));
    expect([...cluster.nodes.values()].reduce((sum, { member }) => sum + member.snapshotsSent, 0)).toBeGreaterThan(0);
  });

  test("ends with its member", async () => {
    const cluster = await Cluster.founded(1);
    const node = await cluster.elected();
    const stream = watch(node);
    await stream.next();
    const next = stream.next();
    node.member.stop();
    expect(await next).toBeUndefined();
    expect(await stream.next()).toBeUndefined();
  });

  test("that sends more and more requests and takes nothing is closed", async () => {
    const cluster = await Cluster.founded(1, { limits: { watchStreamBytes: 1_000, watchers: 1_000 } });
    const node = await cluster.elected();
    const stream = node.services.watch.watch(CALL);
    for (let at = 0; at < 100; at++) stream.request({ type: "create", create: watchCreateRequest({ key: KEY }) });
    expect(node.member.machine.hub.watcherCount).toBe(0);
    expect(await stream.next()).toBeUndefined();
  });
});
