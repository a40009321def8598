import { describe, expect, test } from "vitest";
import { History } from "./history.ts";
import type { Call, Operation, Result, Value } from "./history.ts";
import { checkKey } from "./linearizability.ts";
import type { Verdict } from "./linearizability.ts";

const put = (value: string): Operation => ({ type: "put", key: 0, value });
const get: Operation = { type: "get", key: 0 };
const remove: Operation = { type: "delete", key: 0 };
const swap = (expected: string, value: string): Operation => ({ type: "swap", key: 0, expected, value });
const saw = (value: Value): Result => ({ type: "get", value });

/** "(" starts a call, ")" ends it with its result; what is left open was never answered. */
class Script {
  readonly history: History = new History();

  start(operation: Operation): Call {
    return this.history.start(operation, 0);
  }

  end(call: Call, result: Result): void {
    this.history.end(call, result, 0);
  }

  /** One call, alone. */
  alone(operation: Operation, result: Result): void {
    this.end(this.start(operation), result);
  }

  get verdict(): Verdict["type"] {
    return checkKey(this.history.calls, 0).type;
  }
}

describe("linearizable", () => {
  test("nothing at all", () => {
    expect(new Script().verdict).toBe("linearizable");
  });

  test("a read after a write that sees it", () => {
    const script = new Script();
    script.alone(put("a"), { type: "put" });
    script.alone(get, saw("a"));
    expect(script.verdict).toBe("linearizable");
  });

  test("a read during a write that sees the old value, or the new one", () => {
    for (const value of [undefined, "a"]) {
      const script = new Script();
      const write = script.start(put("a"));
      script.alone(get, saw(value));
      script.end(write, { type: "put" });
      expect(script.verdict).toBe("linearizable");
    }
  });

  test("an unanswered write that takes effect late, or never", () => {
    const late = new Script();
    late.start(put("a"));
    late.alone(put("b"), { type: "put" });
    late.alone(get, saw("b"));
    late.alone(get, saw("a"));
    expect(late.verdict).toBe("linearizable");
    const never = new Script();
    never.start(put("a"));
    never.alone(get, saw(undefined));
    expect(never.verdict).toBe("linearizable");
  });

  test("a delete that found what only an unanswered write can have written", () => {
    const script = new Script();
    script.start(put("a"));
    script.alone(remove, { type: "delete", deleted: true });
    script.alone(get, saw(undefined));
    expect(script.verdict).toBe("linearizable");
  });

  test("swaps that overlap, of which one wins", () => {
    const script = new Script();
    script.alone(put("a"), { type: "put" });
    const one = script.start(swap("a", "b"));
    const two = script.start(swap("a", "c"));
    script.end(one, { type: "swap", swapped: false, value: "c" });
    script.end(two, { type: "swap", swapped: true, value: undefined });
    script.alone(get, saw("c"));
    expect(script.verdict).toBe("linearizable");
  });

  test("many writes that nobody answered do not make the search endless", () => {
    const script = new Script();
    for (let at = 0; at < 60; at++) {
      script.start(put(`lost ${at}`));
      script.alone(put(`kept ${at}`), { type: "put" });
      script.alone(get, saw(at % 7 === 0 ? `lost ${at}` : `kept ${at}`));
    }
    expect(script.verdict).toBe("linearizable");
  });
});

test("a guess that is wrong changes no verdict", () => {
  const script = new Script();
  const lost = script.start(put("a"));
  script.alone(put("b"), { type: "put" });
  script.alone(get, saw("a"));
  for (const place of [Infinity, 0, 5]) {
    const verdict = checkKey(script.history.calls, 0, (call) => (call === lost ? place : 9 - call.startOrder));
    expect(verdict.type).toBe("linearizable");
  }
  script.alone(get, saw("b"));
  expect(checkKey(script.history.calls, 0, (call) => 9 - call.startOrder).type).toBe("not-linearizable");
});

test("what would take for ever is left undecided", () => {
  const script = new Script();
  for (let at = 0; at < 40; at++) script.start(put(`lost ${at}`));
  for (let at = 0; at < 39; at++) script.alone(remove, { type: "delete", deleted: true });
  script.alone(get, saw("nobody wrote this"));
  expect(script.verdict).toBe("undecided");
});

describe("not linearizable", () => {
  test("a read that misses a write that had ended", () => {
    const script = new Script();
    script.alone(put("a"), { type: "put" });
    script.alone(get, saw(undefined));
    expect(script.verdict).toBe("not-linearizable");
  });

  test("two reads during a write, of which the later one sees the older value", () => {
    const script = new Script();
    const write = script.start(put("a"));
    script.alone(get, saw("a"));
    script.alone(get, saw(undefined));
    script.end(write, { type: "put" });
    expect(script.verdict).toBe("not-linearizable");
  });

  test("a value that nobody wrote", () => {
    const script = new Script();
    script.alone(put("a"), { type: "put" });
    script.alone(get, saw("b"));
    expect(script.verdict).toBe("not-linearizable");
  });

  test("a write that was lost", () => {
    const script = new Script();
    script.alone(put("a"), { type: "put" });
    script.alone(put("b"), { type: "put" });
    script.alone(get, saw("a"));
    expect(script.verdict).toBe("not-linearizable");
  });

  test("two swaps from the same value that both won", () => {
    const script = new Script();
    script.alone(put("a"), { type: "put" });
    const one = script.start(swap("a", "b"));
    const two = script.start(swap("a", "c"));
    script.end(one, { type: "swap", swapped: true, value: undefined });
    script.end(two, { type: "swap", swapped: true, value: undefined });
    expect(script.verdict).toBe("not-linearizable");
  });

  test("a delete that found nothing after a write", () => {
    const script = new Script();
    script.alone(put("a"), { type: "put" });
    script.alone(remove, { type: "delete", deleted: false });
    expect(script.verdict).toBe("not-linearizable");
  });

  test("an unanswered write that is seen before it was asked for", () => {
    const script = new Script();
    script.alone(get, saw("a"));
    script.start(put("a"));
    expect(script.verdict).toBe("not-linearizable");
  });

  test("the half of a pair that is seen on this key too late", () => {
    const script = new Script();
    script.alone(put("a"), { type: "put" });
    script.alone(
      { type: "pair", key: 1, other: 0, expected: "x", value: "b" },
      { type: "pair", swapped: true, values: [] },
    );
    script.alone({ type: "scan" }, { type: "values", values: ["a", "b"], at: 0 });
    expect(script.verdict).toBe("not-linearizable");
  });
});
