/** The paths of etcd's Auth service. */
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
import type { Services } from "../member/services.ts";
import type { ServeUnary } from "./unary.ts";

export function serveAuth({ auth }: Services, unary: ServeUnary): void {
  unary("/v3/auth/enable", authEnableRequestSchema, authEnableResponseSchema, (message, context) =>
    auth.authEnable(message, context),
  );
  unary("/v3/auth/disable", authDisableRequestSchema, authDisableResponseSchema, (message, context) =>
    auth.authDisable(message, context),
  );
  unary("/v3/auth/status", authStatusRequestSchema, authStatusResponseSchema, (message, context) =>
    auth.authStatus(message, context),
  );
  unary("/v3/auth/authenticate", authenticateRequestSchema, authenticateResponseSchema, (message, context) =>
    auth.authenticate(message, context),
  );
  unary("/v3/auth/user/add", authUserAddRequestSchema, authUserAddResponseSchema, (message, context) =>
    auth.userAdd(message, context),
  );
  unary("/v3/auth/user/get", authUserGetRequestSchema, authUserGetResponseSchema, (message, context) =>
    auth.userGet(message, context),
  );
  unary("/v3/auth/user/list", authUserListRequestSchema, authUserListResponseSchema, (message, context) =>
    auth.userList(message, context),
  );
  unary("/v3/auth/user/delete", authUserDeleteRequestSchema, authUserDeleteResponseSchema, (message, context) =>
    auth.userDelete(message, context),
  );
  unary(
    "/v3/auth/user/changepw",
    authUserChangePasswordRequestSchema,
    authUserChangePasswordResponseSchema,
    (message, context) => auth.userChangePassword(message, context),
  );
  unary("/v3/auth/user/grant", authUserGrantRoleRequestSchema, authUserGrantRoleResponseSchema, (message, context) =>
    auth.userGrantRole(message, context),
  );
  unary("/v3/auth/user/revoke", authUserRevokeRoleRequestSchema, authUserRevokeRoleResponseSchema, (message, context) =>
    auth.userRevokeRole(message, context),
  );
  unary("/v3/auth/role/add", authRoleAddRequestSchema, authRoleAddResponseSchema, (message, context) =>
    auth.roleAdd(message, context),
  );
  unary("/v3/auth/role/get", authRoleGetRequestSchema, authRoleGetResponseSchema, (message, context) =>
    auth.roleGet(message, context),
  );
  unary("/v3/auth/role/list", authRoleListRequestSchema, authRoleListResponseSchema, (message, context) =>
    auth.roleList(message, context),
  );
  unary("/v3/auth/role/delete", authRoleDeleteRequestSchema, authRoleDeleteResponseSchema, (message, context) =>
    auth.roleDelete(message, context),
  );
  unary(
    "/v3/auth/role/grant",
    authRoleGrantPermissionRequestSchema,
    authRoleGrantPermissionResponseSchema,
    (message, context) => auth.roleGrantPermission(message, context),
  );
  unary(
    "/v3/auth/role/revoke",
    authRoleRevokePermissionRequestSchema,
    authRoleRevokePermissionResponseSchema,
    (message, context) => auth.roleRevokePermission(message, context),
  );
}
