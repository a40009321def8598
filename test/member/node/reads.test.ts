import { describe, expect, test } from "vitest";
import { errStopped, errTimeout } from "../../../src/protocol/errors.ts";
import { Reads } from "../../../src/member/node/reads.ts";

class Harness {
  readonly reads: Reads;
  readonly log: string[] = [];

  constructor(firstRound = 0n, countMax = 100) {
    this.reads = new Reads(1n, firstRound, countMax);
  }

  add(name: string, deadlineMs = 10_000): boolean {
    const run = (): unknown => this.log.push(name);
    return this.reads.add({ deadlineMs, run, fail: ({ message }) => this.log.push(`${name}: ${message}`) });
  }

  /** The contexts to send, of which there is at most one. */
  nextContext(nowMs = 0): Uint8Array | undefined {
    return this.reads.contextsToSend(nowMs)[0];
  }
}

describe("linearizable reads", () => {
  test("M5 run once their index is confirmed and applied", () => {
    const harness = new Harness();
    harness.add("a");
    const context = harness.nextContext() as Uint8Array;
    harness.reads.applied(100);
    expect(harness.log).toEqual([]);
    harness.reads.confirm(context, 101);
    harness.reads.applied(100);
    expect(harness.log).toEqual([]);
    harness.reads.applied(101);
    expect(harness.log).toEqual(["a"]);
    expect(harness.reads.pending).toBe(0);
  });

  test("M5 that arrive while a round is in flight wait for the next one: its index must be taken after they arrived", () => {
    const harness = new Harness();
    harness.add("early");
    const first = harness.nextContext() as Uint8Array;
    harness.add("late");
    const second = harness.nextContext() as Uint8Array;
    expect(second).not.toEqual(first);
    harness.reads.confirm(first, 5);
    harness.reads.applied(9);
    expect(harness.log).toEqual(["early"]);
    harness.reads.confirm(second, 7);
    harness.reads.applied(9);
    expect(harness.log).toEqual(["early", "late"]);
  });

  test("M5 whose response was lost are requested again, under the same context", () => {
    const harness = new Harness();
    harness.add("a");
    const context = harness.nextContext(0) as Uint8Array;
    expect(harness.nextContext(499)).toBeUndefined();
    expect(harness.nextContext(500)).toEqual(context);
    harness.reads.retryPending();
    expect(harness.nextContext(501)).toEqual(context);
  });

  test("M5 ignore the response to a round of the member's previous run", () => {
    const before = new Harness(11n);
    before.add("before the restart");
    const old = before.nextContext() as Uint8Array;
    const after = new Harness(47n);
    after.add("after the restart");
    after.nextContext();
    after.reads.confirm(old, 3);
    after.reads.applied(100);
    expect(after.log).toEqual([]);
  });

  test("M4 fail with the error past their deadline, in whichever state they are", () => {
    const harness = new Harness();
    harness.add("confirmed", 100);
    harness.reads.confirm(harness.nextContext() as Uint8Array, 50);
    harness.add("asked", 100);
    harness.nextContext();
    harness.add("queued", 100);
    harness.add("in time", 1_000);
    harness.reads.expire(100, errTimeout);
    const text = "etcdserver: request timed out";
    expect(harness.log.sort()).toEqual([`asked: ${text}`, `confirmed: ${text}`, `queued: ${text}`]);
    expect(harness.reads.pending).toBe(1);
    harness.reads.failAll(errStopped);
    expect(harness.log.at(-1)).toBe("in time: etcdserver: server stopped");
    expect(harness.reads.pending).toBe(0);
  });

  test("M3 are refused beyond the limit", () => {
    const harness = new Harness(0n, 2);
    expect([harness.add("a"), harness.add("b"), harness.add("c")]).toEqual([true, true, false]);
  });
});
