/** The methods of etcd's Kv service. */
import {
  compactionRequestSchema,
  compactionResponseSchema,
  deleteRangeRequestSchema,
  deleteRangeResponseSchema,
  putRequestSchema,
  putResponseSchema,
  rangeRequestSchema,
  rangeResponseSchema,
  rangeStreamResponseSchema,
  txnRequestSchema,
  txnResponseSchema,
} from "./kv-schema.ts";
import type {
  CompactionRequest,
  CompactionResponse,
  DeleteRangeRequest,
  DeleteRangeResponse,
  PutRequest,
  PutResponse,
  RangeRequest,
  RangeResponse,
  RangeStreamResponse,
  TxnRequest,
  TxnResponse,
} from "./kv.ts";
import { serverStream, unary } from "./rpc.ts";
import type { Rpc } from "./rpc.ts";

export interface KvRpcs {
  readonly range: Rpc<RangeRequest, RangeResponse>;
  readonly rangeStream: Rpc<RangeRequest, RangeStreamResponse, "serverStream">;
  readonly put: Rpc<PutRequest, PutResponse>;
  readonly deleteRange: Rpc<DeleteRangeRequest, DeleteRangeResponse>;
  readonly txn: Rpc<TxnRequest, TxnResponse>;
  readonly compact: Rpc<CompactionRequest, CompactionResponse>;
}

const SERVICE = "etcdserverpb.KV";

export const KV_RPCS: KvRpcs = {
  range: unary(SERVICE, "Range", ["/v3/kv/range"], rangeRequestSchema, rangeResponseSchema, { isRead: true }),
  // etcd's gateway has no path for it; this one is ours.
  rangeStream: serverStream(
    SERVICE,
    "RangeStream",
    ["/quorate/v1/range-stream"],
    rangeRequestSchema,
    rangeStreamResponseSchema,
    { isRead: true },
  ),
  put: unary(SERVICE, "Put", ["/v3/kv/put"], putRequestSchema, putResponseSchema),
  deleteRange: unary(
    SERVICE,
    "DeleteRange",
    ["/v3/kv/deleterange"],
    deleteRangeRequestSchema,
    deleteRangeResponseSchema,
  ),
  txn: unary(SERVICE, "Txn", ["/v3/kv/txn"], txnRequestSchema, txnResponseSchema),
  compact: unary(SERVICE, "Compact", ["/v3/kv/compaction"], compactionRequestSchema, compactionResponseSchema),
};
