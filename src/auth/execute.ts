/** Executes the requests of the log that concern users, roles and auth itself. check-request.ts has authorized them. */
import { unreachable } from "../base/assert.ts";
import type { InternalRequest } from "../protocol/peer/internal.ts";
import type { AuthStore, Caller } from "./auth-store.ts";

type AuthRequest = Exclude<
  Extract<InternalRequest, { readonly type: `auth${string}` }>,
  { readonly type: "authenticate" }
>;

export function executeAuth(auth: AuthStore, request: AuthRequest, caller: Caller): unknown {
  switch (request.type) {
    case "authEnable":
      return auth.enable();
    case "authDisable":
      return auth.disable();
    case "authStatus":
      return { enabled: auth.enabled, authRevision: auth.revision };
    case "authUserAdd":
      return auth.userAdd(request.authUserAdd);
    case "authUserDelete":
      return auth.userDelete(request.authUserDelete.name);
    case "authUserGet":
      return auth.userGet(caller, request.authUserGet.name);
    case "authUserChangePassword":
      return auth.userChangePassword(request.authUserChangePassword);
    case "authUserGrantRole":
      return auth.userGrantRole(request.authUserGrantRole);
    case "authUserRevokeRole":
      return auth.userRevokeRole(request.authUserRevokeRole);
    case "authUserList":
      return auth.userList();
    case "authRoleList":
      return auth.roleList();
    case "authRoleAdd":
      return auth.roleAdd(request.authRoleAdd.name);
    case "authRoleDelete":
      return auth.roleDelete(request.authRoleDelete.role);
    case "authRoleGet":
      return auth.roleGet(caller, request.authRoleGet.role);
    case "authRoleGrantPermission":
      return auth.roleGrantPermission(request.authRoleGrantPermission);
    case "authRoleRevokePermission":
      return auth.roleRevokePermission(request.authRoleRevokePermission);
    default:
      return unreachable(request);
  }
}
