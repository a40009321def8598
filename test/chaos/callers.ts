/** Clients of real members: each makes one call at a time, over whatever reaches one, gives up in the end, and records both. */
import type { Prng } from "../../src/base/prng.ts";
import { utf8Decode, utf8Encode } from "../../src/base/utf8.ts";
import type { KvService } from "../../src/member/api/services.ts";
import { compare, deleteRangeRequest, putRequest, rangeRequest } from "../../src/protocol/api/kv.ts";
import type { RangeResponse, RequestOp } from "../../src/protocol/api/kv.ts";
import { KEYS } from "../sim/history.ts";
import type { Call, History, Operation, Result, Value } from "../sim/history.ts";
import { keyName } from "../sim/reference-model.ts";
import { sleep } from "./nemesis.ts";

const GIVE_UP_MS = 8_000;
const PAUSE_MS = 40;
const ALL_KEYS = { key: utf8Encode("key"), rangeEnd: utf8Encode("kez") };

/** The unary part of etcd's KV service, over any transport. */
export type Kv = Pick<KvService, "put" | "range" | "deleteRange" | "txn">;

/** What a member answers, and at which revision. */
export interface Answer {
  readonly result: Result;
  readonly revision: number;
}

/** Asks one member to do the operation. */
export type Ask = (operation: Operation) => Promise<Answer>;

export class Caller {
  readonly #id: number;
  readonly #members: readonly Ask[];
  readonly #history: History;
  readonly #prng: Prng;
  readonly #pauseMs: number;
  readonly #startedMs: number = Date.now();
  #sequence = 0;
  #stopped = false;

  constructor(id: number, members: readonly Ask[], history: History, prng: Prng, pauseMs: number = PAUSE_MS) {
    this.#id = id;
    this.#members = members;
    this.#history = history;
    this.#prng = prng;
    this.#pauseMs = pauseMs;
  }

  stop(): void {
    this.#stopped = true;
  }

  async run(): Promise<void> {
    while (!this.#stopped) {
      const operation = this.#draw();
      const ask = this.#prng.pick(this.#members);
      const call = this.#history.start(operation, Date.now() - this.#startedMs);
      let over = false;
      // A response after giving up does not count.
      const answered = ask(operation).then(
        ({ result, revision }) => {
          if (!over) this.#history.end(call, result, revision);
        },
        () => undefined,
      );
      await Promise.race([answered, sleep(GIVE_UP_MS)]);
      over = true;
      await sleep(this.#prng.int(Math.floor(this.#pauseMs / 8), 2 * this.#pauseMs));
    }
  }

  #draw(): Operation {
    const key = this.#prng.int(0, KEYS);
    const kind = this.#prng.next();
    // Unique, so that a read reveals which write it saw.
    const value = `${this.#id}.${this.#sequence++}`;
    if (kind < 0.35) return { type: "put", key, value };
    if (kind < 0.42) return { type: "delete", key };
    if (kind < 0.6) return { type: "get", key };
    if (kind < 0.68) return { type: "scan" };
    if (kind < 0.72) return { type: "peek" };
    const expected = this.#lastSeen(key) ?? "";
    if (kind < 0.88) return { type: "swap", key, expected, value };
    return { type: "pair", key, other: (key + this.#prng.int(1, KEYS)) % KEYS, expected, value };
  }

  /** A swap that always fails tests little. */
  #lastSeen(key: number): Value {
    const { calls } = this.#history;
    for (let at = calls.length - 1; at >= Math.max(0, calls.length - 60); at--) {
      const { operation, result } = calls[at] as Call;
      if (!("key" in operation) || operation.key !== key || result === undefined) continue;
      if (result.type === "get") return result.value;
      const wrote = result.type === "put" || ((result.type === "swap" || result.type === "pair") && result.swapped);
      if (wrote && "value" in operation) return operation.value;
    }
    return undefined;
  }
}

/** Asks by etcd's KV service. */
export function askKv(kv: Kv): Ask {
  return (operation) => execute(kv, operation);
}

async function execute(kv: Kv, operation: Operation): Promise<Answer> {
  const context = { token: "", requireLeader: false };
  switch (operation.type) {
    case "put": {
      const put = putRequest({ key: bytesOf(operation.key), value: utf8Encode(operation.value) });
      return { result: { type: "put" }, revision: (await kv.put(put, context)).header.revision };
    }
    case "delete": {
      const { deleted, header } = await kv.deleteRange(deleteRangeRequest({ key: bytesOf(operation.key) }), context);
      return { result: { type: "delete", deleted: deleted > 0 }, revision: header.revision };
    }
    case "get": {
      const response = await kv.range(rangeRequest({ key: bytesOf(operation.key) }), context);
      return { result: { type: "get", value: valueOf(response) }, revision: response.header.revision };
    }
    case "scan":
    case "peek":
    case "past": {
      const response = await kv.range(rangeRequest({ ...ALL_KEYS, serializable: operation.type === "peek" }), context);
      const { revision } = response.header;
      return { result: { type: "values", values: valuesOf(response), at: revision }, revision };
    }
    case "swap":
    case "pair":
      return swap(kv, operation);
  }
}

async function swap(kv: Kv, operation: Extract<Operation, { type: "swap" | "pair" }>): Promise<Answer> {
  const { type, expected } = operation;
  const key = bytesOf(operation.key);
  const value = utf8Encode(operation.value);
  const same = compare({
    key,
    target: "VALUE",
    result: "EQUAL",
    targetUnion: { type: "value", value: utf8Encode(expected) },
  });
  const keys = operation.type === "swap" ? [key] : [key, bytesOf(operation.other)];
  const success = keys.map((one): RequestOp => ({ type: "put", put: putRequest({ key: one, value }) }));
  const failure = keys.map((one): RequestOp => ({ type: "range", range: rangeRequest({ key: one }) }));
  const response = await kv.txn({ compare: [same], success, failure }, { token: "", requireLeader: false });
  const values = response.responses.map((one) => (one.type === "range" ? valueOf(one.range) : undefined));
  const { succeeded: swapped } = response;
  const result: Result = type === "swap" ? { type, swapped, value: values[0] } : { type, swapped, values };
  return { result, revision: response.header.revision };
}

function bytesOf(key: number): Uint8Array {
  return utf8Encode(keyName(key));
}

function valueOf(response: RangeResponse): Value {
  const first = response.kvs[0];
  return first === undefined ? undefined : utf8Decode(first.value);
}

function valuesOf(response: RangeResponse): readonly Value[] {
  const values: Value[] = Array.from({ length: KEYS }, () => undefined);
  for (const { key, value } of response.kvs) values[Number(utf8Decode(key).slice("key".length))] = utf8Decode(value);
  return values;
}
