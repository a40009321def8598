/** The services built on a member's core services or beside them. Mostly operators use them. */
import { authService } from "./auth-service.ts";
import type { Credentials } from "./auth-service.ts";
import { clusterService } from "./cluster-service.ts";
import type { CoreServices, DeferredServices } from "./core-services.ts";
import { electionService } from "./concurrency/election-service.ts";
import { authorizedCluster, authorizedMaintenance } from "./auth-interceptors.ts";
import { lockService } from "./concurrency/lock-service.ts";
import { maintenanceService } from "./maintenance/maintenance-service.ts";
import type { Member } from "../node/member.ts";
import { Places } from "./concurrency/places.ts";

export function deferredServices(member: Member, core: CoreServices, credentials: Credentials): DeferredServices {
  const { kv, watch, lease, authorizer } = core;
  const sessions = { kv, watch, lease, places: new Places(member) };
  return {
    lock: lockService(sessions),
    election: electionService(sessions),
    auth: authService(member, authorizer, credentials),
    cluster: authorizedCluster(clusterService(member, authorizer), authorizer),
    maintenance: authorizedMaintenance(maintenanceService(member), authorizer),
  };
}
