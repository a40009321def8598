/** The services that stand on a member's core services, or beside them: for people who operate a cluster, mostly. */
import { authService } from "./auth-service.ts";
import type { Credentials } from "./auth-service.ts";
import { clusterService } from "./cluster-service.ts";
import type { CoreServices, OtherServices } from "./core-services.ts";
import { electionService } from "./concurrency/election-service.ts";
import { guardedCluster, guardedMaintenance } from "./guard.ts";
import { lockService } from "./concurrency/lock-service.ts";
import { maintenanceService } from "./maintenance/maintenance-service.ts";
import type { Member } from "../node/member.ts";
import { Places } from "./concurrency/places.ts";

export function otherServices(member: Member, core: CoreServices, credentials: Credentials): OtherServices {
  const { kv, watch, lease, access } = core;
  const line = { kv, watch, lease, places: new Places(member) };
  return {
    lock: lockService(line),
    election: electionService(line),
    auth: authService(member, access, credentials),
    cluster: guardedCluster(clusterService(member, access), access),
    maintenance: guardedMaintenance(maintenanceService(member), access),
  };
}
