import fc from "fast-check";
import { expect, test } from "vitest";
import { unreachable } from "../../src/base/assert.ts";
import { bytesToLatin1, latin1ToBytes } from "../../src/base/bytes.ts";
import { errCompacted, errFutureRev } from "../../src/protocol/errors.ts";
import { deleteRangeRequest, putRequest, rangeRequest, txnRequest } from "../../src/protocol/api/kv.ts";
import type { Event, RangeResponse, RequestOp } from "../../src/protocol/api/kv.ts";
import { MemoryTables } from "../../src/mvcc/tables/memory-tables.ts";
import { Store } from "../../src/mvcc/store.ts";
import type { LeaseHook } from "../../src/mvcc/txn/write-txn.ts";
import { StoreModel } from "./support/store-model.ts";
import type { ModelAnswer, ModelEvent, ModelOp, ModelRange } from "./support/store-model.ts";

const NO_LEASES: LeaseHook = { exists: () => false, attach: () => {}, detach: () => {} };
const b = latin1ToBytes;

const KEYS = ["a", "a\0", "ab", "b", "b\u00ff", "c", "\u00ff", "\u00ff\u00ff"] as const;
const key = fc.constantFrom(...KEYS);
const end = fc.oneof(fc.constant(""), fc.constant("\0"), key);
const value = fc.constantFrom("", "1", "2", "10", "\u00ff");

const simpleOp: fc.Arbitrary<ModelOp> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ type: fc.constant("put" as const), key, value }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("delete" as const), key, end }) },
);
const op: fc.Arbitrary<ModelOp> = fc.oneof(
  { weight: 3, arbitrary: simpleOp },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant("txn" as const),
      ops: fc.array(
        fc.oneof(simpleOp, fc.record({ type: fc.constant("txn" as const), ops: fc.array(simpleOp, { maxLength: 3 }) })),
        { maxLength: 4 },
      ),
    }),
  },
);

type Step =
  | { readonly type: "write"; readonly op: ModelOp }
  | { readonly type: "compact"; readonly back: number }
  | { readonly type: "scrub"; readonly keys: number }
  | { readonly type: "reopen" };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 12, arbitrary: fc.record({ type: fc.constant("write" as const), op }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("compact" as const), back: fc.nat(6) }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant("scrub" as const), keys: fc.integer({ min: 1, max: 4 }) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("reopen" as const) }) },
);

const revisionNear = fc.integer({ min: -1, max: 30 });
const rangeShape: fc.Arbitrary<ModelRange> = fc.record({
  key,
  end,
  revision: revisionNear,
  limit: fc.integer({ min: -1, max: 5 }),
  order: fc.constantFrom("NONE", "NONE", "ASCEND", "DESCEND"),
  target: fc.constantFrom("KEY", "KEY", "VERSION", "CREATE", "MOD", "VALUE"),
  minMod: fc.oneof(fc.constant(0), revisionNear),
  maxMod: fc.oneof(fc.constant(0), revisionNear),
  minCreate: fc.oneof(fc.constant(0), revisionNear),
  maxCreate: fc.oneof(fc.constant(0), revisionNear),
});

function toRequestOp(from: ModelOp): RequestOp {
  switch (from.type) {
    case "put":
      return { type: "put", put: putRequest({ key: b(from.key), value: b(from.value) }) };
    case "delete":
      return { type: "deleteRange", deleteRange: deleteRangeRequest({ key: b(from.key), rangeEnd: b(from.end) }) };
    case "txn":
      return { type: "txn", txn: txnRequest({ success: from.ops.map(toRequestOp) }) };
  }
}

function write(store: Store, from: ModelOp): readonly Event[] {
  const request = toRequestOp(from);
  switch (request.type) {
    case "put":
      return store.put(request.put).events;
    case "deleteRange":
      return store.deleteRange(request.deleteRange).events;
    case "txn":
      return store.txn(request.txn).events;
    case "range":
    case "none":
      throw new Error("the model has no other operations");
    default:
      return unreachable(request);
  }
}

function toModelEvent({ type, kv }: Event): ModelEvent {
  if (kv === undefined) throw new Error("an event has a pair");
  return { type, key: bytesToLatin1(kv.key), value: bytesToLatin1(kv.value), mod: kv.modRevision };
}

