/** Field tables of the messages in kv.ts, with the numbers and names of etcd's .proto files. */
import {
  compactionRequest,
  compactionResponse,
  compare,
  deleteRangeRequest,
  deleteRangeResponse,
  event,
  keyValue,
  putRequest,
  putResponse,
  rangeRequest,
  rangeResponse,
  rangeStreamResponse,
  txnRequest,
  txnResponse,
} from "../kv.ts";
import type {
  CompactionRequest,
  CompactionResponse,
  Compare,
  CompareOperand,
  CompareResult,
  CompareTarget,
  DeleteRangeRequest,
  DeleteRangeResponse,
  Event,
  EventType,
  KeyValue,
  PutRequest,
  PutResponse,
  RangeRequest,
  RangeResponse,
  RangeStreamResponse,
  RequestOp,
  ResponseOp,
  SortOrder,
  SortTarget,
  TxnRequest,
  TxnResponse,
} from "../kv.ts";
import { header, responseHeaderSchema } from "./header-schema.ts";
import {
  always,
  bool,
  bytes,
  clampedInt,
  closedEnum,
  id,
  int,
  message,
  oneof,
  openEnum,
  optional,
  repeated,
  unionMessage,
  unlessZero,
} from "../../codec/schema.ts";
import type { Schema } from "../../codec/schema.ts";

export const keyValueSchema: Schema<KeyValue> = message("mvccpb.KeyValue", keyValue, {
  key: bytes(1, "key"),
  createRevision: int(2, "create_revision"),
  modRevision: int(3, "mod_revision"),
  version: int(4, "version"),
  value: bytes(5, "value"),
  lease: id(6, "lease", "signed"),
});

export const eventSchema: Schema<Event> = message("mvccpb.Event", event, {
  type: closedEnum<EventType>(1, "type", ["PUT", "DELETE"]),
  kv: optional(2, "kv", () => keyValueSchema),
  prevKv: optional(3, "prev_kv", () => keyValueSchema),
});

export const rangeRequestSchema: Schema<RangeRequest> = message("etcdserverpb.RangeRequest", rangeRequest, {
  key: bytes(1, "key"),
  rangeEnd: bytes(2, "range_end"),
  limit: clampedInt(3, "limit"),
  revision: clampedInt(4, "revision"),
  sortOrder: openEnum<SortOrder>(5, "sort_order", ["NONE", "ASCEND", "DESCEND"]),
  sortTarget: openEnum<SortTarget>(6, "sort_target", ["KEY", "VERSION", "CREATE", "MOD", "VALUE"]),
  serializable: bool(7, "serializable"),
  keysOnly: bool(8, "keys_only"),
  countOnly: bool(9, "count_only"),
  minModRevision: clampedInt(10, "min_mod_revision"),
  maxModRevision: clampedInt(11, "max_mod_revision"),
  minCreateRevision: clampedInt(12, "min_create_revision"),
  maxCreateRevision: clampedInt(13, "max_create_revision"),
});

export const rangeResponseSchema: Schema<RangeResponse> = message("etcdserverpb.RangeResponse", rangeResponse, {
  // Only the last chunk of a stream has a header, because a client takes the revision from the first header that it
  // receives.
  header: unlessZero(1, "header", () => responseHeaderSchema),
  kvs: repeated(always(2, "kvs", () => keyValueSchema)),
  more: bool(3, "more"),
  count: int(4, "count"),
});

export const rangeStreamResponseSchema: Schema<RangeStreamResponse> = message(
  "etcdserverpb.RangeStreamResponse",
  rangeStreamResponse,
  { rangeResponse: always(1, "range_response", () => rangeResponseSchema) },
);

export const putRequestSchema: Schema<PutRequest> = message("etcdserverpb.PutRequest", putRequest, {
  key: bytes(1, "key"),
  value: bytes(2, "value"),
  lease: id(3, "lease", "signed"),
  prevKv: bool(4, "prev_kv"),
  ignoreValue: bool(5, "ignore_value"),
  ignoreLease: bool(6, "ignore_lease"),
});

export const putResponseSchema: Schema<PutResponse> = message("etcdserverpb.PutResponse", putResponse, {
  header,
  prevKv: optional(2, "prev_kv", () => keyValueSchema),
});

export const deleteRangeRequestSchema: Schema<DeleteRangeRequest> = message(
  "etcdserverpb.DeleteRangeRequest",
  deleteRangeRequest,
  { key: bytes(1, "key"), rangeEnd: bytes(2, "range_end"), prevKv: bool(3, "prev_kv") },
);

export const deleteRangeResponseSchema: Schema<DeleteRangeResponse> = message(
  "etcdserverpb.DeleteRangeResponse",
  deleteRangeResponse,
  { header, deleted: int(2, "deleted"), prevKvs: repeated(always(3, "prev_kvs", () => keyValueSchema)) },
);

export const requestOpSchema: Schema<RequestOp> = unionMessage<RequestOp>(
  "etcdserverpb.RequestOp",
  "request",
  { type: "none" },
  {
    range: always(1, "request_range", () => rangeRequestSchema),
    put: always(2, "request_put", () => putRequestSchema),
    deleteRange: always(3, "request_delete_range", () => deleteRangeRequestSchema),
    txn: always(4, "request_txn", () => txnRequestSchema),
  },
);

export const responseOpSchema: Schema<ResponseOp> = unionMessage<ResponseOp>(
  "etcdserverpb.ResponseOp",
  "response",
  { type: "none" },
  {
    range: always(1, "response_range", () => rangeResponseSchema),
    put: always(2, "response_put", () => putResponseSchema),
    deleteRange: always(3, "response_delete_range", () => deleteRangeResponseSchema),
    txn: always(4, "response_txn", () => txnResponseSchema),
  },
);

export const compareSchema: Schema<Compare> = message("etcdserverpb.Compare", compare, {
  result: openEnum<CompareResult>(1, "result", ["EQUAL", "GREATER", "LESS", "NOT_EQUAL"]),
  target: openEnum<CompareTarget>(2, "target", ["VERSION", "CREATE", "MOD", "VALUE", "LEASE"]),
  key: bytes(3, "key"),
  rangeEnd: bytes(64, "range_end"),
  targetUnion: oneof<CompareOperand>("target_union", {
    version: clampedInt(4, "version"),
    createRevision: clampedInt(5, "create_revision"),
    modRevision: clampedInt(6, "mod_revision"),
    value: bytes(7, "value"),
    lease: id(8, "lease", "signed"),
  }),
});

export const txnRequestSchema: Schema<TxnRequest> = message("etcdserverpb.TxnRequest", txnRequest, {
  compare: repeated(always(1, "compare", () => compareSchema)),
  success: repeated(always(2, "success", () => requestOpSchema)),
  failure: repeated(always(3, "failure", () => requestOpSchema)),
});

export const txnResponseSchema: Schema<TxnResponse> = message("etcdserverpb.TxnResponse", txnResponse, {
  header,
  succeeded: bool(2, "succeeded"),
  responses: repeated(always(3, "responses", () => responseOpSchema)),
});

export const compactionRequestSchema: Schema<CompactionRequest> = message(
  "etcdserverpb.CompactionRequest",
  compactionRequest,
  { revision: clampedInt(1, "revision"), physical: bool(2, "physical") },
);

export const compactionResponseSchema: Schema<CompactionResponse> = message(
  "etcdserverpb.CompactionResponse",
  compactionResponse,
  { header },
);
