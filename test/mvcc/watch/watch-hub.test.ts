import { describe, expect, test } from "vitest";
import { latin1ToBytes } from "../../../src/base/bytes.ts";
import { encode } from "../../../src/protocol/codec/proto-codec.ts";
import { deleteRangeRequest, putRequest, txnRequest } from "../../../src/protocol/api/kv.ts";
import type { RequestOp } from "../../../src/protocol/api/kv.ts";
import { watchCreateRequest } from "../../../src/protocol/api/watch.ts";
import { watchResponseSchema } from "../../../src/protocol/api/schema/watch-schema.ts";
import { World, responseText } from "../support/watch-world.ts";

const COMPACTED = "(etcdserver: mvcc: required revision has been compacted)";

function putOp(key: string, value: string): RequestOp {
  return { type: "put", put: putRequest({ key: latin1ToBytes(key), value: latin1ToBytes(value) }) };
}

function putAll(world: World, ...pairs: readonly (readonly [string, string])[]): void {
  world.publish(world.store.txn(txnRequest({ success: pairs.map(([key, value]) => putOp(key, value)) })).events);
}

describe("creating watches", () => {
  test("V23 [WATCH created] responses come in the order of the requests, with the store's revision, before any event", () => {
    const world = new World();
    world.put("a", "1");
    const stream = world.stream();
    stream.create("a", "", { startRevision: 2 });
    stream.create("a");
    world.put("a", "2");
    world.pumpAll();
    expect(stream.take()).toEqual(["0@2 created", "1@2 created", "1@3 a=2:3", "0@3 a=1:2 a=2:3"]);
    const created = world.stream();
    created.create("x");
    expect(created.stream.take(1)[0]?.header).toEqual({ clusterId: 1n, memberId: 2n, revision: 3, raftTerm: 3 });
  });

  test("V23 [WATCH id] 0 is assigned 0, 1, 2… on each stream, skipping ids in use", () => {
    const world = new World();
    const stream = world.stream();
    for (const watchId of [0, 0, 2, 0, 7, 0]) stream.create("a", "", { watchId });
    expect(stream.take()).toEqual([
      "0@1 created",
      "1@1 created",
      "2@1 created",
      "3@1 created",
      "7@1 created",
      "4@1 created",
    ]);
    const other = world.stream();
    other.create("a");
    expect(other.take()).toEqual(["0@1 created"]);
  });

  test("V23 [WATCH id] a duplicate is created and canceled with id -1; a canceled id can be used again", () => {
    const world = new World();
    const stream = world.stream();
    stream.create("a", "", { watchId: 5 });
    stream.create("b", "", { watchId: 5 });
    stream.stream.cancel(5);
    stream.create("c", "", { watchId: 5 });
    expect(stream.take()).toEqual([
      "5@1 created",
      "-1@1 created canceled (mvcc: duplicate watch ID provided on the WatchStream)",
      "5@1 canceled",
      "5@1 created",
    ]);
    world.put("a", "1");
    world.put("c", "1");
    expect(stream.take()).toEqual(["5@3 c=1:3"]);
  });

  test("V7 [WATCH range] key >= end is rejected, and the rejection uses up no id", () => {
    const world = new World();
    const stream = world.stream();
    stream.create("b", "b");
    stream.create("b", "a");
    stream.create("b", "c");
    const empty = "-1@1 created canceled (mvcc: watcher range is empty)";
    expect(stream.take()).toEqual([empty, empty, "0@1 created"]);
    expect(world.hub.watcherCount).toBe(1);
  });

  test('V7 [WATCH range] one key, [key, end), from the key on with "\\0", and an empty key is the smallest', () => {
    const world = new World();
    const stream = world.stream();
    stream.create("b");
    stream.create("b", "c");
    stream.create("b", "\0");
    stream.create("", "\0");
    stream.create("");
    stream.take();
    for (const key of ["a", "b", "ba", "c", "\0"]) world.put(key, "");
    const seen = [0, 1, 2, 3, 4].map(() => [] as string[]);
    for (const response of stream.stream.take(100)) {
      seen[response.watchId]?.push(...response.events.map((event) => String.fromCharCode(...(event.kv?.key ?? []))));
    }
    expect(seen).toEqual([["b"], ["b", "ba"], ["b", "ba", "c"], ["a", "b", "ba", "c", "\0"], ["\0"]]);
  });

  test("V24 [WATCH start] a negative start is rejected with etcd's message for compacted", () => {
    const world = new World();
    const stream = world.stream();
    stream.create("b", "a", { startRevision: -1, watchId: 3 });
    expect(stream.take()).toEqual([`-1@1 created canceled ${COMPACTED}`]);
  });

  test("V24 [WATCH start] 0 means from now on; a future revision waits for it", () => {
    const world = new World();
    world.put("a", "1");
    const stream = world.stream();
    stream.create("a");
    stream.create("a", "", { startRevision: 4 });
    stream.create("a", "", { startRevision: 3 });
    expect(world.hub.slowWatcherCount).toBe(0);
    world.put("a", "2");
    world.put("a", "3");
    world.put("a", "4");
    expect(stream.take()).toEqual([
      "0@2 created",
      "1@2 created",
      "2@2 created",
      "0@3 a=2:3",
      "2@3 a=2:3",
      "0@4 a=3:4",
      "1@4 a=3:4",
      "2@4 a=3:4",
      "0@5 a=4:5",
      "1@5 a=4:5",
      "2@5 a=4:5",
    ]);
  });

  test("V24 [WATCH start] in the past reads the whole history, then continues live", () => {
    const world = new World();
    world.put("a", "1");
    world.put("b", "1");
    world.del("a");
    world.put("a", "2");
    const stream = world.stream();
    stream.create("a", "", { startRevision: 3 });
    stream.create("a", "z", { startRevision: 1 });
    expect(world.hub.slowWatcherCount).toBe(2);
    expect(world.hub.hasUnsynced).toBe(true);
    world.pumpAll();
    world.put("a", "3");
    expect(world.hub.slowWatcherCount).toBe(0);
    expect(stream.take()).toEqual([
      "0@5 created",
      "1@5 created",
      "0@5 a:4 a=2:5",
      "1@5 a=1:2 b=1:3 a:4 a=2:5",
      "0@6 a=3:6",
      "1@6 a=3:6",
    ]);
  });

  test("V25 [WATCH compacted] a start below the compact revision is created first and then canceled, at revision 0", () => {
    const world = new World();
    for (const value of ["1", "2", "3", "4"]) world.put("a", value);
    world.store.compact(4);
    const stream = world.stream();
    stream.create("a", "", { startRevision: 3 });
    stream.create("a", "", { startRevision: 4 });
    world.pumpAll();
    expect(stream.take()).toEqual(["0@5 created", "1@5 created", "0@0 canceled compacted 4", "1@5 a=3:4 a=4:5"]);
    expect(world.hub.watcherCount).toBe(1);
    // Its id also stays taken until the client cancels it.
    stream.stream.cancel(0);
    expect(stream.take()).toEqual(["0@5 canceled"]);
    stream.stream.cancel(0);
    expect(stream.take()).toEqual([]);
    stream.create("a", "", { watchId: 0, startRevision: 5 });
    expect(stream.take()[0]).toBe("2@5 created");
  });

  test("V25 [WATCH compacted] an unsynced watcher whose history was compacted is canceled; a live one is not", () => {
    const world = new World();
    world.put("a", "1");
    const stream = world.stream();
    stream.create("a", "", { startRevision: 2 });
    stream.create("a");
    world.put("a", "2");
    world.store.compact(3);
    world.pumpAll();
    world.put("a", "3");
    expect(stream.take()).toEqual(["0@2 created", "1@2 created", "1@3 a=2:3", "0@0 canceled compacted 3", "1@4 a=3:4"]);
  });

  test("V25 [WATCH compacted] a start at the compact revision sees its events, deletes included", () => {
    const world = new World();
    world.put("a", "1");
    world.put("b", "1");
    world.del("a");
    world.store.compact(4);
    while (world.store.compactStep(10));
    const stream = world.stream();
    stream.create("a", "z", { startRevision: 4 });
    world.pumpAll();
    expect(stream.take()).toEqual(["0@4 created", "0@4 a:4"]);
  });

  test("V35 [WATCH limit] one watcher more than the hub may have is rejected", () => {
    const world = new World({ watchersMax: 2 });
    const stream = world.stream();
    for (const key of ["a", "b", "c"]) stream.create(key);
    stream.stream.cancel(0);
    stream.create("d");
    expect(stream.take()).toEqual([
      "0@1 created",
      "1@1 created",
      "-1@1 created canceled (etcdserver: too many requests)",
      "0@1 canceled",
      "2@1 created",
    ]);
  });
});

