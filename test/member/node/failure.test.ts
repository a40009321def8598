import { describe, expect, test } from "vitest";
import { Prng } from "../../../src/base/prng.ts";
import { utf8Encode } from "../../../src/base/utf8.ts";
import { EtcdError, GrpcCode } from "../../../src/protocol/errors.ts";
import { encodeFrame } from "../../../src/protocol/peer/frame.ts";
import { PROTOCOL_VERSION } from "../../../src/protocol/version.ts";
import { compactionRequest, putRequest, rangeRequest } from "../../../src/protocol/api/kv.ts";
import { watchCreateRequest } from "../../../src/protocol/api/watch.ts";
import { StorageError } from "../../../src/storage/storage-error.ts";
import type { Storage } from "../../../src/storage/storage.ts";
import { CALL, CLUSTER_ID, Cluster } from "../support/cluster.ts";
import type { Node } from "../support/cluster.ts";

const KEY = utf8Encode("key");
const STOPPED = "etcdserver: server stopped";

function put(node: Node, bytes = 5): Promise<unknown> {
  return node.services.kv.put(putRequest({ key: KEY, value: new Uint8Array(bytes) }), CALL);
}

function range(node: Node, serializable = false): Promise<unknown> {
  return node.services.kv.range(rangeRequest({ key: KEY, serializable }), CALL);
}

const others = (cluster: Cluster, node: Node): readonly Node[] =>
  [...cluster.nodes.values()].filter(({ id }) => id !== node.id);

/** The error with which the promise was rejected. */
async function refusal(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return "not refused";
  } catch (error) {
    expect(error).toBeInstanceOf(EtcdError);
    return (error as EtcdError).message;
  }
}

describe("a store that refuses a write", () => {
  test("M8 stops its member with the reason; every request there fails, and the others continue", async () => {
    const cluster = await Cluster.founded(3);
    const leader = await cluster.elected();
    await cluster.settled(put(leader));
    const waiting = [put(leader), range(leader)];
    leader.storage.failWrites(new Error("QuotaExceededError"));
    expect(await Promise.all(waiting.map((one) => refusal(cluster.settled(one))))).toEqual([STOPPED, STOPPED]);
    expect(leader.member.problem).toEqual({ code: "storage", text: "QuotaExceededError" });
    expect((await leader.services.inspect.view()).problem?.code).toBe("storage");
    for (const late of [put(leader), range(leader), range(leader, true)]) expect(await refusal(late)).toBe(STOPPED);
    expect(() => leader.services.watch.watch(CALL)).toThrow(STOPPED);
    cluster.nodes.delete(leader.id);
    const next = await cluster.elected();
    await cluster.settled(put(next));
  });

  test("M8 because the disk is full ends a leader's term first: another one leads before it stops, and reads go on", async () => {
    const cluster = await Cluster.founded(3);
    const leader = await cluster.elected();
    await cluster.settled(put(leader));
    leader.storage.failWrites(new StorageError("quota", "the disk is full"));
    const sinceMs = cluster.clock.nowMs();
    const failed = cluster.settled(put(leader));
    await cluster.clock.until(() => leader.member.problem !== undefined, "the member has stopped");
    expect(others(cluster, leader).map(({ member }) => member.status().role)).toContain("leader");
    expect(cluster.clock.nowMs() - sinceMs).toBeLessThan(leader.member.settings.tickMs * 5);
    expect(leader.member.problem).toMatchObject({ code: "disk-full", text: "the disk is full" });
    const message = expect.stringMatching(/^the disk is full This write .* outcome is unknown/);
    await expect(failed).rejects.toMatchObject({ code: GrpcCode.ResourceExhausted, message });
    expect(await range(leader, true)).toMatchObject({ count: 1 });
    for (const late of [put(leader), range(leader)]) expect(await refusal(late)).toBe("the disk is full");
    cluster.nodes.delete(leader.id);
    await cluster.settled(put(await cluster.elected()));
  });

  test("M8 because the disk is full stops a leader that nobody can follow, and a follower, at once", async () => {
    const alone = await Cluster.founded(1);
    const cluster = await Cluster.founded(3);
    const follower = others(cluster, await cluster.elected())[0] as Node;
    for (const [group, node] of [
      [alone, await alone.elected()],
      [cluster, follower],
    ] as const) {
      node.storage.failWrites(new StorageError("quota", "the disk is full"));
      const writer = await group.elected();
      put(writer).catch(() => {});
      await group.clock.until(() => node.member.problem !== undefined, "the member has stopped");
      expect(node.member.problem?.code).toBe("disk-full");
    }
  });

  test("M8 that the platform takes away stops its member, though no write is in flight", async () => {
    const cluster = await Cluster.founded(1);
    const node = await cluster.elected();
    await cluster.settled(put(node));
    const watch = node.services.watch.watch(CALL);
    const next = watch.next();
    const storage: Storage = node.storage;
    storage.onFailed?.(new Error("the site's data was cleared"));
    expect(node.member.problem).toEqual({ code: "storage", text: "the site's data was cleared" });
    expect(await next).toBeUndefined();
    expect(await refusal(range(node, true))).toBe(STOPPED);
  });

  test("M8 on a follower leaves the leader with its quorum", async () => {
    const cluster = await Cluster.founded(3);
    const leader = await cluster.elected();
    const broken = others(cluster, leader)[0] as Node;
    broken.storage.failWrites(new Error("gone"));
    await cluster.settled(put(leader));
    await cluster.clock.until(() => broken.member.problem !== undefined, "stopped");
    await cluster.settled(put(leader));
    expect(leader.member.status().role).toBe("leader");
  });

  test("M8 notifies the member's composer, once", async () => {
    const problems: string[] = [];
    const cluster = await Cluster.founded(1, { onStopped: ({ code }) => problems.push(code) });
    const node = await cluster.elected();
    node.storage.failWrites(new Error("gone"));
    await refusal(cluster.settled(put(node)));
    node.member.stop();
    expect(problems).toEqual(["storage"]);
  });
});

