import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { LeaseQueue } from "../../src/lease/lease-queue.ts";
import { Expiry } from "../../src/lease/expiry.ts";
import { decodeSavedExpiry, encodeSavedExpiry } from "../../src/lease/saved-expiry.ts";
import { lease } from "../../src/protocol/api/lease.ts";

const FOREVER = Number.POSITIVE_INFINITY;

test("a queue returns ids in the order of their times", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(50)), (times) => {
      const queue = new LeaseQueue();
      for (const [at, time] of times.entries()) queue.add(BigInt(at), time);
      const taken: number[] = [];
      for (let first = queue.first; first !== undefined; first = queue.first) {
        taken.push(first.atMs);
        queue.removeFirst();
      }
      expect(taken).toEqual(times.toSorted((left, right) => left - right));
    }),
  );
});

type Step =
  | { readonly type: "grant" | "renew" | "revoke" | "retry"; readonly id: number; readonly ttl: number }
  | { readonly type: "pass"; readonly id: number; readonly ttl: number };

const steps: fc.Arbitrary<Step[]> = fc.array(
  fc.record({
    type: fc.constantFrom("grant", "renew", "revoke", "retry", "pass", "pass"),
    id: fc.integer({ min: 1, max: 4 }),
    ttl: fc.integer({ min: 1, max: 6 }),
  }),
  { maxLength: 60 },
);

test("whatever is granted, renewed and revoked, exactly the leases whose deadline has passed expire", () => {
  fc.assert(
    fc.property(steps, (history) => {
      const expiry = new Expiry();
      /** A simple second implementation: a list. */
      const ends = new Map<bigint, { ttl: number; endMs: number; taken: boolean }>();
      let nowMs = 0;
      for (const { type, id: number, ttl } of history) {
        const id = BigInt(number);
        const known = ends.get(id);
        if (type === "grant" && known === undefined) {
          expiry.granted(lease({ id, ttl }), nowMs);
          ends.set(id, { ttl, endMs: nowMs + ttl * 1_000, taken: false });
        } else if (type === "renew" && (known === undefined || known.endMs > nowMs)) {
          expect(expiry.renew(id, nowMs)).toBe(known?.ttl);
          if (known !== undefined) known.endMs = nowMs + known.ttl * 1_000;
        } else if (type === "revoke") {
          expiry.revoked(id);
          ends.delete(id);
        } else if (type === "retry" && known?.taken === true) {
          expiry.retry(id);
          known.taken = false;
        } else if (type === "pass") {
          nowMs += ttl * 500;
          const due = [...ends].filter(([, { endMs, taken }]) => endMs <= nowMs && !taken);
          expect(new Set(expiry.takeEnded(nowMs, 100))).toEqual(new Set(due.map(([dueId]) => dueId)));
          for (const [, entry] of due) entry.taken = true;
        }
        const waiting = [...ends.values()].filter(({ taken }) => !taken).map(({ endMs }) => endMs);
        expect(expiry.nextEndMs ?? FOREVER).toBe(Math.min(FOREVER, ...waiting));
        expect(expiry.size).toBe(ends.size);
      }
    }),
  );
});

