/** Field tables of the messages in auth.ts, with the numbers and names of etcd's .proto files. */
import {
  authDisableResponse,
  authEnableResponse,
  authRoleAddRequest,
  authRoleAddResponse,
  authRoleDeleteRequest,
  authRoleDeleteResponse,
  authRoleGetRequest,
  authRoleGetResponse,
  authRoleGrantPermissionRequest,
  authRoleGrantPermissionResponse,
  authRoleListResponse,
  authRoleRevokePermissionRequest,
  authRoleRevokePermissionResponse,
  authStatusResponse,
  authUserAddRequest,
  authUserAddResponse,
  authUserChangePasswordRequest,
  authUserChangePasswordResponse,
  authUserDeleteRequest,
  authUserDeleteResponse,
  authUserGetRequest,
  authUserGetResponse,
  authUserGrantRoleRequest,
  authUserGrantRoleResponse,
  authUserListResponse,
  authUserRevokeRoleRequest,
  authUserRevokeRoleResponse,
  authenticateRequest,
  authenticateResponse,
  permission,
  role,
  user,
  userAddOptions,
} from "../auth.ts";
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
  Permission,
  PermissionType,
  Role,
  User,
  UserAddOptions,
} from "../auth.ts";
import { header } from "./header-schema.ts";
import { always, bool, bytes, message, openEnum, optional, repeated, string, uint } from "../../codec/schema.ts";
import type { Schema } from "../../codec/schema.ts";

export const userAddOptionsSchema: Schema<UserAddOptions> = message("authpb.UserAddOptions", userAddOptions, {
  noPassword: bool(1, "no_password"),
});

export const userSchema: Schema<User> = message("authpb.User", user, {
  name: bytes(1, "name"),
  password: bytes(2, "password"),
  roles: repeated(string(3, "roles")),
  options: optional(4, "options", () => userAddOptionsSchema),
});

export const permissionSchema: Schema<Permission> = message("authpb.Permission", permission, {
  permType: openEnum<PermissionType>(1, "permType", ["READ", "WRITE", "READWRITE"]),
  key: bytes(2, "key"),
  rangeEnd: bytes(3, "range_end"),
});

export const roleSchema: Schema<Role> = message("authpb.Role", role, {
  name: bytes(1, "name"),
  keyPermission: repeated(always(2, "keyPermission", () => permissionSchema)),
});

export const authEnableRequestSchema: Schema<AuthEnableRequest> = message(
  "etcdserverpb.AuthEnableRequest",
  () => ({}),
  {},
);

export const authDisableRequestSchema: Schema<AuthDisableRequest> = message(
  "etcdserverpb.AuthDisableRequest",
  () => ({}),
  {},
);

export const authStatusRequestSchema: Schema<AuthStatusRequest> = message(
  "etcdserverpb.AuthStatusRequest",
  () => ({}),
  {},
);

export const authenticateRequestSchema: Schema<AuthenticateRequest> = message(
  "etcdserverpb.AuthenticateRequest",
  authenticateRequest,
  { name: string(1, "name"), password: string(2, "password") },
);

export const authUserAddRequestSchema: Schema<AuthUserAddRequest> = message(
  "etcdserverpb.AuthUserAddRequest",
  authUserAddRequest,
  {
    name: string(1, "name"),
    password: string(2, "password"),
    options: optional(3, "options", () => userAddOptionsSchema),
    hashedPassword: string(4, "hashedPassword"),
  },
);

export const authUserGetRequestSchema: Schema<AuthUserGetRequest> = message(
  "etcdserverpb.AuthUserGetRequest",
  authUserGetRequest,
  { name: string(1, "name") },
);

export const authUserDeleteRequestSchema: Schema<AuthUserDeleteRequest> = message(
  "etcdserverpb.AuthUserDeleteRequest",
  authUserDeleteRequest,
  { name: string(1, "name") },
);

export const authUserChangePasswordRequestSchema: Schema<AuthUserChangePasswordRequest> = message(
  "etcdserverpb.AuthUserChangePasswordRequest",
  authUserChangePasswordRequest,
  { name: string(1, "name"), password: string(2, "password"), hashedPassword: string(3, "hashedPassword") },
);

export const authUserGrantRoleRequestSchema: Schema<AuthUserGrantRoleRequest> = message(
  "etcdserverpb.AuthUserGrantRoleRequest",
  authUserGrantRoleRequest,
  { user: string(1, "user"), role: string(2, "role") },
);

export const authUserRevokeRoleRequestSchema: Schema<AuthUserRevokeRoleRequest> = message(
  "etcdserverpb.AuthUserRevokeRoleRequest",
  authUserRevokeRoleRequest,
  { name: string(1, "name"), role: string(2, "role") },
);

export const authRoleAddRequestSchema: Schema<AuthRoleAddRequest> = message(
  "etcdserverpb.AuthRoleAddRequest",
  authRoleAddRequest,
  { name: string(1, "name") },
);

