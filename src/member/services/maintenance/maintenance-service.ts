/** etcd's Maintenance service over one member, composed of its parts. */
import { alarmService } from "./alarm-service.ts";
import { downgradeService } from "./downgrade-service.ts";
import { hashService } from "./hash-service.ts";
import type { Member } from "../../node/member.ts";
import { moveLeaderService } from "./move-leader-service.ts";
import type { MaintenanceService } from "../../api/services.ts";
import { snapshotService } from "./snapshot-service.ts";
import { statusService } from "./status-service.ts";

/** The interceptor calls it with an authorized caller. */
export function maintenanceService(member: Member): MaintenanceService {
  return {
    ...alarmService(member),
    ...statusService(member),
    ...hashService(member),
    ...snapshotService(member),
    ...moveLeaderService(member),
    ...downgradeService(member),
  };
}
