/**
 * Is there an order of the calls on one key, each somewhere between its start and its end, in which a plain variable
 * would have given these answers? The search of Wing and Gong with Lowe's memory: remember each (set of calls done,
 * value) that led nowhere. Linearizability is local, so keys are checked one by one.
 */
import type { Call, Operation, Result } from "./history.ts";

/** Returns undefined when the calls are linearizable, else the longest prefix that is, in words. */
export function checkKey(calls: readonly Call[]): string | undefined {
  const relevant = withoutUnanswered(calls);
  const sorted = [...relevant].sort((left, right) => left.startOrder - right.startOrder);
  const search = new Search(sorted);
  if (search.run()) return undefined;
  return search.explain();
}

/**
 * A read that nobody answered tells nothing. Unanswered writes stay, even those whose value nobody read: a delete that
 * found something may have found theirs.
 */
function withoutUnanswered(calls: readonly Call[]): readonly Call[] {
  return calls.filter(({ result, operation }) => result !== undefined || operation.type !== "get");
}

interface Frame {
  readonly at: number;
  readonly value: string | undefined;
}

class Search {
  readonly #calls: readonly Call[];
  readonly #done: Uint8Array;
  readonly #dead: Set<string> = new Set();
  #best: readonly number[] = [];

  constructor(calls: readonly Call[]) {
    this.#calls = calls;
    this.#done = new Uint8Array(calls.length);
  }

  run(): boolean {
    const path: Frame[] = [];
    let value: string | undefined;
    let from = 0;
    let required = this.#calls.filter((call) => call.endOrder !== Infinity).length;
    for (;;) {
      if (required === 0) return true;
      const next = this.#next(from, value);
      if (next !== undefined) {
        const call = this.#calls[next] as Call;
        path.push({ at: next, value });
        this.#done[next] = 1;
        if (call.endOrder !== Infinity) required--;
        value = effect(call.operation, value);
        from = 0;
        if (this.#isDead(value)) from = this.#calls.length;
        else if (path.length > this.#best.length) this.#best = path.map((frame) => frame.at);
        continue;
      }
      const last = path.pop();
      if (last === undefined) return false;
      this.#done[last.at] = 0;
      if ((this.#calls[last.at] as Call).endOrder !== Infinity) required++;
      value = last.value;
      from = last.at + 1;
    }
  }

  explain(): string {
    const lines = this.#best.map((at) => describe(this.#calls[at] as Call));
    const rest = this.#calls.filter((_, at) => !this.#best.includes(at)).slice(0, 6);
    return `${lines.slice(-8).join("\n")}\n  and then none of\n${rest.map(describe).join("\n")}`;
  }

  /** The next call at or after `from` that may come now: it started before every call that is not done ended. */
  #next(from: number, value: string | undefined): number | undefined {
    let firstEnd = Infinity;
    for (let at = 0; at < this.#calls.length; at++) {
      const call = this.#calls[at] as Call;
      if (this.#done[at] === 1) continue;
      if (call.startOrder > firstEnd) break;
      firstEnd = Math.min(firstEnd, call.endOrder);
    }
    for (let at = from; at < this.#calls.length; at++) {
      const call = this.#calls[at] as Call;
      if (call.startOrder > firstEnd) break;
      if (this.#done[at] === 0 && fits(call.operation, call.result, value)) return at;
    }
    return undefined;
  }

  /** Whether these calls and this value were met before; marks them as met. */
  #isDead(value: string | undefined): boolean {
    let first = 0;
    while (first < this.#done.length && this.#done[first] === 1) first++;
    let last = this.#done.length - 1;
    while (last >= first && this.#done[last] === 0) last--;
    const key = `${first}:${this.#done.subarray(first, last + 1).join("")}:${value ?? ""}`;
    if (this.#dead.has(key)) return true;
    this.#dead.add(key);
    return false;
  }
}

function effect(operation: Operation, value: string | undefined): string | undefined {
  switch (operation.type) {
    case "get":
      return value;
    case "put":
      return operation.value;
    case "delete":
      return undefined;
    case "swap":
      return value === operation.expected ? operation.value : value;
  }
}

function fits(operation: Operation, result: Result | undefined, value: string | undefined): boolean {
  if (result === undefined || result.type === "put") return true;
  if (result.type === "get") return result.value === value;
  if (result.type === "delete") return result.deleted === (value !== undefined);
  const swaps = operation.type === "swap" && value === operation.expected;
  return result.swapped === swaps && (swaps || result.value === value);
}

function describe(call: Call): string {
  const { operation, result, startMs } = call;
  const end = call.endOrder === Infinity ? "unknown" : `@${call.endOrder}`;
  return `  ${startMs.toFixed(1)} ms [@${call.startOrder} ${end}] ${JSON.stringify(operation)} → ${JSON.stringify(result)} at revision ${call.revision}`;
}
