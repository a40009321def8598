/**
 * Users, roles, their permissions, and the auth revision that each change of them raises. Part of the replicated state,
 * so every member decides everything here alike.
 *
 *      user ──► roles ──► permissions (key range; read, write or both) ──► one union to read, one to write
 *
 * Passwords arrive hashed and tokens arrive generated: both need random numbers and time. The log carries their result,
 * and this package has neither. `root` is the only special name: the user root with the role root may do everything.
 */
import { compareBytes, EMPTY_BYTES, equalBytes } from "../base/bytes.ts";
import { fromBase64 } from "../base/text-codes.ts";
import { utf8Encode } from "../base/utf8.ts";
import type {
  AuthRoleGrantPermissionRequest,
  AuthRoleRevokePermissionRequest,
  AuthUserAddRequest,
  AuthUserChangePasswordRequest,
  AuthUserGrantRoleRequest,
  AuthUserRevokeRoleRequest,
  Permission,
  PermissionType,
  User,
} from "../protocol/api/auth.ts";
import {
  errAuthFailed,
  errAuthNotEnabled,
  errAuthOldRevision,
  errInvalidAuthMgmt,
  errPermissionDenied,
  errPermissionNotGiven,
  errPermissionNotGranted,
  errRoleAlreadyExist,
  errRoleEmpty,
  errRoleNotFound,
  errRoleNotGranted,
  errRootRoleNotExist,
  errRootUserNotExist,
  errUserAlreadyExist,
  errUserEmpty,
  errUserNotFound,
  EtcdError,
  GrpcCode,
} from "../protocol/errors.ts";
import type { InternalAuthenticateRequest } from "../protocol/peer/internal.ts";
import type { StateTables } from "../mvcc/tables/tables.ts";
import { AuthRows } from "./auth-rows.ts";
import { isFromKey, KeyUnion } from "./key-union.ts";
import type { KeySpec } from "./key-union.ts";

export const ROOT = "root";

/** The caller, and the auth revision at which it was authenticated. */
export interface Caller {
  readonly username: string;
  readonly revision: number;
}

/** What etcd's clients see of a caller without a token. No token has revision 0. */
export const NOBODY: Caller = { username: "", revision: 0 };

/** Not in etcd's table of gRPC errors, so its own text reaches the caller. */
export const errNoPasswordUser: EtcdError = /* @__PURE__ */ new EtcdError(
  GrpcCode.Unknown,
  "auth: authentication failed, password was given for no password user",
);

/** Notified of the changes that this member's tokens must follow. Tokens are in memory and not part of the state. */
export interface TokenHook {
  assign(username: string, token: string): void;
  invalidateUser(username: string): void;
  invalidateAll(): void;
}

export interface Authenticated {
  readonly token: string;
  readonly revision: number;
}

interface Unions {
  readonly read: KeyUnion;
  readonly write: KeyUnion;
}

export class AuthStore {
  readonly #rows: AuthRows;
  readonly #tokens: TokenHook;
  /** By user, until any change. */
  readonly #unions = new Map<string, Unions>();

  constructor(tables: StateTables, tokens: TokenHook) {
    this.#rows = new AuthRows(tables);
    this.#tokens = tokens;
  }

  get enabled(): boolean {
    return this.#rows.enabled;
  }

  get revision(): number {
    return this.#rows.revision;
  }

  // ── permission checks ─────────────────────────────────────────────────────────────────────────────────────────

  checkAdmin(caller: Caller): void {
    if (!this.enabled) return;
    if (caller.username === "") throw errUserEmpty;
    const user = this.#rows.users.get(caller.username);
    if (user === undefined) throw errUserNotFound;
    if (!user.roles.includes(ROOT)) throw errPermissionDenied;
  }

  isAdmin(caller: Caller): boolean {
    if (!this.enabled) return true;
    return this.#rows.users.get(caller.username)?.roles.includes(ROOT) === true;
  }

  checkRead(caller: Caller, spec: KeySpec): void {
    this.#checkKeys(caller, spec, "read");
  }

  checkWrite(caller: Caller, spec: KeySpec): void {
    this.#checkKeys(caller, spec, "write");
  }

  #checkKeys(caller: Caller, spec: KeySpec, kind: keyof Unions): void {
    if (!this.enabled) return;
    if (caller.revision === 0) throw errUserEmpty;
    if (caller.revision < this.revision) throw errAuthOldRevision;
    const user = this.#rows.users.get(caller.username);
    if (user === undefined) throw errPermissionDenied;
    if (user.roles.includes(ROOT)) return;
    if (!this.#unionsOf(caller.username, user)[kind].covers(spec)) throw errPermissionDenied;
  }

