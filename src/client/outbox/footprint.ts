/**
 * Which keys a write reads and changes. Within one txn etcd makes all comparisons first and refuses to change a key twice,
 * so a write that touches what an earlier one changes has to wait for the next txn.
 */
import { compareBytes } from "../../base/bytes.ts";
import type { RequestOp } from "../facade/txn.ts";
import type { StoredWrite } from "./outbox-store.ts";

/** Keys from `key` up to `end`, exclusive. Without an end: to the last. */
export interface Interval {
  readonly key: Uint8Array;
  readonly end: Uint8Array | undefined;
}

export interface Footprint {
  readonly compared: readonly Interval[];
  readonly changed: readonly Interval[];
}

export function footprintOf(write: StoredWrite): Footprint {
  if (write.type === "update") {
    const key = [intervalOf(write.key, undefined)];
    return { compared: key, changed: key };
  }
  return {
    compared: write.compare.map(({ key, rangeEnd }) => intervalOf(key, rangeEnd)),
    changed: write.operations.flatMap(changedBy),
  };
}

/** Returns whether the later write can be executed in one txn with the earlier ones. */
export function isIndependent(later: Footprint, earlierChanged: readonly Interval[]): boolean {
  const touched = [...later.compared, ...later.changed];
  return !earlierChanged.some((changed) => touched.some((interval) => overlap(changed, interval)));
}

function changedBy(operation: RequestOp): readonly Interval[] {
  if (operation.type === "put") return [intervalOf(operation.put.key, undefined)];
  if (operation.type !== "deleteRange") return [];
  return [intervalOf(operation.deleteRange.key, operation.deleteRange.rangeEnd)];
}

function intervalOf(key: Uint8Array, rangeEnd: Uint8Array | undefined): Interval {
  if (rangeEnd === undefined || rangeEnd.length === 0) {
    const next = new Uint8Array(key.length + 1);
    next.set(key);
    return { key, end: next };
  }
  // etcd's way to say "to the last key".
  return { key, end: rangeEnd.length === 1 && rangeEnd[0] === 0 ? undefined : rangeEnd };
}

function overlap(left: Interval, right: Interval): boolean {
  return startsBefore(left, right.end) && startsBefore(right, left.end);
}

function startsBefore({ key }: Interval, end: Uint8Array | undefined): boolean {
  return end === undefined || compareBytes(key, end) < 0;
}
