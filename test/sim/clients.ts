/** Clients of the simulated cluster: each asks one member at a time, one thing at a time, and gives up in the end. */
import type { Prng } from "../../src/base/prng.ts";
import { utf8Decode, utf8Encode } from "../../src/base/utf8.ts";
import type { Member } from "../../src/member/member.ts";
import type { Outcome } from "../../src/member/proposals.ts";
import type { InternalRequest } from "../../src/protocol/internal.ts";
import { compare, deleteRangeRequest, putRequest, rangeRequest } from "../../src/protocol/kv.ts";
import type { DeleteRangeResponse, PutResponse, RangeResponse, RequestOp, TxnResponse } from "../../src/protocol/kv.ts";
import type { EventQueue } from "./event-queue.ts";
import type { Call, History, Operation, Result } from "./history.ts";

const KEYS = 5;
const GIVE_UP_MS = 4_000;

export interface ClientHost {
  readonly queue: EventQueue;
  readonly prng: Prng;
  readonly history: History;
  /** A member to ask, whoever it is; undefined when none is up. */
  readonly pick: () => Member | undefined;
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
    this.#host.queue.after(this.#host.prng.int(5, 150), () => this.#ask());
  }

  #ask(): void {
    if (this.#stopped) return;
    const member = this.#host.pick();
    if (member === undefined) return this.#later();
    const operation = this.#draw();
    const call = this.#host.history.start(operation, this.#host.queue.nowMs);
    let over = false;
    const finish = (): void => {
      if (over) return;
      over = true;
      this.#later();
    };
    this.#host.queue.after(GIVE_UP_MS, finish);
    execute(member, operation, (answer) => {
      // An answer after giving up is no answer.
      if (over) return;
      if (answer !== undefined) this.#host.history.end(call, answer.result, answer.revision);
      finish();
    });
  }

  #draw(): Operation {
    const { prng } = this.#host;
    const key = prng.int(0, KEYS);
    const kind = prng.next();
    // Unique, so that a read tells which write it saw.
    const value = `${this.#id}.${this.#sequence++}`;
    if (kind < 0.35) return { type: "put", key, value };
    if (kind < 0.42) return { type: "delete", key };
    if (kind < 0.8) return { type: "get", key };
    return { type: "swap", key, expected: this.#lastSeen(key) ?? "", value };
  }

  /** A swap that always fails tests little: expect what was last written there, as far as anybody knows. */
  #lastSeen(key: number): string | undefined {
    const { calls } = this.#host.history;
    for (let at = calls.length - 1; at >= Math.max(0, calls.length - 60); at--) {
      const { operation, result } = calls[at] as Call;
      if (operation.key !== key || result === undefined) continue;
      if (operation.type === "put" || (result.type === "swap" && result.swapped)) {
        return operation.type === "put" || operation.type === "swap" ? operation.value : undefined;
      }
      if (result.type === "get") return result.value;
    }
    return undefined;
  }
}

interface Answer {
  readonly result: Result;
  readonly revision: number;
}

function execute(member: Member, operation: Operation, done: (answer: Answer | undefined) => void): void {
  if (operation.type !== "get") {
    member.write(requestOf(operation), (outcome) => done(writeAnswer(operation, outcome)));
    return;
  }
  member.linearizable(
    () => {
      const response = member.machine.store.range(rangeRequest({ key: keyOf(operation.key) }));
      done({ result: { type: "get", value: valueOf(response) }, revision: response.header.revision });
    },
    () => done(undefined),
  );
}

function requestOf(operation: Exclude<Operation, { type: "get" }>): InternalRequest {
  const key = keyOf(operation.key);
  switch (operation.type) {
    case "put":
      return { type: "put", put: putRequest({ key, value: utf8Encode(operation.value) }) };
    case "delete":
      return { type: "deleteRange", deleteRange: deleteRangeRequest({ key }) };
    case "swap": {
      const expected = utf8Encode(operation.expected);
      const same = compare({ key, target: "VALUE", result: "EQUAL", targetUnion: { type: "value", value: expected } });
      const success: RequestOp = { type: "put", put: putRequest({ key, value: utf8Encode(operation.value) }) };
      const failure: RequestOp = { type: "range", range: rangeRequest({ key }) };
      return { type: "txn", txn: { compare: [same], success: [success], failure: [failure] } };
    }
  }
}

function writeAnswer(operation: Operation, outcome: Outcome<unknown>): Answer | undefined {
  if (!outcome.ok) return undefined;
  if (operation.type === "put") {
    return { result: { type: "put" }, revision: (outcome.value as PutResponse).header.revision };
  }
  if (operation.type === "delete") {
    const response = outcome.value as DeleteRangeResponse;
    return { result: { type: "delete", deleted: response.deleted > 0 }, revision: response.header.revision };
  }
  const response = outcome.value as TxnResponse;
  const read = response.responses[0];
  const value = read?.type === "range" ? valueOf(read.range) : undefined;
  return { result: { type: "swap", swapped: response.succeeded, value }, revision: response.header.revision };
}

function keyOf(key: number): Uint8Array {
  return utf8Encode(`key${key}`);
}

function valueOf(response: RangeResponse): string | undefined {
  const first = response.kvs[0];
  return first === undefined ? undefined : utf8Decode(first.value);
}
