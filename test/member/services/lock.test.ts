import { describe, expect, test } from "vitest";
import { EMPTY_BYTES } from "../../../src/base/bytes.ts";
import { utf8Decode, utf8Encode } from "../../../src/base/utf8.ts";
import { GrpcCode } from "../../../src/protocol/errors.ts";
import type { LeaderKey, LeaderResponse } from "../../../src/protocol/api/election.ts";
import { rangeRequest } from "../../../src/protocol/api/kv.ts";
import type { CallContext } from "../../../src/member/api/services.ts";
import { GuardedCluster } from "../support/auth-kit.ts";
import { CALL, Cluster } from "../support/cluster.ts";
import type { Node } from "../support/cluster.ts";

const bytes = utf8Encode;
const NAME = bytes("name");

/** A cluster of one with the leases 16 and 17 (hex 10, 11) and -18. */
async function founded(): Promise<{ cluster: Cluster; node: Node }> {
  const cluster = await Cluster.founded(1);
  const node = await cluster.elected();
  for (const id of [16n, 17n, -18n]) await cluster.settled(node.services.lease.grant({ id, ttl: 600 }, CALL));
  return { cluster, node };
}

function keys(node: Node): string[] {
  const all = rangeRequest({ key: bytes("name/"), rangeEnd: bytes("name0") });
  return node.member.machine.store.range(all).kvs.map(({ key }) => utf8Decode(key));
}

/** The current state of the promise. */
function watched<T>(promise: Promise<T>): { value: T | undefined; error: unknown } {
  const state: { value: T | undefined; error: unknown } = { value: undefined, error: undefined };
  promise.then(
    (value) => (state.value = value),
    (error: unknown) => (state.error = error),
  );
  return state;
}

function lock(node: Node, lease: bigint, signal?: AbortSignal): Promise<{ readonly key: Uint8Array }> {
  return node.services.lock.lock({ name: NAME, lease }, { ...CALL, signal });
}

describe("a lock", () => {
  test("is a key of the name and the lease in hex, as Go prints it", async () => {
    const { cluster, node } = await founded();
    const first = await cluster.settled(lock(node, 16n));
    expect(utf8Decode(first.key)).toBe("name/10");
    await cluster.settled(node.services.lock.unlock({ key: first.key }, CALL));
    expect(utf8Decode((await cluster.settled(lock(node, -18n))).key)).toBe("name/-12");
  });

  test("belongs to its session: locked again with the same lease it is acquired again, at once", async () => {
    const { cluster, node } = await founded();
    await cluster.settled(lock(node, 16n));
    expect(utf8Decode((await cluster.settled(lock(node, 16n))).key)).toBe("name/10");
    expect(node.member.machine.store.revision).toBe(2);
  });

  test("M42 is passed on in the order of the requests", async () => {
    const { cluster, node } = await founded();
    const first = await cluster.settled(lock(node, 17n));
    const second = watched(lock(node, -18n));
    await cluster.clock.advance(100);
    const third = watched(lock(node, 16n));
    await cluster.clock.advance(100);
    expect([second.value, third.value]).toEqual([undefined, undefined]);
    await cluster.settled(node.services.lock.unlock({ key: first.key }, CALL));
    await cluster.clock.advance(100);
    expect(utf8Decode(second.value?.key ?? EMPTY_BYTES)).toBe("name/-12");
    expect(third.value).toBeUndefined();
    await cluster.settled(node.services.lease.revoke({ id: -18n }, CALL));
    await cluster.clock.advance(100);
    expect(utf8Decode(third.value?.key ?? EMPTY_BYTES)).toBe("name/10");
  });

  test("without a lease gets one of 60 seconds, which is not kept alive", async () => {
    const { cluster, node } = await founded();
    const { key } = await cluster.settled(lock(node, 0n));
    const id = BigInt(`0x${utf8Decode(key).slice("name/".length)}`);
    expect(node.member.machine.leases.get(id)?.ttl).toBe(60);
    await cluster.clock.advance(62_000);
    expect(keys(node)).toEqual([]);
  });

  test("is not acquired by a waiter whose lease has expired: its session is expired", async () => {
    const { cluster, node } = await founded();
    const first = await cluster.settled(lock(node, 16n));
    const late = watched(lock(node, 17n));
    await cluster.clock.advance(100);
    await cluster.settled(node.services.lease.revoke({ id: 17n }, CALL));
    await cluster.settled(node.services.lock.unlock({ key: first.key }, CALL));
    await cluster.clock.advance(100);
    expect(late.error).toMatchObject({ code: GrpcCode.Unknown, message: "mutex: session is expired" });
  });

  test("M43 has no waiter any more when a caller leaves, and nothing of it stays", async () => {
    const { cluster, node } = await founded();
    await cluster.settled(lock(node, 16n));
    const gone = new AbortController();
    const waiter = watched(lock(node, 17n, gone.signal));
    await cluster.clock.advance(100);
    expect(keys(node)).toEqual(["name/10", "name/11"]);
    gone.abort();
    await cluster.clock.advance(100);
    expect(keys(node)).toEqual(["name/10"]);
    expect(node.member.machine.hub.watcherCount).toBe(0);
    expect(waiter.error).toMatchObject({ code: GrpcCode.Canceled });
  });

  test("returns errors with code 2, as etcd does", async () => {
    const { cluster, node } = await founded();
    const unknown = cluster.settled(lock(node, 99n));
    await expect(unknown).rejects.toMatchObject({ code: 2, message: "etcdserver: requested lease not found" });
    const empty = cluster.settled(node.services.lock.unlock({ key: EMPTY_BYTES }, CALL));
    await expect(empty).rejects.toMatchObject({ code: 2, message: "etcdserver: key is not provided" });
  });
});

