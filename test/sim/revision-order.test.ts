import { describe, expect, test } from "vitest";
import { utf8Encode } from "../../src/base/utf8.ts";
import { internalRaftRequestSchema } from "../../src/protocol/peer/internal-schema.ts";
import { requestHeader } from "../../src/protocol/peer/internal.ts";
import { putRequest } from "../../src/protocol/api/kv.ts";
import { encode } from "../../src/protocol/codec/proto-codec.ts";
import { History, KEYS } from "./history.ts";
import type { Operation, Result, Value } from "./history.ts";
import { ReferenceModel, keyName } from "./reference-model.ts";
import { checkRevisionOrder } from "./revision-order.ts";

/** Returns a model after puts, one per revision from 2 on. */
function modelOf(...puts: readonly (readonly [key: number, value: string])[]): ReferenceModel {
  const model = new ReferenceModel();
  for (const [at, [key, value]] of puts.entries()) {
    const put = putRequest({ key: utf8Encode(keyName(key)), value: utf8Encode(value) });
    const data = encode(internalRaftRequestSchema, { header: requestHeader(), request: { type: "put", put } });
    model.apply({ type: "normal", term: 1, index: at + 1, data });
  }
  return model;
}

function check(model: ReferenceModel, ...calls: readonly (readonly [Operation, Result, number])[]): string | undefined {
  const history = new History();
  for (const [operation, result, revision] of calls) history.end(history.start(operation, 0), result, revision);
  return checkRevisionOrder(history.calls, model)?.split("\n")[0];
}

const get = (key: number): Operation => ({ type: "get", key });
const saw = (value: Value): Result => ({ type: "get", value });
const all = (...values: readonly Value[]): readonly Value[] => Array.from({ length: KEYS }, (_, key) => values[key]);

describe("a response is what the store held at its revision", () => {
  const model = modelOf([0, "a"], [1, "b"], [0, "c"]);

  test("correct responses pass", () => {
    const wrong = check(
      model,
      [{ type: "put", key: 0, value: "a" }, { type: "put" }, 2],
      [get(0), saw("a"), 3],
      [{ type: "scan" }, { type: "values", values: all("c", "b"), at: 4 }, 4],
      [{ type: "past", back: 2 }, { type: "values", values: all("a"), at: 2 }, 4],
    );
    expect(wrong).toBeUndefined();
  });

  test("a value of another revision is detected", () => {
    expect(check(model, [get(0), saw("a"), 4])).toBe("the key had another value");
  });

  test("a read of several keys that mixes two revisions is detected", () => {
    const mixed = all("c", undefined);
    const wrong = check(model, [{ type: "peek" }, { type: "values", values: mixed, at: 4 }, 4]);
    expect(wrong).toBe("key 1 was b at revision 4");
  });

  test("a revision that is not in the log is detected", () => {
    expect(check(model, [get(0), saw("c"), 5])).toBe("revision 5 was never agreed on");
  });

  test("a swap that failed although it should not have is detected", () => {
    const operation: Operation = { type: "swap", key: 0, expected: "c", value: "d" };
    const wrong = check(model, [operation, { type: "swap", swapped: false, value: "c" }, 4]);
    expect(wrong).toBe("the swap failed although the value was the expected one");
  });

  test("half a pair is detected", () => {
    const operation: Operation = { type: "pair", key: 0, other: 1, expected: "a", value: "c" };
    const wrong = check(model, [operation, { type: "pair", swapped: true, values: [] }, 4]);
    expect(wrong).toBe("the swap did not write all of it at this revision");
  });
});

describe("later calls return later revisions", () => {
  const model = modelOf([0, "a"], [1, "b"]);

  test("a read that goes back is detected, also if it is of another key", () => {
    expect(check(model, [get(1), saw("b"), 3], [get(0), saw("a"), 2])).toBe("revision 2 comes after revision 3");
  });

  test("a serializable read may go back", () => {
    const peek: readonly [Operation, Result, number] = [
      { type: "peek" },
      { type: "values", values: all("a"), at: 2 },
      2,
    ];
    expect(check(model, [get(1), saw("b"), 3], peek)).toBeUndefined();
  });

  test("an unanswered write that took effect before it started is detected", () => {
    const history = new History();
    history.end(history.start(get(1), 0), saw("b"), 3);
    history.start({ type: "put", key: 0, value: "a" }, 0);
    expect(checkRevisionOrder(history.calls, model)?.split("\n")[0]).toBe("revision 2 comes after revision 3");
  });
});

test("a value that is written twice is detected, because every client writes unique values", () => {
  const model = new ReferenceModel();
  const put = putRequest({ key: utf8Encode(keyName(0)), value: utf8Encode("a") });
  const data = encode(internalRaftRequestSchema, { header: requestHeader(), request: { type: "put", put } });
  expect(model.apply({ type: "normal", term: 1, index: 1, data })).toBeUndefined();
  expect(model.apply({ type: "normal", term: 1, index: 2, data })).toContain("written at revision 2 and again at 3");
});
