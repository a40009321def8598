import { expect, test } from "vitest";
import { indexOfToken, SimpleTokens } from "../../../src/member/auth/simple-tokens.ts";

function tokens(): { readonly issued: SimpleTokens; readonly pass: (ms: number) => void } {
  let nowMs = 0;
  return {
    issued: new SimpleTokens(() => nowMs, { ttlMs: 300_000, countMax: 3, lastIndexAtOpen: 0 }),
    pass: (ms) => {
      nowMs += ms;
    },
  };
}

test("AT1: a token expires a TTL after its last use, and each use counts", () => {
  const { issued, pass } = tokens();
  issued.assign("amy", "t.1");
  pass(299_999);
  expect(issued.userOf("t.1")).toBe("amy");
  pass(299_999);
  expect(issued.userOf("t.1")).toBe("amy");
  pass(300_000);
  expect(issued.userOf("t.1")).toBeUndefined();
  expect(issued.size).toBe(0);
});

test("AT2: beyond the limit, the least recently used token is dropped", () => {
  const { issued } = tokens();
  for (const token of ["t.1", "t.2", "t.3"]) issued.assign("amy", token);
  issued.userOf("t.1");
  issued.assign("bob", "t.4");
  expect(["t.1", "t.2", "t.3", "t.4"].filter((token) => issued.userOf(token) !== undefined)).toEqual([
    "t.1",
    "t.3",
    "t.4",
  ]);
});

test("AT3: all tokens of a user end at once, and no other user's", () => {
  const { issued } = tokens();
  issued.assign("amy", "t.1");
  issued.assign("bob", "t.2");
  issued.assign("amy", "t.3");
  issued.invalidateUser("amy");
  expect([issued.userOf("t.1"), issued.userOf("t.2"), issued.userOf("t.3")]).toEqual([undefined, "bob", undefined]);
});

test("AT5: a token that was in the log before the member was opened is not issued again", () => {
  const issued = new SimpleTokens(() => 0, { ttlMs: 300_000, countMax: 3, lastIndexAtOpen: 7 });
  issued.assign("amy", "t.7");
  issued.assign("amy", "t.8");
  expect([issued.userOf("t.7"), issued.userOf("t.8")]).toEqual([undefined, "amy"]);
});

test.each([
  ["abc.17", 17],
  ["abc", undefined],
  ["a.b.17", undefined],
  ["abc.", undefined],
  ["abc.1e3", undefined],
  ["abc.-1", undefined],
  ["abc.99999999999999999999", undefined],
])("AT4: the index of %j is %j", (token, index) => {
  expect(indexOfToken(token)).toBe(index);
});
