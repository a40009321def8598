/** Hashes of a member's data, and its upkeep. */
import type { Member } from "./member.ts";
import type { MaintenanceService } from "./services.ts";
import { unserved } from "./unserved.ts";

const SERVICE = "etcdserverpb.Maintenance";

export function hashService(_member: Member): Pick<MaintenanceService, "defragment" | "hash" | "hashKv"> {
  return {
    defragment: async () => Promise.reject(unserved(SERVICE, "Defragment")),
    hash: async () => Promise.reject(unserved(SERVICE, "Hash")),
    hashKv: async () => Promise.reject(unserved(SERVICE, "HashKV")),
  };
}
