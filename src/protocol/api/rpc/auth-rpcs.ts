/** The methods of etcd's Auth service. */
import * as schemas from "../schema/auth-schema.ts";
import type * as messages from "../auth.ts";
import { unary } from "./rpc.ts";
import type { Rpc } from "./rpc.ts";

export interface AuthRpcs {
  readonly authEnable: Rpc<messages.AuthEnableRequest, messages.AuthEnableResponse>;
  readonly authDisable: Rpc<messages.AuthDisableRequest, messages.AuthDisableResponse>;
  readonly authStatus: Rpc<messages.AuthStatusRequest, messages.AuthStatusResponse>;
  readonly authenticate: Rpc<messages.AuthenticateRequest, messages.AuthenticateResponse>;
  readonly userAdd: Rpc<messages.AuthUserAddRequest, messages.AuthUserAddResponse>;
  readonly userGet: Rpc<messages.AuthUserGetRequest, messages.AuthUserGetResponse>;
  readonly userList: Rpc<messages.AuthUserListRequest, messages.AuthUserListResponse>;
  readonly userDelete: Rpc<messages.AuthUserDeleteRequest, messages.AuthUserDeleteResponse>;
  readonly userChangePassword: Rpc<messages.AuthUserChangePasswordRequest, messages.AuthUserChangePasswordResponse>;
  readonly userGrantRole: Rpc<messages.AuthUserGrantRoleRequest, messages.AuthUserGrantRoleResponse>;
  readonly userRevokeRole: Rpc<messages.AuthUserRevokeRoleRequest, messages.AuthUserRevokeRoleResponse>;
  readonly roleAdd: Rpc<messages.AuthRoleAddRequest, messages.AuthRoleAddResponse>;
  readonly roleGet: Rpc<messages.AuthRoleGetRequest, messages.AuthRoleGetResponse>;
  readonly roleList: Rpc<messages.AuthRoleListRequest, messages.AuthRoleListResponse>;
  readonly roleDelete: Rpc<messages.AuthRoleDeleteRequest, messages.AuthRoleDeleteResponse>;
  readonly roleGrantPermission: Rpc<messages.AuthRoleGrantPermissionRequest, messages.AuthRoleGrantPermissionResponse>;
  readonly roleRevokePermission: Rpc<
    messages.AuthRoleRevokePermissionRequest,
    messages.AuthRoleRevokePermissionResponse
  >;
}

const SERVICE = "etcdserverpb.Auth";

export const AUTH_RPCS: AuthRpcs = {
  authEnable: unary(
    SERVICE,
    "AuthEnable",
    ["/v3/auth/enable"],
    schemas.authEnableRequestSchema,
    schemas.authEnableResponseSchema,
  ),
  authDisable: unary(
    SERVICE,
    "AuthDisable",
    ["/v3/auth/disable"],
    schemas.authDisableRequestSchema,
    schemas.authDisableResponseSchema,
  ),
  authStatus: unary(
    SERVICE,
    "AuthStatus",
    ["/v3/auth/status"],
    schemas.authStatusRequestSchema,
    schemas.authStatusResponseSchema,
    {
      isRead: true,
    },
  ),
  authenticate: unary(
    SERVICE,
    "Authenticate",
    ["/v3/auth/authenticate"],
    schemas.authenticateRequestSchema,
    schemas.authenticateResponseSchema,
  ),
  userAdd: unary(
    SERVICE,
    "UserAdd",
    ["/v3/auth/user/add"],
    schemas.authUserAddRequestSchema,
    schemas.authUserAddResponseSchema,
  ),
  userGet: unary(
    SERVICE,
    "UserGet",
    ["/v3/auth/user/get"],
    schemas.authUserGetRequestSchema,
    schemas.authUserGetResponseSchema,
    {
      isRead: true,
    },
  ),
  userList: unary(
    SERVICE,
    "UserList",
    ["/v3/auth/user/list"],
    schemas.authUserListRequestSchema,
    schemas.authUserListResponseSchema,
    {
      isRead: true,
    },
  ),
  userDelete: unary(
    SERVICE,
    "UserDelete",
    ["/v3/auth/user/delete"],
    schemas.authUserDeleteRequestSchema,
    schemas.authUserDeleteResponseSchema,
  ),
  userChangePassword: unary(
    SERVICE,
    "UserChangePassword",
    ["/v3/auth/user/changepw"],
    schemas.authUserChangePasswordRequestSchema,
    schemas.authUserChangePasswordResponseSchema,
  ),
  userGrantRole: unary(
    SERVICE,
    "UserGrantRole",
    ["/v3/auth/user/grant"],
    schemas.authUserGrantRoleRequestSchema,
    schemas.authUserGrantRoleResponseSchema,
  ),
  userRevokeRole: unary(
    SERVICE,
    "UserRevokeRole",
    ["/v3/auth/user/revoke"],
    schemas.authUserRevokeRoleRequestSchema,
    schemas.authUserRevokeRoleResponseSchema,
  ),
  roleAdd: unary(
    SERVICE,
    "RoleAdd",
    ["/v3/auth/role/add"],
    schemas.authRoleAddRequestSchema,
    schemas.authRoleAddResponseSchema,
  ),
  roleGet: unary(
    SERVICE,
    "RoleGet",
    ["/v3/auth/role/get"],
    schemas.authRoleGetRequestSchema,
    schemas.authRoleGetResponseSchema,
    {
      isRead: true,
    },
  ),
  roleList: unary(
    SERVICE,
    "RoleList",
    ["/v3/auth/role/list"],
    schemas.authRoleListRequestSchema,
    schemas.authRoleListResponseSchema,
    {
      isRead: true,
    },
  ),
  roleDelete: unary(
    SERVICE,
    "RoleDelete",
    ["/v3/auth/role/delete"],
    schemas.authRoleDeleteRequestSchema,
    schemas.authRoleDeleteResponseSchema,
  ),
  roleGrantPermission: unary(
    SERVICE,
    "RoleGrantPermission",
    ["/v3/auth/role/grant"],
    schemas.authRoleGrantPermissionRequestSchema,
    schemas.authRoleGrantPermissionResponseSchema,
  ),
  roleRevokePermission: unary(
    SERVICE,
    "RoleRevokePermission",
    ["/v3/auth/role/revoke"],
    schemas.authRoleRevokePermissionRequestSchema,
    schemas.authRoleRevokePermissionResponseSchema,
  ),
};
