/** The methods of etcd's Lock service. */
import * as schemas from "../schema/lock-schema.ts";
import type * as messages from "../lock.ts";
import { unary } from "./rpc.ts";
import type { Rpc } from "./rpc.ts";

export interface LockRpcs {
  /** Waits until the lock is acquired. Aborting `context.signal` gives up the position in the queue. */
  readonly lock: Rpc<messages.LockRequest, messages.LockResponse>;
  readonly unlock: Rpc<messages.UnlockRequest, messages.UnlockResponse>;
}

const SERVICE = "v3lockpb.Lock";

export const LOCK_RPCS: LockRpcs = {
  lock: unary(SERVICE, "Lock", ["/v3/lock/lock"], schemas.lockRequestSchema, schemas.lockResponseSchema, {
    isPatient: true,
  }),
  unlock: unary(SERVICE, "Unlock", ["/v3/lock/unlock"], schemas.unlockRequestSchema, schemas.unlockResponseSchema),
};