describe("a member that stops", () => {
  test("ends a physical compaction that waits for its rows to go", async () => {
    const cluster = await Cluster.founded(1);
    const node = await cluster.elected();
    for (let at = 0; at < 5; at++) await cluster.settled(put(node));
    const { applied } = node.member;
    const compaction = node.services.kv.compact(compactionRequest({ revision: 4, physical: true }), CALL);
    await cluster.clock.until(() => node.member.applied > applied, "applied");
    node.member.stop();
    expect(await refusal(compaction)).toBe(STOPPED);
    // A call that comes too late does not begin to wait.
    await new Promise<void>((resolve) => node.member.scheduleCompaction(resolve));
  });
});

describe("frames that are not for this member", () => {
  const ping = { type: "ping", nonce: 1 } as const;

  test("M19 are rejected and counted: another cluster's, another receiver's, a false sender's, garbage", async () => {
    const cluster = await Cluster.founded(3);
    const leader = await cluster.elected();
    const from = others(cluster, leader)[0]?.id as bigint;
    const to = leader.id;
    const before = leader.member.counters.framesRejected;
    const bad = [
      encodeFrame({ clusterId: CLUSTER_ID + 1n, from, to }, ping),
      encodeFrame({ clusterId: CLUSTER_ID, from, to: 77n }, ping),
      encodeFrame({ clusterId: CLUSTER_ID, from: 77n, to }, ping),
      encodeFrame({ clusterId: CLUSTER_ID, from, to }, ping).fill(255, 28),
      Uint8Array.of(1),
      new Uint8Array(40),
    ];
    for (const frame of bad) cluster.network.post(from, to, frame);
    await cluster.clock.advance(100);
    expect(leader.member.counters.framesRejected - before).toBe(bad.length);
    expect(leader.member.problem).toBeUndefined();
    await cluster.settled(put(leader));
  });

  test("M19 of another version of the protocol are named: theirs and ours, and members of one version go on", async () => {
    const cluster = await Cluster.founded(3);
    const leader = await cluster.elected();
    const from = others(cluster, leader)[0]?.id as bigint;
    const metric = (): object | undefined =>
      leader.services.health.metrics().find(({ name }) => name === "quorate_peer_protocol_version_refused");
    expect(metric()).toBeUndefined();
    const frame = encodeFrame({ clusterId: CLUSTER_ID, from, to: leader.id }, ping);
    frame[1] = 9;
    cluster.network.post(from, leader.id, frame);
    await cluster.clock.advance(100);
    expect(metric()).toMatchObject({ value: 1, labels: { theirs: "9", ours: String(PROTOCOL_VERSION) } });
    await cluster.settled(put(leader));
  });

  test("M19 do no harm when any byte of them is damaged at random", async () => {
    const cluster = await Cluster.founded(3);
    const leader = await cluster.elected();
    const prng = new Prng(1);
    const [one, two] = others(cluster, leader) as [Node, Node];
    const samples: Uint8Array[] = [];
    const entry = { type: "normal", term: 0, index: 0, data: new Uint8Array(20) } as const;
    const raft = { from: one.id, to: leader.id, term: leader.member.status().term };
    const header = { clusterId: CLUSTER_ID, from: one.id, to: leader.id };
    const confState = leader.member.status().confState;
    const snapshot = { ...raft, type: "snapshot", snapshot: { index: 99, term: 1, confState } } as const;
    samples.push(
      encodeFrame(header, {
        type: "raft",
        messages: [{ ...raft, type: "append-response", index: 3, reject: false, rejectHint: 0, hintTerm: 0 }],
      }),
      encodeFrame(header, {
        type: "raft",
        messages: [{ ...raft, type: "propose", session: 1, sequence: 1, entries: [entry] }],
      }),
      encodeFrame(header, { type: "raft", messages: [{ ...raft, type: "read-index", context: new Uint8Array(16) }] }),
      encodeFrame(header, {
        type: "snapshot-chunk",
        transferId: 1,
        message: snapshot,
        seq: 0,
        last: true,
        data: new Uint8Array(30),
      }),
      encodeFrame(header, { type: "snapshot-ack", transferId: 5, nextSeq: 3 }),
      encodeFrame(header, { type: "quiet", term: 1, index: 3 }),
    );
    for (let at = 0; at < 2_000; at++) {
      const frame = prng.pick(samples).slice();
      // Not the header: that is the case above. And no random proposal: a member that may propose is trusted.
      const from = 28 + prng.int(0, 4);
      if (from < frame.length) frame[prng.int(from, frame.length)] = prng.int(0, 256);
      if (!looksLikeProposal(frame)) cluster.network.post(one.id, leader.id, frame);
      await Promise.resolve();
    }
    await cluster.clock.advance(3_000);
    expect([leader, one, two].map(({ member }) => member.problem)).toEqual([undefined, undefined, undefined]);
    const now = await cluster.elected();
    await cluster.settled(put(now));
  });
});