/** A call whose caller the test disconnects. */
interface Left {
  readonly gone: AbortController;
  /** Its result. */
  readonly state: { value: unknown; error: unknown };
}

/** Enough time for a proposal, which is sent when the clock moves. */
async function proposed(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await Promise.resolve();
}

type Waiter = Pick<CallContext, "confirmWaiting">;

const CALLS: Readonly<
  Record<string, (node: Node, lease: bigint, signal: AbortSignal, waiter?: Waiter) => Promise<unknown>>
> = {
  lock: (node, lease, signal, waiter) => node.services.lock.lock({ name: NAME, lease }, { ...CALL, ...waiter, signal }),
  campaign: (node, lease, signal, waiter) =>
    node.services.election.campaign({ name: NAME, lease, value: EMPTY_BYTES }, { ...CALL, ...waiter, signal }),
};

describe.each(Object.entries(CALLS))("the caller of a %s that is gone", (_name, call) => {
  function left(node: Node, lease: bigint, waiter?: (gone: AbortController) => Waiter): Left {
    const gone = new AbortController();
    return { gone, state: watched(call(node, lease, gone.signal, waiter?.(gone))) };
  }

  test.each([16n, 0n])("M43 before its key exists leaves none (lease %d)", async (lease) => {
    const { cluster, node } = await founded();
    const leases = node.member.lessor.ids().length;
    const { gone, state } = left(node, lease);
    gone.abort();
    await cluster.clock.advance(1_000);
    expect([keys(node), node.member.lessor.ids().length]).toEqual([[], leases]);
    expect(state.error).toMatchObject({ code: GrpcCode.Canceled });
  });

  test("M43 while its key is being created leaves none", async () => {
    const { cluster, node } = await founded();
    const { gone, state } = left(node, 16n);
    await proposed();
    const { revision } = node.member.machine.store;
    gone.abort();
    await cluster.clock.advance(1_000);
    // Created, and deleted.
    expect(node.member.machine.store.revision).toBe(revision + 2);
    expect(keys(node)).toEqual([]);
    expect(state.error).toMatchObject({ code: GrpcCode.Canceled });
  });

  test("M43 leaves no lease that was granted for it, so that the next waiter does not wait for its expiry", async () => {
    const { cluster, node } = await founded();
    const leases = node.member.lessor.ids().length;
    await cluster.settled(lock(node, 16n));
    const { gone } = left(node, 0n);
    await cluster.clock.advance(100);
    expect([keys(node).length, node.member.lessor.ids().length]).toEqual([2, leases + 1]);
    gone.abort();
    await cluster.clock.advance(1_000);
    expect([keys(node), node.member.lessor.ids().length]).toEqual([["name/10"], leases]);
  });

  test.each([17n, 0n])("M43 just at its turn does not get it (lease %d)", async (lease) => {
    const { cluster, node } = await founded();
    const first = await cluster.settled(lock(node, 16n));
    const { state } = left(node, lease, (gone) => ({ confirmWaiting: async () => gone.abort() }));
    await cluster.clock.advance(100);
    const next = watched(lock(node, -18n));
    await cluster.clock.advance(100);
    await cluster.settled(node.services.lock.unlock({ key: first.key }, CALL));
    await cluster.clock.advance(1_000);
    expect(state.error).toMatchObject({ code: GrpcCode.Canceled });
    expect(utf8Decode(next.value?.key ?? EMPTY_BYTES)).toBe("name/-12");
    expect(keys(node)).toEqual(["name/-12"]);
  });

  test("leaves its position in the queue to its new call if it came back with its lease before that", async () => {
    const { cluster, node } = await founded();
    const first = await cluster.settled(lock(node, 16n));
    const before = left(node, 17n);
    await cluster.clock.advance(100);
    const again = left(node, 17n);
    await cluster.clock.advance(100);
    before.gone.abort();
    await cluster.clock.advance(100);
    expect(keys(node)).toEqual(["name/10", "name/11"]);
    await cluster.settled(node.services.lock.unlock({ key: first.key }, CALL));
    await cluster.clock.advance(100);
    expect(again.state.value).toBeDefined();
    expect(keys(node)).toEqual(["name/11"]);
  });

  /** Three members; their leader is partitioned while the caller leaves, and its removal is retried. */
  async function leftAlone(): Promise<{ cluster: Cluster; node: Node; heal: () => void }> {
    const cluster = await Cluster.founded(3);
    const node = await cluster.elected();
    for (const id of [16n, 17n]) await cluster.settled(node.services.lease.grant({ id, ttl: 6_000 }, CALL));
    await cluster.settled(lock(node, 16n));
    const { gone } = left(node, 17n);
    await cluster.clock.advance(1_000);
    const others = [1n, 2n, 3n].filter((id) => id !== node.id);
    const link = (connected: boolean): void => {
      for (const id of others) cluster.network.setLink(node.id, id, connected);
    };
    link(false);
    gone.abort();
    await cluster.clock.advance(15_000);
    expect(keys(node)).toEqual(["name/10", "name/11"]);
    return { cluster, node, heal: () => link(true) };
  }

  test("is removed although there is no leader now, once there is one", async () => {
    const { cluster, node, heal } = await leftAlone();
    heal();
    await cluster.clock.advance(15_000);
    expect(keys(node)).toEqual(["name/10"]);
  });

  test("is not removed if it comes back before that succeeds", async () => {
    const { cluster, node, heal } = await leftAlone();
    const { state } = left(node, 17n);
    heal();
    await cluster.clock.advance(15_000);
    expect([keys(node), state.error]).toEqual([["name/10", "name/11"], undefined]);
  });
});

