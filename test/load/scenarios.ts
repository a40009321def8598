/**
 * Load that a member must bear: each scenario tells what it cost in memory, and how long somebody else had to wait
 * meanwhile. In one process, so that the heap is all there is.
 */
import { utf8Encode } from "../../src/base/utf8.ts";
import type { Member } from "../../src/member/node/member.ts";
import type { CallContext, Services, WatchStream } from "../../src/member/api/services.ts";
import { putRequest, rangeRequest } from "../../src/protocol/api/kv.ts";
import { leaseGrantRequest } from "../../src/protocol/api/lease.ts";
import { RPCS } from "../../src/protocol/api/rpc/rpc-table.ts";
import { watchCreateRequest } from "../../src/protocol/api/watch.ts";
import { startMember } from "../client/support/own-member.ts";
import { RawClient } from "../grpc/support/raw-client.ts";
import { startGrpcMember } from "../grpc/support/served-grpc.ts";

export interface Cost {
  readonly what: string;
  readonly value: number;
  readonly unit: string;
}

/** `idleS`: how long what is idle is watched. */
export type Scenario = (scale: number, idleS: number) => Promise<readonly Cost[]>;

export const SCENARIOS: Readonly<Record<string, Scenario>> = {
  watches: manyWatches,
  leases: manyLeases,
  unread: unreadStreams,
  stream: slowlyReadRange,
};

const CALL: CallContext = { token: "", requireLeader: false };
const VALUE_BYTES = 64 * 1024;

/** Half of them on streams of their own, half on one stream; then one put that all of them see. */
async function manyWatches(scale: number): Promise<readonly Cost[]> {
  const count = Math.round(10_000 * scale);
  const { member, services } = await startMember();
  const before = heapBytes();
  const key = utf8Encode("watched");
  const shared = services.watch.watch(CALL);
  const streams = Array.from({ length: count }, (_, at) => (at % 2 === 0 ? services.watch.watch(CALL) : shared));
  for (const stream of streams) stream.request({ type: "create", create: watchCreateRequest({ key }) });
  const own = streams.filter((stream) => stream !== shared);
  await Promise.all([...own.map((stream) => stream.next()), takeMany(shared, count - own.length)]);
  const perWatch = (heapBytes() - before) / count;
  const startMs = performance.now();
  const received = Promise.all([...own.map((stream) => stream.next()), takeMany(shared, count - own.length)]);
  await services.kv.put(putRequest({ key }), CALL);
  await received;
  const toLastMs = performance.now() - startMs;
  const costs: Cost[] = [
    { what: `memory of each of ${count} watches`, value: perWatch, unit: "bytes" },
    { what: "one put until the last of them has its event", value: toLastMs, unit: "ms" },
  ];
  if (scale >= 1) {
    shared.request({ type: "create", create: watchCreateRequest({ key }) });
    const refused = await shared.next();
    if (refused?.canceled !== true) throw new Error("one watch more than allowed was not refused");
  }
  for (const stream of own) stream.close();
  shared.close();
  costs.push({ what: "memory left when they are gone", value: heapBytes() - before, unit: "bytes" });
  member.stop();
  return costs;
}

/** Each with a key; they all end in the same moment, while somebody else writes. */
async function manyLeases(scale: number): Promise<readonly Cost[]> {
  const count = Math.round(100_000 * scale);
  const { member, services } = await startMember();
  const before = heapBytes();
  const startMs = performance.now();
  // All of them are granted before the first one ends.
  const ttl = Math.max(2, Math.ceil(60 * scale));
  for (let from = 1; from <= count; from += 1000) {
    const ids = Array.from({ length: Math.min(1000, count - from + 1) }, (_, at) => BigInt(from + at));
    await Promise.all(ids.map((id) => services.lease.grant(leaseGrantRequest({ id, ttl }), CALL)));
    await Promise.all(ids.map((id) => services.kv.put(putRequest({ key: leaseKey(id), lease: id }), CALL)));
  }
  const grantedMs = performance.now() - startMs;
  const perLease = (heapBytes() - before) / count;
  const { leases } = await services.lease.leases({}, CALL);
  if (leases.length !== count) throw new Error(`${leases.length} of ${count} leases are there`);
  const waited = await waitsWhile(services, async () => {
    while ((await countOf(services, "lease/")) > 0) await pause(20);
  });
  member.stop();
  return [
    { what: `leases granted, with a key each, of ${count}`, value: (count / grantedMs) * 1000, unit: "per second" },
    { what: "memory of each lease and its key", value: perLease, unit: "bytes" },
    { what: "longest wait of a put while all of them end", value: waited, unit: "ms" },
  ];
}

