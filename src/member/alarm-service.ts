/** Alarms over one member. */
import type { Member } from "./member.ts";
import type { MaintenanceService } from "./services.ts";
import { unserved } from "./unserved.ts";

const SERVICE = "etcdserverpb.Maintenance";

export function alarmService(_member: Member): Pick<MaintenanceService, "alarm"> {
  return {
    alarm: async () => Promise.reject(unserved(SERVICE, "Alarm")),
  };
}
