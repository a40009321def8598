/**
 * The client of the gRPC figures, in a process of its own:
 *
 *   node test/bench/grpc/load.ts HOST:PORT put|range|txn|keep-alive CALLERS [MS]     calls per second
 *   node test/bench/grpc/load.ts HOST:PORT fan-out WATCHES                           ms from a put to the last event
 *
 * Prints one number. etcd and the front get the same calls from the same client.
 */
import { compare, putRequest, rangeRequest, txnRequest } from "../../../src/protocol/api/kv.ts";
import { leaseGrantRequest, leaseKeepAliveRequest } from "../../../src/protocol/api/lease.ts";
import { RPCS } from "../../../src/protocol/api/rpc/rpc-table.ts";
import { watchCreateRequest } from "../../../src/protocol/api/watch.ts";
import { RawClient } from "../../grpc/support/raw-client.ts";
import { spreadOf } from "../figures.ts";

type Call = (at: number, caller: number) => Promise<void>;

const CONNECTIONS_MAX = 8;
const WATCHES_PER_STREAM = 1_000;
const FAN_OUTS = 5;
const KEYS = 10_000;
const KEY_BYTES = 64;
const VALUE = new Uint8Array(256).fill(0x76);

const [address = "", name = "", amount = "1", milliseconds = "1500"] = process.argv.slice(2);
const clients: readonly RawClient[] = Array.from(
  { length: Math.min(Number(amount), CONNECTIONS_MAX) },
  () => new RawClient(address),
);
// Whoever has just been started may need a moment to serve.
await clientOf(0).call(RPCS.kv.put, putRequest({ key: keyAt(0) }));
console.log(name === "fan-out" ? await fanOut(Number(amount)) : await rate(await callOf(name), Number(amount)));
process.exit(0);

async function callOf(operation: string): Promise<Call> {
  switch (operation) {
    case "put":
      return async (at, caller) => {
        await clientOf(caller).call(RPCS.kv.put, putRequest({ key: keyAt(at), value: VALUE }));
      };
    case "range":
      for (let at = 0; at < KEYS; at += 100) await putSome(at);
      return async (at, caller) => {
        await clientOf(caller).call(RPCS.kv.range, rangeRequest({ key: keyAt(at * 6_007) }));
      };
    case "txn":
      return async (at, caller) => {
        await clientOf(caller).call(RPCS.kv.txn, updateOf(keyAt(at)));
      };
    case "keep-alive":
      return keepAlive();
    default:
      throw new Error(`no operation "${operation}"`);
  }
}

async function putSome(from: number): Promise<void> {
  const puts = Array.from({ length: 100 }, (_, at) => putRequest({ key: keyAt(from + at), value: VALUE }));
  await clientOf(0).call(RPCS.kv.txn, txnRequest({ success: puts.map((put) => ({ type: "put", put })) }));
}

/** A compare that holds, a put, and a range that is not needed: what an optimistic update looks like. */
function updateOf(key: Uint8Array): ReturnType<typeof txnRequest> {
  const holds = compare({
    target: "MOD",
    result: "GREATER",
    key,
    targetUnion: { type: "modRevision", modRevision: -1 },
  });
  return txnRequest({
    compare: [holds],
    success: [{ type: "put", put: putRequest({ key, value: VALUE }) }],
    failure: [{ type: "range", range: rangeRequest({ key }) }],
  });
}

/** Each caller renews a lease of its own, over the stream of its connection, whose answers come in order. */
async function keepAlive(): Promise<Call> {
  const leases = await Promise.all(
    Array.from({ length: Number(amount) }, async (_, caller) => {
      const { id } = await clientOf(caller).call(RPCS.lease.grant, leaseGrantRequest({ ttl: 600 }));
      return leaseKeepAliveRequest({ id });
    }),
  );
  const streams = clients.map((client) => {
    const stream = client.duplex(RPCS.lease.keepAlive);
    const waiting: (() => void)[] = [];
    void (async () => {
      for (;;) {
        await stream.next();
        waiting.shift()?.();
      }
    })();
    return { stream, waiting };
  });
  return async (_, caller) => {
    const { stream, waiting } = streams[caller % streams.length] as (typeof streams)[number];
    stream.call.write(leases[caller] as (typeof leases)[number]);
    await new Promise<void>((resolve) => waiting.push(resolve));
  };
}

/** As the Go client does it, many watches share a stream. */
async function fanOut(watches: number): Promise<number> {
  const key = keyAt(KEYS);
  const streams = Array.from({ length: Math.ceil(watches / WATCHES_PER_STREAM) }, (_, at) =>
    clientOf(at).duplex(RPCS.watch.watch),
  );
  const perStream = Math.ceil(watches / streams.length);
  await Promise.all(
    streams.map(async (stream) => {
      for (let watch = 0; watch < perStream; watch++) {
        stream.call.write({ type: "create", create: watchCreateRequest({ key }) });
        const { canceled, cancelReason } = await stream.next();
        if (canceled) throw new Error(`watch ${watch} was refused: ${cancelReason}`);
      }
    }),
  );
  const tookMs: number[] = [];
  for (let time = 0; time < FAN_OUTS; time++) {
    const startMs = performance.now();
    const received = streams.map(async (stream) => {
      for (let events = 0; events < perStream;) events += (await stream.next()).events.length;
    });
    await clientOf(0).call(RPCS.kv.put, putRequest({ key, value: VALUE }));
    await Promise.all(received);
    tookMs.push(performance.now() - startMs);
  }
  return spreadOf(tookMs)?.median ?? Number.NaN;
}

async function rate(call: Call, callers: number): Promise<number> {
  let at = 0;
  const run = async (forMs: number): Promise<number> => {
    const startMs = performance.now();
    const first = at;
    await Promise.all(
      Array.from({ length: callers }, async (_, caller) => {
        while (performance.now() - startMs < forMs) await call(at++, caller);
      }),
    );
    return ((at - first) / (performance.now() - startMs)) * 1000;
  };
  await run(Number(milliseconds) / 3);
  return run(Number(milliseconds));
}

function clientOf(caller: number): RawClient {
  return clients[caller % clients.length] as RawClient;
}

function keyAt(at: number): Uint8Array {
  return Buffer.from(`bench/${String(at % (KEYS + 1)).padStart(6, "0")}/`.padEnd(KEY_BYTES, "k"));
}
