/**
 * Messages of etcd's KV service and of its key-value records. Every field is present, with proto3's zero value if it
 * was absent on the wire. The functions named after the messages build one from the fields that differ from that.
 *
 * An enum's value is its name. It is a number if a peer sent a value that etcd's enum does not have, because etcd keeps
 * such a value and responds accordingly (`sort_target: 99` is "invalid sort option", not a decoding error).
 */
import { EMPTY_BYTES } from "../../base/key-bytes.ts";
import { responseHeader } from "./header.ts";
import type { ResponseHeader } from "./header.ts";
import type { KeyValue } from "./key-value.ts";

export { compactionRequest, compactionResponse } from "./compaction.ts";
export type { CompactionRequest, CompactionResponse } from "./compaction.ts";
export { event } from "./event.ts";
export type { Event, EventType } from "./event.ts";
export { keyValue } from "./key-value.ts";
export type { KeyValue } from "./key-value.ts";

export type SortOrder = "NONE" | "ASCEND" | "DESCEND" | number;
export type SortTarget = "KEY" | "VERSION" | "CREATE" | "MOD" | "VALUE" | number;

export interface RangeRequest {
  readonly key: Uint8Array;
  readonly rangeEnd: Uint8Array;
  readonly limit: number;
  readonly revision: number;
  readonly sortOrder: SortOrder;
  readonly sortTarget: SortTarget;
  readonly serializable: boolean;
  readonly keysOnly: boolean;
  readonly countOnly: boolean;
  readonly minModRevision: number;
  readonly maxModRevision: number;
  readonly minCreateRevision: number;
  readonly maxCreateRevision: number;
}

export function rangeRequest(set?: Partial<RangeRequest>): RangeRequest {
  return {
    key: EMPTY_BYTES,
    rangeEnd: EMPTY_BYTES,
    limit: 0,
    revision: 0,
    sortOrder: "NONE",
    sortTarget: "KEY",
    serializable: false,
    keysOnly: false,
    countOnly: false,
    minModRevision: 0,
    maxModRevision: 0,
    minCreateRevision: 0,
    maxCreateRevision: 0,
    ...set,
  };
}

export interface RangeResponse {
  readonly header: ResponseHeader;
  readonly kvs: readonly KeyValue[];
  readonly more: boolean;
  readonly count: number;
}

export function rangeResponse(set?: Partial<RangeResponse>): RangeResponse {
  return { header: responseHeader(), kvs: [], more: false, count: 0, ...set };
}

export interface RangeStreamResponse {
  readonly rangeResponse: RangeResponse;
}

export function rangeStreamResponse(set?: Partial<RangeStreamResponse>): RangeStreamResponse {
  return { rangeResponse: rangeResponse(), ...set };
}

export interface PutRequest {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly lease: bigint;
  readonly prevKv: boolean;
  readonly ignoreValue: boolean;
  readonly ignoreLease: boolean;
}

export function putRequest(set?: Partial<PutRequest>): PutRequest {
  return {
    key: EMPTY_BYTES,
    value: EMPTY_BYTES,
    lease: 0n,
    prevKv: false,
    ignoreValue: false,
    ignoreLease: false,
    ...set,
  };
}

export interface PutResponse {
  readonly header: ResponseHeader;
  readonly prevKv: KeyValue | undefined;
}

export function putResponse(set?: Partial<PutResponse>): PutResponse {
  return { header: responseHeader(), prevKv: undefined, ...set };
}

export interface DeleteRangeRequest {
  readonly key: Uint8Array;
  readonly rangeEnd: Uint8Array;
  readonly prevKv: boolean;
}

export function deleteRangeRequest(set?: Partial<DeleteRangeRequest>): DeleteRangeRequest {
  return { key: EMPTY_BYTES, rangeEnd: EMPTY_BYTES, prevKv: false, ...set };
}

export interface DeleteRangeResponse {
  readonly header: ResponseHeader;
  readonly deleted: number;
  readonly prevKvs: readonly KeyValue[];
}

export function deleteRangeResponse(set?: Partial<DeleteRangeResponse>): DeleteRangeResponse {
  return { header: responseHeader(), deleted: 0, prevKvs: [], ...set };
}

/** `none` is an operation whose union was left empty. */
export type RequestOp =
  | { readonly type: "none" }
  | { readonly type: "range"; readonly range: RangeRequest }
  | { readonly type: "put"; readonly put: PutRequest }
  | { readonly type: "deleteRange"; readonly deleteRange: DeleteRangeRequest }
  | { readonly type: "txn"; readonly txn: TxnRequest };

export type ResponseOp =
  | { readonly type: "none" }
  | { readonly type: "range"; readonly range: RangeResponse }
  | { readonly type: "put"; readonly put: PutResponse }
  | { readonly type: "deleteRange"; readonly deleteRange: DeleteRangeResponse }
  | { readonly type: "txn"; readonly txn: TxnResponse };

export type CompareResult = "EQUAL" | "GREATER" | "LESS" | "NOT_EQUAL" | number;
export type CompareTarget = "VERSION" | "CREATE" | "MOD" | "VALUE" | "LEASE" | number;

/** The member of the union that was sent. It may differ from `target`; then etcd compares with the zero value. */
export type CompareOperand =
  | { readonly type: "none" }
  | { readonly type: "version"; readonly version: number }
  | { readonly type: "createRevision"; readonly createRevision: number }
  | { readonly type: "modRevision"; readonly modRevision: number }
  | { readonly type: "value"; readonly value: Uint8Array }
  | { readonly type: "lease"; readonly lease: bigint };

/** A comparison of a txn, as it is sent. `compare` makes it. */
export interface Compare {
  readonly result: CompareResult;
  readonly target: CompareTarget;
  readonly key: Uint8Array;
  readonly targetUnion: CompareOperand;
  readonly rangeEnd: Uint8Array;
}

export function compare(set?: Partial<Compare>): Compare {
  return {
    result: "EQUAL",
    target: "VERSION",
    key: EMPTY_BYTES,
    targetUnion: { type: "none" },
    rangeEnd: EMPTY_BYTES,
    ...set,
  };
}

export interface TxnRequest {
  readonly compare: readonly Compare[];
  readonly success: readonly RequestOp[];
  readonly failure: readonly RequestOp[];
}

export function txnRequest(set?: Partial<TxnRequest>): TxnRequest {
  return { compare: [], success: [], failure: [], ...set };
}

export interface TxnResponse {
  readonly header: ResponseHeader;
  readonly succeeded: boolean;
  readonly responses: readonly ResponseOp[];
}

export function txnResponse(set?: Partial<TxnResponse>): TxnResponse {
  return { header: responseHeader(), succeeded: false, responses: [], ...set };
}
