/**
 * The contract of the store over every storage backend: etcd's rules of range, put, delete, txn, compaction and hash,
 * one by one. Each rule is a function over fresh tables, as in state-tables.ts.
 */
import { describe, expect, test } from "vitest";
import { unreachable } from "../../src/base/assert.ts";
import { bytesToLatin1, concatBytes, latin1ToBytes, prefixEnd } from "../../src/base/bytes.ts";
import { crc32c } from "../../src/base/crc32c.ts";
import { EtcdError } from "../../src/protocol/errors.ts";
import { compare, deleteRangeRequest, putRequest, rangeRequest, txnRequest } from "../../src/protocol/api/kv.ts";
import type {
  Compare,
  DeleteRangeRequest,
  Event,
  KeyValue,
  PutRequest,
  RangeRequest,
  RangeResponse,
  RequestOp,
  TxnRequest,
  TxnResponse,
} from "../../src/protocol/api/kv.ts";
import { Store } from "../../src/mvcc/store.ts";
import type { LeaseHook } from "../../src/mvcc/txn/write-txn.ts";
import { HASH_HISTORY } from "./hash-of-etcd.ts";
import type { TablesUnderTest } from "./state-tables.ts";

export interface StoreRule {
  readonly title: string;
  check(subject: TablesUnderTest): void | Promise<void>;
}

export function storeContract(name: string, makeTables: () => TablesUnderTest | Promise<TablesUnderTest>): void {
  describe(`store: ${name}`, () => {
    test.for(storeRules)("$title", async (rule) => {
      expect(rule.title).toMatch(/^V\d+ \[[A-Z]+ .*\] /);
      await rule.check(await makeTables());
    });
  });
}

// ── notation of the rules ────────────────────────────────────────────────────────────────────────────────────────

const b = latin1ToBytes;
const s = bytesToLatin1;

class Leases implements LeaseHook {
  readonly log: string[] = [];
  readonly #known: ReadonlySet<bigint>;
  constructor(known: readonly bigint[]) {
    this.#known = new Set(known);
  }
  exists(id: bigint): boolean {
    return this.#known.has(id);
  }
  attach(id: bigint, key: Uint8Array): void {
    this.log.push(`+${id} ${s(key)}`);
  }
  detach(id: bigint, key: Uint8Array): void {
    this.log.push(`-${id} ${s(key)}`);
  }
}

function newStore(subject: TablesUnderTest, leases: LeaseHook = new Leases([7n, 8n])): Store {
  return new Store(subject.tables, leases);
}

type Strings<T> = Partial<Omit<T, "key" | "rangeEnd" | "value">>;

function put(key: string, value: string, more?: Strings<PutRequest>): PutRequest {
  return putRequest({ key: b(key), value: b(value), ...more });
}

function del(key: string, rangeEnd: string = "", more?: Strings<DeleteRangeRequest>): DeleteRangeRequest {
  return deleteRangeRequest({ key: b(key), rangeEnd: b(rangeEnd), ...more });
}

function get(key: string, rangeEnd: string = "", more?: Strings<RangeRequest>): RangeRequest {
  return rangeRequest({ key: b(key), rangeEnd: b(rangeEnd), ...more });
}

function opPut(key: string, value: string, more?: Strings<PutRequest>): RequestOp {
  return { type: "put", put: put(key, value, more) };
}

function opDelete(key: string, rangeEnd?: string, more?: Strings<DeleteRangeRequest>): RequestOp {
  return { type: "deleteRange", deleteRange: del(key, rangeEnd, more) };
}

function opGet(key: string, rangeEnd?: string, more?: Strings<RangeRequest>): RequestOp {
  return { type: "range", range: get(key, rangeEnd, more) };
}

function opTxn(txn: Partial<TxnRequest>): RequestOp {
  return { type: "txn", txn: txnRequest(txn) };
}

/** key=value c<create> m<mod> v<version>, and the lease if there is one. */
function pair(kv: KeyValue): string {
  const lease = kv.lease === 0n ? "" : ` l${kv.lease}`;
  return `${s(kv.key)}=${s(kv.value)} c${kv.createRevision} m${kv.modRevision} v${kv.version}${lease}`;
}

function pairs(response: RangeResponse): string[] {
  return response.kvs.map(pair);
}

function keysOf(response: RangeResponse): string {
  return response.kvs.map((kv) => s(kv.key)).join(" ");
}

function event({ type, kv }: Event): string {
  return `${type} ${kv === undefined ? "" : pair(kv)}`;
}

function errorOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof EtcdError) return `${error.code} ${error.message}`;
    throw error;
  }
  return "no error";
}

const COMPACTED = "11 etcdserver: mvcc: required revision has been compacted";
const FUTURE = "11 etcdserver: mvcc: required revision is a future revision";
const KEY_NOT_FOUND = "3 etcdserver: key not found";
const LEASE_NOT_FOUND = "5 etcdserver: requested lease not found";

function scrubAll(store: Store, maxKeys: number): void {
  while (store.compactStep(maxKeys));
}

/** A txn's response in one line: S or F, then the response of each operation, nested ones in brackets. */
function answer(response: TxnResponse): string {
  const ops = response.responses.map((op) => {
    switch (op.type) {
      case "range":
        return `range@${op.range.header.revision} ${pairs(op.range).join(", ")}`;
      case "put":
        return `put@${op.put.header.revision}${op.put.prevKv === undefined ? "" : ` was ${pair(op.put.prevKv)}`}`;
      case "deleteRange":
        return `delete@${op.deleteRange.header.revision} ${op.deleteRange.deleted}`;
      case "txn":
        return `txn@${op.txn.header.revision} [${answer(op.txn)}]`;
      case "none":
        return "none";
      default:
        return unreachable(op);
    }
  });
  return `${response.succeeded ? "S" : "F"}: ${ops.join("; ")}`;
}

// ── rules ────────────────────────────────────────────────────────────────────────────────────────────────────────

