/**
 * Checks the calls on one key: is there an order of them, each somewhere between its start and its end, in which a
 * plain variable would have returned these results? The search of Wing and Gong with Lowe's memory: it remembers each
 * (set of calls done, value) that led nowhere. Linearizability is local, so keys are checked one by one. Of a call on
 * several keys, each key's part is checked here; revision-order.ts checks that the parts belong to one revision.
 *
 * The checker uses values alone, and trusts no revision that members report. Revisions only tell it where to look
 * first.
 */
import { describeCall } from "./history.ts";
import type { Call, Interval, Value } from "./history.ts";

/** The effect of a call on one key. Unanswered reads prove nothing and are left out. */
type Step =
  | { readonly type: "write"; readonly value: Value }
  /** Found the key (or not) and removed it. */
  | { readonly type: "remove"; readonly found: boolean }
  | { readonly type: "read"; readonly value: Value }
  /** Wrote because the key had the expected value. */
  | { readonly type: "swap"; readonly expected: Value; readonly value: Value }
  /** It is unknown whether it wrote. */
  | { readonly type: "maybe-swap"; readonly expected: Value; readonly value: Value };

interface KeyCall extends Interval {
  readonly step: Step;
  readonly call: Call;
  readonly guess: number;
}

/**
 * The place of a call in the order that is tried first; Infinity: it never took effect. A wrong guess only costs time.
 */
export type Guess = (call: Call) => number;

const IN_ORDER_OF_START: Guess = () => 0;
/** With a good guess a correct history is proved in as many steps as it has calls. All orders may be too many. */
const STATES_MAX = 50_000;

export type CheckResult =
  | { readonly type: "linearizable" }
  /** With the longest valid prefix, as text. */
  | { readonly type: "not-linearizable"; readonly because: string }
  | { readonly type: "undecided" };

export function checkKey(calls: readonly Call[], key: number, guess: Guess = IN_ORDER_OF_START): CheckResult {
  const onKey = callsOnKey(calls, key, guess);
  const likely = onKey.filter((call) => call.endOrder !== Infinity || call.guess !== Infinity);
  if (new Search(likely).run() === "linearizable") return { type: "linearizable" };
  const search = new Search(onKey);
  const type = search.run();
  return type === "not-linearizable" ? { type, because: search.explain() } : { type };
}

function callsOnKey(calls: readonly Call[], key: number, guess: Guess): readonly KeyCall[] {
  const onKey: KeyCall[] = [];
  for (const call of calls) {
    const step = stepOn(call, key);
    if (step === undefined) continue;
    const { startOrder, endOrder } = call;
    onKey.push({ step, call, startOrder, endOrder, guess: guess(call) });
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
      // They may be old, and are marked as such.
      return undefined;
  }
}

/** A failed swap has read. revision-order.ts checks that it failed rightly, by what it read. */
function readOther(value: Value): Step {
  return { type: "read", value };
}

/** A node of the search: the value there, and the calls that may come next. */
interface Frame {
  readonly value: Value;
  readonly candidates: readonly number[];
  tried: number;
  /** The call that led here. */
  readonly by: number | undefined;
}

class Search {
  readonly #calls: readonly KeyCall[];
  readonly #done: Uint8Array;
  readonly #dead: Set<string> = new Set();
  /** Number of answered calls that have no place yet. */
  #required: number;
  /** Everything before it is done, so the search starts here. */
  #firstOpen = 0;
  #best: readonly number[] = [];

  constructor(calls: readonly KeyCall[]) {
    this.#calls = calls;
    this.#done = new Uint8Array(calls.length);
    this.#required = calls.filter((call) => call.endOrder !== Infinity).length;
  }

  run(): CheckResult["type"] {
    const path: Frame[] = [{ value: undefined, candidates: this.#candidates(), tried: 0, by: undefined }];
    for (let frame = path.at(-1); frame !== undefined; frame = path.at(-1)) {
      if (this.#required === 0) return "linearizable";
      if (this.#dead.size > STATES_MAX) return "undecided";
      const at = frame.candidates[frame.tried++];
      if (at === undefined) {
        path.pop();
        if (frame.by !== undefined) this.#open(frame.by);
        continue;
      }
      const { step, endOrder } = this.#at(at);
      if (!fits(step, frame.value)) continue;
      const value = after(step, frame.value);
      // A call that may be left out, and changes nothing, is left out.
      if (endOrder === Infinity && value === frame.value) continue;
      this.#close(at);
      if (this.#isDead(value)) {
        this.#open(at);
        continue;
      }
      path.push({ value, candidates: this.#candidates(), tried: 0, by: at });
      if (path.length > this.#best.length + 1) this.#best = path.slice(1).map((one) => one.by as number);
    }
    return "not-linearizable";
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

  /** Returns the calls that may come now: they started before every unplaced call ended. The likeliest come first. */
  #candidates(): readonly number[] {
    const candidates: number[] = [];
    let firstEnd = Infinity;
    for (let at = this.#firstOpen; at < this.#calls.length; at++) {
      if (this.#done[at] === 1) continue;
      const call = this.#at(at);
      // Later calls start later still, so none of them ended before this one started.
      if (call.startOrder > firstEnd) break;
      candidates.push(at);
      firstEnd = Math.min(firstEnd, call.endOrder);
    }
    return candidates.sort((left, right) => this.#at(left).guess - this.#at(right).guess || left - right);
  }

  #close(at: number): void {
    this.#done[at] = 1;
    if (this.#at(at).endOrder !== Infinity) this.#required--;
    while (this.#firstOpen < this.#calls.length && this.#done[this.#firstOpen] === 1) this.#firstOpen++;
  }

  #open(at: number): void {
    this.#done[at] = 0;
    if (this.#at(at).endOrder !== Infinity) this.#required++;
    this.#firstOpen = Math.min(this.#firstOpen, at);
  }

  /** Returns whether these calls and this value were met before, and marks them as met. */
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
