/** A member's data as a stream. */
import type { Member } from "./member.ts";
import type { MaintenanceService } from "./services.ts";
import { unserved } from "./unserved.ts";

const SERVICE = "etcdserverpb.Maintenance";

export function snapshotService(_member: Member): Pick<MaintenanceService, "snapshot"> {
  return {
    async *snapshot() {
      // The method to be is a generator; until then it ends before its first part.
      yield* [];
      throw unserved(SERVICE, "Snapshot");
    },
  };
}
