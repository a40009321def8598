/**
 * etcd numbers all that is written. So there is one order that everybody must agree with, and it can be checked without
 * a search: an answer at revision r must be what the store held at r, and of two calls of which one ended before the
 * other began, the later one must not answer from further back. That is strict serializability, of calls on many keys
 * too, with the revisions as the proof.
 */
import { describeCall } from "./history.ts";
import type { Call, Operation, Result, Value } from "./history.ts";
import type { ReferenceModel } from "./reference-model.ts";

/** Returns the first thing that is wrong. */
export function checkRevisionOrder(calls: readonly Call[], ledger: ReferenceModel): string | undefined {
  for (const call of calls) {
    const wrong = call.result === undefined ? undefined : checkAnswer(call, call.result, ledger);
    if (wrong !== undefined) return `${wrong}\n${describeCall(call)}`;
  }
  return checkRealTime(calls, ledger);
}

/** Whether the answer is the one that the store gives at its revision. */
function checkAnswer({ operation, revision }: Call, result: Result, ledger: ReferenceModel): string | undefined {
  if (revision > ledger.revision) return `revision ${revision} was never agreed on`;
  const now = ledger.values(revision);
  const before = ledger.values(revision - 1);
  switch (operation.type) {
    case "put":
      return wroteAt(ledger, operation.value, revision);
    case "delete": {
      if (result.type !== "delete") return "a delete is answered as one";
      if (!result.deleted)
        return unless(now[operation.key] === undefined, "nothing was deleted, but the key was there");
      const gone = before[operation.key] !== undefined && now[operation.key] === undefined;
      return unless(gone, "the key was not deleted at this revision");
    }
    case "get":
      return unless(result.type === "get" && result.value === now[operation.key], "the key had another value");
    case "swap":
      return result.type === "swap"
        ? checkSwap(operation, result.swapped, [result.value], revision, ledger)
        : "no swap";
    case "pair":
      return result.type === "pair" ? checkSwap(operation, result.swapped, result.values, revision, ledger) : "no pair";
    case "scan":
    case "peek":
      return checkValues(result, revision, ledger);
    case "past":
      return result.type === "values" ? checkValues(result, result.at, ledger) : "no values";
  }
}

function checkSwap(
  operation: Extract<Operation, { type: "swap" | "pair" }>,
  swapped: boolean,
  values: readonly Value[],
  revision: number,
  ledger: ReferenceModel,
): string | undefined {
  const { key, expected, value } = operation;
  const other = operation.type === "pair" ? operation.other : key;
  const now = ledger.values(revision);
  if (!swapped) {
    if (now[key] === expected) return "the swap failed although the value was the expected one";
    const same = values[0] === now[key] && (operation.type === "swap" || values[1] === now[other]);
    return unless(same, "the failed swap read another value");
  }
  if (ledger.values(revision - 1)[key] !== expected) return "the swap succeeded although the value was another one";
  if (now[key] !== value || now[other] !== value) return "the swap did not write all of it at this revision";
  return wroteAt(ledger, value, revision);
}

function checkValues(result: Result, revision: number, ledger: ReferenceModel): string | undefined {
  if (result.type !== "values") return "a read of all keys is answered as one";
  const expected = ledger.values(revision);
  const at = expected.findIndex((value, key) => value !== result.values[key]);
  return unless(at < 0, `key ${at} was ${expected[at] ?? "absent"} at revision ${revision}`);
}

function wroteAt(ledger: ReferenceModel, value: string, revision: number): string | undefined {
  const at = ledger.revisionOf(value);
  return unless(at === revision, `${value} was written at ${at === undefined ? "no revision" : `revision ${at}`}`);
}

interface Moment {
  readonly order: number;
  readonly call: Call;
  readonly isEnd: boolean;
}

/** Whatever began after another call had ended has a revision that is not below the other's; a write has a higher one. */
function checkRealTime(calls: readonly Call[], ledger: ReferenceModel): string | undefined {
  const moments: Moment[] = [];
  for (const call of calls) {
    if (mayBeOld(call.operation)) continue;
    moments.push({ order: call.startOrder, call, isEnd: false });
    if (call.endOrder !== Infinity) moments.push({ order: call.endOrder, call, isEnd: true });
  }
  moments.sort((left, right) => left.order - right.order);
  let newest: Call | undefined;
  for (const { call, isEnd } of moments) {
    if (isEnd) {
      if (newest === undefined || call.revision > newest.revision) newest = call;
      continue;
    }
    const at = effectiveRevision(call, ledger);
    if (at === undefined || newest === undefined) continue;
    const { revision, wrote } = at;
    if (revision < newest.revision || (wrote && revision === newest.revision)) {
      return `revision ${revision} comes after revision ${newest.revision}\n${describeCall(newest)}\n${describeCall(call)}`;
    }
  }
  return undefined;
}

/**
 * Where each call stands if the revisions are right: whoever wrote stands before whoever read the same revision. Which of
 * several unanswered deletes of a key did it nobody knows; the oldest are as good as any.
 */
export function placesOf(calls: readonly Call[], ledger: ReferenceModel): (call: Call) => number {
  const deletes = unclaimedDeletes(calls, ledger);
  const places = new Map<Call, number>();
  for (const call of calls) {
    const at = effectiveRevision(call, ledger);
    if (at !== undefined) places.set(call, at.wrote ? at.revision : at.revision + 0.5);
    else if (call.operation.type === "delete") places.set(call, deletes.get(call.operation.key)?.shift() ?? Infinity);
  }
  return (call) => places.get(call) ?? Infinity;
}

/** By key: the revisions at which it was deleted by somebody who was not answered. */
function unclaimedDeletes(calls: readonly Call[], ledger: ReferenceModel): Map<number, number[]> {
  const claimed = new Set<number>();
  for (const { result, revision } of calls) if (result?.type === "delete" && result.deleted) claimed.add(revision);
  const unclaimed = new Map<number, number[]>();
  for (let revision = 2; revision <= ledger.revision; revision++) {
    for (const { type, key } of ledger.events(revision)) {
      if (type !== "DELETE" || claimed.has(revision)) continue;
      const number = Number(key.slice("key".length));
      unclaimed.set(number, [...(unclaimed.get(number) ?? []), revision]);
    }
  }
  return unclaimed;
}

/** Of unanswered writes too, when the log holds them. */
function effectiveRevision(call: Call, ledger: ReferenceModel): { revision: number; wrote: boolean } | undefined {
  const { operation, result } = call;
  const written = "value" in operation ? ledger.revisionOf(operation.value) : undefined;
  if (written !== undefined) return { revision: written, wrote: true };
  if (result === undefined) return undefined;
  return { revision: call.revision, wrote: result.type === "delete" && result.deleted };
}

function mayBeOld({ type }: Operation): boolean {
  return type === "peek" || type === "past";
}

function unless(holds: boolean, wrong: string): string | undefined {
  return holds ? undefined : wrong;
}
