/**
 * Range as etcd does it, in its order of work: read, filter, sort, cut. The limit is passed to the table only if
 * nothing is filtered or sorted. `count` is always that of the whole range.
 */
import { compareBytes } from "../../base/bytes.ts";
import { errCompacted, errFutureRev } from "../../protocol/errors.ts";
import type { KeyValue, RangeRequest, RangeResponse, SortTarget } from "../../protocol/api/kv.ts";
import type { ResponseSizeLimit } from "./response-size-limit.ts";
import { keyRange, liveRows, type KeyRange } from "./key-range.ts";
import { headerAt, rowToKeyOnly, rowToKeyValue } from "../tables/messages.ts";
import type { CountedPart, RevisionRow } from "../tables/tables.ts";
import type { ReadView } from "./read-view.ts";

/** A response whose `count` is missing, and what is to be counted for it; undefined if it is complete. */
interface ReadRange {
  readonly response: RangeResponse;
  readonly uncounted: (KeyRange & { readonly type: "range" }) | undefined;
  readonly atRevision: number;
}

export function executeRange(view: ReadView, request: RangeRequest, budget?: ResponseSizeLimit): RangeResponse {
  const { response, uncounted, atRevision } = readRange(view, request, budget);
  if (uncounted === undefined) return response;
  return { ...response, count: view.keys.count(uncounted.start, uncounted.end, atRevision) };
}

/**
 * The same in steps, so that a caller can let others go on between them: the first reads, and all of them count about
 * `keysMax` keys. The result is that of the first step's revision, whatever is written meanwhile. If that is compacted
 * meanwhile, a request of the newest revision begins again.
 */
export function* rangeInSteps(
  view: ReadView,
  request: RangeRequest,
  keysMax: number,
  newBudget?: () => ResponseSizeLimit,
): Generator<void, RangeResponse, void> {
  for (;;) {
    const { response, uncounted, atRevision } = readRange(view, request, newBudget?.());
    if (uncounted === undefined) return response;
    let count = 0;
    let start: Uint8Array | undefined = uncounted.start;
    while (start !== undefined && atRevision >= view.compactRevision) {
      const part: CountedPart = view.keys.countPart(start, uncounted.end, atRevision, keysMax);
      count += part.count;
      start = part.next;
      if (start !== undefined) yield;
    }
    if (start === undefined) return { ...response, count };
    if (request.revision > 0) throw errCompacted;
  }
}

function readRange(view: ReadView, request: RangeRequest, budget: ResponseSizeLimit | undefined): ReadRange {
  const atRevision = readableRevision(view, request.revision);
  const header = headerAt(view.revision);
  const range = keyRange(request.key, request.rangeEnd);
  if (request.countOnly && range.type === "range") {
    return { response: { header, kvs: [], more: false, count: 0 }, uncounted: range, atRevision };
  }
  const filter = rowFilter(request);
  const wholeRange = request.limit <= 0 || request.sortOrder !== "NONE" || filter !== undefined;
  const limit = wholeRange ? Number.POSITIVE_INFINITY : request.limit + 1;
  const withValues = !request.keysOnly || request.sortTarget === "VALUE";
  let rows = liveRows(view.keys, range, atRevision, withValues, limit, budget);
  // If the limit ended it, there may be more.
  const uncounted = rows.length < limit || range.type === "key" ? undefined : range;
  const count = rows.length;
  if (filter !== undefined) rows = rows.filter(filter);
  sortRows(rows, request);
  const more = request.limit > 0 && rows.length > request.limit;
  if (more) rows.length = request.limit;
  const kvs = request.countOnly ? [] : rows.map(rowToPair(request));
  return { response: { header, kvs, more: more && !request.countOnly, count }, uncounted, atRevision };
}

/** When etcd sorts by value, it reads keys from their rows, and so with their leases. */
function rowToPair({ keysOnly, sortTarget }: RangeRequest): (row: RevisionRow) => KeyValue {
  if (!keysOnly) return rowToKeyValue;
  return sortTarget === "VALUE" ? (row) => ({ ...rowToKeyOnly(row), lease: row.lease }) : rowToKeyOnly;
}

/** Returns the revision to read at; zero and below mean the newest. The compact revision itself can still be read. */
export function readableRevision(view: ReadView, revision: number): number {
  if (revision > view.revision) throw errFutureRev;
  const atRevision = revision <= 0 ? view.revision : revision;
  if (atRevision < view.compactRevision) throw errCompacted;
  return atRevision;
}

function rowFilter(request: RangeRequest): ((row: RevisionRow) => boolean) | undefined {
  const { minModRevision, maxModRevision, minCreateRevision, maxCreateRevision } = request;
  const filters = minModRevision !== 0 || maxModRevision !== 0 || minCreateRevision !== 0 || maxCreateRevision !== 0;
  if (!filters) return undefined;
  return (row) =>
    (maxModRevision === 0 || row.main <= maxModRevision) &&
    (minModRevision === 0 || row.main >= minModRevision) &&
    (maxCreateRevision === 0 || row.createRevision <= maxCreateRevision) &&
    (minCreateRevision === 0 || row.createRevision >= minCreateRevision);
}

/**
 * Keeps etcd's quirk: without an order but with a target other than the key, it sorts ascending by the target, but only
 * what the limit let through.
 *
 * Equal rows stay in the order of their keys. So do etcd's up to twelve rows; beyond that their order is a by-product of
 * the sort of the Go version that etcd was built with, which no client can rely on (test/mvcc/range/equal-rows.test.ts).
 */
function sortRows(rows: RevisionRow[], request: RangeRequest): void {
  const { sortOrder, sortTarget } = request;
  if (sortTarget === "KEY" && sortOrder !== "DESCEND") return;
  const order = comparatorOf(sortTarget);
  rows.sort(sortOrder === "DESCEND" ? (left, right) => order(right, left) : order);
}

function comparatorOf(target: SortTarget): (left: RevisionRow, right: RevisionRow) => number {
  switch (target) {
    case "VERSION":
      return (left, right) => left.version - right.version;
    case "CREATE":
      return (left, right) => left.createRevision - right.createRevision;
    case "MOD":
      return (left, right) => left.main - right.main;
    case "VALUE":
      return (left, right) => compareBytes(left.value, right.value);
    case "KEY":
    default:
      // Validation rejects a target that etcd's enum does not have.
      return (left, right) => compareBytes(left.key, right.key);
  }
}
