import { describe, expect, test } from "vitest";
import { History } from "./history.ts";
import type { Call, Operation, Result, Value } from "./history.ts";
import { checkKey } from "./linearizability.ts";
import type { CheckResult } from "./linearizability.ts";

const put = (value: string): Operation => ({ type: "put", key: 0, value });
const get: Operation = { type: "get", key: 0 };
const remove: Operation = { type: "delete", key: 0 };
const swap = (expected: string, value: string): Operation => ({ type: "swap", key: 0, expected, value });
const saw = (value: Value): Result => ({ type: "get", value });

/** "(" starts a call, ")" ends it with its result. A call that stays open never got a response. */
class Script {
  readonly history: History = new History();

  start(operation: Operation): Call {
    return this.history.start(operation, 0);
  }

  end(call: Call, result: Result): void {
    this.history.end(call, result, 0);
  }

  /** Makes one call, without overlap. */
  alone(operation: Operation, result: Result): void {
    this.end(this.start(operation), result);
  }

  get result(): CheckResult["type"] {
    return checkKey(this.history.calls, 0).type;
  }
}

describe("linearizable", () => {
  test("no calls", () => {
    expect(new Script().result).toBe("linearizable");
  });

  test("a read after a write that sees it", () => {
    const script = new Script();
    script.alone(put("a"), { type: "put" });
    script.alone(get, saw("a"));
    expect(script.result).toBe("linearizable");
  });

  test("a read during a write that sees the old value, or the new one", () => {
    for (const value of [undefined, "a"]) {
      const script = new Script();
      const write = script.start(put("a"));
      script.alone(get, saw(value));
      script.end(write, { type: "put" });
      expect(script.result).toBe("linearizable");
    }
  });

  test("an unanswered write that takes effect late, or never", () => {
    const late = new Script();
    late.start(put("a"));
    late.alone(put("b"), { type: "put" });
    late.alone(get, saw("b"));
    late.alone(get, saw("a"));
    expect(late.result).toBe("linearizable");
    const never = new Script();
    never.start(put("a"));
    never.alone(get, saw(undefined));
    expect(never.result).toBe("linearizable");
  });

  test("a delete that found a value of an unanswered write", () => {
    const script = new Script();
    script.start(put("a"));
    script.alone(remove, { type: "delete", deleted: true });
    script.alone(get, saw(undefined));
    expect(script.result).toBe("linearizable");
  });

  test("overlapping swaps, of which one wins", () => {
    const script = new Script();
    script.alone(put("a"), { type: "put" });
    const one = script.start(swap("a", "b"));
    const two = script.start(swap("a", "c"));
    script.end(one, { type: "swap", swapped: false, value: "c" });
    script.end(two, { type: "swap", swapped: true, value: undefined });
    script.alone(get, saw("c"));
    expect(script.result).toBe("linearizable");
  });

  test("many unanswered writes do not make the search endless", () => {
    const script = new Script();
    for (let at = 0; at < 60; at++) {
      script.start(put(`lost ${at}`));
      script.alone(put(`kept ${at}`), { type: "put" });
      script.alone(get, saw(at % 7 === 0 ? `lost ${at}` : `kept ${at}`));
    }
    expect(script.result).toBe("linearizable");
  });
});

test("a wrong guess changes no result", () => {
  const script = new Script();
  const lost = script.start(put("a"));
  script.alone(put("b"), { type: "put" });
  script.alone(get, saw("a"));
  for (const place of [Infinity, 0, 5]) {
    const result = checkKey(script.history.calls, 0, (call) => (call === lost ? place : 9 - call.startOrder));
    expect(result.type).toBe("linearizable");
  }
  script.alone(get, saw("b"));
  expect(checkKey(script.history.calls, 0, (call) => 9 - call.startOrder).type).toBe("not-linearizable");
});

test("a search that would take too long is undecided", () => {
  const script = new Script();
  for (let at = 0; at < 40; at++) script.start(put(`lost ${at}`));
  for (let at = 0; at < 39; at++) script.alone(remove, { type: "delete", deleted: true });
  script.alone(get, saw("nobody wrote this"));
  expect(script.result).toBe("undecided");
});

describe("not linearizable", () => {
  test("a read that misses a write that had ended", () => {
    const script = new Script();
    script.alone(put("a"), { type: "put" });
    script.alone(get, saw(undefined));
    expect(script.result).toBe("not-linearizable");
  });

  test("two reads during a write, of which the later one sees the older value", () => {
    const script = new Script();
    const write = script.start(put("a"));
    script.alone(get, saw("a"));
    script.alone(get, saw(undefined));
    script.end(write, { type: "put" });
    expect(script.result).toBe("not-linearizable");
  });

  test("a value that was never written", () => {
    const script = new Script();
    script.alone(put("a"), { type: "put" });
    script.alone(get, saw("b"));
    expect(script.result).toBe("not-linearizable");
  });

  test("a write that was lost", () => {
    const script = new Script();
    script.alone(put("a"), { type: "put" });
    script.alone(put("b"), { type: "put" });
    script.alone(get, saw("a"));
    expect(script.result).toBe("not-linearizable");
  });

  test("two swaps from the same value that both won", () => {
    const script = new Script();
    script.alone(put("a"), { type: "put" });
    const one = script.start(swap("a", "b"));
    const two = script.start(swap("a", "c"));
    script.end(one, { type: "swap", swapped: true, value: undefined });
    script.end(two, { type: "swap", swapped: true, value: undefined });
    expect(script.result).toBe("not-linearizable");
  });

  test("a delete that found nothing after a write", () => {
    const script = new Script();
    script.alone(put("a"), { type: "put" });
    script.alone(remove, { type: "delete", deleted: false });
    expect(script.result).toBe("not-linearizable");
  });

  test("an unanswered write that is seen before it started", () => {
    const script = new Script();
    script.alone(get, saw("a"));
    script.start(put("a"));
    expect(script.result).toBe("not-linearizable");
  });

  test("the half of a pair that is seen on this key too late", () => {
    const script = new Script();
    script.alone(put("a"), { type: "put" });
    script.alone(
      { type: "pair", key: 1, other: 0, expected: "x", value: "b" },
      { type: "pair", swapped: true, values: [] },
    );
    script.alone({ type: "scan" }, { type: "values", values: ["a", "b"], at: 0 });
    expect(script.result).toBe("not-linearizable");
  });
});
