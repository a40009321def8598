/**
 * Compares watches with the simplest model: the list of all events. Whatever readers do, each watch sees exactly its
 * part of that list, in order, each revision whole, or it is notified that compaction removed some of it.
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import { bytesToLatin1, latin1ToBytes } from "../../../src/base/bytes.ts";
import { putRequest, txnRequest } from "../../../src/protocol/api/kv.ts";
import { watchCreateRequest } from "../../../src/protocol/api/watch.ts";
import type { WatchFilter, WatchResponse } from "../../../src/protocol/api/watch.ts";
import type { HubStream } from "../../../src/mvcc/watch/watch-hub.ts";
import { StoreModel, covers } from "../support/store-model.ts";
import type { ModelEvent } from "../support/store-model.ts";
import { World } from "../support/watch-world.ts";

const STREAMS = 3;
const key = fc.constantFrom("a", "ab", "b", "c");
const end = fc.constantFrom("", "\0", "b", "d");

type Step =
  | { readonly type: "put"; readonly key: string; readonly size: number }
  | { readonly type: "delete"; readonly key: string; readonly end: string }
  | { readonly type: "both"; readonly first: string; readonly second: string }
  | {
      readonly type: "create";
      readonly stream: number;
      readonly key: string;
      readonly end: string;
      /** Relative to the current revision; undefined means from now on. */
      readonly start: number | undefined;
      readonly filters: readonly WatchFilter[];
      readonly prevKv: boolean;
      readonly fragment: boolean;
    }
  | { readonly type: "cancel"; readonly stream: number; readonly id: number }
  | { readonly type: "take"; readonly stream: number; readonly count: number }
  | { readonly type: "pump"; readonly revisions: number }
  | { readonly type: "progress"; readonly stream: number }
  | { readonly type: "compact"; readonly back: number }
  | { readonly type: "install" };

const stream = fc.nat(STREAMS - 1);
const writes: readonly fc.WeightedArbitrary<Step>[] = [
  { weight: 8, arbitrary: fc.record({ type: fc.constant("put" as const), key, size: fc.constantFrom(0, 10, 400) }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant("delete" as const), key, end }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant("both" as const), first: key, second: key }) },
];
const reads: readonly fc.WeightedArbitrary<Step>[] = [
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constant("create" as const),
      stream,
      // Few choices, so that watches of different shapes often meet on the same keys.
      key: fc.constantFrom("a", "ab"),
      end: fc.constantFrom("", "\0", "b"),
      start: fc.option(fc.integer({ min: -8, max: 3 }), { nil: undefined }),
      filters: fc.constantFrom<readonly WatchFilter[]>([], [], ["NOPUT"], ["NODELETE"]),
      prevKv: fc.boolean(),
      fragment: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("cancel" as const), stream, id: fc.nat(3) }) },
  {
    weight: 5,
    arbitrary: fc.record({ type: fc.constant("take" as const), stream, count: fc.integer({ min: 1, max: 5 }) }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ type: fc.constant("pump" as const), revisions: fc.integer({ min: 1, max: 4 }) }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("progress" as const), stream }) },
  { weight: 1, arbitrary: fc.constant({ type: "install" } as const) },
];
const compaction: fc.WeightedArbitrary<Step> = {
  weight: 1,
  arbitrary: fc.record({ type: fc.constant("compact" as const), back: fc.nat(4) }),
};

interface Watch {
  readonly wants: (event: ModelEvent) => boolean;
  readonly start: number;
  readonly prevKv: boolean;
  readonly seen: ModelEvent[];
  /** The revision of a fragment that is not the last of its response. */
  partOf: number | undefined;
  end: "open" | "canceled" | { readonly compacted: number };
}

/** One stream and what its client made of the responses. */
class Client {
  readonly stream: HubStream;
  readonly watches: Map<number, Watch> = new Map();
  readonly ended: Watch[] = [];
  readonly asked: Watch[] = [];
  /** Every revision promised by a progress response, with the watches that were open then. */
  constructor(world: World) {
    this.stream = world.hub.openStream(() => {});
  }

  take(count: number, model: StoreModel): number {
    const responses = this.stream.take(count);
    for (const response of responses) this.#receive(response, model);
    return responses.length;
  }

  #receive(response: WatchResponse, model: StoreModel): void {
    if (response.watchId === -1) return this.#progressed(response, model);
    if (response.created) {
      this.watches.set(response.watchId, this.asked.shift() as Watch);
      return;
    }
    const watch = this.watches.get(response.watchId);
    if (watch === undefined) throw new Error(`a response for ${response.watchId}, which is not open`);
    for (const event of response.events) watch.seen.push(toModelEvent(event.kv, event.type));
    const revisions = response.events.map((event) => event.kv?.modRevision ?? 0);
    if (response.events.length > 0) expect(response.header.revision).toBeGreaterThanOrEqual(Math.max(...revisions));
    if (watch.prevKv) for (const event of response.events) expectPrevKv(event, model);
    watch.partOf = response.fragment ? revisions[revisions.length - 1] : undefined;
    if (watch.partOf === undefined) expectWholeRevisions(watch, model);
    if (response.canceled) {
      this.watches.delete(response.watchId);
      watch.end = response.compactRevision === 0 ? "canceled" : { compacted: response.compactRevision };
      this.ended.push(watch);
    }
  }

  #progressed(response: WatchResponse, model: StoreModel): void {
    const { revision } = response.header;
    for (const watch of this.watches.values()) {
      expect(watch.seen).toEqual(wanted(watch, model).filter((event) => event.mod <= revision));
    }
  }
}

