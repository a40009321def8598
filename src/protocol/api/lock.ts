/** Messages of etcd's Lock service. */
import { EMPTY_BYTES } from "../../base/bytes.ts";
import { responseHeader } from "./header.ts";
import type { ResponseHeader } from "./header.ts";

export interface LockRequest {
  readonly name: Uint8Array;
  readonly lease: bigint;
}

export function lockRequest(set?: Partial<LockRequest>): LockRequest {
  return { name: EMPTY_BYTES, lease: 0n, ...set };
}

/** `key` exists in the store for as long as the lock is held; its create revision is the fencing token. */
export interface LockResponse {
  readonly header: ResponseHeader;
  readonly key: Uint8Array;
}

export function lockResponse(set?: Partial<LockResponse>): LockResponse {
  return { header: responseHeader(), key: EMPTY_BYTES, ...set };
}

export interface UnlockRequest {
  readonly key: Uint8Array;
}

export function unlockRequest(set?: Partial<UnlockRequest>): UnlockRequest {
  return { key: EMPTY_BYTES, ...set };
}

export interface UnlockResponse {
  readonly header: ResponseHeader;
}

export function unlockResponse(set?: Partial<UnlockResponse>): UnlockResponse {
  return { header: responseHeader(), ...set };
}