describe("events", () => {
  test("V26 [WATCH atomic] the events of one revision come in one response, live and from history, in order", () => {
    const world = new World();
    const stream = world.stream();
    stream.create("a", "z");
    putAll(world, ["c", "1"], ["a", "1"], ["b", "1"]);
    world.del("a", "c");
    stream.create("a", "z", { startRevision: 1 });
    world.pumpAll(1);
    expect(stream.take()).toEqual([
      "0@1 created",
      "0@2 c=1:2 a=1:2 b=1:2",
      "0@3 a:3 b:3",
      "1@3 created",
      "1@3 c=1:2 a=1:2 b=1:2",
      "1@3 a:3 b:3",
    ]);
  });

  test("V27 [WATCH header] live it is the revision of the events; from history the current one", () => {
    const world = new World();
    world.put("a", "1");
    world.put("b", "1");
    const stream = world.stream();
    stream.create("a", "", { startRevision: 2 });
    stream.create("b");
    world.pumpAll();
    world.put("b", "2");
    expect(stream.take()).toEqual(["0@3 created", "1@3 created", "0@3 a=1:2", "1@4 b=2:4"]);
  });

  test("V6 [WATCH delete] carries the key and the revision only", () => {
    const world = new World();
    world.put("a", "1");
    const stream = world.stream();
    stream.create("a");
    world.del("a");
    const [, response] = stream.stream.take(10);
    expect(response?.events[0]).toEqual({
      type: "DELETE",
      kv: {
        key: latin1ToBytes("a"),
        createRevision: 0,
        modRevision: 3,
        version: 0,
        value: new Uint8Array(0),
        lease: 0n,
      },
      prevKv: undefined,
    });
  });

  test("V28 [WATCH filters] NOPUT and NODELETE leave out events; nothing is sent when all are left out", () => {
    const world = new World();
    const stream = world.stream();
    stream.create("a", "z", { filters: ["NOPUT"] });
    stream.create("a", "z", { filters: ["NODELETE"] });
    stream.create("a", "z", { filters: ["NOPUT", "NODELETE"] });
    stream.create("a", "z", { filters: [9] });
    stream.take();
    world.put("a", "1");
    world.del("a");
    expect(stream.take()).toEqual(["1@2 a=1:2", "3@2 a=1:2", "0@3 a:3", "3@3 a:3"]);
    const late = world.stream();
    late.create("a", "z", { filters: ["NOPUT"], startRevision: 1 });
    late.create("a", "z", { filters: ["NODELETE"], startRevision: 1 });
    late.create("a", "z", { filters: ["NODELETE", "NOPUT"], startRevision: 1 });
    world.pumpAll();
    expect(late.take().slice(3).sort()).toEqual(["0@3 a:3", "1@3 a=1:2"]);
  });

  test("V28 [WATCH prev_kv] is the pair one revision before; absent on a create and when it was compacted", () => {
    const world = new World();
    const stream = world.stream();
    stream.create("a", "", { prevKv: true });
    world.put("a", "1");
    world.put("a", "2");
    world.del("a");
    world.put("a", "3");
    expect(stream.take()).toEqual(["0@1 created", "0@2 a=1:2", "0@3 a=2:3[1:2]", "0@4 a:4[2:3]", "0@5 a=3:5"]);
    world.store.compact(3);
    const late = world.stream();
    late.create("a", "", { prevKv: true, startRevision: 3 });
    late.create("a", "", { startRevision: 3 });
    world.pumpAll();
    expect(late.take()).toEqual(["0@5 created", "1@5 created", "0@5 a=2:3 a:4[2:3] a=3:5", "1@5 a=2:3 a:4 a=3:5"]);
  });

  test("V28 [WATCH prev_kv] of a key written twice in one revision is the pair before that revision", () => {
    const world = new World();
    world.put("a", "1");
    const stream = world.stream();
    stream.create("a", "", { prevKv: true });
    putAll(world, ["a", "2"], ["a", "3"]);
    expect(stream.take()).toEqual(["0@2 created", "0@3 a=2:3[1:2] a=3:3[1:2]"]);
  });

  test("V28 [WATCH prev_kv] of a key deleted and created in one revision is absent, although it was there before", () => {
    const world = new World();
    world.put("a", "1");
    const stream = world.stream();
    stream.create("a", "", { prevKv: true });
    const gone: RequestOp = { type: "deleteRange", deleteRange: deleteRangeRequest({ key: latin1ToBytes("a") }) };
    world.publish(world.store.txn(txnRequest({ success: [gone, putOp("a", "2")] })).events);
    expect(stream.take()).toEqual(["0@2 created", "0@3 a:3[1:2] a=2:3"]);
  });

  test("V28 [WATCH share] a watcher that is removed does not remove those of other shapes", () => {
    const world = new World();
    const stream = world.stream();
    for (const end of ["", "z"]) {
      stream.create("a", end);
      stream.create("a", end, { prevKv: true });
      stream.create("a", end, { filters: ["NODELETE"] });
    }
    stream.stream.cancel(0);
    stream.stream.cancel(4);
    stream.take();
    world.put("a", "1");
    expect(stream.take()).toEqual(["1@2 a=1:2", "2@2 a=1:2", "3@2 a=1:2", "5@2 a=1:2"]);
    for (const id of [1, 2, 3, 5]) stream.stream.cancel(id);
    stream.create("a");
    stream.take();
    world.put("a", "2");
    expect(stream.take()).toEqual(["6@3 a=2:3"]);
  });

  test("V28 [WATCH share] watchers of the same keys and shape get the very same events", () => {
    const world = new World();
    const streams = [world.stream(), world.stream(), world.stream()];
    for (const [at, stream] of streams.entries()) stream.create("a", "z", { prevKv: at === 2 });
    world.put("a", "1");
    const [one, other, third] = streams.map((stream) => stream.stream.take(10)[1]?.events);
    expect(one).toBe(other);
    expect(one).not.toBe(third);
  });

  test("V29 [WATCH fragment] splits a response of this size or more, all parts but the last marked; others receive it whole", () => {
    const world = new World({ fragmentBytes: 500 });
    const stream = world.stream();
    stream.create("a", "z", { fragment: true });
    stream.create("a", "z");
    stream.take();
    putAll(world, ["a", "x".repeat(200)], ["b", "x".repeat(200)], ["c", "x".repeat(200)], ["d", "y"]);
    const responses = stream.stream.take(10);
    expect(responses.map((response) => [response.watchId, response.fragment, response.events.length])).toEqual([
      [0, true, 1],
      [0, true, 1],
      [0, false, 2],
      [1, false, 4],
    ]);
    expect(responses.every((response) => response.header.revision === 2)).toBe(true);
    for (const response of responses.slice(0, 3))
      expect(encode(watchResponseSchema, response).length).toBeLessThan(500);
    putAll(world, ["a", "small"], ["b", "small"]);
    expect(stream.stream.take(10).map((response) => response.fragment)).toEqual([false, false]);
    world.put("a", "x".repeat(2000));
    expect(stream.stream.take(10).map((response) => response.fragment)).toEqual([false, false]);
  });
});

