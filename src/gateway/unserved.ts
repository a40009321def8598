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
};

/** By path: what the client is told. */
export const UNSERVED: ReadonlyMap<string, string> = new Map(
  Object.entries(UNSERVED_BY_SERVICE).flatMap(([service, methods]) =>
    methods.map(([path, method]) => [path, `unknown method ${method} for service ${service}`] as const),
  ),
);
