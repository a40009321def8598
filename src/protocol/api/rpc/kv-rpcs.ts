/** The methods of etcd's Kv service. */
import * as schemas from "../schema/kv-schema.ts";
import type * as messages from "../kv.ts";
import { serverStream, unary } from "./rpc.ts";
import type { Rpc } from "./rpc.ts";

export interface KvRpcs {
  readonly range: Rpc<messages.RangeRequest, messages.RangeResponse>;
  /** Returns a range in chunks that are produced on demand. Leaving the loop cancels it. */
  readonly rangeStream: Rpc<messages.RangeRequest, messages.RangeStreamResponse, "serverStream">;
  readonly put: Rpc<messages.PutRequest, messages.PutResponse>;
  readonly deleteRange: Rpc<messages.DeleteRangeRequest, messages.DeleteRangeResponse>;
  readonly txn: Rpc<messages.TxnRequest, messages.TxnResponse>;
  readonly compact: Rpc<messages.CompactionRequest, messages.CompactionResponse>;
}

const SERVICE = "etcdserverpb.KV";

export const KV_RPCS: KvRpcs = {
  range: unary(SERVICE, "Range", ["/v3/kv/range"], schemas.rangeRequestSchema, schemas.rangeResponseSchema, {
    isRead: true,
  }),
  // etcd's gateway has no path for it; this one is ours.
  rangeStream: serverStream(
    SERVICE,
    "RangeStream",
    ["/quorate/v1/range-stream"],
    schemas.rangeRequestSchema,
    schemas.rangeStreamResponseSchema,
    { isRead: true },
  ),
  put: unary(SERVICE, "Put", ["/v3/kv/put"], schemas.putRequestSchema, schemas.putResponseSchema),
  deleteRange: unary(
    SERVICE,
    "DeleteRange",
    ["/v3/kv/deleterange"],
    schemas.deleteRangeRequestSchema,
    schemas.deleteRangeResponseSchema,
  ),
  txn: unary(SERVICE, "Txn", ["/v3/kv/txn"], schemas.txnRequestSchema, schemas.txnResponseSchema),
  compact: unary(
    SERVICE,
    "Compact",
    ["/v3/kv/compaction"],
    schemas.compactionRequestSchema,
    schemas.compactionResponseSchema,
  ),
};
