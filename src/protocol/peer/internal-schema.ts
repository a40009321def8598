/** Field tables of the messages in internal.ts, with the numbers and names of etcd's .proto files. */
import { internalAuthenticateRequest, internalRaftRequest, requestHeader } from "./internal.ts";
import type { InternalAuthenticateRequest, InternalRaftRequest, InternalRequest, RequestHeader } from "./internal.ts";
import {
  authDisableRequestSchema,
  authEnableRequestSchema,
  authRoleAddRequestSchema,
  authRoleDeleteRequestSchema,
  authRoleGetRequestSchema,
  authRoleGrantPermissionRequestSchema,
  authRoleListRequestSchema,
  authRoleRevokePermissionRequestSchema,
  authStatusRequestSchema,
  authUserAddRequestSchema,
  authUserChangePasswordRequestSchema,
  authUserDeleteRequestSchema,
  authUserGetRequestSchema,
  authUserGrantRoleRequestSchema,
  authUserListRequestSchema,
  authUserRevokeRoleRequestSchema,
} from "../api/schema/auth-schema.ts";
import {
  clusterMemberAttrSetRequestSchema,
  clusterVersionSetRequestSchema,
  downgradeInfoSetRequestSchema,
} from "../api/schema/cluster-schema.ts";
import {
  compactionRequestSchema,
  deleteRangeRequestSchema,
  putRequestSchema,
  rangeRequestSchema,
  txnRequestSchema,
} from "../api/schema/kv-schema.ts";
import {
  leaseCheckpointRequestSchema,
  leaseGrantRequestSchema,
  leaseRevokeRequestSchema,
} from "../api/schema/lease-schema.ts";
import { alarmRequestSchema } from "../api/schema/maintenance-schema.ts";
import { always, id, message, oneof, string, uint } from "../codec/schema.ts";
import type { Schema } from "../codec/schema.ts";

export const requestHeaderSchema: Schema<RequestHeader> = message<RequestHeader>(
  "etcdserverpb.RequestHeader",
  () => requestHeader(),
  { id: id(1, "ID", "unsigned"), username: string(2, "username"), authRevision: uint(3, "auth_revision") },
);

export const internalAuthenticateRequestSchema: Schema<InternalAuthenticateRequest> =
  message<InternalAuthenticateRequest>(
    "etcdserverpb.InternalAuthenticateRequest",
    () => internalAuthenticateRequest(),
    { name: string(1, "name"), password: string(2, "password"), simpleToken: string(3, "simple_token") },
  );

export const internalRaftRequestSchema: Schema<InternalRaftRequest> = message<InternalRaftRequest>(
  "etcdserverpb.InternalRaftRequest",
  () => internalRaftRequest(),
  {
    header: always(100, "header", () => requestHeaderSchema),
    request: oneof<InternalRequest>("request", {
      range: always(3, "range", () => rangeRequestSchema),
      put: always(4, "put", () => putRequestSchema),
      deleteRange: always(5, "delete_range", () => deleteRangeRequestSchema),
      txn: always(6, "txn", () => txnRequestSchema),
      compaction: always(7, "compaction", () => compactionRequestSchema),
      leaseGrant: always(8, "lease_grant", () => leaseGrantRequestSchema),
      leaseRevoke: always(9, "lease_revoke", () => leaseRevokeRequestSchema),
      alarm: always(10, "alarm", () => alarmRequestSchema),
      leaseCheckpoint: always(11, "lease_checkpoint", () => leaseCheckpointRequestSchema),
      authEnable: always(1000, "auth_enable", () => authEnableRequestSchema),
      authDisable: always(1011, "auth_disable", () => authDisableRequestSchema),
      authenticate: always(1012, "authenticate", () => internalAuthenticateRequestSchema),
      authStatus: always(1013, "auth_status", () => authStatusRequestSchema),
      authUserAdd: always(1100, "auth_user_add", () => authUserAddRequestSchema),
      authUserDelete: always(1101, "auth_user_delete", () => authUserDeleteRequestSchema),
      authUserGet: always(1102, "auth_user_get", () => authUserGetRequestSchema),
      authUserChangePassword: always(1103, "auth_user_change_password", () => authUserChangePasswordRequestSchema),
      authUserGrantRole: always(1104, "auth_user_grant_role", () => authUserGrantRoleRequestSchema),
      authUserRevokeRole: always(1105, "auth_user_revoke_role", () => authUserRevokeRoleRequestSchema),
      authUserList: always(1106, "auth_user_list", () => authUserListRequestSchema),
      authRoleList: always(1107, "auth_role_list", () => authRoleListRequestSchema),
      authRoleAdd: always(1200, "auth_role_add", () => authRoleAddRequestSchema),
      authRoleDelete: always(1201, "auth_role_delete", () => authRoleDeleteRequestSchema),
      authRoleGet: always(1202, "auth_role_get", () => authRoleGetRequestSchema),
      authRoleGrantPermission: always(1203, "auth_role_grant_permission", () => authRoleGrantPermissionRequestSchema),
      authRoleRevokePermission: always(
        1204,
        "auth_role_revoke_permission",
        () => authRoleRevokePermissionRequestSchema,
      ),
      clusterVersionSet: always(1300, "cluster_version_set", () => clusterVersionSetRequestSchema),
      clusterMemberAttrSet: always(1301, "cluster_member_attr_set", () => clusterMemberAttrSetRequestSchema),
      downgradeInfoSet: always(1302, "downgrade_info_set", () => downgradeInfoSetRequestSchema),
    }),
  },
);