export const authRoleGetRequestSchema: Schema<AuthRoleGetRequest> = message(
  "etcdserverpb.AuthRoleGetRequest",
  authRoleGetRequest,
  { role: string(1, "role") },
);

export const authUserListRequestSchema: Schema<AuthUserListRequest> = message(
  "etcdserverpb.AuthUserListRequest",
  () => ({}),
  {},
);

export const authRoleListRequestSchema: Schema<AuthRoleListRequest> = message(
  "etcdserverpb.AuthRoleListRequest",
  () => ({}),
  {},
);

export const authRoleDeleteRequestSchema: Schema<AuthRoleDeleteRequest> = message(
  "etcdserverpb.AuthRoleDeleteRequest",
  authRoleDeleteRequest,
  { role: string(1, "role") },
);

export const authRoleGrantPermissionRequestSchema: Schema<AuthRoleGrantPermissionRequest> = message(
  "etcdserverpb.AuthRoleGrantPermissionRequest",
  authRoleGrantPermissionRequest,
  { name: string(1, "name"), perm: optional(2, "perm", () => permissionSchema) },
);

export const authRoleRevokePermissionRequestSchema: Schema<AuthRoleRevokePermissionRequest> = message(
  "etcdserverpb.AuthRoleRevokePermissionRequest",
  authRoleRevokePermissionRequest,
  { role: string(1, "role"), key: bytes(2, "key"), rangeEnd: bytes(3, "range_end") },
);

export const authEnableResponseSchema: Schema<AuthEnableResponse> = message(
  "etcdserverpb.AuthEnableResponse",
  authEnableResponse,
  { header },
);

export const authDisableResponseSchema: Schema<AuthDisableResponse> = message(
  "etcdserverpb.AuthDisableResponse",
  authDisableResponse,
  { header },
);

export const authStatusResponseSchema: Schema<AuthStatusResponse> = message(
  "etcdserverpb.AuthStatusResponse",
  authStatusResponse,
  { header, enabled: bool(2, "enabled"), authRevision: uint(3, "authRevision") },
);

export const authenticateResponseSchema: Schema<AuthenticateResponse> = message(
  "etcdserverpb.AuthenticateResponse",
  authenticateResponse,
  { header, token: string(2, "token") },
);

export const authUserAddResponseSchema: Schema<AuthUserAddResponse> = message(
  "etcdserverpb.AuthUserAddResponse",
  authUserAddResponse,
  { header },
);

export const authUserGetResponseSchema: Schema<AuthUserGetResponse> = message(
  "etcdserverpb.AuthUserGetResponse",
  authUserGetResponse,
  { header, roles: repeated(string(2, "roles")) },
);

export const authUserDeleteResponseSchema: Schema<AuthUserDeleteResponse> = message(
  "etcdserverpb.AuthUserDeleteResponse",
  authUserDeleteResponse,
  { header },
);

export const authUserChangePasswordResponseSchema: Schema<AuthUserChangePasswordResponse> = message(
  "etcdserverpb.AuthUserChangePasswordResponse",
  authUserChangePasswordResponse,
  { header },
);

export const authUserGrantRoleResponseSchema: Schema<AuthUserGrantRoleResponse> = message(
  "etcdserverpb.AuthUserGrantRoleResponse",
  authUserGrantRoleResponse,
  { header },
);

export const authUserRevokeRoleResponseSchema: Schema<AuthUserRevokeRoleResponse> = message(
  "etcdserverpb.AuthUserRevokeRoleResponse",
  authUserRevokeRoleResponse,
  { header },
);

export const authRoleAddResponseSchema: Schema<AuthRoleAddResponse> = message(
  "etcdserverpb.AuthRoleAddResponse",
  authRoleAddResponse,
  { header },
);

export const authRoleGetResponseSchema: Schema<AuthRoleGetResponse> = message(
  "etcdserverpb.AuthRoleGetResponse",
  authRoleGetResponse,
  { header, perm: repeated(always(2, "perm", () => permissionSchema)) },
);

export const authRoleListResponseSchema: Schema<AuthRoleListResponse> = message(
  "etcdserverpb.AuthRoleListResponse",
  authRoleListResponse,
  { header, roles: repeated(string(2, "roles")) },
);

export const authUserListResponseSchema: Schema<AuthUserListResponse> = message(
  "etcdserverpb.AuthUserListResponse",
  authUserListResponse,
  { header, users: repeated(string(2, "users")) },
);

export const authRoleDeleteResponseSchema: Schema<AuthRoleDeleteResponse> = message(
  "etcdserverpb.AuthRoleDeleteResponse",
  authRoleDeleteResponse,
  { header },
);

export const authRoleGrantPermissionResponseSchema: Schema<AuthRoleGrantPermissionResponse> = message(
  "etcdserverpb.AuthRoleGrantPermissionResponse",
  authRoleGrantPermissionResponse,
  { header },
);

export const authRoleRevokePermissionResponseSchema: Schema<AuthRoleRevokePermissionResponse> = message(
  "etcdserverpb.AuthRoleRevokePermissionResponse",
  authRoleRevokePermissionResponse,
  { header },
);
