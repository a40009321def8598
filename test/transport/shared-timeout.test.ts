import { describe, expect, test } from "vitest";
import { SharedTimeout } from "../../src/transport/shared-timeout.ts";
import { ManualClock } from "./manual-clock.ts";

function lab(
  delayMs: number,
  checkMs?: number,
): { clock: ManualClock; fired: string[]; add: (name: string) => () => void } {
  const clock = new ManualClock();
  const timeout = new SharedTimeout(clock, delayMs, checkMs);
  const fired: string[] = [];
  return { clock, fired, add: (name) => timeout.add(() => fired.push(`${name} at ${clock.nowMs()}`)) };
}

describe("time-outs that share a timer", () => {
  test("each fires after the delay, in order", () => {
    const { clock, fired, add } = lab(100);
    add("a");
    clock.advance(30);
    add("b");
    expect(clock.pending).toBe(1);
    clock.advance(200);
    expect(fired).toEqual(["a at 100", "b at 130"]);
  });

  test("one that is cancelled does not fire, and those after it are in time", () => {
    const { clock, fired, add } = lab(100);
    const cancel = add("a");
    clock.advance(30);
    add("b");
    cancel();
    clock.advance(200);
    expect(fired).toEqual(["b at 130"]);
  });

  test("the timer outlives the last one by the time between checks at most, and is set again by the next", () => {
    const { clock, fired, add } = lab(5_000, 200);
    add("a")();
    clock.advance(199);
    expect(clock.pending).toBe(1);
    clock.advance(1);
    expect(clock.pending).toBe(0);
    add("b");
    clock.advance(5_000);
    expect(fired).toEqual(["b at 5200"]);
    expect(clock.pending).toBe(0);
  });

  test("one that a callback adds fires after its own delay", () => {
    const clock = new ManualClock();
    const timeout = new SharedTimeout(clock, 100);
    const fired: number[] = [];
    timeout.add(() => void timeout.add(() => fired.push(clock.nowMs())));
    clock.advance(500);
    expect(fired).toEqual([200]);
  });

  test("closing drops all of them and the timer", () => {
    const clock = new ManualClock();
    const timeout = new SharedTimeout(clock, 100);
    timeout.add(() => expect.unreachable());
    timeout.close();
    expect(clock.pending).toBe(0);
    clock.advance(500);
  });
});
