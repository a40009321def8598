/**
 * Authorizes a request of the log. Every member runs it for every request, just before it is executed. Checks before
 * the proposal may be outdated by then; this check decides.
 */
import { unreachable } from "../base/assert.ts";
import { EMPTY_BYTES } from "../base/bytes.ts";
import type { InternalRequest } from "../protocol/peer/internal.ts";
import type { DeleteRangeRequest, PutRequest, RequestOp, TxnRequest } from "../protocol/api/kv.ts";
import type { AuthStore, Caller } from "./auth-store.ts";

/** Returns the keys attached to a lease; none for a lease that does not exist. */
export type KeysOfLease = (id: bigint) => Iterable<Uint8Array>;

export interface CheckContext {
  readonly auth: AuthStore;
  readonly caller: Caller;
  readonly keysOfLease: KeysOfLease;
}

export function checkRequest(context: CheckContext, request: InternalRequest): void {
  const { auth, caller } = context;
  if (!auth.enabled) return;
  switch (request.type) {
    case "put":
      return checkPut(context, request.put);
    case "range":
      return auth.checkRead(caller, request.range);
    case "deleteRange":
      return checkDeleteRange(context, request.deleteRange);
    case "txn":
      return checkTxn(context, request.txn);
    case "leaseRevoke":
      return checkLeaseWrite(context, request.leaseRevoke.id);
    case "compaction":
    case "authEnable":
    case "authDisable":
    case "authUserAdd":
    case "authUserDelete":
    case "authUserChangePassword":
    case "authUserGrantRole":
    case "authUserRevokeRole":
    case "authUserList":
    case "authRoleList":
    case "authRoleAdd":
    case "authRoleDelete":
    case "authRoleGrantPermission":
    case "authRoleRevokePermission":
      return auth.checkAdmin(caller);
    // The store checks whether the caller is root or the user in question.
    case "authUserGet":
    case "authRoleGet":
    // Any known user may grant a lease; the auth interceptor requires one. The other requests are the members' own, or
    // open to all.
    case "leaseGrant":
    case "leaseCheckpoint":
    case "alarm":
    case "authenticate":
    case "authStatus":
    case "clusterVersionSet":
    case "clusterMemberAttrSet":
    case "downgradeInfoSet":
    case "none":
      return;
    default:
      return unreachable(request);
  }
}

/** Checks both branches, whichever the comparisons choose, and all txns nested in them. */
export function checkTxn(context: CheckContext, request: TxnRequest): void {
  for (const compare of request.compare) context.auth.checkRead(context.caller, compare);
  for (const op of request.success) checkOp(context, op);
  for (const op of request.failure) checkOp(context, op);
}

/**
 * A caller with write permission for every key of a lease may revoke it, keep it alive, and attach another key to it.
 */
export function checkLeaseWrite({ auth, caller, keysOfLease }: CheckContext, id: bigint): void {
  if (auth.isAdmin(caller)) return;
  for (const key of keysOfLease(id)) auth.checkWrite(caller, { key, rangeEnd: EMPTY_BYTES });
}

/** A caller with read permission for every key of a lease may see them. */
export function checkLeaseRead({ auth, caller, keysOfLease }: CheckContext, id: bigint): void {
  if (auth.isAdmin(caller)) return;
  for (const key of keysOfLease(id)) auth.checkRead(caller, { key, rangeEnd: EMPTY_BYTES });
}

function checkOp(context: CheckContext, op: RequestOp): void {
  switch (op.type) {
    case "range":
      return context.auth.checkRead(context.caller, op.range);
    case "put":
      return checkPut(context, op.put);
    case "deleteRange":
      return checkDeleteRange(context, op.deleteRange);
    case "txn":
      return checkTxn(context, op.txn);
    case "none":
      return;
    default:
      return unreachable(op);
  }
}

/** Revoking a lease deletes its keys. So a caller that attaches a key needs write permission for all the others. */
function checkPut(context: CheckContext, request: PutRequest): void {
  const spec = { key: request.key, rangeEnd: EMPTY_BYTES };
  context.auth.checkWrite(context.caller, spec);
  if (request.lease !== 0n) checkLeaseWrite(context, request.lease);
  if (request.prevKv) context.auth.checkRead(context.caller, spec);
}

function checkDeleteRange({ auth, caller }: CheckContext, request: DeleteRangeRequest): void {
  auth.checkWrite(caller, request);
  if (request.prevKv) auth.checkRead(caller, request);
}
