/** etcd's Auth service behind its JSON paths. */
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
} from "../protocol/auth-schema.ts";
import type { Schema } from "../protocol/schema.ts";
import type { AuthService, CallContext } from "../member/services.ts";

type MakeMethod = <Request, Response>(
  path: string,
  request: Schema<Request>,
  response: Schema<Response>,
  options?: { readonly isRead?: boolean },
) => (request: Request, context: CallContext) => Promise<Response>;

const READ = { isRead: true };

export function httpAuth(method: MakeMethod): AuthService {
  return {
    authEnable: method("/v3/auth/enable", authEnableRequestSchema, authEnableResponseSchema),
    authDisable: method("/v3/auth/disable", authDisableRequestSchema, authDisableResponseSchema),
    authStatus: method("/v3/auth/status", authStatusRequestSchema, authStatusResponseSchema),
    authenticate: method("/v3/auth/authenticate", authenticateRequestSchema, authenticateResponseSchema),
    userAdd: method("/v3/auth/user/add", authUserAddRequestSchema, authUserAddResponseSchema),
    userGet: method("/v3/auth/user/get", authUserGetRequestSchema, authUserGetResponseSchema, READ),
    userList: method("/v3/auth/user/list", authUserListRequestSchema, authUserListResponseSchema, READ),
    userDelete: method("/v3/auth/user/delete", authUserDeleteRequestSchema, authUserDeleteResponseSchema),
    userChangePassword: method(
      "/v3/auth/user/changepw",
      authUserChangePasswordRequestSchema,
      authUserChangePasswordResponseSchema,
    ),
    userGrantRole: method("/v3/auth/user/grant", authUserGrantRoleRequestSchema, authUserGrantRoleResponseSchema),
    userRevokeRole: method("/v3/auth/user/revoke", authUserRevokeRoleRequestSchema, authUserRevokeRoleResponseSchema),
    roleAdd: method("/v3/auth/role/add", authRoleAddRequestSchema, authRoleAddResponseSchema),
    roleGet: method("/v3/auth/role/get", authRoleGetRequestSchema, authRoleGetResponseSchema, READ),
    roleList: method("/v3/auth/role/list", authRoleListRequestSchema, authRoleListResponseSchema, READ),
    roleDelete: method("/v3/auth/role/delete", authRoleDeleteRequestSchema, authRoleDeleteResponseSchema),
    roleGrantPermission: method(
      "/v3/auth/role/grant",
      authRoleGrantPermissionRequestSchema,
      authRoleGrantPermissionResponseSchema,
    ),
    roleRevokePermission: method(
      "/v3/auth/role/revoke",
      authRoleRevokePermissionRequestSchema,
      authRoleRevokePermissionResponseSchema,
    ),
  };
}
