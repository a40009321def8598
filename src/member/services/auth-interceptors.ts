/**
 * Authorizes calls, method by method. Every API layer gets its services from here, so no call can bypass it.
 *
 *     API layer ── token ──► interceptor ──► service ──► log ──► the decisive check (auth/check-request.ts)
 *
 * `requireUser` demands any user, `requireRoot` root. Permissions on keys are checked where the keys are read: at once
 * for leases and watches, after the read index for ranges (kv-service.ts), and once more when the log is applied.
 */
import { checkLeaseRead, checkLeaseWrite } from "../../auth/check-request.ts";
import type { Caller } from "../../auth/auth-store.ts";
import { errAuthOldRevision } from "../../protocol/errors.ts";
import type { Authorizer } from "./authorizer.ts";
import { AuthorizedWatchStream } from "./authorized-watch.ts";
import type {
  CallContext,
  ClusterService,
  KvService,
  LeaseService,
  MaintenanceService,
  MemberWatchService,
  WatchPosition,
} from "../api/services.ts";
import type { RefusingStream } from "./watch-streams.ts";

/**
 * Ranges, puts and txns authorize their caller themselves: etcd does so after it has validated the request, not before.
 */
export function authorizedKv(kv: KvService, access: Authorizer): KvService {
  return {
    range: (request, context) => kv.range(request, context),
    rangeStream: (request, context) => kv.rangeStream(request, context),
    put: (request, context) => kv.put(request, context),
    deleteRange: (request, context) => kv.deleteRange(request, context),
    txn: (request, context) => kv.txn(request, context),
    compact: async (request, context) => kv.compact(request, named(context, await access.requireRoot(context))),
  };
}

export function authorizedWatch(
  open: (context: CallContext) => RefusingStream,
  resume: (context: CallContext, position: WatchPosition) => RefusingStream,
  access: Authorizer,
): MemberWatchService {
  return {
    watch: (context) => new AuthorizedWatchStream(open(context), access, context),
    resume: ({ context, position }) => {
      const stream = new AuthorizedWatchStream(resume(context, position), access, context);
      stream.resume(position);
      return stream;
    },
  };
}

export function authorizedLease(lease: LeaseService, access: Authorizer): LeaseService {
  return {
    grant: async (request, context) => lease.grant(request, named(context, await access.requireUser(context))),
    revoke: async (request, context) => lease.revoke(request, named(context, await access.requireUser(context))),
    async keepAlive(request, context) {
      const caller = await access.requireUser(context);
      checkLeaseWrite(access.checkContext(caller), request.id);
      return lease.keepAlive(request, named(context, caller));
    },
    async timeToLive(request, context) {
      const caller = await access.requireUser(context);
      if (!request.keys) return lease.timeToLive(request, named(context, caller));
      const { revision } = access.auth;
      checkLeaseRead(access.checkContext(caller), request.id);
      const response = await lease.timeToLive(request, named(context, caller));
      // Other callers may have attached keys meanwhile, or revoked permissions.
      if (access.auth.enabled && access.auth.revision !== revision) throw errAuthOldRevision;
      checkLeaseRead(access.checkContext(caller), request.id);
      return response;
    },
    async leases(request, context) {
      const caller = await access.requireUser(context);
      const response = await lease.leases(request, named(context, caller));
      if (!access.auth.isAdmin(caller)) {
        for (const { id } of response.leases) checkLeaseRead(access.checkContext(caller), id);
      }
      return response;
    },
  };
}

/** MemberAdd validates its URLs before it authorizes its caller, so it does both itself (cluster-service.ts). */
export function authorizedCluster(cluster: ClusterService, access: Authorizer): ClusterService {
  return {
    memberAdd: (request, context) => cluster.memberAdd(request, context),
    memberRemove: async (request, context) =>
      cluster.memberRemove(request, named(context, await access.requireRoot(context))),
    memberUpdate: async (request, context) =>
      cluster.memberUpdate(request, named(context, await access.requireRoot(context))),
    memberList: async (request, context) =>
      cluster.memberList(request, named(context, await access.requireUser(context))),
    memberPromote: async (request, context) =>
      cluster.memberPromote(request, named(context, await access.requireRoot(context))),
  };
}

/** Methods of root, except those that only report the member's state. */
export function authorizedMaintenance(maintenance: MaintenanceService, access: Authorizer): MaintenanceService {
  return {
    async alarm(request, context) {
      const caller = request.action === "GET" ? await access.requireUser(context) : await access.requireRoot(context);
      return maintenance.alarm(request, named(context, caller));
    },
    status: async (request, context) => maintenance.status(request, named(context, await access.requireUser(context))),
    defragment: async (request, context) =>
      maintenance.defragment(request, named(context, await access.requireRoot(context))),
    hash: async (request, context) => maintenance.hash(request, named(context, await access.requireRoot(context))),
    hashKv: async (request, context) => maintenance.hashKv(request, named(context, await access.requireRoot(context))),
    async *snapshot(request, context) {
      yield* maintenance.snapshot(request, named(context, await access.requireRoot(context)));
    },
    moveLeader: async (request, context) =>
      maintenance.moveLeader(request, named(context, await access.requireRoot(context))),
    downgrade: async (request, context) =>
      maintenance.downgrade(request, named(context, await access.requireRoot(context))),
  };
}

function named(context: CallContext, caller: Caller): CallContext {
  return { ...context, caller };
}