test("a caller that is gone keeps a lock that its lease held before the call", async () => {
  const { cluster, node } = await founded();
  await cluster.settled(lock(node, 16n));
  const gone = new AbortController();
  const again = watched(lock(node, 16n, gone.signal));
  await proposed();
  gone.abort();
  await cluster.clock.advance(1_000);
  expect(again.error).toMatchObject({ code: GrpcCode.Canceled });
  expect(keys(node)).toEqual(["name/10"]);
});

test("M43 a caller that is gone leaves the queue although its token is no longer valid", async () => {
  const guarded = await GuardedCluster.open();
  const { cluster } = guarded;
  const services = guarded.at();
  await guarded.grant("READWRITE", "name/", "name0");
  const root = await guarded.as("root");
  await cluster.settled(services.lock.lock({ name: NAME, lease: 0n }, root));
  const gone = new AbortController();
  const amy = await guarded.as("amy");
  void services.lock.lock({ name: NAME, lease: 0n }, { ...amy, signal: gone.signal }).catch(() => {});
  const node = cluster.leader as Node;
  await cluster.clock.until(() => keys(node).length === 2, "amy waits");
  await cluster.settled(services.auth.userDelete({ name: "amy" }, root));
  gone.abort();
  await cluster.clock.advance(1_000);
  expect(keys(node)).toHaveLength(1);
});

function campaign(node: Node, lease: bigint, value: string, signal?: AbortSignal): Promise<LeaderKey | undefined> {
  const request = { name: NAME, lease, value: bytes(value) };
  return node.services.election.campaign(request, { ...CALL, signal }).then(({ leader }) => leader);
}

function leaderOf(response: LeaderResponse | undefined): string[] {
  return [utf8Decode(response?.kv?.key ?? EMPTY_BYTES), utf8Decode(response?.kv?.value ?? EMPTY_BYTES)];
}

