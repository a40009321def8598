/** What a leader remembers of forwarded proposals, so that a transport that doubles them does no harm. */
import { expect, test } from "vitest";
import { ProposalDedup } from "../../src/raft/proposal-dedup.ts";

/** As many numbers of a session are remembered, and as many sessions. */
const WINDOW = 1024;
const SESSIONS = 256;

test("R22 the numbers of a session are accepted once each, in any order within the window", () => {
  const dedup = new ProposalDedup();
  const numbers = Array.from({ length: 3 * WINDOW }, (_, at) => (at % 2 === 0 ? at + 2 : at));
  expect(numbers.filter((number) => !dedup.acceptOnce(1n, 7, number))).toEqual([]);
  expect(numbers.filter((number) => dedup.acceptOnce(1n, 7, number))).toEqual([]);
});

test("R22 a number older than the window is not accepted, though it never came", () => {
  const dedup = new ProposalDedup();
  expect(dedup.acceptOnce(1n, 7, 5000)).toBe(true);
  expect(dedup.acceptOnce(1n, 7, 5000 - WINDOW)).toBe(false);
  expect(dedup.acceptOnce(1n, 7, 5001 - WINDOW)).toBe(true);
});

test("R22 sessions are apart: another member's, and another run's of the same member", () => {
  const dedup = new ProposalDedup();
  expect(dedup.acceptOnce(1n, 7, 1)).toBe(true);
  expect(dedup.acceptOnce(2n, 7, 1)).toBe(true);
  expect(dedup.acceptOnce(1n, 8, 1)).toBe(true);
});

test("R22 of too many sessions the one that was silent for longest is forgotten, and no other", () => {
  const dedup = new ProposalDedup();
  for (let session = 0; session < SESSIONS; session++) dedup.acceptOnce(1n, session, 1);
  dedup.acceptOnce(1n, 0, 2);
  dedup.acceptOnce(1n, SESSIONS, 1);
  expect([0, 2, SESSIONS].map((session) => dedup.acceptOnce(1n, session, 1))).toEqual([false, false, false]);
  expect(dedup.acceptOnce(1n, 1, 1)).toBe(true);
});
