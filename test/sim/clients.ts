/** Clients of the simulated cluster. Each sends one request at a time to one member, and gives up in the end. */
import type { Prng } from "../../src/base/prng.ts";
import { utf8Decode, utf8Encode } from "../../src/base/utf8.ts";
import type { Member } from "../../src/member/node/member.ts";
import type { Outcome } from "../../src/member/outcome.ts";
import { EtcdError } from "../../src/protocol/errors.ts";
import type { InternalRequest } from "../../src/protocol/peer/internal.ts";
import { compare, deleteRangeRequest, putRequest, rangeRequest } from "../../src/protocol/api/kv.ts";
import type {
  DeleteRangeResponse,
  PutResponse,
  RangeResponse,
  RequestOp,
  TxnResponse,
} from "../../src/protocol/api/kv.ts";
import type { EventQueue } from "./event-queue.ts";
import { KEYS } from "./history.ts";
import type { Call, History, Operation, Result, Value } from "./history.ts";
import { keyName } from "./reference-model.ts";

const GIVE_UP_MS = 4_000;
const KEY_BYTES: readonly Uint8Array[] = Array.from({ length: KEYS }, (_, key) => utf8Encode(keyName(key)));
const ALL_KEYS = { key: utf8Encode("key"), rangeEnd: utf8Encode("kez") };

export interface ClientHost {
  readonly queue: EventQueue;
  readonly prng: Prng;
  readonly history: History;
  /** Returns any member that is up; undefined if none is. */
  readonly pick: () => Member | undefined;
  /** How much longer all clients are silent. */
  readonly silentMs: () => number;
  /** Planted fault: a member that takes itself for the leader returns reads at once. */
  readonly trustsLeaders: boolean;
}

export class Client {
  readonly #host: ClientHost;
  readonly #id: number;
  #sequence = 0;
  #stopped = false;

  constructor(host: ClientHost, id: number) {
    this.#host = host;
    this.#id = id;
  }

  start(): void {
    this.#later();
  }

  stop(): void {
    this.#stopped = true;
  }

  #later(): void {
    const { queue, prng, silentMs } = this.#host;
    queue.after(silentMs() + prng.int(5, 150), () => this.#call());
  }

  #call(): void {
    if (this.#stopped) return;
    const { queue, history, pick, trustsLeaders } = this.#host;
    const member = pick();
    if (member === undefined) return this.#later();
    const operation = this.#draw();
    const call = history.start(operation, queue.nowMs);
    let over = false;
    const finish = (): void => {
      if (over) return;
      over = true;
      this.#later();
    };
    queue.after(GIVE_UP_MS, finish);
    execute(member, operation, trustsLeaders, (answer) => {
      // A response after giving up does not count.
      if (over) return;
      if (answer !== undefined) history.end(call, answer.result, answer.revision);
      finish();
    });
  }

  #draw(): Operation {
    const { prng } = this.#host;
    const key = prng.int(0, KEYS);
    const kind = prng.next();
    // Unique, so that a read reveals which write it saw.
    const value = `${this.#id}.${this.#sequence++}`;
    if (kind < 0.3) return { type: "put", key, value };
    if (kind < 0.37) return { type: "delete", key };
    if (kind < 0.57) return { type: "get", key };
    if (kind < 0.65) return { type: "scan" };
    if (kind < 0.7) return { type: "peek" };
    if (kind < 0.73) return { type: "past", back: prng.int(0, 30) };
    const expected = this.#lastSeen(key) ?? "";
    if (kind < 0.88) return { type: "swap", key, expected, value };
    return { type: "pair", key, other: (key + prng.int(1, KEYS)) % KEYS, expected, value };
  }

  /** A swap that always fails tests little: it expects the last value that is known to be written. */
  #lastSeen(key: number): Value {
    const { calls } = this.#host.history;
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

interface Answer {
  readonly result: Result;
  readonly revision: number;
}

type Done = (answer: Answer | undefined) => void;

