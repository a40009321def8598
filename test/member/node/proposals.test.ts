import { describe, expect, test } from "vitest";
import { errStopped, errTimeout } from "../../../src/protocol/errors.ts";
import { Proposals } from "../../../src/member/node/proposals.ts";
import type { Outcome } from "../../../src/member/outcome.ts";

/** A request of `bytes` bytes whose outcomes are collected. */
function request(proposals: Proposals, id: bigint, bytes = 10, deadlineMs = 1_000): Outcome<unknown>[] | "refused" {
  const outcomes: Outcome<unknown>[] = [];
  const data = new Uint8Array(bytes).fill(Number(id));
  const isAdded = proposals.add({ id, bytes: data, deadlineMs, done: (outcome) => outcomes.push(outcome) });
  return isAdded ? outcomes : "refused";
}

function take(proposals: Proposals, count: number, term: number): void {
  proposals.nextBatch(Infinity);
  proposals.batchTaken(count, term);
}

describe("proposals", () => {
  test("are batched up to a size, in order, and stay queued until the batch is taken", () => {
    const proposals = new Proposals(10, 1_000);
    for (const id of [1n, 2n, 3n]) request(proposals, id, 40);
    const batch = proposals.nextBatch(100);
    expect(batch.map((bytes) => bytes[0])).toEqual([1, 2]);
    expect(proposals.nextBatch(100)).toEqual(batch);
    take(proposals, 2, 1);
    expect(proposals.nextBatch(100).map((bytes) => bytes[0])).toEqual([3]);
  });

  test("M2 of an earlier term that were not applied are proposed again, first and once; those of this term are not", () => {
    const proposals = new Proposals(10, 1_000);
    for (const id of [1n, 2n, 3n, 4n]) request(proposals, id);
    take(proposals, 2, 5);
    take(proposals, 1, 6);
    proposals.resolve(1n, { ok: true, value: 0 });
    proposals.termApplied(6);
    proposals.termApplied(6);
    expect(proposals.nextBatch(100).map((bytes) => bytes[0])).toEqual([2, 4]);
    take(proposals, 2, 6);
    proposals.termApplied(6);
    expect(proposals.queued).toBe(0);
  });

  test("M2 are not proposed again once a snapshot may hold them", () => {
    const proposals = new Proposals(10, 1_000);
    for (const id of [1n, 2n]) request(proposals, id);
    take(proposals, 1, 5);
    proposals.stateReplaced();
    proposals.termApplied(6);
    expect(proposals.nextBatch(100).map((bytes) => bytes[0])).toEqual([2]);
  });

  test("larger than a batch are proposed alone", () => {
    const proposals = new Proposals(10, 1_000);
    request(proposals, 1n, 500);
    request(proposals, 2n, 5);
    expect(proposals.nextBatch(100)).toHaveLength(1);
  });

  test("M1 are completed once, when their own entry is applied, whatever else is", () => {
    const proposals = new Proposals(10, 1_000);
    const outcomes = request(proposals, 1n);
    proposals.resolve(2n, { ok: true, value: "other" });
    proposals.resolve(1n, { ok: true, value: "mine" });
    proposals.resolve(1n, { ok: true, value: "again" });
    expect(outcomes).toEqual([{ ok: true, value: "mine" }]);
    expect(proposals.pending).toBe(0);
  });

  test("M3 are refused beyond the count, and beyond the bytes, until some are completed", () => {
    const few = new Proposals(1, 1_000);
    request(few, 1n);
    expect(request(few, 2n)).toBe("refused");
    few.resolve(1n, { ok: true, value: 0 });
    expect(request(few, 3n)).not.toBe("refused");
    const small = new Proposals(10, 100);
    request(small, 1n, 60);
    expect(request(small, 2n, 60)).toBe("refused");
    small.resolve(1n, { ok: true, value: 0 });
    expect(request(small, 3n, 60)).not.toBe("refused");
  });

  test("M4 past their deadline fail with the error, and are not proposed", () => {
    const proposals = new Proposals(10, 1_000);
    const late = request(proposals, 1n, 10, 100);
    const early = request(proposals, 2n, 10, 200);
    proposals.expire(150, errTimeout);
    expect(late).toEqual([{ ok: false, error: errTimeout }]);
    expect(early).toEqual([]);
    expect(proposals.nextBatch(1_000).map((bytes) => bytes[0])).toEqual([2]);
    proposals.failAll(errStopped, errStopped);
    expect(early).toEqual([{ ok: false, error: errStopped }]);
    expect(proposals.queued).toBe(0);
  });

  test("keep their order through a long queue that is taken in parts", () => {
    const proposals = new Proposals(20_000, 1_000_000);
    for (let id = 0; id < 10_000; id++) request(proposals, BigInt(id), 1);
    let taken = 0;
    while (proposals.queued > 0) {
      const batch = proposals.nextBatch(777);
      for (const bytes of batch) expect(bytes[0]).toBe(taken++ % 256);
      proposals.batchTaken(batch.length, 1);
    }
    expect(taken).toBe(10_000);
  });

  test("M51 of a caller with a long queue take turns with a neighbour's", () => {
    const proposals = new Proposals(1_000, 100_000_000);
    const add = (id: bigint, caller: string): boolean =>
      proposals.add({ id, bytes: new Uint8Array(10_000).fill(Number(id)), deadlineMs: 1, caller, done: () => {} });
    for (let id = 1n; id <= 100n; id++) add(id, "flooder");
    add(200n, "neighbour");
    const batch = proposals.nextBatch(100_000).map((bytes) => bytes[0]);
    expect(batch).toContain(200);
    expect(batch.filter((id) => id !== 200)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
    proposals.batchTaken(batch.length, 1);
    expect(proposals.nextBatch(10_000)[0]?.[0]).toBe(10);
  });
});
