/** Messages of etcd's Auth service, and users and roles as they are stored (`authpb`). */
import { EMPTY_BYTES } from "../../base/bytes.ts";
import { responseHeader } from "./header.ts";
import type { ResponseHeader } from "./header.ts";

export interface UserAddOptions {
  readonly noPassword: boolean;
}

export function userAddOptions(set?: Partial<UserAddOptions>): UserAddOptions {
  return { noPassword: false, ...set };
}

/** `password` is its hash. */
export interface User {
  readonly name: Uint8Array;
  readonly password: Uint8Array;
  readonly roles: readonly string[];
  readonly options: UserAddOptions | undefined;
}

export function user(set?: Partial<User>): User {
  return { name: EMPTY_BYTES, password: EMPTY_BYTES, roles: [], options: undefined, ...set };
}

export type PermissionType = "READ" | "WRITE" | "READWRITE" | number;

export interface Permission {
  readonly permType: PermissionType;
  readonly key: Uint8Array;
  readonly rangeEnd: Uint8Array;
}

export function permission(set?: Partial<Permission>): Permission {
  return { permType: "READ", key: EMPTY_BYTES, rangeEnd: EMPTY_BYTES, ...set };
}

export interface Role {
  readonly name: Uint8Array;
  readonly keyPermission: readonly Permission[];
}

export function role(set?: Partial<Role>): Role {
  return { name: EMPTY_BYTES, keyPermission: [], ...set };
}

export interface AuthEnableRequest {}

export interface AuthDisableRequest {}

export interface AuthStatusRequest {}

export interface AuthenticateRequest {
  readonly name: string;
  readonly password: string;
}

export function authenticateRequest(set?: Partial<AuthenticateRequest>): AuthenticateRequest {
  return { name: "", password: "", ...set };
}

export interface AuthUserAddRequest {
  readonly name: string;
  readonly password: string;
  readonly options: UserAddOptions | undefined;
  readonly hashedPassword: string;
}

export function authUserAddRequest(set?: Partial<AuthUserAddRequest>): AuthUserAddRequest {
  return { name: "", password: "", options: undefined, hashedPassword: "", ...set };
}

export interface AuthUserGetRequest {
  readonly name: string;
}

export function authUserGetRequest(set?: Partial<AuthUserGetRequest>): AuthUserGetRequest {
  return { name: "", ...set };
}

export interface AuthUserDeleteRequest {
  readonly name: string;
}

export function authUserDeleteRequest(set?: Partial<AuthUserDeleteRequest>): AuthUserDeleteRequest {
  return { name: "", ...set };
}

export interface AuthUserChangePasswordRequest {
  readonly name: string;
  readonly password: string;
  readonly hashedPassword: string;
}

export function authUserChangePasswordRequest(
  set?: Partial<AuthUserChangePasswordRequest>,
): AuthUserChangePasswordRequest {
  return { name: "", password: "", hashedPassword: "", ...set };
}

export interface AuthUserGrantRoleRequest {
  readonly user: string;
  readonly role: string;
}

export function authUserGrantRoleRequest(set?: Partial<AuthUserGrantRoleRequest>): AuthUserGrantRoleRequest {
  return { user: "", role: "", ...set };
}

export interface AuthUserRevokeRoleRequest {
  readonly name: string;
  readonly role: string;
}

export function authUserRevokeRoleRequest(set?: Partial<AuthUserRevokeRoleRequest>): AuthUserRevokeRoleRequest {
  return { name: "", role: "", ...set };
}

export interface AuthRoleAddRequest {
  readonly name: string;
}

export function authRoleAddRequest(set?: Partial<AuthRoleAddRequest>): AuthRoleAddRequest {
  return { name: "", ...set };
}

export interface AuthRoleGetRequest {
  readonly role: string;
}

export function authRoleGetRequest(set?: Partial<AuthRoleGetRequest>): AuthRoleGetRequest {
  return { role: "", ...set };
}

export interface AuthUserListRequest {}

export interface AuthRoleListRequest {}

export interface AuthRoleDeleteRequest {
  readonly role: string;
}

export function authRoleDeleteRequest(set?: Partial<AuthRoleDeleteRequest>): AuthRoleDeleteRequest {
  return { role: "", ...set };
}

export interface AuthRoleGrantPermissionRequest {
  readonly name: string;
  readonly perm: Permission | undefined;
}

export function authRoleGrantPermissionRequest(
  set?: Partial<AuthRoleGrantPermissionRequest>,
): AuthRoleGrantPermissionRequest {
  return { name: "", perm: undefined, ...set };
}

export interface AuthRoleRevokePermissionRequest {
  readonly role: string;
  readonly key: Uint8Array;
  readonly rangeEnd: Uint8Array;
}

