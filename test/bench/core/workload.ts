/**
 * One run of one workload on the core, in a process of its own, so that no run finds what another one left behind:
 *
 *   node test/bench/core/workload.ts puts 3          puts/s with three members
 *   node --cpu-prof test/bench/core/workload.ts …    where the time goes
 *
 * Prints one number.
 */
import { Store } from "../../../src/mvcc/store.ts";
import { MemoryTables } from "../../../src/mvcc/tables/memory-tables.ts";
import { putRequest, rangeRequest } from "../../../src/protocol/api/kv.ts";
import { watchCreateRequest } from "../../../src/protocol/api/watch.ts";
import { CALL, type Group, startGroup } from "./group.ts";

const KEYS = 100_000;
const KEY_BYTES = 64;
const VALUE = new Uint8Array(256).fill(65);
/** Requests under way at once. */
const IN_FLIGHT = 2_000;
const WATCHERS = 1_000;
/** Few: what is measured is the telling, not the putting. */
const WATCHED_IN_FLIGHT = 10;
const WARM_MS = 500;
const MEASURED_MS = 1_500;

const NO_LEASES = { exists: () => false, attach: () => {}, detach: () => {} } as const;

const WORKLOADS: Readonly<Record<string, (argument: number) => Promise<number>>> = {
  puts,
  "point-reads": pointReads,
  "linearizable-reads": linearizableReads,
  "watch-events": watchEvents,
  "bytes-per-key": bytesPerKey,
};

const [name = "", argument = "1"] = process.argv.slice(2);
const workload = WORKLOADS[name];
if (workload === undefined) throw new Error(`no workload "${name}"; there are ${Object.keys(WORKLOADS).join(", ")}`);
console.log(Math.round(await workload(Number(argument))));
process.exit(0);

/** Through the leader's KV service, checks included, from many callers at once. */
async function puts(members: number): Promise<number> {
  const { services } = await startGroup(members);
  return rate(IN_FLIGHT, async (at) => {
    await services.kv.put(putRequest({ key: keyAt(at % KEYS), value: VALUE }), CALL);
  });
}

/** The newest version of one key, straight from the store. */
async function pointReads(): Promise<number> {
  const store = new Store(new MemoryTables(), NO_LEASES);
  for (let at = 0; at < KEYS; at++) store.put(putRequest({ key: keyAt(at), value: VALUE }));
  // One request, used again: its bytes are in the cache, as those of a request that was just decoded are.
  const request = rangeRequest({ key: keyAt(0) });
  let found = 0;
  let at = 0;
  const perSecond = rateOf(() => {
    // A stride without a factor in common with the number of keys: all of them, in no order that a cache would like.
    at = (at + 61_803) % KEYS;
    setKey(request.key, at);
    found += store.range(request).kvs.length;
  });
  if (found === 0) throw new Error("nothing was read");
  return perSecond;
}

async function linearizableReads(members: number): Promise<number> {
  const group = await startGroup(members);
  await fill(group, KEYS);
  return rate(IN_FLIGHT, async (at) => {
    await group.services.kv.range(rangeRequest({ key: keyAt((at * 61_803) % KEYS) }), CALL);
  });
}

/** Every watcher on a stream of its own, all on one prefix, so each of them is notified of every put. */
async function watchEvents(members: number): Promise<number> {
  const { services } = await startGroup(members);
  let received = 0;
  for (let watcher = 0; watcher < WATCHERS; watcher++) {
    const stream = services.watch.watch(CALL);
    const create = watchCreateRequest({ key: new Uint8Array([97]), rangeEnd: new Uint8Array([98]) });
    stream.request({ type: "create", create });
    void (async () => {
      for (let response = await stream.next(); response !== undefined; response = await stream.next()) {
        received += response.events.length;
      }
    })();
  }
  let begun = { received: 0, ms: 0 };
  await rate(
    WATCHED_IN_FLIGHT,
    async (at) => {
      await services.kv.put(putRequest({ key: keyAt(at % KEYS), value: VALUE }), CALL);
    },
    () => {
      begun = { received, ms: performance.now() };
    },
  );
  return ((received - begun.received) / (performance.now() - begun.ms)) * 1000;
}

/** What 100,000 keys add to a member: heap and buffers after a collection (needs --expose-gc). */
async function bytesPerKey(members: number): Promise<number> {
  const group = await startGroup(members);
  // The first few bring code and buffers that do not grow with the keys.
  await fill(group, 1_000);
  const before = usedBytes();
  await fill(group, KEYS);
  return (usedBytes() - before) / (KEYS - 1_000);
}

async function fill({ services }: Group, count: number): Promise<void> {
  for (let from = 0; from < count; from += IN_FLIGHT) {
    const some = Array.from({ length: Math.min(IN_FLIGHT, count - from) }, (_, at) => keyAt(from + at));
    await Promise.all(some.map((key) => services.kv.put(putRequest({ key, value: VALUE }), CALL)));
  }
}

function usedBytes(): number {
  if (gc === undefined) throw new Error("start with node --expose-gc");
  gc();
  gc();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** Calls per second of `callers` that each wait for their answer; `measuring` is called when the warm-up is over. */
async function rate(
  callers: number,
  call: (at: number) => Promise<void>,
  measuring: () => void = () => {},
): Promise<number> {
  let at = 0;
  const run = async (untilMs: number): Promise<number> => {
    const startMs = performance.now();
    const first = at;
    await Promise.all(
      Array.from({ length: callers }, async () => {
        while (performance.now() < untilMs) await call(at++);
      }),
    );
    return ((at - first) / (performance.now() - startMs)) * 1000;
  };
  await run(performance.now() + WARM_MS);
  measuring();
  return run(performance.now() + MEASURED_MS);
}

/** The same for a call that answers at once. */
function rateOf(call: () => void): number {
  const run = (forMs: number): number => {
    const startMs = performance.now();
    let calls = 0;
    while (performance.now() - startMs < forMs) {
      for (let some = 0; some < 1_000; some++) call();
      calls += 1_000;
    }
    return (calls / (performance.now() - startMs)) * 1000;
  };
  run(WARM_MS);
  return run(MEASURED_MS);
}

function keyAt(at: number): Uint8Array {
  const key = new Uint8Array(KEY_BYTES).fill(97);
  setKey(key, at);
  return key;
}

/** Digits that all lie inside the key, the last one first, so that the search compares more than one byte. */
function setKey(key: Uint8Array, at: number): void {
  let rest = at;
  for (let digit = KEY_BYTES / 2; digit > KEY_BYTES / 2 - 6; digit--) {
    key[digit] = 48 + (rest % 10);
    rest = (rest / 10) | 0;
  }
}
