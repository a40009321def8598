/** Downgrades of the cluster's version. */
import type { Member } from "./member.ts";
import type { MaintenanceService } from "./services.ts";
import { unserved } from "./unserved.ts";

const SERVICE = "etcdserverpb.Maintenance";

export function downgradeService(_member: Member): Pick<MaintenanceService, "downgrade"> {
  return {
    downgrade: async () => Promise.reject(unserved(SERVICE, "Downgrade")),
  };
}
