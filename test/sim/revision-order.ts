/**
 * Checks the order of revisions. etcd numbers all writes, so there is one order that all responses must agree with. It
 * can be checked without a search. A response at revision r must be what the store held at r. If one call ended before
 * another began, the later one must not return an older revision. That is strict serializability, also of calls on many
 * keys, with the revisions as the proof.
 */
import { describeCall } from "./history.ts";
import type { Call, Operation, Result, Value } from "./history.ts";
import type { ReferenceModel } from "./reference-model.ts";

/** Returns the first violation. */
export function checkRevisionOrder(calls: readonly Call[], model: ReferenceModel): string | undefined {
  for (const call of calls) {
    const wrong = call.result === undefined ? undefined : checkAnswer(call, call.result, model);
    if (wrong !== undefined) return `${wrong}\n${describeCall(call)}`;
  }
  return checkRealTime(calls, model);
}

/** Checks that the response is what the store returns at its revision. */
function checkAnswer({ operation, revision }: Call, result: Result, model: ReferenceModel): string | undefined {
  if (revision > model.revision) return `revision ${revision} was never agreed on`;
  const now = model.values(revision);
  const before = model.values(revision - 1);
  switch (operation.type) {
    case "put":
      return wroteAt(model, operation.value, revision);
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
      return result.type === "swap" ? checkSwap(operation, result.swapped, [result.value], revision, model) : "no swap";
    case "pair":
      return result.type === "pair" ? checkSwap(operation, result.swapped, result.values, revision, model) : "no pair";
    case "scan":
    case "peek":
      return checkValues(result, revision, model);
    case "past":
      return result.type === "values" ? checkValues(result, result.at, model) : "no values";
  }
}

function checkSwap(
  operation: Extract<Operation, { type: "swap" | "pair" }>,
  swapped: boolean,
  values: readonly Value[],
  revision: number,
  model: ReferenceModel,
): string | undefined {
  const { key, expected, value } = operation;
  const other = operation.type === "pair" ? operation.other : key;
  const now = model.values(revision);
  if (!swapped) {
    if (now[key] === expected) return "the swap failed although the value was the expected one";
    const same = values[0] === now[key] && (operation.type === "swap" || values[1] === now[other]);
    return unless(same, "the failed swap read another value");
  }
  if (model.values(revision - 1)[key] !== expected) return "the swap succeeded although the value was another one";
  if (now[key] !== value || now[other] !== value) return "the swap did not write all of it at this revision";
  return wroteAt(model, value, revision);
}

function checkValues(result: Result, revision: number, model: ReferenceModel): string | undefined {
  if (result.type !== "values") return "a read of all keys is answered as one";
  const expected = model.values(revision);
  const at = expected.findIndex((value, key) => value !== result.values[key]);
  return unless(at < 0, `key ${at} was ${expected[at] ?? "absent"} at revision ${revision}`);
}

function wroteAt(model: ReferenceModel, value: string, revision: number): string | undefined {
  const at = model.revisionOf(value);
  return unless(at === revision, `${value} was written at ${at === undefined ? "no revision" : `revision ${at}`}`);
}

interface Moment {
  readonly order: number;
  readonly call: Call;
  readonly isEnd: boolean;
}

/** A call that began after another one had ended has no lower revision; a write has a higher one. */
function checkRealTime(calls: readonly Call[], model: ReferenceModel): string | undefined {
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
    const at = effectiveRevision(call, model);
    if (at === undefined || newest === undefined) continue;
    const { revision, wrote } = at;
    if (revision < newest.revision || (wrote && revision === newest.revision)) {
      return `revision ${revision} comes after revision ${newest.revision}\n${describeCall(newest)}\n${describeCall(call)}`;
    }
  }
  return undefined;
}

/**
 * The place of each call if the revisions are right: the writer of a revision comes before its readers. Which of
 * several unanswered deletes of a key took effect is unknown; the oldest are as good as any.
 */
export function placesOf(calls: readonly Call[], model: ReferenceModel): (call: Call) => number {
  const deletes = unclaimedDeletes(calls, model);
  const places = new Map<Call, number>();
  for (const call of calls) {
    const at = effectiveRevision(call, model);
    if (at !== undefined) places.set(call, at.wrote ? at.revision : at.revision + 0.5);
    else if (call.operation.type === "delete") places.set(call, deletes.get(call.operation.key)?.shift() ?? Infinity);
  }
  return (call) => places.get(call) ?? Infinity;
}

/** By key: the revisions at which an unanswered call deleted it. */
function unclaimedDeletes(calls: readonly Call[], model: ReferenceModel): Map<number, number[]> {
  const claimed = new Set<number>();
  for (const { result, revision } of calls) if (result?.type === "delete" && result.deleted) claimed.add(revision);
  const unclaimed = new Map<number, number[]>();
  for (let revision = 2; revision <= model.revision; revision++) {
    for (const { type, key } of model.events(revision)) {
      if (type !== "DELETE" || claimed.has(revision)) continue;
      const number = Number(key.slice("key".length));
      unclaimed.set(number, [...(unclaimed.get(number) ?? []), revision]);
    }
  }
  return unclaimed;
}

/** Also of unanswered writes, if the log contains them. */
function effectiveRevision(call: Call, model: ReferenceModel): { revision: number; wrote: boolean } | undefined {
  const { operation, result } = call;
  const written = "value" in operation ? model.revisionOf(operation.value) : undefined;
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
