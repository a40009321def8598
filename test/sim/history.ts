/** What clients asked and were answered, with the times of both. */

export type Operation =
  | { readonly type: "put"; readonly key: number; readonly value: string }
  | { readonly type: "delete"; readonly key: number }
  | { readonly type: "get"; readonly key: number }
  /** Puts `value` if the key's value is `expected`; reads the key otherwise. */
  | { readonly type: "swap"; readonly key: number; readonly expected: string; readonly value: string };

export type Result =
  | { readonly type: "put" }
  | { readonly type: "delete"; readonly deleted: boolean }
  | { readonly type: "get"; readonly value: string | undefined }
  | { readonly type: "swap"; readonly swapped: boolean; readonly value: string | undefined };

export interface Call {
  readonly operation: Operation;
  readonly startMs: number;
  /** Order of starts and ends, because several happen at the same time. */
  readonly startOrder: number;
  /** Infinity: nobody knows whether it happened, or when. */
  endOrder: number;
  result: Result | undefined;
  /** Of the answer. */
  revision: number;
}

export class History {
  readonly calls: Call[] = [];
  #order = 0;

  start(operation: Operation, startMs: number): Call {
    const call: Call = {
      operation,
      startMs,
      startOrder: this.#order++,
      endOrder: Infinity,
      result: undefined,
      revision: 0,
    };
    this.calls.push(call);
    return call;
  }

  end(call: Call, result: Result, revision: number): void {
    call.endOrder = this.#order++;
    call.result = result;
    call.revision = revision;
  }
}
