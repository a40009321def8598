/**
 * The content of the log: one `InternalRaftRequest` per normal entry. On etcd's wire the requests are separate fields
 * of which exactly one is set. Here they are one union, and `none` is an entry that a newer version may have written.
 */
import type {
  AuthDisableRequest,
  AuthEnableRequest,
  AuthRoleAddRequest,
  AuthRoleDeleteRequest,
  AuthRoleGetRequest,
  AuthRoleGrantPermissionRequest,
  AuthRoleListRequest,
  AuthRoleRevokePermissionRequest,
  AuthStatusRequest,
  AuthUserAddRequest,
  AuthUserChangePasswordRequest,
  AuthUserDeleteRequest,
  AuthUserGetRequest,
  AuthUserGrantRoleRequest,
  AuthUserListRequest,
  AuthUserRevokeRoleRequest,
} from "../api/auth.ts";
import type { ClusterMemberAttrSetRequest, ClusterVersionSetRequest, DowngradeInfoSetRequest } from "../api/cluster.ts";
import type { CompactionRequest, DeleteRangeRequest, PutRequest, RangeRequest, TxnRequest } from "../api/kv.ts";
import type { LeaseCheckpointRequest, LeaseGrantRequest, LeaseRevokeRequest } from "../api/lease.ts";
import type { AlarmRequest } from "../api/maintenance.ts";

/** The origin of a request: its id at its proposer, and the user at the auth revision that was checked. */
export interface RequestHeader {
  readonly id: bigint;
  readonly username: string;
  readonly authRevision: number;
}

export function requestHeader(set?: Partial<RequestHeader>): RequestHeader {
  return { id: 0n, username: "", authRevision: 0, ...set };
}

/** The proposer has checked the password. The log contains the token to be issued. */
export interface InternalAuthenticateRequest {
  readonly name: string;
  readonly password: string;
  readonly simpleToken: string;
}

export function internalAuthenticateRequest(set?: Partial<InternalAuthenticateRequest>): InternalAuthenticateRequest {
  return { name: "", password: "", simpleToken: "", ...set };
}

export type InternalRequest =
  | { readonly type: "none" }
  | { readonly type: "range"; readonly range: RangeRequest }
  | { readonly type: "put"; readonly put: PutRequest }
  | { readonly type: "deleteRange"; readonly deleteRange: DeleteRangeRequest }
  | { readonly type: "txn"; readonly txn: TxnRequest }
  | { readonly type: "compaction"; readonly compaction: CompactionRequest }
  | { readonly type: "leaseGrant"; readonly leaseGrant: LeaseGrantRequest }
  | { readonly type: "leaseRevoke"; readonly leaseRevoke: LeaseRevokeRequest }
  | { readonly type: "alarm"; readonly alarm: AlarmRequest }
  | { readonly type: "leaseCheckpoint"; readonly leaseCheckpoint: LeaseCheckpointRequest }
  | { readonly type: "authEnable"; readonly authEnable: AuthEnableRequest }
  | { readonly type: "authDisable"; readonly authDisable: AuthDisableRequest }
  | { readonly type: "authenticate"; readonly authenticate: InternalAuthenticateRequest }
  | { readonly type: "authStatus"; readonly authStatus: AuthStatusRequest }
  | { readonly type: "authUserAdd"; readonly authUserAdd: AuthUserAddRequest }
  | { readonly type: "authUserDelete"; readonly authUserDelete: AuthUserDeleteRequest }
  | { readonly type: "authUserGet"; readonly authUserGet: AuthUserGetRequest }
  | {
      readonly type: "authUserChangePassword";
      readonly authUserChangePassword: AuthUserChangePasswordRequest;
    }
  | { readonly type: "authUserGrantRole"; readonly authUserGrantRole: AuthUserGrantRoleRequest }
  | { readonly type: "authUserRevokeRole"; readonly authUserRevokeRole: AuthUserRevokeRoleRequest }
  | { readonly type: "authUserList"; readonly authUserList: AuthUserListRequest }
  | { readonly type: "authRoleList"; readonly authRoleList: AuthRoleListRequest }
  | { readonly type: "authRoleAdd"; readonly authRoleAdd: AuthRoleAddRequest }
  | { readonly type: "authRoleDelete"; readonly authRoleDelete: AuthRoleDeleteRequest }
  | { readonly type: "authRoleGet"; readonly authRoleGet: AuthRoleGetRequest }
  | {
      readonly type: "authRoleGrantPermission";
      readonly authRoleGrantPermission: AuthRoleGrantPermissionRequest;
    }
  | {
      readonly type: "authRoleRevokePermission";
      readonly authRoleRevokePermission: AuthRoleRevokePermissionRequest;
    }
  | { readonly type: "clusterVersionSet"; readonly clusterVersionSet: ClusterVersionSetRequest }
  | {
      readonly type: "clusterMemberAttrSet";
      readonly clusterMemberAttrSet: ClusterMemberAttrSetRequest;
    }
  | { readonly type: "downgradeInfoSet"; readonly downgradeInfoSet: DowngradeInfoSetRequest };

export interface InternalRaftRequest {
  readonly header: RequestHeader;
  readonly request: InternalRequest;
}

export function internalRaftRequest(set?: Partial<InternalRaftRequest>): InternalRaftRequest {
  return { header: requestHeader(), request: { type: "none" }, ...set };
}
