/** The client of a replica, whatever carries its calls to the cluster. */
import { applicationClient } from "../client/app/application-client.ts";
import { Connection } from "../client/app/connection.ts";
import { createClient } from "../client/client.ts";
import type { BackoffTimer } from "../client/common/backoff.ts";
import type { ClientServices } from "../client/common/client-services.ts";
import { toText } from "../client/common/convert.ts";
import type { OutboxOptions } from "../client/outbox/outbox-types.ts";
import type { CallContext } from "../member/api/services.ts";
import type { Cluster } from "./follow/cluster-follower.ts";
import { LocalReplica } from "./replica.ts";
import { replicaServices } from "./replica-services.ts";
import type { ReplicaClient } from "./replica-types.ts";
import type { ReplicaStore } from "./store/replica-store.ts";

export interface ReplicaClientParts {
  /** The cluster, as the user whose rights count. */
  readonly remote: ClientServices;
  readonly prefixes: readonly Uint8Array[];
  readonly sizeBytesMax: number;
  readonly requireLeader: boolean;
  /** Names the outbox in this browser profile, as that of `connect()`: what one of them queues, the other sends. */
  readonly place: string;
  readonly openStore: () => Promise<ReplicaStore>;
  readonly backoff: BackoffTimer;
  readonly outbox: OutboxOptions | undefined;
  readonly onClose: () => void;
  readonly signal: AbortSignal | undefined;
}

export function replicaClient(parts: ReplicaClientParts): ReplicaClient {
  const { remote, requireLeader, backoff, signal } = parts;
  const connection = new Connection();
  const replica = new LocalReplica({
    ...parts,
    cluster: clusterOf(remote, { token: "", requireLeader }),
    connection,
    nowMs: Date.now,
    textOf: toText,
  });
  const services = replicaServices(replica, remote);
  const client = applicationClient(createClient(services, { ready: replica.ready, requireLeader, backoff }), {
    ...parts,
    connection,
    local: {
      ready: replica.ready,
      isBehind: () => connection.getSnapshot().state !== "connected",
      subscribe: connection.subscribe,
    },
  });
  const unwatch = whenHidden(() => void replica.flush());
  const end = async (how: Promise<void>): Promise<void> => {
    unwatch();
    await Promise.all([how, client.close()]);
  };
  const close = (): Promise<void> => end(replica.close());
  void replica.run();
  if (signal?.aborted === true) void close();
  else signal?.addEventListener("abort", () => void close(), { once: true });
  return {
    ...client,
    ready: replica.ready,
    replica: {
      getSnapshot: replica.getSnapshot,
      subscribe: replica.subscribe,
      forget: () => end(replica.forget()),
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** What the follower asks. */
function clusterOf(services: ClientServices, context: CallContext): Cluster {
  return {
    range: (request) => services.kv.range(request, context),
    watch: async () => (await services.common()).watch.watch(context),
  };
}

interface PageLike {
  readonly document?: {
    readonly hidden: boolean;
    addEventListener(type: string, listener: () => void): void;
    removeEventListener(type: string, listener: () => void): void;
  };
}

/** A page that is hidden may never be seen again. */
function whenHidden(run: () => void): () => void {
  const { document } = globalThis as unknown as PageLike;
  if (document === undefined) return () => {};
  const changed = (): void => {
    if (document.hidden) run();
  };
  document.addEventListener("visibilitychange", changed);
  return () => document.removeEventListener("visibilitychange", changed);
}
