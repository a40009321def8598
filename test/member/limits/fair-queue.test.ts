import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { FairGate } from "../../../src/member/limits/fair-gate.ts";
import { FairQueue } from "../../../src/member/limits/fair-queue.ts";
import { RecentCallers } from "../../../src/member/limits/recent-callers.ts";
import { errTimeout } from "../../../src/protocol/errors.ts";

interface Item {
  readonly caller: string;
  readonly at: number;
  readonly weight: number;
}

const QUANTUM = 10;

function queueOf(items: readonly Item[]): FairQueue<Item> {
  const queue = new FairQueue<Item>({ weightOf: ({ weight }) => weight, quantum: QUANTUM });
  for (const item of items) queue.push(item.caller, item);
  return queue;
}

const items = fc
  .array(fc.record({ caller: fc.constantFrom("a", "b", "c", "d"), weight: fc.integer({ min: 1, max: 25 }) }), {
    maxLength: 100,
  })
  .map((list) => list.map((item, at) => ({ ...item, at })));

/** All items, in batches of this size. */
function drained(queue: FairQueue<Item>, batch: number): Item[] {
  const served: Item[] = [];
  while (queue.length > 0) {
    const chosen = queue.select((_item, _caller, _ofCaller, count) => count < batch);
    expect(chosen.length).toBeGreaterThan(0);
    queue.remove(chosen);
    served.push(...chosen);
  }
  return served;
}

describe("a fair queue", () => {
  test("M51 serves each item once, and one caller's items in order", () => {
    fc.assert(
      fc.property(items, fc.integer({ min: 1, max: 20 }), (list, batch) => {
        const served = drained(queueOf(list), batch);
        expect([...served].sort((one, other) => one.at - other.at)).toEqual(list);
        for (const caller of ["a", "b", "c", "d"]) {
          const own = served.filter((item) => item.caller === caller).map(({ at }) => at);
          expect(own).toEqual([...own].sort((one, other) => one - other));
        }
      }),
      { seed: 6, numRuns: 300 },
    );
  });

  test("M51 makes no caller wait for more than a share of each other caller, whatever they have queued", () => {
    fc.assert(
      fc.property(items, fc.integer({ min: 1, max: 25 }), (list, weight) => {
        const queue = queueOf(list);
        queue.push("neighbour", { caller: "neighbour", at: list.length, weight });
        const [before] = splitAt(
          queue.select(() => true),
          "neighbour",
        );
        const rounds = Math.ceil(weight / QUANTUM);
        for (const caller of new Set(before.map((item) => item.caller))) {
          const sum = before.filter((item) => item.caller === caller).reduce((total, item) => total + item.weight, 0);
          expect(sum).toBeLessThanOrEqual(rounds * QUANTUM);
        }
      }),
      { seed: 6, numRuns: 300 },
    );
  });

  test("M51 gives a served caller its next turn after the others", () => {
    const queue = queueOf(["a", "a", "b", "b"].map((caller, at) => ({ caller, at, weight: QUANTUM })));
    expect(drained(queue, 1).map(({ caller }) => caller)).toEqual(["a", "b", "a", "b"]);
  });

  test("with one caller is a plain queue, however heavy its items are", () => {
    const list = [30, 1, 500].map((weight, at) => ({ caller: "a", at, weight }));
    expect(queueOf(list).select(() => true)).toEqual(list);
  });
});

function splitAt(served: readonly Item[], caller: string): readonly [readonly Item[]] {
  const at = served.findIndex((item) => item.caller === caller);
  expect(at).not.toBe(-1);
  return [served.slice(0, at)];
}

describe("a fair share", () => {
  test("M51 is everything while no other caller is active, and otherwise follows the busiest of the others", () => {
    let nowMs = 0;
    const recent = new RecentCallers(256, () => nowMs);
    for (let at = 0; at < 500; at++) recent.began("flooder");
    expect(recent.shareOf("flooder")).toBe(256);
    recent.began("neighbour");
    expect([recent.shareOf("flooder"), recent.shareOf("neighbour")]).toEqual([4, 256]);
    recent.ended("neighbour");
    // Between two of its calls.
    nowMs += 500;
    expect(recent.shareOf("flooder")).toBe(4);
    nowMs += 600;
    expect(recent.shareOf("flooder")).toBe(256);
  });

  test("two callers with many calls get equal shares", () => {
    const recent = new RecentCallers(256, () => 0);
    for (const caller of ["a", "b"]) for (let at = 0; at < 500; at++) recent.began(caller);
    expect([recent.shareOf("a"), recent.shareOf("b")]).toEqual([256, 256]);
  });

  test("callers that are gone are forgotten, however many there were", () => {
    let nowMs = 0;
    const recent = new RecentCallers(256, () => nowMs);
    for (let at = 0; at < 100_000; at++) {
      nowMs += 2;
      recent.began(`caller ${at}`);
      recent.ended(`caller ${at}`);
    }
    expect(recent.size).toBeLessThan(600);
  });
});

describe("a fair gate", () => {
  function gateAt(clock: { nowMs: number }): FairGate {
    const nowMs = (): number => clock.nowMs;
    return new FairGate({ recent: new RecentCallers(Infinity, nowMs), nowMs, timeoutMs: 7_000, late: errTimeout });
  }

  test("M51 admits the neighbour at once, and the flooder up to its share", async () => {
    const gate = gateAt({ nowMs: 0 });
    expect(gate.enter("neighbour")).toBeUndefined();
    const turns = Array.from({ length: 100 }, () => gate.enter("flooder"));
    expect(turns.filter((turn) => turn === undefined)).toHaveLength(4);
    expect(gate.waiting).toBe(96);
    gate.leave("neighbour");
    expect(gate.enter("neighbour")).toBeUndefined();
    for (let at = 0; at < 96; at++) {
      gate.leave("flooder");
      await turns[4 + at];
      expect(gate.waiting).toBe(95 - at);
    }
  });

  test("admits all when the neighbour has gone", async () => {
    const clock = { nowMs: 0 };
    const gate = gateAt(clock);
    void gate.enter("neighbour");
    gate.leave("neighbour");
    const turns = Array.from({ length: 50 }, () => gate.enter("flooder"));
    clock.nowMs = 500;
    gate.leave("flooder");
    expect(gate.waiting).toBe(45);
    clock.nowMs = 1_001;
    gate.leave("flooder");
    await turns[49];
    expect(gate.waiting).toBe(0);
  });

  test("refuses a call that has waited too long, and admits the next one", async () => {
    const clock = { nowMs: 0 };
    const gate = gateAt(clock);
    void gate.enter("neighbour");
    for (let at = 0; at < 4; at++) void gate.enter("flooder");
    const late = gate.enter("flooder");
    clock.nowMs = 6_900;
    const next = gate.enter("flooder");
    clock.nowMs = 7_100;
    gate.leave("flooder");
    await expect(late).rejects.toBe(errTimeout);
    await next;
    expect(gate.waiting).toBe(0);
  });
});
