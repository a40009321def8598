/** Leadership handed over on request. */
import type { Member } from "./member.ts";
import type { MaintenanceService } from "./services.ts";
import { unserved } from "./unserved.ts";

const SERVICE = "etcdserverpb.Maintenance";

export function moveLeaderService(_member: Member): Pick<MaintenanceService, "moveLeader"> {
  return {
    moveLeader: async () => Promise.reject(unserved(SERVICE, "MoveLeader")),
  };
}