describe("cancel and close", () => {
  test("V30 [WATCH cancel] a known id gets a response and no more events; an unknown one gets no response", () => {
    const world = new World();
    const stream = world.stream();
    stream.create("a");
    stream.create("a");
    stream.stream.cancel(9);
    world.put("a", "1");
    stream.stream.cancel(0);
    stream.stream.cancel(0);
    world.put("a", "2");
    expect(stream.take()).toEqual([
      "0@1 created",
      "1@1 created",
      "0@2 a=1:2",
      "1@2 a=1:2",
      "0@2 canceled",
      "1@3 a=2:3",
    ]);
    expect(world.hub.watcherCount).toBe(1);
  });

  test("V30 [WATCH cancel] ends an unsynced watcher", () => {
    const world = new World();
    world.put("a", "1");
    const stream = world.stream();
    stream.create("a", "", { startRevision: 1 });
    stream.stream.cancel(0);
    expect(world.hub.syncUnsynced(10)).toBe(false);
    expect(stream.take()).toEqual(["0@2 created", "0@2 canceled"]);
  });

  test("V30 [WATCH close] removes all watches of the stream, and no others", () => {
    const world = new World();
    world.put("a", "1");
    const [gone, stays] = [world.stream(), world.stream()];
    gone.create("a");
    gone.create("a", "", { startRevision: 1 });
    stays.create("a");
    gone.stream.close();
    world.put("a", "2");
    world.pumpAll();
    expect([world.hub.watcherCount, gone.take(), gone.stream.closed]).toEqual([1, [], true]);
    expect(stays.take()).toEqual(["0@2 created", "0@3 a=2:3"]);
    gone.create("a");
    gone.stream.cancel(0);
    gone.stream.progress();
    expect([world.hub.watcherCount, gone.take()]).toEqual([1, []]);
  });

  test("V36 [WATCH readable] a stream is notified when responses come to an empty queue", () => {
    const world = new World();
    const stream = world.stream();
    stream.create("a");
    expect(stream.readable).toBe(1);
    world.put("a", "1");
    expect(stream.readable).toBe(1);
    stream.take();
    world.put("b", "1");
    expect(stream.readable).toBe(1);
    world.put("a", "2");
    expect(stream.readable).toBe(2);
    expect(stream.take(1)).toEqual(["0@4 a=2:4"]);
  });

  test("V36 [WATCH readable] a reader may take, cancel and close from within the notification", () => {
    const world = new World();
    const seen: string[] = [];
    const greedy = world.hub.openStream(() => {
      seen.push(...greedy.take(10).map(responseText));
      greedy.cancel(0);
    });
    const leaving = world.hub.openStream(() => leaving.close());
    const other = world.stream();
    greedy.create(watchCreateRequest({ key: latin1ToBytes("a") }));
    leaving.create(watchCreateRequest({ key: latin1ToBytes("a") }));
    other.create("a");
    world.put("a", "1");
    expect(seen).toEqual(["0@1 created", "0@1 canceled"]);
    expect(other.take()).toEqual(["0@1 created", "0@2 a=1:2"]);
    expect(world.hub.watcherCount).toBe(1);
  });
});

