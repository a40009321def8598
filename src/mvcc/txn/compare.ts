/** The comparisons of a txn. All use the state before the txn, whatever its operations will do. */
import { EMPTY_BYTES, compareBytes } from "../../base/bytes.ts";
import type { Compare, CompareResult, RequestOp, TxnRequest } from "../../protocol/api/kv.ts";
import { keyRange, liveRow } from "../range/key-range.ts";
import type { ReadView } from "../range/read-view.ts";
import type { RevisionRow } from "../tables/tables.ts";

/** The branches that a txn takes: its own, and in list order those of the txns nested in that branch. */
export interface TxnPath {
  readonly succeeded: boolean;
  readonly nested: readonly TxnPath[];
}

export function choosePath(view: ReadView, request: TxnRequest): TxnPath {
  const succeeded = request.compare.every((compare) => holds(view, compare));
  const nested: TxnPath[] = [];
  for (const op of takenOps(request, succeeded)) {
    if (op.type === "txn") nested.push(choosePath(view, op.txn));
  }
  return { succeeded, nested };
}

export function takenOps(request: TxnRequest, succeeded: boolean): readonly RequestOp[] {
  return succeeded ? request.success : request.failure;
}

/** All keys of the range must satisfy the comparison; a range without keys counts as one missing key. */
function holds(view: ReadView, compare: Compare): boolean {
  const range = keyRange(compare.key, compare.rangeEnd);
  if (range.type === "key") return rowHolds(compare, liveRow(view.keys, range.key, view.revision));
  let empty = true;
  let all = true;
  view.keys.scan(range.start, range.end, view.revision, compare.target === "VALUE", (row) => {
    empty = false;
    all = rowHolds(compare, row);
    return all;
  });
  return empty ? rowHolds(compare, undefined) : all;
}

/** An operand that does not fit the target counts as that target's zero value. */
function rowHolds(compare: Compare, row: RevisionRow | undefined): boolean {
  const operand = compare.targetUnion;
  switch (compare.target) {
    case "VERSION":
      return accepts(compare.result, (row?.version ?? 0) - (operand.type === "version" ? operand.version : 0));
    case "CREATE":
      return accepts(
        compare.result,
        (row?.createRevision ?? 0) - (operand.type === "createRevision" ? operand.createRevision : 0),
      );
    case "MOD":
      return accepts(compare.result, (row?.main ?? 0) - (operand.type === "modRevision" ? operand.modRevision : 0));
    case "VALUE":
      // A missing key has no value to compare, so even NOT_EQUAL fails.
      if (row === undefined) return false;
      return accepts(compare.result, compareBytes(row.value, operand.type === "value" ? operand.value : EMPTY_BYTES));
    case "LEASE": {
      const lease = row?.lease ?? 0n;
      const wanted = operand.type === "lease" ? operand.lease : 0n;
      return accepts(compare.result, lease < wanted ? -1 : lease > wanted ? 1 : 0);
    }
    default:
      // A target outside etcd's enum compares as equal, as in etcd. A missing key still counts as missing.
      return accepts(compare.result, 0);
  }
}

function accepts(result: CompareResult, difference: number): boolean {
  switch (result) {
    case "EQUAL":
      return difference === 0;
    case "NOT_EQUAL":
      return difference !== 0;
    case "GREATER":
      return difference > 0;
    case "LESS":
      return difference < 0;
    default:
      return true;
  }
}