  #unionsOf(name: string, user: User): Unions {
    const known = this.#unions.get(name);
    if (known !== undefined) return known;
    const permissions = user.roles.flatMap((role) => this.#rows.roles.get(role)?.keyPermission ?? []);
    const unions = {
      read: new KeyUnion(permissions.filter(({ permType }) => permType === "READ" || permType === "READWRITE")),
      write: new KeyUnion(permissions.filter(({ permType }) => permType === "WRITE" || permType === "READWRITE")),
    };
    this.#unions.set(name, unions);
    return unions;
  }

  // ── enable and disable ────────────────────────────────────────────────────────────────────────────────────────

  enable(): void {
    if (this.enabled) return;
    const root = this.#rows.users.get(ROOT);
    if (root === undefined) throw errRootUserNotExist;
    if (!root.roles.includes(ROOT)) throw errRootRoleNotExist;
    this.#rows.setEnabled(true);
  }

  disable(): void {
    if (!this.enabled) return;
    this.#rows.setEnabled(false);
    this.#changed();
    this.#tokens.invalidateAll();
  }

  /**
   * Returns the hash to check a password against, and the auth revision at which it is valid. Returns undefined if no
   * password is right. An unknown user and one without a password look the same to a caller (etcd distinguishes them).
   */
  hashedPassword(name: string): { readonly hash: Uint8Array; readonly revision: number } | undefined {
    if (!this.enabled) throw errAuthNotEnabled;
    const user = this.#rows.users.get(name);
    if (user === undefined || user.options?.noPassword === true) return undefined;
    return { hash: user.password, revision: this.revision };
  }

  /** Returns the hashes of all users that have one. */
  *passwordHashes(): Generator<Uint8Array, void, void> {
    for (const name of this.#rows.users.names()) {
      const user = this.#user(name);
      if (user.options?.noPassword !== true) yield user.password;
    }
  }

  /** Authenticates a user. The proposer has checked the password. `index` makes the token unique in the log. */
  authenticate(request: InternalAuthenticateRequest, index: number): Authenticated {
    if (!this.enabled) throw errAuthNotEnabled;
    const user = this.#rows.users.get(request.name);
    if (user === undefined || user.options?.noPassword === true) throw errAuthFailed;
    if (request.simpleToken === "") return { token: "", revision: this.revision };
    const token = `${request.simpleToken}.${index}`;
    this.#tokens.assign(request.name, token);
    return { token, revision: this.revision };
  }

  // ── users ─────────────────────────────────────────────────────────────────────────────────────────────────────