function toModelEvent(
  kv: { readonly key: Uint8Array; readonly value: Uint8Array; readonly modRevision: number } | undefined,
  type: "PUT" | "DELETE",
): ModelEvent {
  if (kv === undefined) throw new Error("an event has a pair");
  return { type, key: bytesToLatin1(kv.key), value: bytesToLatin1(kv.value), mod: kv.modRevision };
}

function wanted(watch: Watch, model: StoreModel): ModelEvent[] {
  return model.events.flat().filter((event) => event.mod >= watch.start && watch.wants(event));
}

function expectWholeRevisions(watch: Watch, model: StoreModel): void {
  const last = watch.seen[watch.seen.length - 1];
  if (last === undefined) return;
  expect(watch.seen).toEqual(wanted(watch, model).filter((event) => event.mod <= last.mod));
}

function expectPrevKv(event: WatchResponse["events"][number], model: StoreModel): void {
  const mod = event.kv?.modRevision ?? 0;
  const name = bytesToLatin1(event.kv?.key ?? new Uint8Array(0));
  const former = model.states[mod - 1]?.find((pair) => pair.key === name);
  if (event.prevKv !== undefined) {
    expect([bytesToLatin1(event.prevKv.value), event.prevKv.modRevision]).toEqual([former?.value, former?.mod]);
  } else if (event.type === "PUT" && event.kv?.createRevision !== mod) {
    // Only compaction may have removed it.
    expect(model.compactRevision).toBeGreaterThan(mod - 1);
  }
}

function apply(world: World, model: StoreModel, clients: readonly Client[], step: Step): void {
  switch (step.type) {
    case "put": {
      const value = "x".repeat(step.size);
      world.put(step.key, value);
      model.write({ type: "put", key: step.key, value });
      break;
    }
    case "delete":
      world.del(step.key, step.end);
      model.write(step);
      break;
    case "both": {
      const puts = [step.first, step.second].map((name) => ({ type: "put" as const, key: name, value: "1" }));
      const success = puts.map(({ key: name, value }) => ({
        type: "put" as const,
        put: putRequest({ key: latin1ToBytes(name), value: latin1ToBytes(value) }),
      }));
      world.publish(world.store.txn(txnRequest({ success })).events);
      model.write({ type: "txn", ops: puts });
      break;
    }
    case "create":
      create(model, clients[step.stream] as Client, step);
      break;
    case "cancel":
      clients[step.stream]?.stream.cancel(step.id);
      break;
    case "take":
      clients[step.stream]?.take(step.count, model);
      break;
    case "pump":
      world.hub.syncUnsynced(step.revisions);
      break;
    case "progress":
      clients[step.stream]?.stream.progress();
      break;
    case "compact": {
      const revision = model.revision - step.back;
      if (revision <= model.compactRevision) break;
      world.store.compact(revision);
      world.store.compactStep(2);
      model.compactRevision = revision;
      break;
    }
    case "install":
      world.hub.replaceStore(world.store);
      break;
  }
}

function create(model: StoreModel, client: Client, step: Step & { readonly type: "create" }): void {
  if (step.end !== "" && step.end !== "\0" && step.key >= step.end) return;
  const start = step.start === undefined ? 0 : Math.max(1, model.revision + step.start);
  const { prevKv, fragment, filters } = step;
  client.asked.push({
    wants: (event) =>
      covers(step.key, step.end, event.key) &&
      !(filters.includes("NOPUT") && event.type === "PUT") &&
      !(filters.includes("NODELETE") && event.type === "DELETE"),
    start: start === 0 ? model.revision + 1 : start,
    prevKv,
    seen: [],
    partOf: undefined,
    end: "open",
  });
  client.stream.create(
    watchCreateRequest({
      key: latin1ToBytes(step.key),
      rangeEnd: latin1ToBytes(step.end),
      startRevision: start,
      filters,
      prevKv,
      fragment,
    }),
  );
}

function drain(world: World, model: StoreModel, clients: readonly Client[]): void {
  let moved = true;
  while (moved) {
    moved = world.hub.syncUnsynced(3);
    for (const client of clients) if (client.take(10, model) > 0) moved = true;
  }
}

function expectHistories(world: World, model: StoreModel, clients: readonly Client[]): void {
  for (const client of clients) {
    for (const watch of client.watches.values()) {
      expect(watch.seen).toEqual(wanted(watch, model));
      expect(watch.partOf).toBe(undefined);
    }
    for (const watch of client.ended) {
      const all = wanted(watch, model);
      expect(watch.seen).toEqual(all.slice(0, watch.seen.length));
      // The notification was correct: an event that it still had to see may be gone.
      if (typeof watch.end === "object") expect(watch.start).toBeLessThan(watch.end.compacted);
    }
  }
  expect(world.hub.watcherCount).toBe(clients.reduce((sum, client) => sum + client.watches.size, 0));
}

function check(steps: readonly Step[]): void {
  const world = new World({ streamBytesMax: 1500, fragmentBytes: 900 });
  const model = new StoreModel();
  const clients = Array.from({ length: STREAMS }, () => new Client(world));
  for (const step of steps) apply(world, model, clients, step);
  drain(world, model, clients);
  expect([world.hub.slowWatcherCount, world.hub.hasUnsynced]).toEqual([0, false]);
  expectHistories(world, model, clients);
}

test("V26 [MODEL watch] each watch sees its part of the history, whole revisions in order, however its stream is read", () => {
  fc.assert(fc.property(fc.array(fc.oneof(...writes, ...reads), { maxLength: 60 }), check), { numRuns: 500 });
});

test("V25 [MODEL watch compacted] with compaction as well, a watch sees all of it or is notified and ends", () => {
  fc.assert(fc.property(fc.array(fc.oneof(...writes, ...reads, compaction), { maxLength: 60 }), check), {
    numRuns: 500,
  });
});