describe("progress", () => {
  test("V31 [WATCH progress] on request one response with id -1, when all watches of the stream are synced", () => {
    const world = new World();
    const stream = world.stream();
    stream.create("a");
    stream.create("b", "c");
    stream.take();
    world.put("x", "1");
    stream.stream.progress();
    expect(stream.take()).toEqual(["-1@2"]);
    const header = world.hub.openStream(() => {});
    header.progress();
    expect(header.take(10)).toEqual([]);
  });

  test("V31 [WATCH progress] no response while one of them is unsynced, or waits for a future revision", () => {
    const world = new World();
    world.put("a", "1");
    const stream = world.stream();
    stream.create("a");
    stream.create("a", "", { startRevision: 1 });
    stream.take();
    stream.stream.progress();
    expect(stream.take()).toEqual([]);
    world.pumpAll();
    stream.stream.progress();
    expect(stream.take()).toEqual(["1@2 a=1:2", "-1@2"]);
    stream.create("a", "", { startRevision: 4 });
    stream.take();
    stream.stream.progress();
    expect(stream.take()).toEqual([]);
    world.put("x", "");
    world.put("x", "");
    stream.stream.progress();
    expect(stream.take()).toEqual(["-1@4"]);
  });

  test("V31 [WATCH progress] comes after the events that it covers", () => {
    const world = new World();
    const stream = world.stream();
    stream.create("a");
    world.put("a", "1");
    stream.stream.progress();
    world.put("a", "2");
    expect(stream.take()).toEqual(["0@1 created", "0@2 a=1:2", "-1@2", "0@3 a=2:3"]);
  });

  test("V31 [WATCH progress] a watch that compaction ended does not delay the others", () => {
    const world = new World();
    world.put("a", "1");
    world.put("a", "2");
    world.store.compact(3);
    const stream = world.stream();
    stream.create("a");
    stream.create("a", "", { startRevision: 2 });
    world.pumpAll();
    stream.take();
    stream.stream.progress();
    expect(stream.take()).toEqual(["-1@3"]);
  });

  test("V31 [WATCH notify] the periodic round reaches synced watchers that requested it and got no event since the last", () => {
    const world = new World();
    world.put("a", "1");
    const stream = world.stream();
    stream.create("a", "", { progressNotify: true });
    stream.create("b");
    stream.create("a", "", { progressNotify: true, startRevision: 1 });
    stream.create("a", "", { progressNotify: true, startRevision: 9 });
    stream.create("a", "", { progressNotify: true, filters: ["NOPUT"] });
    stream.take();
    world.hub.progressAll();
    expect(stream.take()).toEqual(["0@2", "4@2"]);
    world.put("a", "2");
    world.pumpAll();
    stream.take();
    world.hub.progressAll();
    expect(stream.take()).toEqual(["4@3"]);
    world.put("x", "2");
    world.hub.progressAll();
    expect(stream.take()).toEqual(["0@4", "2@4", "4@4"]);
    stream.stream.cancel(0);
    stream.take();
    world.hub.progressAll();
    expect(stream.take()).toEqual(["2@4", "4@4"]);
  });
});