describe("a new leader", () => {
  test("gives each lease its TTL, or what was left at its checkpoint, and the extension", () => {
    const expiry = new Expiry();
    expiry.start([lease({ id: 1n, ttl: 60 }), lease({ id: 2n, ttl: 600, remainingTtl: 100 })], 1_000, 500);
    expect(expiry.remainingMs(1n, 1_000)).toBe(60_500);
    expect(expiry.remainingMs(2n, 1_000)).toBe(100_500);
    // The first renewal counts from the current time again.
    expect(expiry.renew(1n, 1_000)).toBe(60);
    expect(expiry.remainingMs(1n, 1_000)).toBe(60_000);
    expect(expiry.nextEndMs).toBe(61_000);
  });

  test("sees a lease expire before another one, though its first renewal moved its deadline forward", () => {
    const expiry = new Expiry();
    expiry.start([lease({ id: 1n, ttl: 60 })], 0, 500);
    expiry.granted(lease({ id: 2n, ttl: 60 }), 300);
    expiry.renew(1n, 0);
    expect(expiry.nextEndMs).toBe(60_000);
    expect(expiry.takeEnded(60_000, 10)).toEqual([1n]);
  });

  test("uses the deadlines that it knows", () => {
    const expiry = new Expiry();
    expiry.start([lease({ id: 1n, ttl: 60 })], 50_000, 1_000, new Map([[1n, 60_000]]));
    expect(expiry.nextEndMs).toBe(61_000);
  });

  test("spreads leases that would all expire in one second, none earlier than before", () => {
    const expiry = new Expiry();
    const leases = Array.from({ length: 3_000 }, (_, at) => lease({ id: BigInt(at + 1), ttl: 10 + (at % 2) }));
    expiry.start(leases, 0, 1_000);
    const perSecond = new Map<number, number>();
    for (const { id, ttl } of leases) {
      const endMs = expiry.remainingMs(id, 0) as number;
      expect(endMs).toBeGreaterThanOrEqual(ttl * 1_000 + 1_000);
      perSecond.set(endMs, (perSecond.get(endMs) ?? 0) + 1);
    }
    expect(Math.max(...perSecond.values())).toBeLessThanOrEqual(1_000);
    expect(Math.max(...perSecond.keys())).toBeLessThanOrEqual(16_000);
  });
});

describe("checkpoints", () => {
  test("are made of leases longer than five minutes, every five minutes, and not of those just renewed", () => {
    const expiry = new Expiry();
    expiry.granted(lease({ id: 1n, ttl: 1_000 }), 0);
    expiry.granted(lease({ id: 2n, ttl: 300 }), 0);
    expect(expiry.takeCheckpoints(299_999, 10)).toEqual([]);
    expect(expiry.takeCheckpoints(300_000, 10)).toEqual([{ id: 1n, remainingTtl: 700 }]);
    expiry.checkpointed(lease({ id: 1n, ttl: 1_000, remainingTtl: 700 }), 300_000);
    expect(expiry.isCheckpointed(1n)).toBe(true);
    expect(expiry.takeCheckpoints(600_000, 10)).toEqual([{ id: 1n, remainingTtl: 400 }]);
    expiry.checkpointed(lease({ id: 1n, ttl: 1_000, remainingTtl: 400 }), 600_000);
    expiry.checkpointed(lease({ id: 1n, ttl: 1_000 }), 610_000);
    expiry.renew(1n, 610_000);
    expect(expiry.isCheckpointed(1n)).toBe(false);
    expect(expiry.takeCheckpoints(900_000, 10)).toEqual([{ id: 1n, remainingTtl: 710 }]);
  });
});

test("leases that are granted and revoked leave nothing behind", () => {
  const expiry = new Expiry();
  for (let at = 0; at < 100_000; at++) {
    expiry.granted(lease({ id: 1n, ttl: 3_600 + at }), at);
    expiry.revoked(1n);
  }
  expect(expiry.size).toBe(0);
  expect(expiry.nextEndMs).toBeUndefined();
});

test("saved deadlines are read back as written, and other bytes are rejected", () => {
  const note = {
    term: 7,
    index: 123_456_789_012,
    writtenMs: 1.5,
    ends: new Map([
      [-7n, 12.25],
      [1n << 62n, 99],
    ]),
  };
  expect(decodeSavedExpiry(encodeSavedExpiry(note))).toEqual(note);
  expect(decodeSavedExpiry(new Uint8Array(23))).toBeUndefined();
  expect(decodeSavedExpiry(new Uint8Array(33))).toBeUndefined();
  expect(decodeSavedExpiry(new Uint8Array(40).fill(0xff))).toBeUndefined();
});
