/** A short round of `npm run chaos`, whose long ones are for people. */
import { expect, test } from "vitest";
import { round } from "../chaos/round.ts";

test("members that are killed, stopped and cut off lose nothing, show nothing old, and end with the same data", async () => {
  const { wrong, answered, revisions, locksHeld } = await round({ seed: 3, seconds: 8, members: 3, say: () => {} });
  expect(wrong).toEqual([]);
  expect(Math.min(answered, revisions, locksHeld)).toBeGreaterThan(0);
});
