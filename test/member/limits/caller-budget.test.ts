import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { CallerBudget, type Share } from "../../../src/member/limits/caller-budget.ts";
import { networkOf } from "../../../src/member/limits/caller-key.ts";

type Step =
  | { readonly type: "take"; readonly caller: string | undefined; readonly amount: number; readonly isOwner: boolean }
  | { readonly type: "grow" | "shrink"; readonly at: number; readonly amount: number }
  | { readonly type: "release"; readonly at: number };

const callers = fc.constantFrom("a", "b", "c", undefined);
const amounts = fc.nat({ max: 6 });
const steps = fc.array(
  fc.oneof(
    fc.record({ type: fc.constant("take" as const), caller: callers, amount: amounts, isOwner: fc.boolean() }),
    fc.record({ type: fc.constantFrom("grow" as const, "shrink" as const), at: fc.nat(), amount: amounts }),
    fc.record({ type: fc.constant("release" as const), at: fc.nat() }),
  ),
  { maxLength: 200 },
);

interface Held {
  readonly caller: string | undefined;
  readonly isOwner: boolean;
  readonly share: Share;
  amount: number;
}

describe("a budget", () => {
  test("M50 equals the sum of the shares, never above the total or below zero, and zero once all are released", () => {
    fc.assert(
      fc.property(steps, (script) => {
        const budget = new CallerBudget({ total: 12, perCaller: 5, reserved: 2 });
        const all: Held[] = [];
        for (const step of script) {
          run(budget, all, step);
          check(budget, all);
        }
        for (const { share } of all) {
          share.release();
          share.release();
        }
        expect([budget.used, budget.callers]).toEqual([0, 0]);
      }),
      { seed: 6, numRuns: 500 },
    );
  });

  test("M49 of one caller is used up by that caller alone", () => {
    const budget = new CallerBudget({ total: 10, perCaller: 8 });
    for (let at = 0; at < 8; at++) expect(budget.take("flooder")).toBeDefined();
    expect(budget.take("flooder")).toBeUndefined();
    expect(budget.take("neighbour")).toBeDefined();
    expect([budget.rejected, budget.callers]).toEqual([1, 2]);
  });

  test("M49 keeps the reserve for an owner, however many others there are", () => {
    const budget = new CallerBudget({ total: 4, perCaller: 2, reserved: 1 });
    const taken = ["a", "a", "b", "c", "d"].map((caller) => budget.take(caller) !== undefined);
    expect(taken).toEqual([true, true, true, false, false]);
    expect(budget.take("root", 1, true)).toBeDefined();
  });

  test("M50 remembers no caller without a share, however many have come", () => {
    const budget = new CallerBudget({ total: 10, perCaller: 5 });
    for (let at = 0; at < 10_000; at++) {
      budget.take(`caller ${at}`)?.release();
      budget.take(`reader ${at}`, 0);
    }
    expect(budget.callers).toBe(0);
  });
});

function run(budget: CallerBudget, all: Held[], step: Step): void {
  if (step.type === "take") {
    const { caller, amount, isOwner } = step;
    const share = budget.take(caller, amount, isOwner);
    if (share !== undefined) all.push({ caller, isOwner, share, amount });
    return;
  }
  const held = all[step.at % Math.max(all.length, 1)];
  if (held === undefined) return;
  if (step.type === "release") {
    held.share.release();
    held.amount = 0;
    all.splice(all.indexOf(held), 1);
  } else if (step.type === "grow") {
    if (held.share.grow(step.amount)) held.amount += step.amount;
  } else {
    const amount = Math.min(step.amount, held.amount);
    held.share.shrink(amount);
    held.amount -= amount;
  }
}

function check(budget: CallerBudget, all: readonly Held[]): void {
  const sum = (held: readonly Held[]): number => held.reduce((total, { amount }) => total + amount, 0);
  expect(budget.used).toBe(sum(all));
  expect(budget.used).toBeLessThanOrEqual(12);
  for (const caller of ["a", "b", "c"]) {
    expect(budget.heldBy(caller)).toBe(sum(all.filter((held) => held.caller === caller)));
    // Only owners exceed it.
    if (!all.some((held) => held.caller === caller && held.isOwner)) {
      expect(budget.heldBy(caller)).toBeLessThanOrEqual(5);
    }
  }
}

test.each([
  ["10.1.2.3", "10.1.2.3"],
  ["10.1.2.3:4567", "10.1.2.3"],
  ["[::ffff:127.0.0.2]:60394", "127.0.0.2"],
  ["::ffff:127.0.0.2", "127.0.0.2"],
  ["0:0:0:0:0:ffff:10.0.0.1", "10.0.0.1"],
  ["[::1]:56470", "0:0:0:0::/64"],
  ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
  ["2001:0DB8:0001:0002::9", "2001:db8:1:2::/64"],
  ["[2001:db8:1:2:ffff::]:443", "2001:db8:1:2::/64"],
  ["fe80::1%eth0", "fe80:0:0:0::/64"],
  ["2001:db8::", "2001:db8:0:0::/64"],
  ["no address", "no address"],
  ["1::2::3", "1::2::3"],
  ["", ""],
])("%s counts as %s", (address, network) => {
  expect(networkOf(address)).toBe(network);
});

test("a text that is not an address is shortened, and costs no time", () => {
  expect(networkOf("x".repeat(1_000_000))).toHaveLength(64);
  expect(networkOf("0:".repeat(1_000_000)).length).toBeLessThan(100);
});
