/** All of a client but its keys, loaded with the first call that needs it. */
import { loadedOnce } from "../../member/api/loaded-once.ts";
import type { CallContext, MemberView } from "../../member/api/services.ts";
import type { BackoffTimer } from "../common/backoff.ts";
import { callIn } from "../common/call.ts";
import type { Call, CallOptions } from "../common/call.ts";
import type { ClientServices } from "../common/client-services.ts";
import type { Bytes, WatchOptions } from "../common/types.ts";
import type { AuthClient } from "./auth.ts";
import type { ClusterClient } from "./cluster.ts";
import { commonFacades, rareFacades } from "./lazy-code.ts";
import { lazyFacade } from "./lazy-facade.ts";
import { lazyLease } from "./lazy-lease.ts";
import { lazyWatcher } from "./lazy-watcher.ts";
import type { Watcher } from "./lazy-watcher.ts";
import type { LeaseClient } from "./lease.ts";
import type { ElectionClient, LockClient } from "./lock.ts";
import type { MaintenanceClient } from "./maintenance.ts";

/** What a client has beside its keys. */
export interface LazyFacades {
  readonly lease: LeaseClient;
  readonly lock: LockClient;
  readonly election: ElectionClient;
  readonly auth: AuthClient;
  readonly cluster: ClusterClient;
  readonly maintenance: MaintenanceClient;
  /**
   * Starts a watch at once. `created` of the watcher resolves when the server has registered it. The caller ends it
   * with `return()`, by leaving its loop, or with `options.signal`.
   */
  watch(key: Bytes, options?: WatchOptions): Watcher;
  /** Returns the state of the member that serves the call, its role and its view of the cluster. */
  status(options?: CallOptions): Promise<MemberView>;
}

export interface LazyFacadesHost {
  readonly services: ClientServices;
  readonly context: CallContext;
  readonly backoff: BackoffTimer;
  /** Throws EtcdError (Canceled) if the client is closed. */
  readonly checkOpen: () => void;
  /** Aborted when the client is closed. */
  readonly closed: AbortSignal;
}

export function lazyFacades(host: LazyFacadesHost): LazyFacades {
  const { services, context, backoff, checkOpen, closed } = host;
  const { common, all } = services;
  // What is called while the client is open is made, though it may be closed when the code has come.
  const call = callIn(context, () => {});
  return {
    lease: lazyLease({
      code: commonFacades,
      lease: async () => (await common()).lease,
      call,
      backoff,
      checkOpen,
      closed,
    }),
    lock: lazyFacade<LockClient>(
      { lock: 1, unlock: 1 },
      async () => (await commonFacades()).lockClient(await common(), call),
      checkOpen,
    ),
    election: lazyElection(host, call),
    auth: lazyAuth(host, call),
    cluster: lazyFacade<ClusterClient>(
      { members: 1, add: 1, remove: 1, update: 1, promote: 1 },
      async () => (await rareFacades()).clusterClient(await all(), call),
      checkOpen,
    ),
    maintenance: lazyMaintenance(host, call),
    watch(key, options = {}) {
      checkOpen();
      return lazyWatcher(
        { code: commonFacades, service: async () => (await common()).watch, context, backoff, closed },
        key,
        options,
      );
    },
    async status(options) {
      checkOpen();
      const [{ statusOf }, loaded] = await Promise.all([rareFacades(), all()]);
      return call(options, (named) => statusOf(loaded, named));
    },
  };
}

function lazyElection({ services, context, checkOpen }: LazyFacadesHost, call: Call): ElectionClient {
  const election = loadedOnce(async () =>
    (await commonFacades()).electionClient(await services.common(), context, call),
  );
  return {
    ...lazyFacade<ElectionClient>({ campaign: 1, proclaim: 1, leader: 1, resign: 1 }, election, checkOpen),
    observe(name, options) {
      checkOpen();
      const observed = election().then((loaded) => loaded.observe(name, options));
      // next() reports what goes wrong.
      observed.catch(() => {});
      return {
        next: async () => (await observed).next(),
        async return() {
          void (await observed).return?.();
          return { done: true, value: undefined };
        },
        [Symbol.asyncIterator]() {
          return this;
        },
      };
    },
  };
}

function lazyAuth({ services, checkOpen }: LazyFacadesHost, call: Call): AuthClient {
  return lazyFacade<AuthClient>(
    {
      enable: 1,
      disable: 1,
      status: 1,
      addUser: 1,
      deleteUser: 1,
      changePassword: 1,
      users: 1,
      rolesOf: 1,
      grantRole: 1,
      revokeRole: 1,
      addRole: 1,
      deleteRole: 1,
      roles: 1,
      permissionsOf: 1,
      grantPermission: 1,
      revokePermission: 1,
    },
    async () => (await rareFacades()).authClient(await services.all(), call),
    checkOpen,
  );
}

function lazyMaintenance({ services, checkOpen }: LazyFacadesHost, call: Call): MaintenanceClient {
  const maintenance = loadedOnce(async () => (await rareFacades()).maintenanceClient(await services.all(), call));
  return {
    ...lazyFacade<MaintenanceClient>(
      { moveLeader: 1, status: 1, alarms: 1, disarm: 1, defragment: 1, hashKv: 1, hash: 1, downgrade: 1 },
      maintenance,
      checkOpen,
    ),
    async *snapshot(options) {
      checkOpen();
      yield* (await maintenance()).snapshot(options);
    },
  };
}
