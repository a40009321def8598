/** The methods of etcd's Auth service. */
import {
  authDisableRequestSchema,
  authDisableResponseSchema,
  authEnableRequestSchema,
  authEnableResponseSchema,
  authRoleAddRequestSchema,
  authRoleAddResponseSchema,
  authRoleDeleteRequestSchema,
  authRoleDeleteResponseSchema,
  authRoleGetRequestSchema,
  authRoleGetResponseSchema,
  authRoleGrantPermissionRequestSchema,
  authRoleGrantPermissionResponseSchema,
  authRoleListRequestSchema,
  authRoleListResponseSchema,
  authRoleRevokePermissionRequestSchema,
  authRoleRevokePermissionResponseSchema,
  authStatusRequestSchema,
  authStatusResponseSchema,
  authUserAddRequestSchema,
  authUserAddResponseSchema,
  authUserChangePasswordRequestSchema,
  authUserChangePasswordResponseSchema,
  authUserDeleteRequestSchema,
  authUserDeleteResponseSchema,
  authUserGetRequestSchema,
  authUserGetResponseSchema,
  authUserGrantRoleRequestSchema,
  authUserGrantRoleResponseSchema,
  authUserListRequestSchema,
  authUserListResponseSchema,
  authUserRevokeRoleRequestSchema,
  authUserRevokeRoleResponseSchema,
  authenticateRequestSchema,
  authenticateResponseSchema,
} from "./auth-schema.ts";
import type {
  AuthDisableRequest,
  AuthDisableResponse,
  AuthEnableRequest,
  AuthEnableResponse,
  AuthRoleAddRequest,
  AuthRoleAddResponse,
  AuthRoleDeleteRequest,
  AuthRoleDeleteResponse,
  AuthRoleGetRequest,
  AuthRoleGetResponse,
  AuthRoleGrantPermissionRequest,
  AuthRoleGrantPermissionResponse,
  AuthRoleListRequest,
  AuthRoleListResponse,
  AuthRoleRevokePermissionRequest,
  AuthRoleRevokePermissionResponse,
  AuthStatusRequest,
  AuthStatusResponse,
  AuthUserAddRequest,
  AuthUserAddResponse,
  AuthUserChangePasswordRequest,
  AuthUserChangePasswordResponse,
  AuthUserDeleteRequest,
  AuthUserDeleteResponse,
  AuthUserGetRequest,
  AuthUserGetResponse,
  AuthUserGrantRoleRequest,
  AuthUserGrantRoleResponse,
  AuthUserListRequest,
  AuthUserListResponse,
  AuthUserRevokeRoleRequest,
  AuthUserRevokeRoleResponse,
  AuthenticateRequest,
  AuthenticateResponse,
} from "./auth.ts";
import { unary } from "./rpc.ts";
import type { Rpc } from "./rpc.ts";

export interface AuthRpcs {
  readonly authEnable: Rpc<AuthEnableRequest, AuthEnableResponse>;
  readonly authDisable: Rpc<AuthDisableRequest, AuthDisableResponse>;
  readonly authStatus: Rpc<AuthStatusRequest, AuthStatusResponse>;
  readonly authenticate: Rpc<AuthenticateRequest, AuthenticateResponse>;
  readonly userAdd: Rpc<AuthUserAddRequest, AuthUserAddResponse>;
  readonly userGet: Rpc<AuthUserGetRequest, AuthUserGetResponse>;
  readonly userList: Rpc<AuthUserListRequest, AuthUserListResponse>;
  readonly userDelete: Rpc<AuthUserDeleteRequest, AuthUserDeleteResponse>;
  readonly userChangePassword: Rpc<AuthUserChangePasswordRequest, AuthUserChangePasswordResponse>;
  readonly userGrantRole: Rpc<AuthUserGrantRoleRequest, AuthUserGrantRoleResponse>;
  readonly userRevokeRole: Rpc<AuthUserRevokeRoleRequest, AuthUserRevokeRoleResponse>;
  readonly roleAdd: Rpc<AuthRoleAddRequest, AuthRoleAddResponse>;
  readonly roleGet: Rpc<AuthRoleGetRequest, AuthRoleGetResponse>;
  readonly roleList: Rpc<AuthRoleListRequest, AuthRoleListResponse>;
  readonly roleDelete: Rpc<AuthRoleDeleteRequest, AuthRoleDeleteResponse>;
  readonly roleGrantPermission: Rpc<AuthRoleGrantPermissionRequest, AuthRoleGrantPermissionResponse>;
  readonly roleRevokePermission: Rpc<AuthRoleRevokePermissionRequest, AuthRoleRevokePermissionResponse>;
}

