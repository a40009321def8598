/**
 * Converts the client's arguments to requests, and responses to results. Used by single calls and by operations in a
 * txn.
 */
import { unreachable } from "../../base/assert.ts";
import { EMPTY_BYTES } from "../../base/key-bytes.ts";
import { deleteRangeRequest, putRequest, rangeRequest } from "../../protocol/api/kv.ts";
import type {
  DeleteRangeRequest,
  DeleteRangeResponse,
  PutRequest,
  PutResponse,
  RangeRequest,
  RangeResponse,
  ResponseOp,
  SortTarget,
  TxnResponse,
} from "../../protocol/api/kv.ts";
import { EtcdError, GrpcCode } from "../../protocol/etcd-error.ts";
import {
  count,
  headerOf,
  idOf,
  invalid,
  keyRange,
  keyValueOf,
  optionalKeyValueOf,
  toBytes,
} from "../common/convert.ts";
import type {
  Bytes,
  DeleteRangeOptions,
  DeleteRangeResult,
  OpResult,
  PutOptions,
  PutResult,
  RangeOptions,
  RangeResult,
  SortBy,
  TxnResult,
} from "../common/types.ts";

const SORT_TARGETS: Readonly<Record<SortBy, SortTarget>> = {
  key: "KEY",
  version: "VERSION",
  createRevision: "CREATE",
  modRevision: "MOD",
  value: "VALUE",
};

export function rangeOf(key: Bytes, options: RangeOptions): RangeRequest {
  return rangeRequest({
    ...keyRange(key, options),
    ...sortOf(options),
    limit: count("limit", options.limit),
    revision: count("revision", options.revision),
    serializable: options.serializable === true,
    keysOnly: options.keysOnly === true,
    countOnly: options.countOnly === true,
    minModRevision: count("minModRevision", options.minModRevision),
    maxModRevision: count("maxModRevision", options.maxModRevision),
    minCreateRevision: count("minCreateRevision", options.minCreateRevision),
    maxCreateRevision: count("maxCreateRevision", options.maxCreateRevision),
  });
}

/** A range is ascending by key anyway, and a requested order makes a server sort. So the default order is not sent. */
function sortOf({ sort }: RangeOptions): Pick<RangeRequest, "sortOrder" | "sortTarget"> {
  if (sort === undefined) return { sortOrder: "NONE", sortTarget: "KEY" };
  const sortTarget = SORT_TARGETS[sort.by];
  if (sortTarget === undefined) throw invalid(`sort.by is one of ${Object.keys(SORT_TARGETS).join(", ")}`);
  const order = sort.order ?? "ascend";
  if (order !== "ascend" && order !== "descend") throw invalid("sort.order is ascend or descend");
  if (order === "ascend") return { sortOrder: sortTarget === "KEY" ? "NONE" : "ASCEND", sortTarget };
  return { sortOrder: "DESCEND", sortTarget };
}

export function putOf(key: Bytes, value: Bytes, options: PutOptions): PutRequest {
  const ignoreValue = options.ignoreValue === true;
  return putRequest({
    key: toBytes(key),
    value: ignoreValue && value === undefined ? EMPTY_BYTES : toBytes(value),
    lease: idOf(options.lease),
    prevKv: options.prevKv === true,
    ignoreValue,
    ignoreLease: options.ignoreLease === true,
  });
}

export function deleteRangeOf(key: Bytes, options: DeleteRangeOptions): DeleteRangeRequest {
  return deleteRangeRequest({ ...keyRange(key, options), prevKv: options.prevKv === true });
}

export function rangeResult(response: RangeResponse): RangeResult {
  const { header, kvs, more, count: total } = response;
  return { header: headerOf(header), kvs: kvs.map(keyValueOf), count: total, more };
}

export function putResult(response: PutResponse): PutResult {
  return { header: headerOf(response.header), prevKv: optionalKeyValueOf(response.prevKv) };
}

export function deleteRangeResult(response: DeleteRangeResponse): DeleteRangeResult {
  const { header, deleted, prevKvs } = response;
  return { header: headerOf(header), deleted, prevKvs: prevKvs.map(keyValueOf) };
}

export function txnResult(response: TxnResponse): TxnResult {
  const { header, succeeded, responses } = response;
  return { header: headerOf(header), succeeded, responses: responses.map(opResult) };
}

function opResult(response: ResponseOp): OpResult {
  switch (response.type) {
    case "range":
      return { type: "range", range: rangeResult(response.range) };
    case "put":
      return { type: "put", put: putResult(response.put) };
    case "deleteRange":
      return { type: "deleteRange", deleteRange: deleteRangeResult(response.deleteRange) };
    case "txn":
      return { type: "txn", txn: txnResult(response.txn) };
    case "none":
      throw new EtcdError(GrpcCode.Internal, "a txn's answer lacks the result of an operation");
    default:
      return unreachable(response);
  }
}
