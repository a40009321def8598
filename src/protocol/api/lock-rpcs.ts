/** The methods of etcd's Lock service. */
import { lockRequestSchema, lockResponseSchema, unlockRequestSchema, unlockResponseSchema } from "./lock-schema.ts";
import type { LockRequest, LockResponse, UnlockRequest, UnlockResponse } from "./lock.ts";
import { unary } from "./rpc.ts";
import type { Rpc } from "./rpc.ts";

export interface LockRpcs {
  readonly lock: Rpc<LockRequest, LockResponse>;
  readonly unlock: Rpc<UnlockRequest, UnlockResponse>;
}

const SERVICE = "v3lockpb.Lock";

export const LOCK_RPCS: LockRpcs = {
  lock: unary(SERVICE, "Lock", ["/v3/lock/lock"], lockRequestSchema, lockResponseSchema, { isPatient: true }),
  unlock: unary(SERVICE, "Unlock", ["/v3/lock/unlock"], unlockRequestSchema, unlockResponseSchema),
};