export function authRoleRevokePermissionRequest(
  set?: Partial<AuthRoleRevokePermissionRequest>,
): AuthRoleRevokePermissionRequest {
  return { role: "", key: EMPTY_BYTES, rangeEnd: EMPTY_BYTES, ...set };
}

export interface AuthEnableResponse {
  readonly header: ResponseHeader;
}

export function authEnableResponse(set?: Partial<AuthEnableResponse>): AuthEnableResponse {
  return { header: responseHeader(), ...set };
}

export interface AuthDisableResponse {
  readonly header: ResponseHeader;
}

export function authDisableResponse(set?: Partial<AuthDisableResponse>): AuthDisableResponse {
  return { header: responseHeader(), ...set };
}

export interface AuthStatusResponse {
  readonly header: ResponseHeader;
  readonly enabled: boolean;
  readonly authRevision: number;
}

export function authStatusResponse(set?: Partial<AuthStatusResponse>): AuthStatusResponse {
  return { header: responseHeader(), enabled: false, authRevision: 0, ...set };
}

export interface AuthenticateResponse {
  readonly header: ResponseHeader;
  readonly token: string;
}

export function authenticateResponse(set?: Partial<AuthenticateResponse>): AuthenticateResponse {
  return { header: responseHeader(), token: "", ...set };
}

export interface AuthUserAddResponse {
  readonly header: ResponseHeader;
}

export function authUserAddResponse(set?: Partial<AuthUserAddResponse>): AuthUserAddResponse {
  return { header: responseHeader(), ...set };
}

export interface AuthUserGetResponse {
  readonly header: ResponseHeader;
  readonly roles: readonly string[];
}

export function authUserGetResponse(set?: Partial<AuthUserGetResponse>): AuthUserGetResponse {
  return { header: responseHeader(), roles: [], ...set };
}

export interface AuthUserDeleteResponse {
  readonly header: ResponseHeader;
}

export function authUserDeleteResponse(set?: Partial<AuthUserDeleteResponse>): AuthUserDeleteResponse {
  return { header: responseHeader(), ...set };
}

export interface AuthUserChangePasswordResponse {
  readonly header: ResponseHeader;
}

export function authUserChangePasswordResponse(
  set?: Partial<AuthUserChangePasswordResponse>,
): AuthUserChangePasswordResponse {
  return { header: responseHeader(), ...set };
}

export interface AuthUserGrantRoleResponse {
  readonly header: ResponseHeader;
}

export function authUserGrantRoleResponse(set?: Partial<AuthUserGrantRoleResponse>): AuthUserGrantRoleResponse {
  return { header: responseHeader(), ...set };
}

export interface AuthUserRevokeRoleResponse {
  readonly header: ResponseHeader;
}

export function authUserRevokeRoleResponse(set?: Partial<AuthUserRevokeRoleResponse>): AuthUserRevokeRoleResponse {
  return { header: responseHeader(), ...set };
}

export interface AuthRoleAddResponse {
  readonly header: ResponseHeader;
}

export function authRoleAddResponse(set?: Partial<AuthRoleAddResponse>): AuthRoleAddResponse {
  return { header: responseHeader(), ...set };
}

export interface AuthRoleGetResponse {
  readonly header: ResponseHeader;
  readonly perm: readonly Permission[];
}

export function authRoleGetResponse(set?: Partial<AuthRoleGetResponse>): AuthRoleGetResponse {
  return { header: responseHeader(), perm: [], ...set };
}

export interface AuthRoleListResponse {
  readonly header: ResponseHeader;
  readonly roles: readonly string[];
}

export function authRoleListResponse(set?: Partial<AuthRoleListResponse>): AuthRoleListResponse {
  return { header: responseHeader(), roles: [], ...set };
}

export interface AuthUserListResponse {
  readonly header: ResponseHeader;
  readonly users: readonly string[];
}

export function authUserListResponse(set?: Partial<AuthUserListResponse>): AuthUserListResponse {
  return { header: responseHeader(), users: [], ...set };
}

export interface AuthRoleDeleteResponse {
  readonly header: ResponseHeader;
}

export function authRoleDeleteResponse(set?: Partial<AuthRoleDeleteResponse>): AuthRoleDeleteResponse {
  return { header: responseHeader(), ...set };
}

export interface AuthRoleGrantPermissionResponse {
  readonly header: ResponseHeader;
}

export function authRoleGrantPermissionResponse(
  set?: Partial<AuthRoleGrantPermissionResponse>,
): AuthRoleGrantPermissionResponse {
  return { header: responseHeader(), ...set };
}

export interface AuthRoleRevokePermissionResponse {
  readonly header: ResponseHeader;
}

export function authRoleRevokePermissionResponse(
  set?: Partial<AuthRoleRevokePermissionResponse>,
): AuthRoleRevokePermissionResponse {
  return { header: responseHeader(), ...set };
}