const SERVICE = "etcdserverpb.Auth";

export const AUTH_RPCS: AuthRpcs = {
  authEnable: unary(SERVICE, "AuthEnable", ["/v3/auth/enable"], authEnableRequestSchema, authEnableResponseSchema),
  authDisable: unary(SERVICE, "AuthDisable", ["/v3/auth/disable"], authDisableRequestSchema, authDisableResponseSchema),
  authStatus: unary(SERVICE, "AuthStatus", ["/v3/auth/status"], authStatusRequestSchema, authStatusResponseSchema, {
    isRead: true,
  }),
  authenticate: unary(
    SERVICE,
    "Authenticate",
    ["/v3/auth/authenticate"],
    authenticateRequestSchema,
    authenticateResponseSchema,
  ),
  userAdd: unary(SERVICE, "UserAdd", ["/v3/auth/user/add"], authUserAddRequestSchema, authUserAddResponseSchema),
  userGet: unary(SERVICE, "UserGet", ["/v3/auth/user/get"], authUserGetRequestSchema, authUserGetResponseSchema, {
    isRead: true,
  }),
  userList: unary(SERVICE, "UserList", ["/v3/auth/user/list"], authUserListRequestSchema, authUserListResponseSchema, {
    isRead: true,
  }),
  userDelete: unary(
    SERVICE,
    "UserDelete",
    ["/v3/auth/user/delete"],
    authUserDeleteRequestSchema,
    authUserDeleteResponseSchema,
  ),
  userChangePassword: unary(
    SERVICE,
    "UserChangePassword",
    ["/v3/auth/user/changepw"],
    authUserChangePasswordRequestSchema,
    authUserChangePasswordResponseSchema,
  ),
  userGrantRole: unary(
    SERVICE,
    "UserGrantRole",
    ["/v3/auth/user/grant"],
    authUserGrantRoleRequestSchema,
    authUserGrantRoleResponseSchema,
  ),
  userRevokeRole: unary(
    SERVICE,
    "UserRevokeRole",
    ["/v3/auth/user/revoke"],
    authUserRevokeRoleRequestSchema,
    authUserRevokeRoleResponseSchema,
  ),
  roleAdd: unary(SERVICE, "RoleAdd", ["/v3/auth/role/add"], authRoleAddRequestSchema, authRoleAddResponseSchema),
  roleGet: unary(SERVICE, "RoleGet", ["/v3/auth/role/get"], authRoleGetRequestSchema, authRoleGetResponseSchema, {
    isRead: true,
  }),
  roleList: unary(SERVICE, "RoleList", ["/v3/auth/role/list"], authRoleListRequestSchema, authRoleListResponseSchema, {
    isRead: true,
  }),
  roleDelete: unary(
    SERVICE,
    "RoleDelete",
    ["/v3/auth/role/delete"],
    authRoleDeleteRequestSchema,
    authRoleDeleteResponseSchema,
  ),
  roleGrantPermission: unary(
    SERVICE,
    "RoleGrantPermission",
    ["/v3/auth/role/grant"],
    authRoleGrantPermissionRequestSchema,
    authRoleGrantPermissionResponseSchema,
  ),
  roleRevokePermission: unary(
    SERVICE,
    "RoleRevokePermission",
    ["/v3/auth/role/revoke"],
    authRoleRevokePermissionRequestSchema,
    authRoleRevokePermissionResponseSchema,
  ),
};
