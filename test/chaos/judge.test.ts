/** The judgement of chaos goes against what it should: a hand-made run with one thing wrong at a time. */
import { expect, test } from "vitest";
import { utf8Encode } from "../../src/base/utf8.ts";
import { History } from "../sim/history.ts";
import { type Event, judge, judgeWatch, type Log, type Sent } from "./judge.ts";

const LOG: Log = new Map<number, readonly Event[]>([
  [2, [{ type: "PUT", key: "key0", value: "a" }]],
  [3, [{ type: "PUT", key: "key0", value: "b" }]],
  [4, [{ type: "DELETE", key: "key0", value: "" }]],
]);

function put(history: History, value: string, revision: number | undefined): void {
  const call = history.start({ type: "put", key: 0, value }, 0);
  if (revision !== undefined) history.end(call, { type: "put" }, revision);
}

function read(history: History, value: string | undefined, revision: number): void {
  history.end(history.start({ type: "get", key: 0 }, 0), { type: "get", value }, revision);
}

test("a run in which every answer is right is right, with a write of which nobody knows", () => {
  const history = new History();
  put(history, "a", 2);
  read(history, "a", 2);
  put(history, "b", undefined);
  read(history, "b", 3);
  expect(judge(history, LOG)).toEqual([]);
});

test.each([
  ["an acknowledged write that is gone", (history: History) => put(history, "c", 3), "c was written at no revision"],
  ["a read of an old value", (history: History) => read(history, "a", 3), "the key had another value"],
  [
    "a read that is older than one before it",
    (history: History) => {
      read(history, "b", 3);
      read(history, "a", 2);
    },
    "revision 2 comes after revision 3",
  ],
])("%s is found", (_what, play, message) => {
  const history = new History();
  play(history);
  expect(judge(history, LOG).join("\n")).toContain(message);
});

test("a write that was made twice is found", () => {
  const log = new Map([...LOG, [5, [{ type: "PUT", key: "key0", value: "a" }] as const]]);
  expect(judge(new History(), log).join("\n")).toContain("value a was written at revision 2 and again at 5");
});

test("a watch that leaves out a revision, or is sent one again, is found", () => {
  const sent = (revision: number, type: "PUT" | "DELETE" = "PUT"): Sent => ({
    events: [{ type, kv: { key: utf8Encode("key0"), modRevision: revision } }],
  });
  expect(judgeWatch("w", [sent(2), sent(3), sent(4, "DELETE")], LOG)).toEqual([]);
  expect(judgeWatch("w", [sent(2), sent(4, "DELETE")], LOG)).toEqual(["w was sent revision 4 in place of 3"]);
  expect(judgeWatch("w", [sent(2), sent(2)], LOG)).toEqual(["w was sent revision 2 in place of 3"]);
  expect(judgeWatch("w", [sent(2, "DELETE")], LOG)).toEqual(["w was sent another event at 2"]);
});
