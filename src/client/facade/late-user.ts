/** `authenticated` whose code is loaded with the first call: most clients have no user. */
import { lateService, loadedOnce } from "../../member/api/late-service.ts";
import type { Services } from "../../member/api/services.ts";
import { RPC_KINDS } from "../../protocol/api/rpc-kinds.ts";
import type { User } from "./authenticated.ts";

export function lateAuthenticated(given: Services, user: User): Services {
  const named = loadedOnce(async () => (await import("./authenticated.ts")).authenticated(given, user));
  const { kv, watch, lease, lock, election, auth, cluster, maintenance } = RPC_KINDS;
  return {
    kv: lateService(kv, async () => (await named()).kv),
    watch: lateService(watch, async () => (await named()).watch),
    lease: lateService({ ...lease, keepAlive: "unary" }, async () => (await named()).lease),
    lock: lateService(lock, async () => (await named()).lock),
    election: lateService({ ...election, observe: "duplex" }, async () => (await named()).election),
    auth: lateService(auth, async () => (await named()).auth),
    cluster: lateService(cluster, async () => (await named()).cluster),
    maintenance: lateService(maintenance, async () => (await named()).maintenance),
    health: given.health,
    inspect: given.inspect,
  };
}
