import { expect, test } from "vitest";
import { deferred } from "../../src/room/common/deferred.ts";
import { OpenRoomError } from "../../src/room/common/errors.ts";
import { takeName } from "../../src/room/open-names.ts";

async function isSettled(promise: Promise<void>): Promise<boolean> {
  const late = Symbol("late");
  const first = await Promise.race([promise, new Promise((resolve) => setTimeout(resolve, 5, late))]);
  return first !== late;
}

test("a room is open once in a page; closed, its name is free at once and its storage when that is closed", async () => {
  const first = takeName("a", "a");
  expect(() => takeName("a", "a")).toThrow(OpenRoomError);
  expect(await isSettled(takeName("b", "b").free)).toBe(true);
  const closed = deferred();
  first.release(closed.promise);
  const second = takeName("a", "a");
  expect(await isSettled(second.free)).toBe(false);
  // The first one's second word frees nothing.
  first.release(Promise.resolve());
  expect(() => takeName("a", "a")).toThrow("open in this page already");
  closed.resolve();
  expect(await isSettled(second.free)).toBe(true);
});

test("one that never got its turn does not hide the one before it", async () => {
  const first = takeName("c", "c");
  const closed = deferred();
  first.release(closed.promise);
  takeName("c", "c").release(Promise.resolve());
  const third = takeName("c", "c");
  expect(await isSettled(third.free)).toBe(false);
  closed.resolve();
  expect(await isSettled(third.free)).toBe(true);
});
