/**
 * The rest of etcd's table: methods whose path is known and which nobody serves here yet. They answer as a gRPC server
 * does to a method that it does not have.
 */

const UNSERVED_BY_SERVICE: Readonly<Record<string, readonly (readonly [path: string, method: string])[]>> = {
  "etcdserverpb.Lease": [
    ["/v3/lease/grant", "LeaseGrant"],
    ["/v3/lease/revoke", "LeaseRevoke"],
    ["/v3/kv/lease/revoke", "LeaseRevoke"],
    ["/v3/lease/keepalive", "LeaseKeepAlive"],
    ["/v3/lease/timetolive", "LeaseTimeToLive"],
    ["/v3/kv/lease/timetolive", "LeaseTimeToLive"],
    ["/v3/lease/leases", "LeaseLeases"],
    ["/v3/kv/lease/leases", "LeaseLeases"],
  ],
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
  "etcdserverpb.Auth": [
    ["/v3/auth/enable", "AuthEnable"],
    ["/v3/auth/disable", "AuthDisable"],
    ["/v3/auth/status", "AuthStatus"],
    ["/v3/auth/authenticate", "Authenticate"],
    ["/v3/auth/user/add", "UserAdd"],
    ["/v3/auth/user/get", "UserGet"],
    ["/v3/auth/user/list", "UserList"],
    ["/v3/auth/user/delete", "UserDelete"],
    ["/v3/auth/user/changepw", "UserChangePassword"],
    ["/v3/auth/user/grant", "UserGrantRole"],
    ["/v3/auth/user/revoke", "UserRevokeRole"],
    ["/v3/auth/role/add", "RoleAdd"],
    ["/v3/auth/role/get", "RoleGet"],
    ["/v3/auth/role/list", "RoleList"],
    ["/v3/auth/role/delete", "RoleDelete"],
    ["/v3/auth/role/grant", "RoleGrantPermission"],
    ["/v3/auth/role/revoke", "RoleRevokePermission"],
  ],
  "v3lockpb.Lock": [
    ["/v3/lock/lock", "Lock"],
    ["/v3/lock/unlock", "Unlock"],
  ],
  "v3electionpb.Election": [
    ["/v3/election/campaign", "Campaign"],
    ["/v3/election/proclaim", "Proclaim"],
    ["/v3/election/leader", "Leader"],
    ["/v3/election/observe", "Observe"],
    ["/v3/election/resign", "Resign"],
  ],
};

/** By path: what the client is told. */
export const UNSERVED: ReadonlyMap<string, string> = new Map(
  Object.entries(UNSERVED_BY_SERVICE).flatMap(([service, methods]) =>
    methods.map(([path, method]) => [path, `unknown method ${method} for service ${service}`] as const),
  ),
);