const basicRules: readonly StoreRule[] = [
  {
    title: "V1 [REV start] a fresh store is at revision 1, was never compacted, and its first write makes revision 2",
    check(subject) {
      const store = newStore(subject);
      expect([store.revision, store.compactRevision]).toEqual([1, -1]);
      expect(store.range(get("a")).header.revision).toBe(1);
      expect(store.put(put("a", "1")).response.header.revision).toBe(2);
      expect(store.revision).toBe(2);
    },
  },
  {
    title: "V8 [REV header] only the revision is set; who answers is left to the member",
    check(subject) {
      const { header } = newStore(subject).put(put("a", "1")).response;
      expect(header).toEqual({ clusterId: 0n, memberId: 0n, revision: 2, raftTerm: 0 });
    },
  },
  {
    title: "V1 [REV unchanged] what matches nothing leaves the revision; a put of the same value does not",
    check(subject) {
      const store = newStore(subject);
      store.put(put("a", "1"));
      const nothing = store.deleteRange(del("x"));
      expect([nothing.response.deleted, nothing.response.header.revision, nothing.events.length]).toEqual([0, 2, 0]);
      const txn = store.txn(txnRequest({ success: [opDelete("x"), opGet("a")] }));
      expect([txn.response.header.revision, txn.events.length, store.revision]).toEqual([2, 0, 2]);
      store.put(put("a", "1"));
      expect(store.revision).toBe(3);
    },
  },
  {
    title: "V2 [PUT generations] version counts up, create_revision stays, and both start anew after a delete",
    check(subject) {
      const store = newStore(subject);
      store.put(put("a", "1"));
      store.put(put("b", "x"));
      store.put(put("a", "2"));
      expect(pairs(store.range(get("a")))).toEqual(["a=2 c2 m4 v2"]);
      store.deleteRange(del("a"));
      expect(store.range(get("a")).kvs).toEqual([]);
      store.put(put("a", ""));
      expect(pairs(store.range(get("a")))).toEqual(["a= c6 m6 v1"]);
    },
  },
  {
    title: "V3 [PUT prev_kv] gives back the former pair, and nothing on a create",
    check(subject) {
      const store = newStore(subject);
      expect(store.put(put("a", "1", { prevKv: true })).response.prevKv).toBeUndefined();
      expect(store.put(put("a", "2")).response.prevKv).toBeUndefined();
      const { prevKv } = store.put(put("a", "3", { prevKv: true })).response;
      expect(prevKv === undefined ? undefined : pair(prevKv)).toBe("a=2 c2 m3 v2");
    },
  },
  {
    title: "V4 [PUT ignore] keeps the former value or lease, and needs the key to live",
    check(subject) {
      const store = newStore(subject);
      expect(errorOf(() => store.put(put("a", "", { ignoreValue: true })))).toBe(KEY_NOT_FOUND);
      expect(errorOf(() => store.put(put("a", "1", { ignoreLease: true })))).toBe(KEY_NOT_FOUND);
      store.put(put("a", "1", { lease: 7n }));
      store.put(put("a", "", { ignoreValue: true }));
      expect(pairs(store.range(get("a")))).toEqual(["a=1 c2 m3 v2"]);
      store.put(put("a", "2", { lease: 8n }));
      store.put(put("a", "3", { ignoreLease: true }));
      expect(pairs(store.range(get("a")))).toEqual(["a=3 c2 m5 v4 l8"]);
      store.deleteRange(del("a"));
      expect(errorOf(() => store.put(put("a", "", { ignoreValue: true })))).toBe(KEY_NOT_FOUND);
      expect(store.revision).toBe(6);
    },
  },
  {
    title:
      "V4 [PUT lease] an unknown lease is refused first, a put without lease detaches, and the hook hears of each change",
    check(subject) {
      const leases = new Leases([7n, 8n, -1n]);
      const store = newStore(subject, leases);
      expect(errorOf(() => store.put(put("a", "", { lease: 9n, ignoreValue: true })))).toBe(LEASE_NOT_FOUND);
      store.put(put("a", "1", { lease: 7n }));
      store.put(put("a", "2", { lease: 8n }));
      store.put(put("a", "3", { lease: 8n }));
      store.put(put("a", "4"));
      store.put(put("b", "1", { lease: -1n }));
      store.deleteRange(del("a", "z"));
      expect(leases.log).toEqual(["+7 a", "-7 a", "+8 a", "-8 a", "+-1 b", "--1 b"]);
    },
  },
  {
    title: "V5 [DELETE range] deletes in key order in one revision, and gives back the former pairs if asked",
    check(subject) {
      const store = newStore(subject);
      for (const key of ["c", "a", "b", "d"]) store.put(put(key, key.toUpperCase()));
      const { response, events } = store.deleteRange(del("a", "c", { prevKv: true }));
      expect([response.deleted, response.header.revision]).toEqual([2, 6]);
      expect(response.prevKvs.map(pair)).toEqual(["a=A c3 m3 v1", "b=B c4 m4 v1"]);
      expect(events.map(event)).toEqual(["DELETE a= c0 m6 v0", "DELETE b= c0 m6 v0"]);
      expect(keysOf(store.range(get("\0", "\0")))).toBe("c d");
      expect(keysOf(store.range(get("\0", "\0", { revision: 5 })))).toBe("a b c d");
      expect(store.deleteRange(del("c")).response.prevKvs).toEqual([]);
    },
  },
  {
    title: 'V5 [DELETE range] an end at or below the key deletes nothing; "\\0" means everything from the key on',
    check(subject) {
      const store = newStore(subject);
      for (const key of ["a", "b", "c"]) store.put(put(key, ""));
      expect(store.deleteRange(del("b", "b")).response.deleted).toBe(0);
      expect(store.deleteRange(del("c", "a")).response.deleted).toBe(0);
      expect(store.deleteRange(del("b", "\0")).response.deleted).toBe(2);
      expect(keysOf(store.range(get("\0", "\0")))).toBe("a");
    },
  },
  {
    title: "V6 [EVENT put] carries the whole pair, and its bytes are not the request's",
    check(subject) {
      const store = newStore(subject);
      const request = put("key", "value", { lease: 7n });
      const { events } = store.put(request);
      request.key.fill(0);
      request.value.fill(0);
      expect(events.map(event)).toEqual(["PUT key=value c2 m2 v1 l7"]);
      expect(events[0]?.prevKv).toBeUndefined();
    },
  },
  {
    title: "V5 [LEASE revoke] deletes the living keys in key order in one revision, or none at all",
    check(subject) {
      const store = newStore(subject);
      for (const key of ["b", "a", "c"]) store.put(put(key, ""));
      const events = store.deleteKeys([b("c"), b("x"), b("a"), b("a")]);
      expect(events.map(event)).toEqual(["DELETE a= c0 m5 v0", "DELETE c= c0 m5 v0"]);
      expect(store.revision).toBe(5);
      expect(store.deleteKeys([b("a")])).toEqual([]);
      expect(store.revision).toBe(5);
    },
  },
];

