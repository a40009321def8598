/** One caller takes all that it can get. Its neighbour is served all the same, and what ends makes room. */
import { describe, expect, test } from "vitest";
import { utf8Encode } from "../../../src/base/utf8.ts";
import type { MemberLimits } from "../../../src/member/options.ts";
import type { CallContext, Services } from "../../../src/member/api/services.ts";
import { compactionRequest, putRequest, rangeRequest } from "../../../src/protocol/api/kv.ts";
import { leaseGrantRequest } from "../../../src/protocol/api/lease.ts";
import { watchCreateRequest } from "../../../src/protocol/api/watch.ts";
import { GuardedCluster } from "../support/auth-kit.ts";
import { CALL, Cluster } from "../support/cluster.ts";

const TOO_MANY = "etcdserver: too many requests";
const flooder: CallContext = { ...CALL, address: "192.0.2.1:1000" };
/** Another port of the same machine. */
const flooderAgain: CallContext = { ...CALL, address: "192.0.2.1:2000" };
const neighbour: CallContext = { ...CALL, address: "192.0.2.2:1000" };

const key = utf8Encode("k");

async function withLimits(limits: Partial<MemberLimits>): Promise<{ cluster: Cluster; services: Services }> {
  const cluster = await Cluster.founded(1, { limits });
  const { services } = await cluster.elected();
  return { cluster, services };
}

function outcome(cluster: Cluster, call: Promise<unknown>): Promise<string> {
  return cluster.settled(
    call.then(
      () => "ok",
      (error: unknown) => (error as Error).message,
    ),
  );
}

describe("one caller's share", () => {
  test("M49 of requests in flight: the flooder is refused, the neighbour served; after a response there is room again", async () => {
    const { cluster, services } = await withLimits({ pendingRequests: 10, pendingRequestsPerCaller: 3 });
    const put = (context: CallContext): Promise<string> =>
      outcome(cluster, services.kv.put(putRequest({ key }), context));
    const all = [flooder, flooderAgain, flooder, flooderAgain, neighbour].map((context) => put(context));
    expect(await Promise.all(all)).toEqual(["ok", "ok", "ok", TOO_MANY, "ok"]);
    expect(await put(flooder)).toBe("ok");
    const { requests } = cluster.leader?.member.callers.budgets ?? {};
    expect([requests?.used, requests?.rejected]).toEqual([0, 1]);
  });

  test("M50 of requests that fail is released, too", async () => {
    const { cluster, services } = await withLimits({ pendingRequests: 10, pendingRequestsPerCaller: 1 });
    for (let at = 0; at < 3; at++) {
      const failed = services.kv.range(rangeRequest({ key, revision: 1_000_000 }), flooder);
      expect(await outcome(cluster, failed)).not.toBe(TOO_MANY);
    }
  });

  test("M50 of watches counts all its streams; cancelled, closed and compacted ones make room", async () => {
    const { cluster, services } = await withLimits({ watchers: 10, watchersPerCaller: 2 });
    const create = (context: CallContext): (() => Promise<boolean | undefined>) => {
      const stream = services.watch.watch(context);
      return async () => {
        stream.request({ type: "create", create: watchCreateRequest({ key }) });
        return (await cluster.settled(stream.next()))?.canceled === false;
      };
    };
    const first = services.watch.watch(flooder);
    const created = async (): Promise<unknown> => {
      first.request({ type: "create", create: watchCreateRequest({ key }) });
      return (await cluster.settled(first.next()))?.canceled;
    };
    const other = create(flooderAgain);
    const beside = create(neighbour);
    expect([await created(), await other(), await other(), await beside()]).toEqual([false, true, false, true]);
    first.request({ type: "cancel", cancel: { watchId: 0 } });
    await cluster.settled(first.next());
    expect([await other(), await other()]).toEqual([true, false]);
    first.close();
    first.close();
    expect(await other()).toBe(false);
  });

  test("M50 of watches that a compaction has ended is released once, and not again when the stream ends", async () => {
    const { cluster, services } = await withLimits({});
    for (let at = 0; at < 3; at++) await outcome(cluster, services.kv.put(putRequest({ key }), neighbour));
    await outcome(cluster, services.kv.compact(compactionRequest({ revision: 4, physical: true }), neighbour));
    const stream = services.watch.watch(flooder);
    stream.request({ type: "create", create: watchCreateRequest({ key, startRevision: 1 }) });
    await cluster.settled(stream.next());
    expect((await cluster.settled(stream.next()))?.compactRevision).toBe(4);
    const { watches } = cluster.leader?.member.callers.budgets ?? {};
    expect(watches?.used).toBe(0);
    stream.close();
    expect(watches?.used).toBe(0);
  });

  test("M49 of streams", async () => {
    const { services } = await withLimits({ watchStreams: 10, watchStreamsPerCaller: 2 });
    const open = [services.watch.watch(flooder), services.watch.watch(flooderAgain)];
    expect(() => services.watch.watch(flooder)).toThrow(TOO_MANY);
    expect(() => services.watch.watch(neighbour)).not.toThrow();
    open[0]?.close();
    expect(() => services.watch.watch(flooder)).not.toThrow();
  });

  test("M50 of streamed ranges is released when their reader leaves", async () => {
    const { cluster, services } = await withLimits({ watchStreams: 10, watchStreamsPerCaller: 1 });
    await outcome(cluster, services.kv.put(putRequest({ key }), neighbour));
    const open = (context: CallContext): AsyncIterator<unknown> =>
      services.kv.rangeStream(rangeRequest({ key }), context)[Symbol.asyncIterator]();
    const first = open(flooder);
    await cluster.settled(first.next());
    expect(await outcome(cluster, open(flooder).next())).toBe(TOO_MANY);
    expect(await outcome(cluster, open(neighbour).next())).toBe("ok");
    await first.return?.();
    expect(await outcome(cluster, open(flooder).next())).toBe("ok");
  });

  test("M50 of leases: a revoked or expired one makes room, a refused one never took any", async () => {
    const { cluster, services } = await withLimits({ leases: 10, leasesPerCaller: 2 });
    const grant = (context: CallContext, id: bigint): Promise<string> =>
      outcome(cluster, services.lease.grant(leaseGrantRequest({ id, ttl: 5 }), context));
    expect([await grant(flooder, 1n), await grant(flooder, 1n)]).toEqual(["ok", "etcdserver: lease already exists"]);
    expect([await grant(flooder, 2n), await grant(flooder, 3n), await grant(neighbour, 3n)]).toEqual([
      "ok",
      TOO_MANY,
      "ok",
    ]);
    await outcome(cluster, services.lease.revoke({ id: 1n }, flooder));
    expect([await grant(flooder, 4n), await grant(flooder, 5n)]).toEqual(["ok", TOO_MANY]);
    await cluster.clock.advance(10_000);
    expect(cluster.leader?.member.callers.budgets.leases.used).toBe(0);
    expect([await grant(flooder, 6n), await grant(flooder, 7n)]).toEqual(["ok", "ok"]);
  });

  test("M49 an IPv6 address counts with its whole /64", async () => {
    const { services } = await withLimits({ watchStreams: 10, watchStreamsPerCaller: 2 });
    for (let at = 0; at < 2; at++) services.watch.watch({ ...CALL, address: `[2001:db8:1:2::${at}]:1` });
    expect(() => services.watch.watch({ ...CALL, address: "[2001:db8:1:2:ffff::9]:1" })).toThrow(TOO_MANY);
    expect(() => services.watch.watch({ ...CALL, address: "[2001:db8:1:3::1]:1" })).not.toThrow();
  });

  test("calls of this program itself have no address, and only the total limits them", async () => {
    const { services } = await withLimits({ watchStreams: 3, watchStreamsPerCaller: 1 });
    for (let at = 0; at < 3; at++) services.watch.watch(CALL);
    expect(() => services.watch.watch(CALL)).toThrow(TOO_MANY);
  });
});

