/**
 * The rest of etcd's table: methods whose path is known and which nobody serves here yet. They answer as a gRPC server
 * does to a method that it does not have.
 */

const UNSERVED_BY_SERVICE: Readonly<Record<string, readonly (readonly [path: string, method: string])[]>> = {
  "etcdserverpb.Cluster": [
    ["/v3/cluster/member/add", "MemberAdd"],
    ["/v3/cluster/member/remove", "MemberRemove"],
    ["/v3/cluster/member/update", "MemberUpdate"],
    ["/v3/cluster/member/promote", "MemberPromote"],
  ],
  "etcdserverpb.Maintenance": [
    ["/v3/maintenance/alarm", "Alarm"],
    ["/v3/maintenance/defragment", "Defragment"],
    ["/v3/maintenance/hash", "Hash"],
    ["/v3/maintenance/hashkv", "HashKV"],
    ["/v3/maintenance/snapshot", "Snapshot"],
    ["/v3/maintenance/transfer-leadership", "MoveLeader"],
    ["/v3/maintenance/downgrade", "Downgrade"],
  ],
};

/** By path: what the client is told. */
export const UNSERVED: ReadonlyMap<string, string> = new Map(
  Object.entries(UNSERVED_BY_SERVICE).flatMap(([service, methods]) =>
    methods.map(([path, method]) => [path, `unknown method ${method} for service ${service}`] as const),
  ),
);