/** etcd's MsgProp, in the frame's first message. */
function looksLikeProposal(frame: Uint8Array): boolean {
  return frame[3] === 0 && frame[31] === 2;
}

describe("limits", () => {
  test("M3 a request that is too large is refused with etcd's text before it is proposed", async () => {
    const cluster = await Cluster.founded(1, { limits: { requestBytes: 1_000 } });
    const node = await cluster.elected();
    const { lastIndex } = node.member.status();
    expect(await refusal(cluster.settled(put(node, 1_000)))).toBe("etcdserver: request is too large");
    expect(node.member.status().lastIndex).toBe(lastIndex);
    await cluster.settled(put(node, 900));
  });

  test("M3 requests beyond the limit of pending ones are refused, and pending ones are served", async () => {
    const cluster = await Cluster.founded(3, { limits: { pendingRequests: 10 } });
    const leader = await cluster.elected();
    const asked = Array.from({ length: 15 }, () => put(leader));
    const refused = asked.map((one) => refusal(cluster.settled(one)));
    const texts = (await Promise.all(refused)).sort();
    expect(texts.filter((text) => text === "not refused")).toHaveLength(10);
    expect(texts.filter((text) => text === "etcdserver: too many requests")).toHaveLength(5);
    const reads = Array.from({ length: 12 }, () => refusal(cluster.settled(range(leader))));
    expect((await Promise.all(reads)).filter((text) => text !== "not refused")).toHaveLength(2);
  });

  test("M3 requests beyond the limit of pending bytes are refused", async () => {
    const cluster = await Cluster.founded(1, { limits: { pendingBytes: 2_000 } });
    const node = await cluster.elected();
    const asked = [put(node, 900), put(node, 900), put(node, 900)].map((one) => refusal(cluster.settled(one)));
    expect(await Promise.all(asked)).toEqual(["not refused", "not refused", "etcdserver: too many requests"]);
  });

  test("watchers beyond the limit are refused", async () => {
    const cluster = await Cluster.founded(1, { limits: { watchers: 2 } });
    const node = await cluster.elected();
    const stream = node.services.watch.watch(CALL);
    for (let at = 0; at < 3; at++) stream.request({ type: "create", create: watchCreateRequest({ key: KEY }) });
    const answers = [await stream.next(), await stream.next(), await stream.next()];
    expect(answers.map((answer) => answer?.canceled)).toEqual([false, false, true]);
  });
});

describe("time-outs", () => {
  test("M4 without a quorum a write fails after etcd's seven seconds, with the error text for a lost leader", async () => {
    const cluster = await Cluster.founded(3);
    const leader = await cluster.elected();
    for (const { id } of others(cluster, leader)) cluster.crash(id);
    const startMs = cluster.clock.nowMs();
    const text = "etcdserver: request timed out, possibly due to previous leader failure";
    expect(await refusal(cluster.settled(put(leader)))).toBe(text);
    const tookMs = cluster.clock.nowMs() - startMs;
    expect(tookMs).toBeGreaterThanOrEqual(7_000);
    expect(tookMs).toBeLessThan(7_300);
  });

  test("M4 with a leader that cannot be reached a follower's write fails with the plain text", async () => {
    const cluster = await Cluster.founded(3, { requestTimeoutMs: 600 });
    const leader = await cluster.elected();
    await cluster.clock.advance(2_000);
    for (const { id } of others(cluster, leader)) cluster.crash(id);
    expect(await refusal(cluster.settled(put(leader)))).toBe("etcdserver: request timed out");
  });

  test("M4 a write that timed out before it was proposed is never proposed", async () => {
    const cluster = await Cluster.founded(3);
    const leader = await cluster.elected();
    const [one, two] = others(cluster, leader) as [Node, Node];
    for (const other of [leader, two]) cluster.network.setLink(one.id, other.id, false);
    await cluster.clock.until(() => one.member.leader === 0n, "cut off");
    await refusal(cluster.settled(put(one)));
    for (const other of [leader, two]) cluster.network.setLink(one.id, other.id, true);
    await cluster.clock.advance(5_000);
    expect(one.member.machine.store.revision).toBe(1);
  });
});