describe("snapshots", () => {
  type Snapshot = AsyncIterator<unknown>;
  const open = (services: Services, context: CallContext): Snapshot =>
    services.maintenance.snapshot({}, context)[Symbol.asyncIterator]();

  test("M49 one address gets two readers, and all addresses in total leave one for the owner", async () => {
    const { cluster, services } = await withLimits({});
    await outcome(cluster, services.kv.put(putRequest({ key }), neighbour));
    const from = (last: number): Promise<string> =>
      outcome(cluster, open(services, { ...CALL, address: `192.0.2.${last}` }).next());
    expect([await from(1), await from(1), await from(1), await from(2), await from(3)]).toEqual([
      "ok",
      "ok",
      TOO_MANY,
      "ok",
      TOO_MANY,
    ]);
    expect(await outcome(cluster, open(services, CALL).next())).toBe("ok");
  });

  test("root's backup has its reserve while other owners of the role root do not read theirs", async () => {
    const guarded = await GuardedCluster.open();
    const { cluster } = guarded;
    const services = guarded.at();
    await guarded.settled(services.auth.userGrantRole({ user: "amy", role: "root" }, await guarded.as("root")));
    const amy = { ...(await guarded.as("amy")), address: "192.0.2.1" };
    const root = { ...(await guarded.as("root")), address: "192.0.2.1" };
    const outcomes: string[] = [];
    for (const context of [amy, amy, amy, root]) outcomes.push(await outcome(cluster, open(services, context).next()));
    expect(outcomes).toEqual(["ok", "ok", TOO_MANY, "ok"]);
  });

  test("a reader that takes too little to reach the end is disconnected", async () => {
    const { cluster, services } = await withLimits({});
    for (let at = 0; at < 30; at++) {
      await outcome(cluster, services.kv.put(putRequest({ key, value: new Uint8Array(100_000) }), neighbour));
    }
    const reader = open(services, flooder);
    let outcomes = "ok";
    for (let at = 0; at < 20 && outcomes === "ok"; at++) {
      outcomes = await outcome(cluster, reader.next());
      await cluster.clock.advance(9_000);
    }
    expect(outcomes).toBe("etcdserver: request timed out");
    expect(cluster.leader?.member.callers.budgets.snapshots.used).toBe(0);
  });
});

test("M49 with a token a caller counts as its user, from any address, and its neighbours behind the same proxy as theirs", async () => {
  const guarded = await GuardedCluster.open(1, { limits: { watchStreams: 10, watchStreamsPerCaller: 2 } });
  const services = guarded.at();
  const proxy = "192.0.2.9";
  const amy = { ...(await guarded.as("amy")), address: proxy };
  const root = { ...(await guarded.as("root")), address: proxy };
  // The users of the tokens are known once each was used.
  for (const context of [amy, root]) {
    await guarded.settled(services.kv.range(rangeRequest({ key }), context).catch(() => undefined));
  }
  for (let at = 0; at < 2; at++) services.watch.watch({ ...amy, address: `192.0.2.${at}` });
  expect(() => services.watch.watch(amy)).toThrow(TOO_MANY);
  expect(() => services.watch.watch(root)).not.toThrow();
  expect(() => services.watch.watch({ ...CALL, address: proxy })).not.toThrow();
});
