/**
 * etcd's services over one member: each from a file of its own, and round all of them the guard. Promises begin here;
 * below there are callbacks only.
 */
import { Access } from "./access.ts";
import { authService } from "./auth-service.ts";
import type { Credentials } from "./auth-service.ts";
import { clusterService } from "./cluster-service.ts";
import { electionService } from "./election-service.ts";
import { guardedCluster, guardedKv, guardedLease, guardedMaintenance, guardedWatch } from "./guard.ts";
import { healthService } from "./health.ts";
import { kvService } from "./kv-service.ts";
import { refusingLearner } from "./learner-guard.ts";
import { leaseService } from "./lease-service.ts";
import { lockService } from "./lock-service.ts";
import { maintenanceService } from "./maintenance-service.ts";
import type { Member } from "./member.ts";
import { memberView } from "./member-view.ts";
import { withQuota } from "./quota-guard.ts";
import type { Services } from "./services.ts";
import { simpleTokenProvider } from "./token-providers.ts";
import { watchStreams } from "./watch-streams.ts";
import { webCryptoPasswords } from "./web-crypto-passwords.ts";

/** Everything that fronts get is guarded; who holds the member itself is a member's own code. */
export function createServices(member: Member, credentials: Partial<Credentials> = {}): Services {
  const tokens = credentials.tokens ?? simpleTokenProvider(member.tokens);
  const passwords = credentials.passwords ?? webCryptoPasswords();
  const access = new Access(member, tokens);
  const { kv, lease } = withQuota(member, {
    kv: guardedKv(kvService(member, access), access),
    lease: guardedLease(leaseService(member), access),
  });
  const watch = guardedWatch(watchStreams(member), access);
  const services = member.metrics.calls.counted({
    kv,
    watch,
    lease,
    lock: lockService({ kv, watch, lease }),
    election: electionService({ kv, watch, lease }),
    auth: authService(member, access, { tokens, passwords }),
    cluster: guardedCluster(clusterService(member, access), access),
    maintenance: guardedMaintenance(maintenanceService(member), access),
    health: healthService(member),
    inspect: { view: async () => memberView(member) },
  });
  return member.settings.learnersRefuse ? refusingLearner(services, member) : services;
}
