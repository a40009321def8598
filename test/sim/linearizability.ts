/**
 * Is there an order of the calls on one key, each somewhere between its start and its end, in which a plain variable
 * would have given these answers? The search of Wing and Gong with Lowe's memory: remember each (set of calls done,
 * value) that led nowhere. Linearizability is local, so keys are checked one by one; of calls on several keys, each
 * key's part is checked here, and that the parts belong together by revision-order.ts.
 *
 * This checker believes nothing that members say of revisions. It looks at values alone.
 */
import { describeCall } from "./history.ts";
import type { Call, Interval, Value } from "./history.ts";

/** What a call did to one key. Unanswered reads say nothing and are left out. */
export type Step =
  | { readonly type: "write"; readonly value: Value }
  /** Found the key (or not) and removed it. */
  | { readonly type: "remove"; readonly found: boolean }
  | { readonly type: "read"; readonly value: Value }
  /** Wrote because the key had the expected value. */
  | { readonly type: "swap"; readonly expected: Value; readonly value: Value }
  /** Nobody knows whether it wrote. */
  | { readonly type: "maybe-swap"; readonly expected: Value; readonly value: Value };

export interface KeyCall extends Interval {
  readonly step: Step;
  readonly call: Call;
}

/** Returns undefined when the calls on the key are linearizable, else the longest prefix that is, in words. */
export function checkKey(calls: readonly Call[], key: number): string | undefined {
  const search = new Search(callsOnKey(calls, key));
  return search.run() ? undefined : search.explain();
}

function callsOnKey(calls: readonly Call[], key: number): readonly KeyCall[] {
  const onKey: KeyCall[] = [];
  for (const call of calls) {
    const step = stepOn(call, key);
    if (step !== undefined) onKey.push({ step, call, startOrder: call.startOrder, endOrder: call.endOrder });
  }
  return onKey.sort((left, right) => left.startOrder - right.startOrder);
}

function stepOn({ operation, result }: Call, key: number): Step | undefined {
  switch (operation.type) {
    case "put":
      return operation.key === key ? { type: "write", value: operation.value } : undefined;
    case "delete":
      if (operation.key !== key) return undefined;
      return result?.type === "delete"
        ? { type: "remove", found: result.deleted }
        : { type: "write", value: undefined };
    case "get":
      return operation.key === key && result?.type === "get" ? { type: "read", value: result.value } : undefined;
    case "swap": {
      if (operation.key !== key) return undefined;
      const { expected, value } = operation;
      if (result?.type !== "swap") return { type: "maybe-swap", expected, value };
      return result.swapped ? { type: "swap", expected, value } : readOther(result.value);
    }
    case "pair": {
      if (operation.key !== key && operation.other !== key) return undefined;
      const { expected, value } = operation;
      const isFirst = operation.key === key;
      if (result?.type !== "pair") return isFirst ? { type: "maybe-swap", expected, value } : { type: "write", value };
      if (!result.swapped) return readOther(result.values[isFirst ? 0 : 1]);
      return isFirst ? { type: "swap", expected, value } : { type: "write", value };
    }
    case "scan":
      return result?.type === "values" ? { type: "read", value: result.values[key] } : undefined;
    case "peek":
    case "past":
      // They may be old, and say so.
      return undefined;
  }
}

/** A swap that failed has read; that it failed rightly is clear from what it read, which revision-order.ts checks. */
function readOther(value: Value): Step {
  return { type: "read", value };
}

interface Frame {
  readonly at: number;
  readonly value: Value;
}

class Search {
  readonly #calls: readonly KeyCall[];
  readonly #done: Uint8Array;
  readonly #dead: Set<string> = new Set();
  /** Everything before it is done; the search never has to look there again. */
  #firstOpen = 0;
  #best: readonly number[] = [];

  constructor(calls: readonly KeyCall[]) {
    this.#calls = calls;
    this.#done = new Uint8Array(calls.length);
  }

  run(): boolean {
    const path: Frame[] = [];
    let value: Value;
    let from = 0;
    let required = this.#calls.filter((call) => call.endOrder !== Infinity).length;
    while (required > 0) {
      const next = this.#next(from, value);
      if (next === undefined) {
        const last = path.pop();
        if (last === undefined) return false;
        this.#open(last.at);
        if (this.#at(last.at).endOrder !== Infinity) required++;
        value = last.value;
        from = last.at + 1;
        continue;
      }
      const call = this.#at(next);
      path.push({ at: next, value });
      this.#close(next);
      if (call.endOrder !== Infinity) required--;
      value = after(call.step, value);
      from = 0;
      if (this.#isDead(value)) from = this.#calls.length;
      else if (path.length > this.#best.length) this.#best = path.map((frame) => frame.at);
    }
    return true;
  }

  explain(): string {
    const lines = this.#best.map((at) => describeCall(this.#at(at).call));
    const rest = this.#calls.filter((_, at) => !this.#best.includes(at)).slice(0, 6);
    const open = rest.map(({ call }) => describeCall(call));
    return `${lines.slice(-8).join("\n")}\n  and then none of\n${open.join("\n")}`;
  }

  #at(at: number): KeyCall {
    return this.#calls[at] as KeyCall;
  }

  /** The next call at or after `from` that may come now: it started before every call that is not done ended. */
  #next(from: number, value: Value): number | undefined {
    let firstEnd = Infinity;
    for (let at = this.#firstOpen; at < this.#calls.length; at++) {
      if (this.#done[at] === 1) continue;
      const call = this.#at(at);
      if (call.startOrder > firstEnd) return undefined;
      // Calls further on start later still, so none of them ended before this one started.
      if (at >= from && fits(call.step, value)) return at;
      firstEnd = Math.min(firstEnd, call.endOrder);
    }
    return undefined;
  }

  #close(at: number): void {
    this.#done[at] = 1;
    while (this.#firstOpen < this.#calls.length && this.#done[this.#firstOpen] === 1) this.#firstOpen++;
  }

  #open(at: number): void {
    this.#done[at] = 0;
    this.#firstOpen = Math.min(this.#firstOpen, at);
  }

  /** Whether these calls and this value were met before; marks them as met. */
  #isDead(value: Value): boolean {
    const first = this.#firstOpen;
    let last = this.#done.length - 1;
    while (last >= first && this.#done[last] === 0) last--;
    const key = `${first}:${this.#done.subarray(first, last + 1).join("")}:${value ?? ""}`;
    if (this.#dead.has(key)) return true;
    this.#dead.add(key);
    return false;
  }
}

function fits(step: Step, value: Value): boolean {
  switch (step.type) {
    case "write":
    case "maybe-swap":
      return true;
    case "remove":
      return step.found === (value !== undefined);
    case "read":
      return step.value === value;
    case "swap":
      return step.expected === value;
  }
}

function after(step: Step, value: Value): Value {
  switch (step.type) {
    case "write":
      return step.value;
    case "remove":
      return undefined;
    case "read":
      return value;
    case "swap":
      return step.value;
    case "maybe-swap":
      return value === step.expected ? step.value : value;
  }
}