/** Clients of the gRPC front that ask for all events and take none. */
async function unreadStreams(scale: number): Promise<readonly Cost[]> {
  const count = Math.round(100 * scale);
  const puts = Math.round(4000 * scale);
  const proxy = await startGrpcMember();
  const { member, services } = proxy;
  // Until the log holds as much as it ever will.
  await putMany(member, services, puts);
  const before = heapBytes();
  const clients = Array.from({ length: count }, () => new RawClient(proxy.address));
  for (const client of clients) {
    const stream = client.duplex(RPCS.watch.watch);
    const create = watchCreateRequest({ key: utf8Encode("load/"), rangeEnd: utf8Encode("load0") });
    stream.call.write({ type: "create", create });
    await stream.next();
    // Nothing is read any more, by anybody.
    stream.call.pause();
  }
  const longestMs = await putMany(member, services, puts);
  const held = heapBytes() - before;
  for (const client of clients) client.close();
  await proxy.close();
  const megabytes = (puts * VALUE_BYTES) / 2 ** 20;
  return [
    {
      what: `memory held for each of ${count} who read nothing of ${megabytes} MiB`,
      value: held / count,
      unit: "bytes",
    },
    { what: "longest wait of a put meanwhile", value: longestMs, unit: "ms" },
  ];
}

/** A few keys only, and no history of them: what is written is to be held by nobody but the streams. */
async function putMany(member: Member, services: Services, puts: number): Promise<number> {
  const value = new Uint8Array(VALUE_BYTES);
  let longestMs = 0;
  for (let at = 0; at < puts; at++) {
    const startMs = performance.now();
    await services.kv.put(putRequest({ key: utf8Encode(`load/${at % 10}`), value }), CALL);
    longestMs = Math.max(longestMs, performance.now() - startMs);
    if (at % 100 === 99) await services.kv.compact({ revision: member.machine.store.revision, physical: true }, CALL);
  }
  return longestMs;
}

/** A range of much more than an answer may hold, read slowly over gRPC. */
async function slowlyReadRange(scale: number): Promise<readonly Cost[]> {
  const count = Math.round(3200 * scale);
  const proxy = await startGrpcMember();
  const { client, services } = proxy;
  const value = new Uint8Array(VALUE_BYTES);
  for (let at = 0; at < count; at++) {
    await services.kv.put(putRequest({ key: utf8Encode(`large/${at}`), value }), CALL);
  }
  const before = heapBytes();
  const request = rangeRequest({ key: utf8Encode("large/"), rangeEnd: utf8Encode("large0") });
  const stream = client.stream(RPCS.kv.rangeStream, request);
  let pairs = 0;
  let most = 0;
  const longestMs = await waitsWhile(services, async () => {
    while (pairs < count) {
      pairs += (await stream.next()).rangeResponse.kvs.length;
      await pause(5);
      most = Math.max(most, heapBytes() - before);
    }
  });
  await proxy.close();
  return [
    { what: `most memory while ${(count * VALUE_BYTES) / 2 ** 20} MiB are streamed`, value: most, unit: "bytes" },
    { what: "longest wait of a put meanwhile", value: longestMs, unit: "ms" },
  ];
}

/** Of somebody who puts one key after the other as long as `work` goes on. */
async function waitsWhile(services: Services, work: () => Promise<void>): Promise<number> {
  const working = { isOver: false };
  let longestMs = 0;
  const other = (async () => {
    while (!working.isOver) {
      const startMs = performance.now();
      await services.kv.put(putRequest({ key: utf8Encode("other") }), CALL);
      longestMs = Math.max(longestMs, performance.now() - startMs);
      await pause(1);
    }
  })();
  await work();
  working.isOver = true;
  await other;
  return longestMs;
}

async function takeMany(stream: WatchStream, count: number): Promise<void> {
  for (let taken = 0; taken < count; taken++) await stream.next();
}

async function countOf(services: Services, prefix: string): Promise<number> {
  const rangeEnd = utf8Encode(`${prefix.slice(0, -1)}0`);
  const request = rangeRequest({ key: utf8Encode(prefix), rangeEnd, countOnly: true, serializable: true });
  return (await services.kv.range(request, CALL)).count;
}

function leaseKey(id: bigint): Uint8Array {
  return utf8Encode(`lease/${id}`);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function heapBytes(): number {
  gc?.();
  gc?.();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