/** At 7: a (c2 m6 v2 "1"), b (c3 m3 v1 "3"), c (c4 m7 v3 "2"), d (c5 m5 v1 "0"). */
function fillForRange(store: Store): void {
  store.put(put("a", "0")); // 2
  store.put(put("b", "3")); // 3
  store.txn(txnRequest({ success: [opPut("c", "9")] })); // 4
  store.put(put("d", "0")); // 5
  store.txn(txnRequest({ success: [opPut("a", "1"), opTxn({ success: [opPut("c", "8")] })] })); // 6
  store.put(put("c", "2")); // 7
}

const rangeRules: readonly StoreRule[] = [
  {
    title: 'V7 [RANGE keys] end empty is one key, "\\0" from the key on, key and end "\\0" all, key >= end nothing',
    check(subject) {
      const store = newStore(subject);
      fillForRange(store);
      expect(keysOf(store.range(get("b")))).toBe("b");
      expect(keysOf(store.range(get("bb")))).toBe("");
      expect(keysOf(store.range(get("b", "d")))).toBe("b c");
      expect(keysOf(store.range(get("b", "\0")))).toBe("b c d");
      expect(keysOf(store.range(get("\0", "\0")))).toBe("a b c d");
      expect(keysOf(store.range(get("c", "c")))).toBe("");
      expect(keysOf(store.range(get("d", "b")))).toBe("");
      store.put(put("ca", ""));
      expect(keysOf(store.range(rangeRequest({ key: b("c"), rangeEnd: prefixEnd(b("c")) })))).toBe("c ca");
    },
  },
  {
    title: "V8 [RANGE revision] reads every kept revision; zero and below is the newest; the header is at the newest",
    check(subject) {
      const store = newStore(subject);
      fillForRange(store);
      const at = (revision: number): string => pairs(store.range(get("\0", "\0", { revision }))).join(", ");
      expect(at(1)).toBe("");
      expect(at(4)).toBe("a=0 c2 m2 v1, b=3 c3 m3 v1, c=9 c4 m4 v1");
      expect(at(6)).toBe("a=1 c2 m6 v2, b=3 c3 m3 v1, c=8 c4 m6 v2, d=0 c5 m5 v1");
      expect(at(7)).toBe("a=1 c2 m6 v2, b=3 c3 m3 v1, c=2 c4 m7 v3, d=0 c5 m5 v1");
      expect(at(0)).toBe(at(7));
      expect(at(-3)).toBe(at(7));
      expect(store.range(get("a", "", { revision: 2 })).header.revision).toBe(7);
      expect(errorOf(() => store.range(get("a", "", { revision: 8 })))).toBe(FUTURE);
    },
  },
  {
    title: "V9 [RANGE limit] cuts the pairs and tells of more; count stays that of the whole range",
    check(subject) {
      const store = newStore(subject);
      fillForRange(store);
      const cut = (limit: number, more?: Strings<RangeRequest>): unknown[] => {
        const response = store.range(get("a", "z", { limit, ...more }));
        return [keysOf(response), response.more, response.count];
      };
      expect(cut(0)).toEqual(["a b c d", false, 4]);
      expect(cut(1)).toEqual(["a", true, 4]);
      expect(cut(3)).toEqual(["a b c", true, 4]);
      expect(cut(4)).toEqual(["a b c d", false, 4]);
      expect(cut(9)).toEqual(["a b c d", false, 4]);
      expect(cut(-1)).toEqual(["a b c d", false, 4]);
      expect(cut(2, { revision: 3 })).toEqual(["a b", false, 2]);
      expect(cut(1, { revision: 4 })).toEqual(["a", true, 3]);
      expect(cut(1, { key: b("a"), rangeEnd: b("") } as Strings<RangeRequest>)).toEqual(["a", false, 1]);
    },
  },
  {
    title: "V9 [RANGE count_only] counts, and ignores limit and filters",
    check(subject) {
      const store = newStore(subject);
      fillForRange(store);
      const response = store.range(get("a", "z", { countOnly: true, limit: 1, minModRevision: 6 }));
      expect([response.kvs.length, response.more, response.count]).toEqual([0, false, 4]);
      expect(store.range(get("a", "z", { countOnly: true, revision: 3 })).count).toBe(2);
      expect(store.range(get("a", "", { countOnly: true })).count).toBe(1);
      expect(store.range(get("x", "", { countOnly: true })).count).toBe(0);
    },
  },
  {
    title: "V9 [RANGE keys_only] leaves out the values, and the leases unless it is sorted by value",
    check(subject) {
      const store = newStore(subject);
      store.put(put("a", "1", { lease: 7n }));
      expect(pairs(store.range(get("a", "", { keysOnly: true })))).toEqual(["a= c2 m2 v1"]);
      expect(pairs(store.range(get("a", "\0", { keysOnly: true })))).toEqual(["a= c2 m2 v1"]);
      expect(pairs(store.range(get("a", "\0", { keysOnly: true, sortTarget: "VALUE" })))).toEqual(["a= c2 m2 v1 l7"]);
      expect(pairs(store.range(get("a")))).toEqual(["a=1 c2 m2 v1 l7"]);
    },
  },
  {
    title:
      "V9 [RANGE filters] drop what is below a minimum or above a maximum, before the limit and not from the count",
    check(subject) {
      const store = newStore(subject);
      fillForRange(store);
      const filtered = (more: Strings<RangeRequest>): unknown[] => {
        const response = store.range(get("a", "z", more));
        return [keysOf(response), response.more, response.count];
      };
      expect(filtered({ minModRevision: 6 })).toEqual(["a c", false, 4]);
      expect(filtered({ maxModRevision: 5 })).toEqual(["b d", false, 4]);
      expect(filtered({ minModRevision: 5, maxModRevision: 6 })).toEqual(["a d", false, 4]);
      expect(filtered({ minCreateRevision: 4 })).toEqual(["c d", false, 4]);
      expect(filtered({ maxCreateRevision: 3 })).toEqual(["a b", false, 4]);
      expect(filtered({ minModRevision: 6, limit: 1 })).toEqual(["a", true, 4]);
      expect(filtered({ minModRevision: 6, limit: 2 })).toEqual(["a c", false, 4]);
      expect(filtered({ maxCreateRevision: -1 })).toEqual(["", false, 4]);
    },
  },
  {
    title: "V10 [RANGE sort] by each target in both orders, before the limit",
    check(subject) {
      const store = newStore(subject);
      fillForRange(store);
      const sorted = (more: Strings<RangeRequest>): string => keysOf(store.range(get("a", "z", more)));
      expect(sorted({ sortOrder: "DESCEND" })).toBe("d c b a");
      expect(sorted({ sortOrder: "ASCEND" })).toBe("a b c d");
      expect(sorted({ sortOrder: "ASCEND", sortTarget: "VERSION" })).toBe("b d a c");
      expect(sorted({ sortOrder: "DESCEND", sortTarget: "CREATE" })).toBe("d c b a");
      expect(sorted({ sortOrder: "DESCEND", sortTarget: "MOD" })).toBe("c a d b");
      expect(sorted({ sortOrder: "ASCEND", sortTarget: "VALUE" })).toBe("d a c b");
      expect(sorted({ sortOrder: "DESCEND", sortTarget: "VALUE", keysOnly: true })).toBe("b c a d");
      expect(sorted({ sortOrder: "DESCEND", sortTarget: "MOD", limit: 2 })).toBe("c a");
      expect(sorted({ sortOrder: "ASCEND", sortTarget: "MOD", limit: 1, minModRevision: 4 })).toBe("d");
    },
  },
  {
    title: "V10 [RANGE sort] quirk: no order but another target than the key sorts only what the limit let through",
    check(subject) {
      const store = newStore(subject);
      fillForRange(store);
      expect(keysOf(store.range(get("a", "z", { sortTarget: "MOD" })))).toBe("b d a c");
      const response = store.range(get("a", "z", { sortTarget: "MOD", limit: 2 }));
      expect([keysOf(response), response.more, response.count]).toEqual(["b a", true, 4]);
    },
  },
  {
    title: "V11 [RANGE chunks] the parts make up the whole: bounded, at one revision, header and count in the last",
    check(subject) {
      const store = newStore(subject);
      for (let at = 0; at < 100; at++) store.put(put(`k${String(at).padStart(3, "0")}`, "x".repeat(50)));
      const stream = store.rangeChunks(get("k", "l"), 1000);
      const parts: RangeResponse[] = [stream.next().value as RangeResponse];
      store.put(put("k0005", "late"));
      store.deleteRange(del("k099"));
      parts.push(...stream);
      expect(parts.flatMap((part) => part.kvs.map((kv) => s(kv.key)))).toEqual(
        Array.from({ length: 100 }, (_, at) => `k${String(at).padStart(3, "0")}`),
      );
      expect(parts.length).toBeGreaterThan(8);
      const last = parts.pop() as RangeResponse;
      expect([last.header.revision, last.count, last.more]).toEqual([101, 100, false]);
      expect(parts.every((part) => part.header.revision === 0 && part.count === 0 && !part.more)).toBe(true);
      expect(parts[0]?.kvs.length).toBe(9);
    },
  },
  {
    title: "V11 [RANGE chunks] parts begin with ten pairs and double while they are small, and halve when pairs grow",
    check(subject) {
      const store = newStore(subject);
      const sizes = (key: string): number[] =>
        [...store.rangeChunks(get(key, `${key}z`), 16_000)].map((part) => part.kvs.length);
      for (let at = 100; at < 160; at++) store.put(put(`s${at}`, ""));
      for (let at = 100; at < 140; at++) store.put(put(`b${at}`, "x".repeat(at < 110 ? 10 : 400)));
      expect(sizes("s")).toEqual([10, 20, 30]);
      expect(sizes("b")).toEqual([10, 20, 10]);
    },
  },
  {
    title: "V11 [RANGE chunks] limit, keys_only, count_only and empty ranges give what Range gives",
    check(subject) {
      const store = newStore(subject);
      for (let at = 0; at < 30; at++) store.put(put(`k${String(at).padStart(3, "0")}`, "x"));
      const requests = [
        get("k", "l", { limit: 25 }),
        get("k", "l", { limit: 30 }),
        get("k", "l", { keysOnly: true, revision: 20 }),
        get("k", "l", { countOnly: true }),
        get("k003"),
        get("x", "z"),
        get("z", "x"),
        get("\0", "\0", { sortOrder: "ASCEND" }),
      ];
      for (const request of requests) {
        const parts = [...store.rangeChunks(request, 500)];
        const whole = store.range(request);
        const last = parts[parts.length - 1] as RangeResponse;
        expect([parts.flatMap((part) => pairs(part)), last.header, last.more, last.count]).toEqual([
          pairs(whole),
          whole.header,
          whole.more,
          whole.count,
        ]);
      }
    },
  },
  {
    title: "V9 [RANGE steps] are the range of the first step's revision, whatever is written meanwhile",
    check(subject) {
      const store = newStore(subject);
      for (let at = 0; at < 30; at++) store.put(put(`k${String(at).padStart(3, "0")}`, "x"));
      for (const options of [{ countOnly: true }, { limit: 3 }, { limit: 100 }, {}, { limit: 2, revision: 12 }]) {
        const request = get("k", "l", options);
        const whole = store.range(request);
        const steps = store.rangeInSteps(request, 4);
        let step = steps.next();
        for (let at = 0; step.done !== true; at++) {
          store.put(put(`k${String(at).padStart(3, "0")}b`, "later"));
          store.deleteRange(del(`k${String(20 + at).padStart(3, "0")}`));
          step = steps.next();
        }
        expect(step.value).toEqual(whole);
      }
    },
  },
  {
    title: "V9 [RANGE steps] begin again when their revision is compacted, unless it was asked for",
    check(subject) {
      const store = newStore(subject);
      for (let at = 0; at < 30; at++) store.put(put(`k${String(at).padStart(3, "0")}`, "x"));
      const newest = store.rangeInSteps(get("k", "l", { countOnly: true }), 4);
      const past = store.rangeInSteps(get("k", "l", { countOnly: true, revision: store.revision }), 4);
      const isWhole = [newest.next(), past.next()].map(({ done }) => done === true);
      store.deleteRange(del("k029"));
      store.put(put("k030", ""));
      store.put(put("k031", ""));
      store.compact(store.revision);
      // Tables that count the rows in memory at once have taken one step.
      if (isWhole.includes(true)) return;
      expect(errorOf(() => past.next())).toBe(COMPACTED);
      let step = newest.next();
      while (step.done !== true) step = newest.next();
      expect([step.value.count, step.value.header.revision]).toEqual([31, store.revision]);
    },
  },
  {
    title: "V11 [RANGE chunks] refuses orders and filters, and ends with an error when its revision is compacted",
    check(subject) {
      const store = newStore(subject);
      for (let at = 0; at < 30; at++) store.put(put(`k${String(at).padStart(3, "0")}`, "x"));
      const first = (request: RangeRequest): string => errorOf(() => store.rangeChunks(request, 500).next());
      expect(first(get("k", "l", { sortOrder: "DESCEND" }))).toBe("12 RangeStream does not support custom sort orders");
      expect(first(get("k", "l", { sortOrder: "ASCEND", sortTarget: "MOD" }))).toBe(
        "12 RangeStream does not support custom sort orders",
      );
      expect(first(get("k", "l", { minModRevision: 1 }))).toBe("12 RangeStream does not support revision filters");
      expect(first(get("k", "l", { revision: 99 }))).toBe(FUTURE);
      const stream = store.rangeChunks(get("k", "l"), 500);
      stream.next();
      store.put(put("x", ""));
      store.compact(store.revision);
      expect(errorOf(() => stream.next())).toBe(COMPACTED);
    },
  },
];

