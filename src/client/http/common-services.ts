/**
 * Txns, watches, leases, locks and elections of an endpoint. Loaded with the first of them.
 *
 * A browser opens six connections to a host under HTTP/1.1. So what waits long may not have one each: all watches share one
 * response (shared-watches.ts), and of the calls that wait for others only the first have requests of their own.
 */
import { lazyService } from "../../member/api/lazy-service.ts";
import { loadedOnce } from "../../member/api/loaded-once.ts";
import type { KvService, WatchService } from "../../member/api/services.ts";
import { ELECTION_RPCS } from "../../protocol/api/rpc/election-rpcs.ts";
import { KV_RPCS } from "../../protocol/api/rpc/kv-rpcs.ts";
import { LEASE_RPCS } from "../../protocol/api/rpc/lease-rpcs.ts";
import { LOCK_RPCS } from "../../protocol/api/rpc/lock-rpcs.ts";
import { WATCH_RPCS } from "../../protocol/api/rpc/watch-rpcs.ts";
import type { CommonServices } from "../common/client-services.ts";
import { named, served } from "./http-methods.ts";
import type { Transport } from "./http-transport.ts";
import type { Queues } from "./queues-by-watches.ts";

type Observations = Pick<Queues, "observe">;

/** Calls that wait for others, each with an HTTP request. */
const WAITING_REQUESTS_MAX = 2;

export function kvService(transport: Transport): KvService {
  return served(transport, "kv", KV_RPCS);
}

export function commonServices(transport: Transport): CommonServices {
  const { caller, socket, WebSocket } = transport;
  const unshared = loadedOnce(async () => (await import("./unshared-watches.ts")).unsharedWatches(caller, WebSocket));
  const watch = lazyService<WatchService & { readonly watch: unknown }>({ watch: "bidi" }, async () => {
    const connection = await socket?.opened();
    if (connection === undefined) return (await unshared())();
    return { watch: (context) => connection.open(WATCH_RPCS.watch, named(caller, context)) };
  });
  const lease = served(transport, "lease", LEASE_RPCS);
  const lock = served(transport, "lock", LOCK_RPCS);
  const election = served(transport, "election", ELECTION_RPCS);
  const queues = loadedOnce(async () => {
    const { queuesByWatches } = await import("./queues-by-watches.ts");
    return queuesByWatches({ kv: kvService(transport), lease, watch });
  });
  const waiting = waitingRequests(async () => (await socket?.opened()) !== undefined);
  return {
    watch,
    lease,
    lock: {
      ...lock,
      lock: (request, context) =>
        waiting(
          () => lock.lock(request, context),
          async () => (await queues()).lock(request, context),
        ),
    },
    election: {
      ...election,
      campaign: (request, context) =>
        waiting(
          () => election.campaign(request, context),
          async () => (await queues()).campaign(request, context),
        ),
      ...lazyService<Observations>({ observe: "bidi" }, async () => {
        const connection = await socket?.opened();
        if (connection === undefined) return queues();
        return {
          observe(request, context) {
            const leaders = connection.open(ELECTION_RPCS.observe, named(caller, context));
            leaders.request(request);
            return leaders;
          },
        };
      }),
    },
  };
}

/** Returns what makes a call by its request, or without one where too many wait already and there is no socket. */
function waitingRequests(
  hasSocket: () => Promise<boolean>,
): <Result>(direct: () => Promise<Result>, byWatches: () => Promise<Result>) => Promise<Result> {
  let requests = 0;
  return async (direct, byWatches) => {
    if (requests >= WAITING_REQUESTS_MAX) return (await hasSocket()) ? direct() : byWatches();
    requests += 1;
    try {
      return await direct();
    } finally {
      requests -= 1;
    }
  };
}