function execute(member: Member, operation: Operation, trustsLeaders: boolean, done: Done): void {
  switch (operation.type) {
    case "put":
    case "delete":
    case "swap":
    case "pair":
      member.write(requestOf(operation), (outcome) => done(writeAnswer(operation, outcome)));
      return;
    case "get":
    case "scan":
      if (trustsLeaders && member.basicStatus().role === "leader") return done(readAnswer(member, operation));
      member.linearizable(
        () => done(readAnswer(member, operation)),
        () => done(undefined),
      );
      return;
    case "peek":
      return done(readAnswer(member, operation));
    case "past":
      return done(pastAnswer(member, operation.back));
  }
}

type Write = Extract<Operation, { type: "put" | "delete" | "swap" | "pair" }>;

function requestOf(operation: Write): InternalRequest {
  const key = KEY_BYTES[operation.key] as Uint8Array;
  switch (operation.type) {
    case "put":
      return { type: "put", put: putRequest({ key, value: utf8Encode(operation.value) }) };
    case "delete":
      return { type: "deleteRange", deleteRange: deleteRangeRequest({ key }) };
    case "swap":
    case "pair": {
      const expected = utf8Encode(operation.expected);
      const same = compare({ key, target: "VALUE", result: "EQUAL", targetUnion: { type: "value", value: expected } });
      const keys = operation.type === "swap" ? [key] : [key, KEY_BYTES[operation.other] as Uint8Array];
      const value = utf8Encode(operation.value);
      const success = keys.map((one): RequestOp => ({ type: "put", put: putRequest({ key: one, value }) }));
      const failure = keys.map((one): RequestOp => ({ type: "range", range: rangeRequest({ key: one }) }));
      return { type: "txn", txn: { compare: [same], success, failure } };
    }
  }
}

function writeAnswer(operation: Write, outcome: Outcome<unknown>): Answer | undefined {
  if (!outcome.ok) return undefined;
  if (operation.type === "put") {
    return { result: { type: "put" }, revision: (outcome.value as PutResponse).header.revision };
  }
  if (operation.type === "delete") {
    const response = outcome.value as DeleteRangeResponse;
    return { result: { type: "delete", deleted: response.deleted > 0 }, revision: response.header.revision };
  }
  const { header, succeeded, responses } = outcome.value as TxnResponse;
  const values = responses.map((one) => (one.type === "range" ? valueOf(one.range) : undefined));
  const result: Result =
    operation.type === "swap"
      ? { type: "swap", swapped: succeeded, value: values[0] }
      : { type: "pair", swapped: succeeded, values };
  return { result, revision: header.revision };
}

function readAnswer(member: Member, operation: Extract<Operation, { type: "get" | "scan" | "peek" }>): Answer {
  const { store } = member.machine;
  if (operation.type === "get") {
    const response = store.range(rangeRequest({ key: KEY_BYTES[operation.key] as Uint8Array }));
    return { result: { type: "get", value: valueOf(response) }, revision: response.header.revision };
  }
  const response = store.range(rangeRequest(ALL_KEYS));
  const { revision } = response.header;
  return { result: { type: "values", values: valuesOf(response), at: revision }, revision };
}

/** Compacted: no response. */
function pastAnswer(member: Member, back: number): Answer | undefined {
  const { store } = member.machine;
  const at = store.revision - back;
  if (at < 1) return undefined;
  try {
    const response = store.range(rangeRequest({ ...ALL_KEYS, revision: at }));
    return { result: { type: "values", values: valuesOf(response), at }, revision: response.header.revision };
  } catch (error) {
    if (error instanceof EtcdError && at < store.compactRevision) return undefined;
    throw error;
  }
}

function valuesOf(response: RangeResponse): readonly Value[] {
  const values: Value[] = Array.from({ length: KEYS }, () => undefined);
  for (const { key, value } of response.kvs) values[Number(utf8Decode(key).slice("key".length))] = utf8Decode(value);
  return values;
}

function valueOf(response: RangeResponse): Value {
  const first = response.kvs[0];
  return first === undefined ? undefined : utf8Decode(first.value);
}