function holds(store: Store, request: Partial<Compare> & { readonly key: Uint8Array }): boolean {
  return store.txn(txnRequest({ compare: [compare(request)] })).response.succeeded;
}

const txnRules: readonly StoreRule[] = [
  {
    title:
      "V12 [TXN revision] all operations share one revision, which the top header carries; a nested header is empty",
    check(subject) {
      const store = newStore(subject);
      store.put(put("a", "0"));
      const { response, events } = store.txn(
        txnRequest({
          success: [
            opGet("a"),
            opPut("a", "1"),
            opGet("a"),
            opTxn({ success: [opPut("b", "2"), opDelete("x")] }),
            opDelete("c"),
          ],
        }),
      );
      expect(response.header.revision).toBe(3);
      expect(answer(response)).toBe(
        "S: range@2 a=0 c2 m2 v1; put@3; range@3 a=1 c2 m3 v2; txn@0 [S: put@3; delete@3 0]; delete@3 0",
      );
      expect(events.map(event)).toEqual(["PUT a=1 c2 m3 v2", "PUT b=2 c3 m3 v1"]);
      expect(store.revision).toBe(3);
    },
  },
  {
    title: "V12 [TXN order] operations run in list order, and each sees those before it",
    check(subject) {
      const store = newStore(subject);
      store.put(put("a", "0"));
      const { response } = store.txn(
        txnRequest({
          success: [
            opDelete("a", "c"),
            opGet("a", "z"),
            opPut("d", "1"),
            opGet("a", "z"),
            opGet("a", "", { revision: 2 }),
          ],
        }),
      );
      expect(answer(response)).toBe("S: delete@3 1; range@3 ; put@3; range@3 d=1 c3 m3 v1; range@3 a=0 c2 m2 v1");
    },
  },
  {
    title: "V2 [TXN order] a key deleted and put in one revision starts a new generation there",
    check(subject) {
      const store = newStore(subject);
      store.put(put("a", "0"));
      const { events } = store.txn(
        txnRequest({ success: [opDelete("a"), opPut("a", "1"), opDelete("a"), opPut("a", "2")] }),
      );
      expect(events.map(event)).toEqual([
        "DELETE a= c0 m3 v0",
        "PUT a=1 c3 m3 v1",
        "DELETE a= c0 m3 v0",
        "PUT a=2 c3 m3 v1",
      ]);
      expect(pairs(store.range(get("a")))).toEqual(["a=2 c3 m3 v1"]);
      expect(pairs(store.range(get("a", "", { revision: 2 })))).toEqual(["a=0 c2 m2 v1"]);
      store.put(put("a", "3"));
      expect(pairs(store.range(get("a")))).toEqual(["a=3 c3 m4 v2"]);
    },
  },
  {
    title: "V13 [TXN compare] each target against equal, less, greater, not equal",
    check(subject) {
      const store = newStore(subject);
      store.put(put("a", "m", { lease: 7n }));
      store.put(put("a", "m", { lease: 7n }));
      const key = b("a");
      const operands: readonly (readonly [Compare["target"], (by: number) => Compare["targetUnion"]])[] = [
        ["VERSION", (by) => ({ type: "version", version: 2 + by })],
        ["CREATE", (by) => ({ type: "createRevision", createRevision: 2 + by })],
        ["MOD", (by) => ({ type: "modRevision", modRevision: 3 + by })],
        ["VALUE", (by) => ({ type: "value", value: b(["l", "m", "n"][by + 1] as string) })],
        ["LEASE", (by) => ({ type: "lease", lease: 7n + BigInt(by) })],
      ];
      for (const [target, operand] of operands) {
        const result = (kind: Compare["result"], by: number): boolean =>
          holds(store, { key, target, result: kind, targetUnion: operand(by) });
        expect([-1, 0, 1].map((by) => result("EQUAL", by))).toEqual([false, true, false]);
        expect([-1, 0, 1].map((by) => result("NOT_EQUAL", by))).toEqual([true, false, true]);
        expect([-1, 0, 1].map((by) => result("GREATER", by))).toEqual([true, false, false]);
        expect([-1, 0, 1].map((by) => result("LESS", by))).toEqual([false, false, true]);
      }
    },
  },
  {
    title: "V13 [TXN compare] a missing key counts as zero, but no comparison of its value holds",
    check(subject) {
      const store = newStore(subject);
      const key = b("x");
      for (const target of ["VERSION", "CREATE", "MOD", "LEASE"] as const) {
        expect(holds(store, { key, target, result: "EQUAL" })).toBe(true);
        expect(holds(store, { key, target, result: "GREATER" })).toBe(false);
      }
      expect(
        holds(store, { key, target: "VERSION", result: "LESS", targetUnion: { type: "version", version: 1 } }),
      ).toBe(true);
      for (const result of ["EQUAL", "NOT_EQUAL", "GREATER", "LESS"] as const) {
        expect(holds(store, { key, target: "VALUE", result })).toBe(false);
        expect(holds(store, { key, target: "VALUE", result, targetUnion: { type: "value", value: b("v") } })).toBe(
          false,
        );
      }
    },
  },
  {
    title: "V13 [TXN compare] an operand of another target counts as that target's zero",
    check(subject) {
      const store = newStore(subject);
      store.put(put("a", "1"));
      const key = b("a");
      const targetUnion = { type: "version", version: 1 } as const;
      expect(holds(store, { key, target: "VERSION", result: "EQUAL", targetUnion })).toBe(true);
      expect(holds(store, { key, target: "CREATE", result: "EQUAL", targetUnion })).toBe(false);
      expect(holds(store, { key, target: "CREATE", result: "GREATER", targetUnion })).toBe(true);
      expect(holds(store, { key, target: "LEASE", result: "EQUAL", targetUnion })).toBe(true);
      expect(holds(store, { key, target: "VALUE", result: "GREATER", targetUnion })).toBe(true);
      expect(holds(store, { key: b("x"), target: "MOD", result: "EQUAL", targetUnion })).toBe(true);
    },
  },
  {
    title: "V13 [TXN compare] over a range all keys must satisfy it; an empty range is one missing key",
    check(subject) {
      const store = newStore(subject);
      store.put(put("a", "1"));
      store.put(put("b", "1"));
      store.put(put("b", "1"));
      const version = (key: string, rangeEnd: string, result: Compare["result"], value: number): boolean =>
        holds(store, { key: b(key), rangeEnd: b(rangeEnd), result, targetUnion: { type: "version", version: value } });
      expect(version("a", "c", "GREATER", 0)).toBe(true);
      expect(version("a", "c", "EQUAL", 1)).toBe(false);
      expect(version("a", "b", "EQUAL", 1)).toBe(true);
      expect(version("a", "\0", "LESS", 3)).toBe(true);
      expect(version("b", "\0", "EQUAL", 2)).toBe(true);
      expect(version("x", "z", "EQUAL", 0)).toBe(true);
      expect(version("z", "a", "EQUAL", 0)).toBe(true);
      const value = (key: string): boolean =>
        holds(store, {
          key: b(key),
          rangeEnd: b("\0"),
          target: "VALUE",
          result: "EQUAL",
          targetUnion: { type: "value", value: b("1") },
        });
      expect(value("a")).toBe(true);
      expect(value("x")).toBe(false);
    },
  },
  {
    title: "V13 [TXN compare] all comparisons must hold, none is a success, and the failure branch runs otherwise",
    check(subject) {
      const store = newStore(subject);
      const yes = compare({ key: b("x") });
      const no = compare({ key: b("x"), result: "GREATER" });
      const run = (compares: readonly Compare[]): string =>
        answer(
          store.txn(txnRequest({ compare: compares, success: [opGet("x")], failure: [opGet("x"), opGet("y")] }))
            .response,
        );
      expect(run([])).toBe("S: range@1 ");
      expect(run([yes, yes])).toBe("S: range@1 ");
      expect(run([yes, no])).toBe("F: range@1 ; range@1 ");
    },
  },
  {
    title: "V14 [TXN path] comparisons of nested txns see the state before any operation, along the taken branches",
    check(subject) {
      const store = newStore(subject);
      const missing = compare({ key: b("a") });
      const { response } = store.txn(
        txnRequest({
          success: [
            opPut("a", "1"),
            opTxn({
              compare: [missing],
              success: [
                opPut("b", "1"),
                opTxn({ compare: [compare({ key: b("b"), result: "GREATER" })], failure: [opGet("a")] }),
              ],
              failure: [opPut("c", "1")],
            }),
            opTxn({ compare: [compare({ key: b("a"), result: "GREATER" })], success: [opPut("d", "1")] }),
          ],
        }),
      );
      expect(answer(response)).toBe("S: put@2; txn@0 [S: put@2; txn@0 [F: range@2 a=1 c2 m2 v1]]; txn@0 [F: ]");
    },
  },
  {
    title: "V15 [TXN check] a failure on the taken path refuses the whole txn, before anything is done",
    check(subject) {
      const leases = new Leases([7n]);
      const store = newStore(subject, leases);
      store.put(put("a", "0"));
      store.put(put("a", "1"));
      store.compact(3);
      const refused = (...ops: readonly RequestOp[]): string =>
        errorOf(() => store.txn(txnRequest({ success: [opPut("b", "1", { lease: 7n }), opDelete("a"), ...ops] })));
      expect(refused(opPut("c", "", { lease: 9n }))).toBe(LEASE_NOT_FOUND);
      expect(refused(opPut("c", "", { ignoreValue: true }))).toBe(KEY_NOT_FOUND);
      expect(refused(opPut("c", "", { ignoreLease: true }))).toBe(KEY_NOT_FOUND);
      expect(refused(opGet("c", "", { revision: 4 }))).toBe(FUTURE);
      expect(refused(opGet("c", "", { revision: 2 }))).toBe(COMPACTED);
      expect(refused(opGet("c", "", { revision: -1 }))).toBe(COMPACTED);
      expect(refused(opTxn({ success: [opGet("c", "", { revision: 4 })] }))).toBe(FUTURE);
      expect(refused(opPut("c", "", { lease: 9n, ignoreValue: true }))).toBe(LEASE_NOT_FOUND);
      expect(refused(opGet("c", "", { revision: 4 }), opPut("c", "", { lease: 9n }))).toBe(FUTURE);
      expect([store.revision, keysOf(store.range(get("\0", "\0"))), leases.log]).toEqual([3, "a", []]);
    },
  },
  {
    title: "V15 [TXN check] what is wrong on a branch not taken does not matter",
    check(subject) {
      const store = newStore(subject);
      const wrong = [opGet("a", "", { revision: 99 }), opPut("c", "", { lease: 9n })];
      const { response } = store.txn(
        txnRequest({
          success: [opTxn({ compare: [compare({ key: b("x"), result: "GREATER" })], success: wrong })],
          failure: wrong,
        }),
      );
      expect(answer(response)).toBe("S: txn@0 [F: ]");
    },
  },
  {
    title: "V15 [TXN check] quirk: before any compaction a negative revision in a txn reads the newest",
    check(subject) {
      const store = newStore(subject);
      store.put(put("a", "0"));
      expect(answer(store.txn(txnRequest({ success: [opGet("a", "", { revision: -1 })] })).response)).toBe(
        "S: range@2 a=0 c2 m2 v1",
      );
      expect(errorOf(() => store.txn(txnRequest({ success: [opGet("a", "", { revision: -2 })] })))).toBe(COMPACTED);
    },
  },
  {
    title: "V15 [TXN check] a put that leans on a key which a from-key delete took before it finds no key",
    check(subject) {
      const store = newStore(subject);
      store.put(put("b", "0"));
      const leaning = opPut("b", "", { ignoreValue: true });
      expect(errorOf(() => store.txn(txnRequest({ success: [opDelete("a", "\0"), leaning] })))).toBe(KEY_NOT_FOUND);
      expect(
        errorOf(() => store.txn(txnRequest({ success: [opTxn({ success: [opDelete("b", "\0")] }), leaning] }))),
      ).toBe(KEY_NOT_FOUND);
      expect(answer(store.txn(txnRequest({ success: [leaning, opDelete("a", "\0")] })).response)).toBe(
        "S: put@3; delete@3 1",
      );
      store.put(put("b", "1"));
      expect(answer(store.txn(txnRequest({ success: [opDelete("c", "\0"), leaning] })).response)).toBe(
        "S: delete@4 0; put@5",
      );
    },
  },
  {
    title: "V3 [TXN prev_kv] of a put is the pair before it, one written by the same txn included",
    check(subject) {
      const store = newStore(subject);
      store.put(put("a", "0"));
      const { response } = store.txn(
        txnRequest({
          success: [
            opPut("a", "1", { prevKv: true }),
            opPut("b", "1", { prevKv: true }),
            opPut("a", "2", { prevKv: true }),
          ],
        }),
      );
      expect(answer(response)).toBe("S: put@3 was a=0 c2 m2 v1; put@3; put@3 was a=1 c2 m3 v2");
    },
  },
  {
    title: "V18 [TXN read-only] answers at the current revision and writes nothing",
    check(subject) {
      const store = newStore(subject);
      store.put(put("a", "0"));
      const { response, events } = store.txn(
        txnRequest({ success: [opGet("a"), opGet("\0", "\0", { countOnly: true })] }),
      );
      expect([response.header.revision, events.length, store.revision]).toEqual([2, 0, 2]);
      expect(answer(response)).toBe("S: range@2 a=0 c2 m2 v1; range@2 ");
    },
  },
];

