/** `authenticated`, loaded with the first call: most clients have no user. */
import { lazyService, loadedOnce } from "../../member/api/lazy-service.ts";
import type { Services } from "../../member/api/services.ts";
import { RPC_KINDS } from "../../protocol/api/rpc/rpc-kinds.ts";
import type { User } from "./authenticated.ts";

export function lazyAuthenticated(given: Services, user: User): Services {
  const named = loadedOnce(async () => (await import("./authenticated.ts")).authenticated(given, user));
  const { kv, watch, lease, lock, election, auth, cluster, maintenance } = RPC_KINDS;
  return {
    kv: lazyService(kv, async () => (await named()).kv),
    watch: lazyService(watch, async () => (await named()).watch),
    lease: lazyService({ ...lease, keepAlive: "unary" }, async () => (await named()).lease),
    lock: lazyService(lock, async () => (await named()).lock),
    election: lazyService({ ...election, observe: "bidi" }, async () => (await named()).election),
    auth: lazyService(auth, async () => (await named()).auth),
    cluster: lazyService(cluster, async () => (await named()).cluster),
    maintenance: lazyService(maintenance, async () => (await named()).maintenance),
    health: given.health,
    inspect: given.inspect,
  };
}
