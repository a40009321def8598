/** etcd's Auth service: users, roles and their permissions. Loaded with the first call. */
import type { Services } from "../../member/api/services.ts";
import * as messages from "../../protocol/api/auth.ts";
import type { Call, CallOptions } from "../common/call.ts";
import { keyRange } from "../common/convert.ts";
import type { Bytes, KeyRange } from "../common/types.ts";

/** What a role may do with its keys. */
export type PermissionKind = "read" | "write" | "readwrite";

/** What a role permits: a key, or the range that `prefix`, `rangeEnd` or `fromKey` defines. */
export interface RolePermission {
  readonly kind: PermissionKind;
  readonly key: Uint8Array;
  /** Empty for a single key; a zero byte for all keys from `key` on. */
  readonly rangeEnd: Uint8Array;
}

/** Whether auth is enabled, and which version of its users and roles holds. */
export interface AuthStatus {
  readonly enabled: boolean;
  /** Increases with each change of users and roles. */
  readonly revision: number;
}

/** Users, roles and their permissions. With auth enabled the calls need the role `root`, but for `status`. */
export interface AuthClient {
  /** Enables auth. Rejects with FailedPrecondition without a user `root` that has the role `root`. */
  enable(options?: CallOptions): Promise<void>;
  disable(options?: CallOptions): Promise<void>;
  status(options?: CallOptions): Promise<AuthStatus>;
  /** Adds a user; without a password one that cannot log in by password. Rejects with FailedPrecondition if it exists. */
  addUser(name: string, options?: CallOptions & { readonly password?: string | undefined }): Promise<void>;
  /** Deletes a user. Rejects with FailedPrecondition if there is none. */
  deleteUser(name: string, options?: CallOptions): Promise<void>;
  changePassword(name: string, password: string, options?: CallOptions): Promise<void>;
  /** Returns the names of all users. */
  users(options?: CallOptions): Promise<readonly string[]>;
  /** Returns the roles of a user. */
  rolesOf(user: string, options?: CallOptions): Promise<readonly string[]>;
  grantRole(user: string, role: string, options?: CallOptions): Promise<void>;
  revokeRole(user: string, role: string, options?: CallOptions): Promise<void>;
  /** Adds a role without permissions. Rejects with FailedPrecondition if it exists. */
  addRole(role: string, options?: CallOptions): Promise<void>;
  deleteRole(role: string, options?: CallOptions): Promise<void>;
  /** Returns the names of all roles. */
  roles(options?: CallOptions): Promise<readonly string[]>;
  permissionsOf(role: string, options?: CallOptions): Promise<readonly RolePermission[]>;
  /** Permits a role the key, or the range that `options` defines. */
  grantPermission(role: string, kind: PermissionKind, key: Bytes, options?: KeyRange & CallOptions): Promise<void>;
  /** Takes a permission back; key and range are those of the grant. */
  revokePermission(role: string, key: Bytes, options?: KeyRange & CallOptions): Promise<void>;
}

const KINDS = { read: "READ", write: "WRITE", readwrite: "READWRITE" } as const;

export function authClient({ auth }: Services, call: Call): AuthClient {
  const done = async (options: CallOptions | undefined, run: Parameters<typeof call>[1]): Promise<void> => {
    await call(options, run);
  };
  return {
    enable: (options) => done(options, (context) => auth.authEnable({}, context)),
    disable: (options) => done(options, (context) => auth.authDisable({}, context)),
    async status(options) {
      const { enabled, authRevision } = await call(options, (context) => auth.authStatus({}, context));
      return { enabled, revision: authRevision };
    },
    addUser(name, options = {}) {
      const { password } = options;
      const request =
        password === undefined ? { name, options: messages.userAddOptions({ noPassword: true }) } : { name, password };
      return done(options, (context) => auth.userAdd(messages.authUserAddRequest(request), context));
    },
    deleteUser: (name, options) => done(options, (context) => auth.userDelete({ name }, context)),
    changePassword: (name, password, options) =>
      done(options, (context) =>
        auth.userChangePassword(messages.authUserChangePasswordRequest({ name, password }), context),
      ),
    users: async (options) => (await call(options, (context) => auth.userList({}, context))).users,
    rolesOf: async (name, options) => (await call(options, (context) => auth.userGet({ name }, context))).roles,
    grantRole: (user, role, options) => done(options, (context) => auth.userGrantRole({ user, role }, context)),
    revokeRole: (name, role, options) => done(options, (context) => auth.userRevokeRole({ name, role }, context)),
    addRole: (name, options) => done(options, (context) => auth.roleAdd({ name }, context)),
    deleteRole: (role, options) => done(options, (context) => auth.roleDelete({ role }, context)),
    roles: async (options) => (await call(options, (context) => auth.roleList({}, context))).roles,
    async permissionsOf(role, options) {
      const { perm } = await call(options, (context) => auth.roleGet({ role }, context));
      return perm.map(({ permType, key, rangeEnd }) => ({ kind: kindOf(permType), key, rangeEnd }));
    },
    grantPermission(role, kind, key, options = {}) {
      const perm = messages.permission({ permType: KINDS[kind], ...keyRange(key, options) });
      return done(options, (context) => auth.roleGrantPermission({ name: role, perm }, context));
    },
    revokePermission: (role, key, options = {}) =>
      done(options, (context) => auth.roleRevokePermission({ role, ...keyRange(key, options) }, context)),
  };
}

function kindOf(type: messages.PermissionType): PermissionKind {
  return type === "READ" ? "read" : type === "WRITE" ? "write" : "readwrite";
}