function toModelAnswer(response: RangeResponse): ModelAnswer {
  const pairs = response.kvs.map((kv) => ({
    key: bytesToLatin1(kv.key),
    value: bytesToLatin1(kv.value),
    create: kv.createRevision,
    mod: kv.modRevision,
    version: kv.version,
  }));
  return { pairs, more: response.more, count: response.count };
}

function read(store: Store, range: ModelRange): ModelAnswer | "compacted" | "future" {
  try {
    return toModelAnswer(
      store.range(
        rangeRequest({
          key: b(range.key),
          rangeEnd: b(range.end),
          revision: range.revision,
          limit: range.limit,
          sortOrder: range.order,
          sortTarget: range.target,
          minModRevision: range.minMod,
          maxModRevision: range.maxMod,
          minCreateRevision: range.minCreate,
          maxCreateRevision: range.maxCreate,
        }),
      ),
    );
  } catch (error) {
    if (error === errCompacted) return "compacted";
    if (error === errFutureRev) return "future";
    throw error;
  }
}

function wholeAt(revision: number): ModelRange {
  return {
    key: "\0",
    end: "\0",
    revision,
    limit: 0,
    order: "NONE",
    target: "KEY",
    minMod: 0,
    maxMod: 0,
    minCreate: 0,
    maxCreate: 0,
  };
}

function run(tables: MemoryTables, model: StoreModel, steps: readonly Step[]): Store {
  let store = new Store(tables, NO_LEASES);
  for (const next of steps) {
    switch (next.type) {
      case "write":
        expect(write(store, next.op).map(toModelEvent)).toEqual(model.write(next.op));
        break;
      case "compact": {
        const revision = model.revision - next.back;
        if (revision <= model.compactRevision) break;
        store.compact(revision);
        model.compactRevision = revision;
        break;
      }
      case "scrub":
        store.compactStep(next.keys);
        break;
      case "reopen":
        store = new Store(tables, NO_LEASES);
        break;
    }
    expect([store.revision, store.compactRevision]).toEqual([model.revision, model.compactRevision]);
  }
  return store;
}

test("V8 [MODEL range] every revision reads as in a list of all states, through writes, compaction and reopening", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), fc.array(rangeShape, { maxLength: 8 }), (steps, ranges) => {
      const model = new StoreModel();
      const store = run(new MemoryTables(), model, steps);
      for (let revision = 0; revision <= model.revision + 1; revision++) {
        expect(read(store, wholeAt(revision))).toEqual(model.range(wholeAt(revision)));
      }
      for (const range of ranges) expect(read(store, range)).toEqual(model.range(range));
    }),
    { numRuns: 500 },
  );
});

test("V22 [MODEL hash] members that compacted the same compute the same hash, wherever their physical part is", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 25 }), (steps) => {
      const scrubbed = run(new MemoryTables(), new StoreModel(), steps);
      const model = new StoreModel();
      const untouched = run(
        new MemoryTables(),
        model,
        steps.filter((next) => next.type !== "scrub"),
      );
      while (scrubbed.compactStep(2));
      for (let revision = Math.max(1, model.compactRevision); revision <= model.revision; revision++) {
        expect(scrubbed.hashKv(revision)).toEqual(untouched.hashKv(revision));
      }
    }),
    { numRuns: 200 },
  );
});

test("V11 [MODEL chunks] the chunks of a range add up to the range", () => {
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 25 }),
      rangeShape,
      fc.integer({ min: 1, max: 400 }),
      (steps, shape, maxBytes) => {
        const store = run(new MemoryTables(), new StoreModel(), steps);
        const range = { ...wholeAt(0), key: shape.key, end: shape.end, limit: shape.limit };
        const request = rangeRequest({ key: b(range.key), rangeEnd: b(range.end), limit: range.limit });
        const parts = [...store.rangeChunks(request, maxBytes)].map(toModelAnswer);
        const last = parts[parts.length - 1];
        expect({ pairs: parts.flatMap((part) => part.pairs), more: last?.more, count: last?.count }).toEqual(
          read(store, range),
        );
      },
    ),
    { numRuns: 200 },
  );
});
