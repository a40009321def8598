/** A key, its value and its revisions. kv.ts says how messages are built. */
import { EMPTY_BYTES } from "../../base/key-bytes.ts";

export interface KeyValue {
  readonly key: Uint8Array;
  readonly createRevision: number;
  readonly modRevision: number;
  readonly version: number;
  readonly value: Uint8Array;
  readonly lease: bigint;
}

export function keyValue(set?: Partial<KeyValue>): KeyValue {
  return {
    key: EMPTY_BYTES,
    createRevision: 0,
    modRevision: 0,
    version: 0,
    value: EMPTY_BYTES,
    lease: 0n,
    ...set,
  };
}