/** A row as etcd stores it, encoded by hand. */
function storedRow(main: number, sub: number, record: string, tombstone: boolean): Uint8Array {
  const revision = (number: number): string => `\0\0\0\0\0\0\0${String.fromCharCode(number)}`;
  return b(`${revision(main)}_${revision(sub)}${tombstone ? "t" : ""}${record}`);
}

const compactionRules: readonly StoreRule[] = [
  {
    title: "V19 [COMPACT logical] takes effect at once: below is compacted, the revision itself can be read",
    check(subject) {
      const store = newStore(subject);
      fillForRange(store);
      store.compact(5);
      expect(store.compactRevision).toBe(5);
      expect(store.revision).toBe(7);
      expect(errorOf(() => store.range(get("a", "", { revision: 4 })))).toBe(COMPACTED);
      expect(pairs(store.range(get("c", "", { revision: 5 })))).toEqual(["c=9 c4 m4 v1"]);
      scrubAll(store, 2);
      expect(pairs(store.range(get("a", "z", { revision: 5 })))).toEqual([
        "a=0 c2 m2 v1",
        "b=3 c3 m3 v1",
        "c=9 c4 m4 v1",
        "d=0 c5 m5 v1",
      ]);
      expect(pairs(store.range(get("a", "z", { revision: 6 }))).length).toBe(4);
    },
  },
  {
    title: "V19 [COMPACT errors] at or below the compact revision is compacted, above the current one is future",
    check(subject) {
      const store = newStore(subject);
      store.put(put("a", "1"));
      store.put(put("a", "2"));
      expect(errorOf(() => store.compact(4))).toBe(FUTURE);
      store.compact(2);
      expect(errorOf(() => store.compact(2))).toBe(COMPACTED);
      expect(errorOf(() => store.compact(1))).toBe(COMPACTED);
      store.compact(3);
      expect(store.compactRevision).toBe(3);
    },
  },
  {
    title: "V19 [COMPACT zero] quirk: on a fresh store 0 succeeds once; below it is compacted from the start",
    check(subject) {
      const store = newStore(subject);
      expect(errorOf(() => store.compact(-1))).toBe(COMPACTED);
      store.compact(0);
      expect(errorOf(() => store.compact(0))).toBe(COMPACTED);
      expect(store.compactRevision).toBe(0);
      scrubAll(store, 10);
      store.put(put("a", "1"));
      expect(pairs(store.range(get("a", "", { revision: 1 })))).toEqual([]);
    },
  },
  {
    title: "V20 [COMPACT physical] removes the rows in steps of so many keys",
    check(subject) {
      const store = newStore(subject);
      for (let round = 0; round < 3; round++) for (let at = 0; at < 10; at++) store.put(put(`k${at}`, String(round)));
      store.deleteRange(del("k3"));
      store.compact(store.revision);
      expect(store.keys.rowCount).toBe(31);
      // The rows that the compaction is about to remove are hashed first.
      while (store.keys.rowCount === 31) expect(store.compactStep(4)).toBe(true);
      expect(store.keys.rowCount).toBeGreaterThan(20);
      scrubAll(store, 4);
      expect(store.keys.rowCount).toBe(10);
      expect(store.compactStep(4)).toBe(false);
      store.put(put("z", ""));
      store.compact(store.revision);
      scrubAll(store, 4);
      expect(store.keys.rowCount).toBe(10);
    },
  },
  {
    title: "V20 [COMPACT physical] a compaction during another lets that one end and follows it",
    check(subject) {
      const store = newStore(subject);
      for (let at = 0; at < 10; at++) store.put(put(`k${at}`, "old"));
      for (let at = 0; at < 10; at++) store.put(put(`k${at}`, "new"));
      store.compact(11);
      expect(store.compactStep(3)).toBe(true);
      store.compact(21);
      let steps = 1;
      while (store.compactStep(3)) steps++;
      expect(steps).toBeGreaterThan(5);
      expect(store.keys.rowCount).toBe(10);
    },
  },
  {
    title: "V20 [COMPACT reopen] revision, compact revision and unfinished physical work survive",
    async check(subject) {
      const store = newStore(subject);
      for (let round = 0; round < 2; round++) for (let at = 0; at < 10; at++) store.put(put(`k${at}`, String(round)));
      store.compact(15);
      store.compactStep(3);
      const again = new Store((await subject.reopen?.()) ?? subject.tables, new Leases([]));
      expect([again.revision, again.compactRevision]).toEqual([21, 15]);
      expect(errorOf(() => again.range(get("k1", "", { revision: 14 })))).toBe(COMPACTED);
      expect(again.compactStep(3)).toBe(true);
      scrubAll(again, 3);
      expect(again.keys.rowCount).toBe(16);
      expect(again.compactRevision).toBe(15);
    },
  },
  {
    title: "V20 [COMPACT reopen] a store whose last rows were all compacted still knows its revision",
    async check(subject) {
      const store = newStore(subject);
      store.put(put("a", "1"));
      store.deleteRange(del("a"));
      store.put(put("b", "1"));
      store.deleteRange(del("b"));
      store.compact(5);
      scrubAll(store, 10);
      const again = new Store((await subject.reopen?.()) ?? subject.tables, new Leases([]));
      expect(again.revision).toBe(5);
      expect(again.put(put("a", "2")).response.header.revision).toBe(6);
    },
  },
  {
    title: "V22 [HASH bytes] is CRC-32C over the bucket name and etcd's stored keys and records",
    check(subject) {
      const store = newStore(subject);
      expect(store.hashKv(0)).toEqual({ hash: crc32c(b("key")), hashRevision: 1, compactRevision: -1 });
      store.put(put("foo", "bar", { lease: 7n }));
      store.txn(txnRequest({ success: [opPut("empty", ""), opDelete("foo")] }));
      const rows = concatBytes(
        b("key"),
        storedRow(2, 0, "\x0a\x03foo\x10\x02\x18\x02\x20\x01\x2a\x03bar\x30\x07", false),
        storedRow(3, 0, "\x0a\x05empty\x10\x03\x18\x03\x20\x01", false),
        storedRow(3, 1, "\x0a\x03foo", true),
      );
      expect(store.hashKv(0)).toEqual({ hash: crc32c(rows), hashRevision: 3, compactRevision: -1 });
      expect(store.hashKv(2).hash).toBe(crc32c(rows.subarray(0, 3 + 17 + 18)));
    },
  },
  {
    title: "V22 [HASH errors] below the compact revision is compacted, above the current one is future",
    check(subject) {
      const store = newStore(subject);
      fillForRange(store);
      store.compact(4);
      expect(errorOf(() => store.hashKv(3))).toBe(COMPACTED);
      expect(errorOf(() => store.hashKv(8))).toBe(FUTURE);
      expect(store.hashKv(4).compactRevision).toBe(4);
    },
  },
  {
    title: "V22 [HASH compaction] does not depend on how far the physical compaction has come",
    check(subject) {
      const store = newStore(subject);
      fillForRange(store);
      store.deleteRange(del("b"));
      store.put(put("e", "1"));
      store.deleteRange(del("a"));
      store.compact(8);
      const revisions = [8, 9, 10, 0];
      const before = revisions.map((revision) => store.hashKv(revision).hash);
      expect(new Set(before.slice(0, 3)).size).toBe(3);
      scrubAll(store, 1);
      expect(revisions.map((revision) => store.hashKv(revision).hash)).toEqual(before);
    },
  },
  {
    title: "V22 [HASH compaction] leaves out what the newest compaction cut, as etcd does, also when no key lives",
    check(subject) {
      const store = newStore(subject);
      store.put(put("a", "1"));
      store.put(put("a", "2"));
      store.compact(3);
      const kept = storedRow(3, 0, "\x0a\x01a\x10\x02\x18\x03\x20\x02\x2a\x012", false);
      expect(store.hashKv(3).hash).toBe(crc32c(concatBytes(b("key"), kept)));
      store.deleteRange(del("a"));
      store.compact(4);
      expect(store.hashKv(0).hash).toBe(crc32c(b("key")));
      scrubAll(store, 10);
      expect(store.hashKv(0).hash).toBe(crc32c(b("key")));
      store.put(put("b", "1"));
      const other = storedRow(5, 0, "\x0a\x01b\x10\x05\x18\x05\x20\x01\x2a\x011", false);
      expect(store.hashKv(0).hash).toBe(crc32c(concatBytes(b("key"), other)));
    },
  },
  {
    title: "V22 [HASH steps] a walk in steps finds the same hash, whatever is written and compacted meanwhile",
    check(subject) {
      const store = newStore(subject);
      for (let at = 0; at < 20; at++) store.put(put(`k${at % 7}`, String(at)));
      store.compact(9);
      scrubAll(store, 10);
      const whole = store.hashKv(15);
      const walk = store.hashWalk(15);
      expect(walk.step(3, 1000)).toBeUndefined();
      store.deleteRange(del("k", "l"));
      store.compact(store.revision);
      let [hash, steps] = [walk.step(1000, 2), 2];
      for (; hash === undefined; steps++) hash = walk.step(1000, 2);
      expect(hash).toEqual(whole);
      expect(steps).toBeGreaterThan(5);
    },
  },
  {
    title: "V22 [HASH etcd] every hash of a history is that of etcd v3.7.1, those that compactions leave included",
    check(subject) {
      const store = newStore(subject);
      for (const line of HASH_HISTORY.trim().split("\n")) {
        const [hash, expected] = line.split(" = ");
        if (expected === undefined) doAsTold(store, line.replaceAll("-", "").split(" "));
        else expect(`${hash} = ${hashOf(store, Number(hash?.split(" ")[1]))}`).toBe(line);
      }
    },
  },
  {
    title: "V22 [HASH compactions] the ten newest are remembered, until the store is opened anew",
    async check(subject) {
      const store = newStore(subject);
      for (let revision = 2; revision <= 13; revision++) {
        store.put(put("a", String(revision)));
        store.compact(revision);
        scrubAll(store, 10);
      }
      expect(store.compactionHash(3)).toBeUndefined();
      expect(store.compactionHash(4)).toMatchObject({ hashRevision: 4, compactRevision: 3 });
      expect(store.compactionHash(13)).toMatchObject({ hashRevision: 13, compactRevision: 12 });
      const again = new Store((await subject.reopen?.()) ?? subject.tables, new Leases([]));
      expect(again.compactionHash(13)).toBeUndefined();
      expect(again.hashKv(13)).toMatchObject({ hashRevision: 13, compactRevision: 13 });
    },
  },
];

/** A line of HASH_HISTORY that changes something. */
function doAsTold(store: Store, [what, first = "", second = "", lease = "0"]: readonly string[]): void {
  if (what === "put") store.put(put(first, second, { lease: BigInt(lease) }));
  else if (what === "delete") store.deleteRange(del(first, second === "~" ? "\xff" : second));
  else if (what === "txn") store.txn(txnRequest({ success: [opPut(first, "t"), opDelete(second), opPut("zz", "t")] }));
  else {
    // Some were rejected.
    errorOf(() => store.compact(Number(first)));
    scrubAll(store, 3);
  }
}

/** In the form of a member's response. */
function hashOf(store: Store, revision: number): string {
  try {
    const found = store.compactionHash(revision) ?? store.hashKv(revision);
    return `${found.hash} ${found.compactRevision} ${found.hashRevision}`;
  } catch (error) {
    return error instanceof EtcdError ? (error.message.split("revision ")[1] ?? "") : String(error);
  }
}

export const storeRules: readonly StoreRule[] = [...basicRules, ...rangeRules, ...txnRules, ...compactionRules];
