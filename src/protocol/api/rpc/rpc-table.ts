/** All of etcd's services, by their names in `Services`. The API layer and the clients derive their methods from it. */
import { AUTH_RPCS } from "./auth-rpcs.ts";
import type { AuthRpcs } from "./auth-rpcs.ts";
import { CLUSTER_RPCS } from "./cluster-rpcs.ts";
import type { ClusterRpcs } from "./cluster-rpcs.ts";
import { ELECTION_RPCS } from "./election-rpcs.ts";
import type { ElectionRpcs } from "./election-rpcs.ts";
import { KV_RPCS } from "./kv-rpcs.ts";
import type { KvRpcs } from "./kv-rpcs.ts";
import { LEASE_RPCS } from "./lease-rpcs.ts";
import type { LeaseRpcs } from "./lease-rpcs.ts";
import { LOCK_RPCS } from "./lock-rpcs.ts";
import type { LockRpcs } from "./lock-rpcs.ts";
import { MAINTENANCE_RPCS } from "./maintenance-rpcs.ts";
import type { MaintenanceRpcs } from "./maintenance-rpcs.ts";
import type { Rpc } from "./rpc.ts";
import { WATCH_RPCS } from "./watch-rpcs.ts";
import type { WatchRpcs } from "./watch-rpcs.ts";

export interface RpcTable {
  readonly kv: KvRpcs;
  readonly watch: WatchRpcs;
  readonly lease: LeaseRpcs;
  readonly cluster: ClusterRpcs;
  readonly maintenance: MaintenanceRpcs;
  readonly auth: AuthRpcs;
  readonly lock: LockRpcs;
  readonly election: ElectionRpcs;
}

export const RPCS: RpcTable = {
  kv: KV_RPCS,
  watch: WATCH_RPCS,
  lease: LEASE_RPCS,
  cluster: CLUSTER_RPCS,
  maintenance: MAINTENANCE_RPCS,
  auth: AUTH_RPCS,
  lock: LOCK_RPCS,
  election: ELECTION_RPCS,
};

/** Gateway requests that may be repeated, because they change nothing. */
export function readPaths(): ReadonlySet<string> {
  const rpcs = Object.values(RPCS).flatMap((service): readonly Described[] => Object.values(service));
  return new Set(rpcs.flatMap(({ paths, isRead }) => (isRead === true ? paths : [])));
}

type Described = Pick<Rpc<unknown, unknown>, "paths" | "isRead">;
