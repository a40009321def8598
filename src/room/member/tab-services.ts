/**
 * The services of a tab's member: keys, watches and leases at once; the code of the others when somebody calls one, or
 * when the member has been running for a moment. It does not wait for a call, because a tab may live longer than the
 * server that it came from, or than the version of the page that is served there.
 */
import { coreServices } from "../../member/services/core-services.ts";
import { lazyService } from "../../member/api/lazy-service.ts";
import { loadedOnce } from "../../member/api/loaded-once.ts";
import type { Member } from "../../member/node/member.ts";
import { memberView } from "../../member/services/member-view.ts";
import type { Services } from "../../member/api/services.ts";
import { simpleTokenProvider } from "../../member/auth/token-providers.ts";
import { RPC_KINDS } from "../../protocol/api/rpc/rpc-kinds.ts";

/** After the start, when the page is drawn and the first elections are over. */
const LOAD_AFTER_MS = 3_000;

export function tabServices(member: Member): Services {
  const tokens = simpleTokenProvider(member.tokens);
  const core = coreServices(member, tokens);
  const others = loadedOnce(async () => {
    const { tabDeferredServices } = await import("./tab-deferred-services.ts");
    return tabDeferredServices(member, core, tokens);
  });
  const cancel = member.clock.setTimer(LOAD_AFTER_MS, () => {
    // If that fails, whoever calls is told why, and it is tried again.
    others().catch(() => {});
  });
  member.whenStopped(cancel);
  const { kv, watch, lease } = core;
  const { lock, election, auth, cluster, maintenance } = RPC_KINDS;
  return {
    kv,
    watch,
    lease,
    lock: lazyService(lock, async () => (await others()).lock),
    election: lazyService({ ...election, observe: "bidi" }, async () => (await others()).election),
    auth: lazyService(auth, async () => (await others()).auth),
    cluster: lazyService(cluster, async () => (await others()).cluster),
    maintenance: lazyService(maintenance, async () => (await others()).maintenance),
    health: {
      check: async (options) => (await others()).health.check(options),
      probe: async (kind, names) => (await others()).health.probe(kind, names),
      // Nobody comes to a tab for its numbers.
      metrics: () => [],
    },
    inspect: { view: async () => memberView(member) },
  };
}
