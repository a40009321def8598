/**
 * Locks and elections whose callers wait by a watch, as those of etcd's own client do, and not by a request that is open as
 * long as they wait. For a client without a WebSocket: all its watches share one response. Loaded with the first of them.
 *
 * A member that serves such a watch does not know whose place in a queue it is for. The place of a caller that vanishes is
 * free when its lease ends.
 */
import type { CallContext, ElectionService, KvService, LeaseService, LockService } from "../../member/api/services.ts";
import type { WatchService } from "../../member/api/services.ts";
import { createdAt } from "../../member/services/concurrency/concurrency.ts";
import type { SessionServices } from "../../member/services/concurrency/concurrency.ts";
import { campaignFor, electionService } from "../../member/services/concurrency/election-service.ts";
import { acquireLock } from "../../member/services/concurrency/lock-service.ts";
import { deleteRangeRequest, txnRequest } from "../../protocol/api/kv.ts";
import { EtcdError, GrpcCode } from "../../protocol/errors.ts";
import { canceledError } from "../common/transport-errors.ts";

export interface Queues {
  readonly lock: LockService["lock"];
  readonly campaign: ElectionService["campaign"];
  readonly observe: ElectionService["observe"];
}

interface Used {
  readonly kv: KvService;
  readonly lease: LeaseService;
  readonly watch: WatchService;
}

export function queuesByWatches(used: Used): Queues {
  return {
    lock: (request, context) => given(context, () => acquireLock(session(used, context), request, context)),
    campaign: (request, context) => given(context, () => campaignFor(session(used, context), request, context)),
    observe(request, context) {
      let failure: unknown;
      const services = session(used, context, (error) => (failure ??= error));
      const leaders = electionService(services).observe(request, context);
      return {
        async next() {
          try {
            return await leaders.next();
          } catch (error) {
            // etcd has one text for all reasons. Whether trying again helps is in the reason.
            throw failure ?? error;
          }
        },
        close: () => leaders.close(),
      };
    },
  };
}

/** A caller that gives up gets the client's own error. */
async function given<Response>({ signal }: CallContext, wait: () => Promise<Response>): Promise<Response> {
  try {
    return await wait();
  } catch (error) {
    throw signal?.aborted === true ? canceledError() : error;
  }
}

function session(
  { kv, lease, watch }: Used,
  context: CallContext,
  onFailure?: (error: unknown) => void,
): SessionServices {
  // What gives a place back is called when the caller has given up.
  const { token, requireLeader } = context;
  const later: CallContext = { token, requireLeader };
  return {
    kv,
    lease,
    watch: { watch: (named) => reporting(watch.watch(named), onFailure) },
    places: {
      enter: () => () => {},
      async remove(key, createRevision) {
        const gone = { type: "deleteRange", deleteRange: deleteRangeRequest({ key }) } as const;
        const request = txnRequest({ compare: [createdAt(key, createRevision)], success: [gone] });
        await kv.txn(request, later).catch(ignore);
      },
      async endLease(id) {
        await lease.revoke({ id }, later).catch(ignore);
      },
    },
  };
}

/** A watch that does not end without an error: its caller waits for something that would come by it. */
function reporting(
  stream: ReturnType<WatchService["watch"]>,
  onFailure: (error: unknown) => void = ignore,
): ReturnType<WatchService["watch"]> {
  let isClosed = false;
  return {
    request: (request) => stream.request(request),
    async next() {
      try {
        const response = await stream.next();
        if (response === undefined && !isClosed) throw new EtcdError(GrpcCode.Unavailable, "the watch ended");
        return response;
      } catch (error) {
        onFailure(error);
        throw error;
      }
    },
    close() {
      isClosed = true;
      stream.close();
    },
  };
}

/** The lease ends by itself. */
function ignore(): void {}
