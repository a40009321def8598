/**
 * etcd's services over one member: validates as etcd does before Raft, then proposes or reads, then fills in the
 * header. Promises begin here; below there are callbacks only.
 */
import { errNoLeader } from "../protocol/errors.ts";
import type { CompactionResponse } from "../protocol/kv.ts";
import { statusResponse } from "../protocol/maintenance.ts";
import type { StatusResponse } from "../protocol/maintenance.ts";
import { SERVER_VERSION } from "../protocol/version.ts";
import {
  checkDeleteRange,
  checkPut,
  checkRange,
  checkTxn,
  isReadOnlyTxn,
  isSerializableTxn,
} from "../mvcc/validate.ts";
import { Access } from "./access.ts";
import { authService } from "./auth-service.ts";
import type { Credentials } from "./auth-service.ts";
import { electionService } from "./election-service.ts";
import { guardedCluster, guardedKv, guardedLease, guardedMaintenance, guardedWatch } from "./guard.ts";
import { healthService } from "./health.ts";
import { leaseService } from "./lease-service.ts";
import { lockService } from "./lock-service.ts";
import type { Member } from "./member.ts";
import { memberView } from "./member-view.ts";
import { checkLeader, checkServing, propose, readIndex, withHeader } from "./requests.ts";
import type { ClusterService, KvService, MaintenanceService, Services } from "./services.ts";
import { simpleTokenProvider } from "./token-providers.ts";
import { openWatchStream } from "./watch-streams.ts";
import { webCryptoPasswords } from "./web-crypto-passwords.ts";

/** etcd's storage version: the format of major and minor that clients look at. */
const STORAGE_VERSION = "3.7.0";

/** Everything that fronts get is guarded; who holds the member itself is a member's own code. */
export function createServices(member: Member, credentials: Partial<Credentials> = {}): Services {
  const tokens = credentials.tokens ?? simpleTokenProvider(member.tokens);
  const passwords = credentials.passwords ?? webCryptoPasswords();
  const access = new Access(member, tokens);
  const kv = guardedKv(kvService(member, access), access);
  const watch = guardedWatch((context) => openWatchStream(member, context), access);
  const lease = guardedLease(leaseService(member), access);
  return {
    kv,
    watch,
    lease,
    lock: lockService({ kv, watch, lease }),
    election: electionService({ kv, watch, lease }),
    auth: authService(member, access, { tokens, passwords }),
    cluster: guardedCluster(clusterService(member), access),
    maintenance: guardedMaintenance(maintenanceService(member), access),
    health: healthService(member),
    inspect: { view: async () => memberView(member) },
  };
}

function kvService(member: Member, access: Access): KvService {
  return {
    async range(request, context) {
      checkRange(request);
      checkLeader(member, context);
      if (!request.serializable) await readIndex(member);
      access.checkRange(await access.caller(context), request);
      return withHeader(member, member.machine.store.range(request));
    },
    async put(request, context) {
      checkPut(request);
      checkLeader(member, context);
      return withHeader(member, await propose(member, { type: "put", put: request }, await access.caller(context)));
    },
    async deleteRange(request, context) {
      checkDeleteRange(request);
      checkLeader(member, context);
      return withHeader(
        member,
        await propose(member, { type: "deleteRange", deleteRange: request }, await access.caller(context)),
      );
    },
    async txn(request, context) {
      checkTxn(request, member.settings.limits.txnOperations);
      checkLeader(member, context);
      if (!isReadOnlyTxn(request)) {
        const caller = await access.caller(context);
        return withHeader(member, await propose(member, { type: "txn", txn: request }, caller));
      }
      if (!isSerializableTxn(request)) await readIndex(member);
      access.checkTxn(await access.caller(context), request);
      return withHeader(member, member.machine.store.txn(request).response);
    },
    async compact(request, context): Promise<CompactionResponse> {
      checkLeader(member, context);
      await propose<undefined>(member, { type: "compaction", compaction: request }, context.caller);
      const revision = member.machine.store.revision;
      // The rows go in steps behind the answer; `physical` asks to wait for the last of them.
      await new Promise<void>((resolve) => {
        member.scrub(request.physical ? resolve : undefined);
        if (!request.physical) resolve();
      });
      checkServing(member);
      return { header: member.header(revision) };
    },
  };
}

function clusterService(member: Member): ClusterService {
  return {
    async memberList(request, context) {
      checkLeader(member, context);
      if (request.linearizable) await readIndex(member);
      return { header: member.header(0), members: member.machine.membership.members };
    },
  };
}

function maintenanceService(member: Member): MaintenanceService {
  return {
    async status(): Promise<StatusResponse> {
      const raft = member.status();
      const errors = raft.leader === 0n ? [errNoLeader.message] : [];
      return statusResponse({
        header: member.header(member.machine.store.revision),
        version: SERVER_VERSION,
        storageVersion: STORAGE_VERSION,
        dbSize: member.sizeBytes,
        dbSizeInUse: member.machine.store.keys.sizeBytes,
        leader: raft.leader,
        raftIndex: raft.commit,
        raftTerm: raft.term,
        raftAppliedIndex: raft.applied,
        isLearner: raft.isLearner,
        errors,
      });
    },
  };
}