describe("an election", () => {
  test("M42 is won by the first candidate, and by the next when that one resigns", async () => {
    const { cluster, node } = await founded();
    const { election } = node.services;
    await expect(cluster.settled(election.leader({ name: NAME }, CALL))).rejects.toThrow("election: no leader");
    const first = await cluster.settled(campaign(node, 16n, "one"));
    expect(first).toEqual({ name: NAME, key: bytes("name/10"), rev: 2, lease: 16n });
    const second = watched(campaign(node, 17n, "two"));
    await cluster.clock.advance(100);
    expect(second.value).toBeUndefined();
    expect(leaderOf(await cluster.settled(election.leader({ name: NAME }, CALL)))).toEqual(["name/10", "one"]);
    await cluster.settled(election.resign({ leader: first }, CALL));
    await cluster.clock.advance(100);
    expect(second.value).toMatchObject({ rev: 3, lease: 17n });
    expect(leaderOf(await cluster.settled(election.leader({ name: NAME }, CALL)))).toEqual(["name/11", "two"]);
  });

  test("accepts a value from its leader only", async () => {
    const { cluster, node } = await founded();
    const { election } = node.services;
    const leader = (await cluster.settled(campaign(node, 16n, "one"))) as LeaderKey;
    await cluster.settled(election.proclaim({ leader, value: bytes("two") }, CALL));
    const former = cluster.settled(election.proclaim({ leader: { ...leader, rev: 1 }, value: bytes("no") }, CALL));
    await expect(former).rejects.toMatchObject({ code: 2, message: "election: not leader" });
    expect(leaderOf(await cluster.settled(election.leader({ name: NAME }, CALL)))).toEqual(["name/10", "two"]);
    // Campaigning again, the leader keeps its position and proclaims.
    expect(await cluster.settled(campaign(node, 16n, "three"))).toEqual(leader);
    expect(leaderOf(await cluster.settled(election.leader({ name: NAME }, CALL)))).toEqual(["name/10", "three"]);
    const missing = cluster.settled(election.proclaim({ leader: undefined, value: EMPTY_BYTES }, CALL));
    await expect(missing).rejects.toMatchObject({ code: 2, message: '"leader" field must be provided' });
  });

  test("is left by a candidate whose caller leaves", async () => {
    const { cluster, node } = await founded();
    await cluster.settled(campaign(node, 16n, "one"));
    const gone = new AbortController();
    const candidate = watched(campaign(node, 17n, "two", gone.signal));
    await cluster.clock.advance(100);
    gone.abort();
    await cluster.clock.advance(100);
    expect(keys(node)).toEqual(["name/10"]);
    expect(candidate.error).toMatchObject({ code: GrpcCode.Canceled });
    expect(node.member.machine.hub.watcherCount).toBe(0);
  });

  test("streams to observers each leader and each value, beginning with the current or the first one", async () => {
    const { cluster, node } = await founded();
    const { election } = node.services;
    const stream = election.observe({ name: NAME }, CALL);
    const first = watched(stream.next());
    await cluster.clock.advance(100);
    expect(first.value).toBeUndefined();
    const leader = (await cluster.settled(campaign(node, 16n, "one"))) as LeaderKey;
    await cluster.clock.advance(100);
    expect(leaderOf(first.value)).toEqual(["name/10", "one"]);
    await cluster.settled(election.proclaim({ leader, value: bytes("two") }, CALL));
    await cluster.settled(election.proclaim({ leader, value: bytes("three") }, CALL));
    const heir = watched(campaign(node, 17n, "heir"));
    await cluster.settled(election.resign({ leader }, CALL));
    for (const expected of [
      ["name/10", "two"],
      ["name/10", "three"],
      ["name/11", "heir"],
    ]) {
      expect(leaderOf(await cluster.settled(stream.next()))).toEqual(expected);
    }
    expect(heir.value?.lease).toBe(17n);
    const last = watched(stream.next());
    stream.close();
    await cluster.clock.advance(100);
    expect([last.value, last.error, await stream.next()]).toEqual([undefined, undefined, undefined]);
    expect(node.member.machine.hub.watcherCount).toBe(0);
  });

  test("ends for its observers when their member stops", async () => {
    const { cluster, node } = await founded();
    const next = watched(node.services.election.observe({ name: NAME }, CALL).next());
    await cluster.clock.advance(100);
    node.member.stop();
    await cluster.clock.advance(100);
    expect(next.error).toMatchObject({ message: "election: observe closed early" });
  });
});