describe("slow readers", () => {
  const value = "x".repeat(100);

  test("V32 [WATCH slow] a stream that is not read is bounded by bytes; its watchers miss nothing", () => {
    const world = new World({ streamBytesMax: 2000 });
    const [slow, quick] = [world.stream(), world.stream()];
    slow.create("a", "z");
    quick.create("a", "z");
    quick.take();
    let delivered = 0;
    for (let at = 0; at < 100; at++) {
      world.put("k", value);
      delivered += quick.take().length;
    }
    expect([delivered, world.hub.slowWatcherCount]).toEqual([100, 1]);
    expect(world.hub.hasUnsynced).toBe(false);
    expect(world.hub.syncUnsynced(10)).toBe(false);
    const seen: number[] = [];
    for (let round = 0; round < 200 && seen.length < 100; round++) {
      const responses = slow.stream.take(1);
      for (const response of responses) {
        for (const event of response.events) seen.push(event.kv?.modRevision ?? 0);
      }
      world.hub.syncUnsynced(3);
    }
    expect(seen).toEqual(Array.from({ length: 100 }, (_, at) => at + 2));
    slow.take();
    world.pumpAll();
    expect(world.hub.slowWatcherCount).toBe(0);
    world.put("k", "last");
    expect(slow.take()).toEqual(["0@102 k=last:102"]);
  });

  test("V32 [WATCH slow] a revision larger than the whole queue is still delivered, alone", () => {
    const world = new World({ streamBytesMax: 300 });
    const stream = world.stream();
    stream.create("k");
    stream.take();
    world.put("k", "x".repeat(5000));
    world.put("k", "y".repeat(5000));
    world.pumpAll();
    expect(stream.take().map((text) => text.length)).toEqual([4 + 5000 + 2 + 2]);
    expect(world.hub.syncUnsynced(10)).toBe(false);
    expect(stream.take().map((text) => text.length)).toEqual([4 + 5000 + 2 + 2]);
    expect(world.hub.slowWatcherCount).toBe(0);
  });

  test("V32 [WATCH slow] the history of a slow watcher may be compacted; then it is notified and ends", () => {
    const world = new World({ streamBytesMax: 500 });
    const stream = world.stream();
    stream.create("k");
    for (let at = 0; at < 10; at++) world.put("k", value);
    world.store.compact(11);
    const before = stream.take();
    world.pumpAll();
    expect(before.length).toBeLessThan(5);
    expect(stream.take()).toEqual(["0@0 canceled compacted 11"]);
    expect(world.hub.watcherCount).toBe(0);
  });

  test("V32 [WATCH slow] a client that sends requests without reading loses its stream", () => {
    const world = new World({ streamBytesMax: 2000 });
    const stream = world.stream();
    let asked = 0;
    while (!stream.stream.closed && asked < 1000) {
      stream.create("a");
      stream.stream.cancel(asked++);
      expect(stream.stream.full || asked < 40).toBe(true);
    }
    expect(asked).toBeLessThan(40);
    expect([world.hub.watcherCount, stream.take()]).toEqual([0, []]);
  });

  test("V32 [WATCH slow] a stream remembers a bounded number of watches that compaction has ended", () => {
    const world = new World({ watchersMax: 5_000, streamBytesMax: 1024 });
    const stream = world.stream();
    world.put("k", value);
    world.put("k", value);
    world.store.compact(3);
    // Their ids stay taken, until there are too many of them.
    for (let at = 0; at < 1_000; at++) {
      stream.create("k", "", { startRevision: 1 });
      world.pumpAll();
      stream.take();
    }
    stream.create("k", "", { watchId: 7 });
    expect(stream.take()).toEqual(["7@3 created"]);
    expect(world.hub.watcherCount).toBe(1);
  });

  test("V30 [WATCH close] a refusal to a client that does not read ends its stream, too", () => {
    const world = new World({ streamBytesMax: 2000 });
    const stream = world.stream();
    let refused = 0;
    while (!stream.stream.closed && refused < 1000) {
      stream.stream.refuse("no");
      refused++;
    }
    expect(refused).toBeLessThan(60);
    stream.stream.cancel(1);
    stream.stream.refuse("no");
    expect(stream.take()).toEqual([]);
  });

  test("V33 [WATCH unsynced] a step reads a bounded number of revisions, and late and early starts share them", () => {
    const world = new World();
    for (let at = 0; at < 50; at++) world.put("k", String(at));
    const stream = world.stream();
    for (const startRevision of [2, 2, 30, 51]) stream.create("k", "", { startRevision });
    stream.take();
    let steps = 1;
    while (world.hub.syncUnsynced(10)) steps++;
    expect(steps).toBeLessThan(12);
    const seen = new Map<number, number[]>();
    for (const response of stream.stream.take(1000)) {
      expect(response.events.length).toBeLessThanOrEqual(10);
      const revisions = seen.get(response.watchId) ?? [];
      seen.set(response.watchId, revisions.concat(response.events.map((event) => event.kv?.modRevision ?? 0)));
    }
    const from = (start: number): number[] => Array.from({ length: 52 - start }, (_, at) => start + at);
    expect([0, 1, 2, 3].map((id) => seen.get(id))).toEqual([from(2), from(2), from(30), from(51)]);
  });

  test("V33 [WATCH unsynced] a step ends early, at the end of a revision, when it has read enough bytes", () => {
    const world = new World({ streamBytesMax: 100 * 1024 * 1024 });
    const big = "x".repeat(300_000);
    for (let at = 0; at < 6; at++) putAll(world, [`a${at}`, big], [`b${at}`, big], [`c${at}`, big]);
    const stream = world.stream();
    stream.create("a", "d", { startRevision: 1 });
    stream.take();
    world.pumpAll();
    const revisions = stream.stream.take(100).map((response) => response.events.map((event) => event.kv?.modRevision));
    expect(revisions).toEqual([
      [2, 2, 2, 3, 3, 3],
      [4, 4, 4, 5, 5, 5],
      [6, 6, 6, 7, 7, 7],
    ]);
  });

  test("V33 [WATCH unsynced] a watcher that is nearly synced does not wait for one far behind", () => {
    const world = new World();
    for (let at = 0; at < 500; at++) world.put("k", String(at));
    const stream = world.stream();
    stream.create("k", "", { startRevision: 2 });
    stream.create("k", "", { startRevision: 495 });
    world.hub.syncUnsynced(10);
    world.hub.syncUnsynced(10);
    expect(world.hub.slowWatcherCount).toBe(1);
    expect(stream.take()[3]).toMatch(/^1@501 k=493:495 .* k=499:501$/);
    world.pumpAll(10);
    expect(world.hub.slowWatcherCount).toBe(0);
  });

  test("V33 [WATCH unsynced] a full stream receives no more, however many of its watches are unsynced", () => {
    const world = new World({ streamBytesMax: 3000 });
    for (let at = 0; at < 10; at++) world.put("k", value);
    const stream = world.stream();
    for (let at = 0; at < 5; at++) stream.create("k", "", { startRevision: 2 });
    stream.take();
    expect(world.hub.syncUnsynced(100)).toBe(false);
    expect([stream.stream.take(100).length, world.hub.slowWatcherCount]).toEqual([2, 3]);
    expect(world.hub.hasUnsynced).toBe(true);
    world.hub.syncUnsynced(100);
    expect([stream.stream.take(100).length, world.hub.slowWatcherCount]).toEqual([2, 1]);
  });
});

