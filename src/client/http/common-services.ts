/** Txns, watches, leases, locks and elections of an endpoint. Loaded with the first of them. */
import { lazyService } from "../../member/api/lazy-service.ts";
import { loadedOnce } from "../../member/api/loaded-once.ts";
import type { ElectionService, KvService, WatchService } from "../../member/api/services.ts";
import { ELECTION_RPCS } from "../../protocol/api/rpc/election-rpcs.ts";
import { KV_RPCS } from "../../protocol/api/rpc/kv-rpcs.ts";
import { LEASE_RPCS } from "../../protocol/api/rpc/lease-rpcs.ts";
import { LOCK_RPCS } from "../../protocol/api/rpc/lock-rpcs.ts";
import { WATCH_RPCS } from "../../protocol/api/rpc/watch-rpcs.ts";
import type { CommonServices } from "../common/client-services.ts";
import { named, served } from "./http-methods.ts";
import type { Transport } from "./http-transport.ts";

type Observations = Pick<ElectionService, "observe">;

export function kvService(transport: Transport): KvService {
  return served(transport, "kv", KV_RPCS);
}

export function commonServices(transport: Transport): CommonServices {
  const { caller, socket, WebSocket } = transport;
  const streams = loadedOnce(() => import("./http-streams.ts"));
  const ownWatches = loadedOnce(async () => (await streams()).watchesWithoutSharing(caller, WebSocket));
  return {
    watch: lazyService<WatchService & { readonly watch: unknown }>({ watch: "bidi" }, async () => {
      const connection = await socket?.opened();
      if (connection === undefined) return ownWatches();
      return { watch: (context) => connection.open(WATCH_RPCS.watch, named(caller, context)) };
    }),
    lease: served(transport, "lease", LEASE_RPCS),
    lock: served(transport, "lock", LOCK_RPCS),
    election: {
      ...served(transport, "election", ELECTION_RPCS),
      ...lazyService<Observations>({ observe: "bidi" }, async () =>
        served(transport, "election", ELECTION_RPCS, (await streams()).streamedOverHttp),
      ),
    },
  };
}
