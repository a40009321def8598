/**
 * etcd's Lock service: the oldest key of the queue under the lock's name holds the lock, for as long as it exists.
 *
 * Locks are advisory: the lease may expire while a slow holder still believes it holds the lock. To fence a write,
 * compare the lock key's create revision in the same txn.
 */
import { deleteRangeRequest, putRequest, rangeRequest, txnRequest } from "../../../protocol/api/kv.ts";
import type { KeyValue, TxnResponse } from "../../../protocol/api/kv.ts";
import { lockResponse, unlockResponse } from "../../../protocol/api/lock.ts";
import type { LockRequest, LockResponse } from "../../../protocol/api/lock.ts";
import type { CallContext, LockService } from "../../api/services.ts";
import {
  withServiceErrors,
  createdAt,
  oldestKey,
  electionPrefix,
  serviceError,
  waitDeletes,
  withPlace,
} from "./concurrency.ts";
import type { SessionServices, Place } from "./concurrency.ts";

export function lockService(services: SessionServices): LockService {
  return {
    lock: (request, context) => withServiceErrors(() => acquireLock(services, request, context)),
    unlock: ({ key }, context) =>
      withServiceErrors(async () => {
        const { header } = await services.kv.deleteRange(deleteRangeRequest({ key }), context);
        return unlockResponse({ header });
      }),
  };
}

/** Waits until the lock is acquired. Rejects with the errors of the services that it uses. */
export function acquireLock(
  services: SessionServices,
  request: LockRequest,
  context: CallContext,
): Promise<LockResponse> {
  const prefix = electionPrefix(request.name);
  return withPlace(services, prefix, request.lease, context, async (place) => {
    const { key, lease } = place;
    const entered = await enter(services, prefix, key, lease, context);
    const revision = acquiredKey(entered);
    const first = rangedIn(entered, 1);
    const isFirst = first === undefined || first.createRevision === revision;
    // If the lease held the lock before, this call must not release it.
    if (entered.succeeded || !isFirst) place.revision = revision;
    if (isFirst) return lockResponse({ header: entered.header, key });
    return waitForLock(services, prefix, place, context);
  });
}

async function waitForLock(
  services: SessionServices,
  prefix: Uint8Array,
  { key, revision }: Place,
  context: CallContext,
): Promise<LockResponse> {
  try {
    await waitDeletes(services, prefix, revision, context);
    const { kvs, header } = await services.kv.range(rangeRequest({ key }), context);
    if (kvs.length > 0) return lockResponse({ header, key });
  } catch (error) {
    // If the caller is gone, withPlace removes the key.
    if (context.signal?.aborted !== true) await services.kv.deleteRange(deleteRangeRequest({ key }), context);
    throw error;
  }
  throw serviceError("mutex: session is expired");
}

/**
 * Takes a position in the queue, or finds the one that the lease already has. Returns the oldest key in the same step.
 */
function enter(
  { kv }: SessionServices,
  prefix: Uint8Array,
  key: Uint8Array,
  lease: bigint,
  context: CallContext,
): Promise<TxnResponse> {
  const first = { type: "range", range: oldestKey(prefix) } as const;
  const request = txnRequest({
    compare: [createdAt(key, 0)],
    success: [{ type: "put", put: putRequest({ key, lease }) }, first],
    failure: [{ type: "range", range: rangeRequest({ key }) }, first],
  });
  return kv.txn(request, context);
}

function acquiredKey(entered: TxnResponse): number {
  if (entered.succeeded) return entered.header.revision;
  return rangedIn(entered, 0)?.createRevision ?? entered.header.revision;
}

function rangedIn({ responses }: TxnResponse, at: number): KeyValue | undefined {
  const response = responses[at];
  return response?.type === "range" ? response.range.kvs[0] : undefined;
}
