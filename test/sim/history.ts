/** The requests and responses of clients, with the order of both. */

/** Keys that clients use are numbered. */
export const KEYS = 6;

export type Value = string | undefined;

export type Operation =
  | { readonly type: "put"; readonly key: number; readonly value: string }
  | { readonly type: "delete"; readonly key: number }
  | { readonly type: "get"; readonly key: number }
  /** Puts `value` if the key's value is `expected`; reads the key otherwise. */
  | { readonly type: "swap"; readonly key: number; readonly expected: string; readonly value: string }
  /** Puts `value` under both keys if the first one's value is `expected`; reads both otherwise. */
  | {
      readonly type: "pair";
      readonly key: number;
      readonly other: number;
      readonly expected: string;
      readonly value: string;
    }
  /** Reads all keys. */
  | { readonly type: "scan" }
  /** Reads all keys as the called member has them, however old that is. */
  | { readonly type: "peek" }
  /** Reads all keys as they were `back` revisions ago. */
  | { readonly type: "past"; readonly back: number };

export type Result =
  | { readonly type: "put" }
  | { readonly type: "delete"; readonly deleted: boolean }
  | { readonly type: "get"; readonly value: Value }
  | { readonly type: "swap"; readonly swapped: boolean; readonly value: Value }
  | { readonly type: "pair"; readonly swapped: boolean; readonly values: readonly Value[] }
  /** Values of all keys, as of revision `at`. */
  | { readonly type: "values"; readonly values: readonly Value[]; readonly at: number };

/** An interval of the run, bounded by positions in the order of all starts and ends. */
export interface Interval {
  readonly startOrder: number;
  /** Infinity: it is unknown whether the call took effect, or when. */
  readonly endOrder: number;
}

export interface Call extends Interval {
  readonly operation: Operation;
  readonly startMs: number;
  endOrder: number;
  result: Result | undefined;
  /** The revision in the response's header. */
  revision: number;
}

export class History {
  readonly calls: Call[] = [];
  #order = 0;

  start(operation: Operation, startMs: number): Call {
    const startOrder = this.#order++;
    const call: Call = { operation, startMs, startOrder, endOrder: Infinity, result: undefined, revision: 0 };
    this.calls.push(call);
    return call;
  }

  end(call: Call, result: Result, revision: number): void {
    call.endOrder = this.#order++;
    call.result = result;
    call.revision = revision;
  }
}

export function describeCall(call: Call): string {
  const { operation, result, startMs, revision } = call;
  const end = call.endOrder === Infinity ? "unknown" : `@${call.endOrder}`;
  const order = `[@${call.startOrder} ${end}]`;
  const answer = result === undefined ? "no answer" : `${JSON.stringify(result)} at revision ${revision}`;
  return `  ${startMs.toFixed(1)} ms ${order} ${JSON.stringify(operation)} → ${answer}`;
}