  userAdd({ name, options, hashedPassword }: AuthUserAddRequest): void {
    if (name === "") throw errUserEmpty;
    if (this.#rows.users.get(name) !== undefined) throw errUserAlreadyExist;
    const noPassword = options?.noPassword === true;
    const password = noPassword ? EMPTY_BYTES : decodedHash(hashedPassword);
    this.#rows.users.put({ name: utf8Encode(name), password, roles: [], options: { noPassword } });
    this.#changed();
  }

  userDelete(name: string): void {
    if (this.enabled && name === ROOT) throw errInvalidAuthMgmt;
    this.#user(name);
    this.#rows.users.delete(name);
    this.#changed();
    this.#tokens.invalidateUser(name);
  }

  userChangePassword({ name, hashedPassword }: AuthUserChangePasswordRequest): void {
    const user = this.#user(name);
    const password = user.options?.noPassword === true ? EMPTY_BYTES : decodedHash(hashedPassword);
    this.#rows.users.put({ ...user, password });
    this.#changed();
    this.#tokens.invalidateUser(name);
  }

  userGrantRole({ user: name, role }: AuthUserGrantRoleRequest): void {
    const user = this.#user(name);
    if (role !== ROOT && this.#rows.roles.get(role) === undefined) throw errRoleNotFound;
    if (user.roles.includes(role)) return;
    this.#rows.users.put({ ...user, roles: [...user.roles, role].toSorted(byBytes) });
    this.#changed();
  }

  userRevokeRole({ name, role }: AuthUserRevokeRoleRequest): void {
    if (this.enabled && name === ROOT && role === ROOT) throw errInvalidAuthMgmt;
    const user = this.#user(name);
    if (!user.roles.includes(role)) throw errRoleNotGranted;
    this.#rows.users.put({ ...user, roles: user.roles.filter((other) => other !== role) });
    this.#changed();
  }

  /** Allows root and the user itself. */
  userGet(caller: Caller, name: string): readonly string[] {
    if (name !== caller.username) this.checkAdmin(caller);
    return this.#user(name).roles;
  }

  userList(): readonly string[] {
    return this.#rows.users.names();
  }

  // ── roles ─────────────────────────────────────────────────────────────────────────────────────────────────────

  roleAdd(name: string): void {
    if (name === "") throw errRoleEmpty;
    if (this.#rows.roles.get(name) !== undefined) throw errRoleAlreadyExist;
    this.#rows.roles.put({ name: utf8Encode(name), keyPermission: [] });
    this.#changed();
  }

  roleDelete(name: string): void {
    if (this.enabled && name === ROOT) throw errInvalidAuthMgmt;
    if (this.#rows.roles.get(name) === undefined) throw errRoleNotFound;
    this.#rows.roles.delete(name);
    for (const userName of this.#rows.users.names()) {
      const user = this.#user(userName);
      if (!user.roles.includes(name)) continue;
      this.#rows.users.put({ ...user, roles: user.roles.filter((role) => role !== name) });
    }
    this.#changed();
  }

  roleGrantPermission({ name, perm }: AuthRoleGrantPermissionRequest): void {
    if (perm === undefined) throw errPermissionNotGiven;
    if (!isValidRange(perm)) throw errInvalidAuthMgmt;
    const role = this.#rows.roles.get(name);
    if (role === undefined) throw errRoleNotFound;
    this.#rows.roles.put({ ...role, keyPermission: granted(role.keyPermission, perm) });
    this.#changed();
  }

  roleRevokePermission({ role: name, key, rangeEnd }: AuthRoleRevokePermissionRequest): void {
    const role = this.#rows.roles.get(name);
    if (role === undefined) throw errRoleNotFound;
    const keyPermission = role.keyPermission.filter((other) => !isSameRange(other, { key, rangeEnd }));
    if (keyPermission.length === role.keyPermission.length) throw errPermissionNotGranted;
    this.#rows.roles.put({ ...role, keyPermission });
    this.#changed();
  }

  /** Allows root and users that have the role. */
  roleGet(caller: Caller, name: string): readonly Permission[] {
    const hasRole = this.#rows.users.get(caller.username)?.roles.includes(name) === true;
    if (!hasRole) this.checkAdmin(caller);
    const role = this.#rows.roles.get(name);
    if (role === undefined) throw errRoleNotFound;
    if (name !== ROOT) return role.keyPermission;
    return [{ permType: "READWRITE" satisfies PermissionType, key: EMPTY_BYTES, rangeEnd: Uint8Array.of(0) }];
  }

  roleList(): readonly string[] {
    return this.#rows.roles.names();
  }

  #user(name: string): User {
    const user = this.#rows.users.get(name);
    if (user === undefined) throw errUserNotFound;
    return user;
  }

  #changed(): void {
    this.#unions.clear();
    this.#rows.nextRevision();
  }
}

function decodedHash(hashedPassword: string): Uint8Array {
  const hash = fromBase64(hashedPassword);
  if (hash === undefined) throw errNoPasswordUser;
  return hash;
}

function isValidRange({ key, rangeEnd }: KeySpec): boolean {
  if (key.length === 0) return false;
  return rangeEnd.length === 0 || isFromKey(rangeEnd) || compareBytes(key, rangeEnd) < 0;
}

function isSameRange(left: KeySpec, right: KeySpec): boolean {
  return equalBytes(left.key, right.key) && equalBytes(left.rangeEnd, right.rangeEnd);
}

/** Of the ranges of a key, etcd checks only the first. So another range that is granted again is stored twice. */
function granted(permissions: readonly Permission[], perm: Permission): readonly Permission[] {
  const first = permissions.findIndex(({ key }) => compareBytes(key, perm.key) >= 0);
  const known = permissions[first];
  if (known !== undefined && isSameRange(known, perm)) return permissions.with(first, perm);
  return [...permissions, perm].sort((left, right) => compareBytes(left.key, right.key));
}

function byBytes(left: string, right: string): number {
  return compareBytes(utf8Encode(left), utf8Encode(right));
}