describe("a store replaced by a snapshot", () => {
  function grown(values: number): World {
    const world = new World();
    for (let at = 0; at < values; at++) world.put("a", String(at));
    return world;
  }

  test("V34 [WATCH install] watchers continue from where they were, without a gap or a repetition", () => {
    const world = grown(3);
    const stream = world.stream();
    stream.create("a");
    stream.create("a", "", { startRevision: 3 });
    stream.create("a", "", { startRevision: 7 });
    stream.create("a", "", { startRevision: 20 });
    world.put("a", "3");
    world.install(grown(8));
    world.pumpAll();
    world.put("a", "8");
    const texts = stream.take().slice(4);
    const of = (id: number): string[] => texts.filter((text) => text.startsWith(`${id}@`));
    expect(of(0)).toEqual(["0@5 a=3:5", "0@9 a=4:6 a=5:7 a=6:8 a=7:9", "0@10 a=8:10"]);
    expect(of(1)).toEqual(["1@9 a=1:3 a=2:4 a=3:5 a=4:6 a=5:7 a=6:8 a=7:9", "1@10 a=8:10"]);
    expect(of(2)).toEqual(["2@9 a=5:7 a=6:8 a=7:9", "2@10 a=8:10"]);
    expect(of(3)).toEqual([]);
    expect(world.hub.slowWatcherCount).toBe(0);
  });

  test("V34 [WATCH install] a watcher that needs what the snapshot has compacted is canceled", () => {
    const world = grown(3);
    const stream = world.stream();
    stream.create("a");
    const other = grown(8);
    other.store.compact(7);
    while (other.store.compactStep(10));
    world.install(other);
    world.pumpAll();
    expect(stream.take()).toEqual(["0@4 created", "0@0 canceled compacted 7"]);
  });
});
