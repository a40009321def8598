import { expect, test } from "vitest";
import { logRetention } from "../../../src/member/apply/log-retention.ts";

const NOTHING_HELD = Infinity;

test("M34 the log is cut when it holds more entries than allowed, and keeps those for members that lag a little", () => {
  const retention = logRetention({ logEntries: 100, logBytes: 1e9, catchUpEntries: 40 });
  for (let index = 1; index <= 100; index++) retention.applied(index, 10);
  expect(retention.cutAt(1, NOTHING_HELD)).toBeUndefined();
  retention.applied(101, 10);
  expect(retention.cutAt(1, NOTHING_HELD)).toBe(61);
  expect(retention.cutAt(62, NOTHING_HELD)).toBeUndefined();
});

test("M34 entries that a member still needs are never cut", () => {
  const retention = logRetention({ logEntries: 100, logBytes: 1e9, catchUpEntries: 40 });
  for (let index = 1; index <= 200; index++) retention.applied(index, 10);
  expect(retention.cutAt(1, 30)).toBe(29);
  expect(retention.cutAt(30, 30)).toBeUndefined();
});

test("M34 few large entries are cut by their bytes, about half of the limit at once", () => {
  const retention = logRetention({ logEntries: 1e6, logBytes: 1_000_000, catchUpEntries: 10 });
  let first = 1;
  let kept = 0;
  for (let index = 1; index <= 10_000; index++) {
    retention.applied(index, 1_000);
    const cut = retention.cutAt(first, NOTHING_HELD);
    if (cut !== undefined) first = cut + 1;
    kept = Math.max(kept, index - first + 1);
  }
  expect(first).toBeGreaterThan(8_000);
  // Marks are set every 256 entries.
  expect(kept).toBeLessThanOrEqual(1_000 + 256);
});

test("M56 in a quiet cluster all of the log is cut, unless it is short or a member still needs it", () => {
  const retention = logRetention({ logEntries: 1_000, logBytes: 1_000_000, catchUpEntries: 40 });
  for (let index = 1; index <= 300; index++) retention.applied(index, 3_000);
  expect(retention.quietCutAt(280, 300, NOTHING_HELD)).toBeUndefined();
  expect(retention.quietCutAt(1, 300, 20)).toBeUndefined();
  expect(retention.quietCutAt(1, 300, 200)).toBe(199);
  expect(retention.quietCutAt(200, 300, NOTHING_HELD)).toBe(300);
  // The bytes that were cut do not count any more.
  for (let index = 301; index <= 512; index++) retention.applied(index, 3_000);
  expect(retention.cutAt(301, NOTHING_HELD)).toBeUndefined();
});
