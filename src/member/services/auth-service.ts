/**
 * etcd's Auth service over one member. Passwords are hashed and verified here, before the log: it takes long, and the
 * log must not contain them. Only root may make changes, which the log checks. Reads are linearizable.
 */
import { utf8Decode, utf8Encode } from "../../base/utf8.ts";
import { toBase64 } from "../../base/text-codes.ts";
import type { Authenticated } from "../../auth/auth-store.ts";
import type {
  AuthenticateRequest,
  AuthUserAddRequest,
  AuthUserChangePasswordRequest,
} from "../../protocol/api/auth.ts";
import { errAuthFailed, errAuthNotEnabled, errAuthOldRevision } from "../../protocol/errors.ts";
import type { ResponseHeader } from "../../protocol/api/header.ts";
import type { InternalRequest } from "../../protocol/peer/internal.ts";
import type { Authorizer } from "./authorizer.ts";
import { networkOf } from "../limits/caller-key.ts";
import type { PasswordHasher, TokenProvider } from "../auth/credentials.ts";
import { Decoys } from "../auth/decoys.ts";
import { LogInQueue } from "../auth/log-in-queue.ts";
import type { Member } from "../node/member.ts";
import { checkLeader, propose, readIndex } from "../node/requests.ts";
import type { AuthService, CallContext } from "../api/services.ts";

export interface Credentials {
  readonly passwords: PasswordHasher;
  readonly tokens: TokenProvider;
}

/** Each attempt costs a verification. This many changes of users in a row are not a coincidence. */
const ATTEMPTS_MAX = 8;

interface Headed {
  readonly header: ResponseHeader;
}

type Change = (request: InternalRequest, context: CallContext) => Promise<Headed>;

export function authService(member: Member, access: Authorizer, { passwords, tokens }: Credentials): AuthService {
  const queue = new LogInQueue(member.clock);
  const decoys = new Decoys();
  const change: Change = async (request, context) => {
    checkLeader(member, context);
    await propose(member, request, await access.caller(context));
    return { header: headerOf(member) };
  };
  return {
    ...changes(change),
    ...reads(member, access),
    async userAdd(request, context) {
      const hashedPassword = request.options?.noPassword === true ? "" : await hashed(request, context);
      return change({ type: "authUserAdd", authUserAdd: { ...request, password: "", hashedPassword } }, context);
    },
    async userChangePassword(request, context) {
      // Without a password etcd accepts the given hash.
      const hashedPassword = request.password === "" ? request.hashedPassword : await hashed(request, context);
      const authUserChangePassword = { ...request, password: "", hashedPassword };
      return change({ type: "authUserChangePassword", authUserChangePassword }, context);
    },
    async authenticate(request, context) {
      access.checkAdmitted(context);
      checkLeader(member, context);
      await readIndex(member);
      const { token, revision } = await authenticated(request, addressOf(context));
      return { header: headerOf(member), token: await tokens.issue(request.name, revision, token) };
    },
  };

  /** Hashes a new password. Authorizes the caller first, because hashing is expensive. */
  async function hashed(
    { password }: AuthUserAddRequest | AuthUserChangePasswordRequest,
    context: CallContext,
  ): Promise<string> {
    const caller = await access.caller(context);
    await readIndex(member);
    access.auth.checkAdmin(caller);
    const attempt = { address: addressOf(context), name: caller.username };
    return toBase64(utf8Encode(await queue.run(attempt, () => passwords.hash(password))));
  }

  async function authenticated(request: AuthenticateRequest, address: string): Promise<Authenticated> {
    const { name } = request;
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const revision = await verified(request, address);
      const authenticate = { name, password: "", simpleToken: tokens.newPrefix() };
      const result = await propose<Authenticated>(member, { type: "authenticate", authenticate });
      if (result.revision === revision) return result;
      // The password may have been changed after it was verified.
    }
    throw errAuthOldRevision;
  }

  /** Returns the auth revision at which the password is right. Otherwise the work and the error are always the same. */
  async function verified({ name, password }: AuthenticateRequest, address: string): Promise<number> {
    const { auth } = member.machine;
    if (!auth.enabled) throw errAuthNotEnabled;
    let revision = 0;
    const isRight = await queue.verify({ address, name }, async () => {
      const stored = auth.hashedPassword(name);
      revision = stored?.revision ?? 0;
      const hash = stored === undefined ? (decoys.hashFor(auth, name) ?? passwords.decoy) : utf8Decode(stored.hash);
      const isTheirs = await passwords.verify(password, hash);
      return isTheirs && stored !== undefined;
    });
    if (!isRight) throw errAuthFailed;
    return revision;
  }
}

type Unhashed = Omit<AuthService, "userAdd" | "userChangePassword" | "authenticate" | keyof Reads>;
type Reads = Pick<AuthService, "authStatus" | "userGet" | "userList" | "roleGet" | "roleList">;

function changes(change: Change): Unhashed {
  return {
    authEnable: (authEnable, context) => change({ type: "authEnable", authEnable }, context),
    authDisable: (authDisable, context) => change({ type: "authDisable", authDisable }, context),
    userDelete: (authUserDelete, context) => change({ type: "authUserDelete", authUserDelete }, context),
    userGrantRole: (authUserGrantRole, context) => change({ type: "authUserGrantRole", authUserGrantRole }, context),
    userRevokeRole: (authUserRevokeRole, context) =>
      change({ type: "authUserRevokeRole", authUserRevokeRole }, context),
    roleAdd: (authRoleAdd, context) => change({ type: "authRoleAdd", authRoleAdd }, context),
    roleDelete: (authRoleDelete, context) => change({ type: "authRoleDelete", authRoleDelete }, context),
    roleGrantPermission: (authRoleGrantPermission, context) =>
      change({ type: "authRoleGrantPermission", authRoleGrantPermission }, context),
    roleRevokePermission: (authRoleRevokePermission, context) =>
      change({ type: "authRoleRevokePermission", authRoleRevokePermission }, context),
  };
}

/** etcd sends these through its log. A read index is as current and writes nothing. */
function reads(member: Member, access: Authorizer): Reads {
  const upToDate = async (context: CallContext): Promise<void> => {
    checkLeader(member, context);
    await readIndex(member);
  };
  return {
    async authStatus(_request, context) {
      await access.caller(context);
      await upToDate(context);
      const { enabled, revision } = access.auth;
      return { header: headerOf(member), enabled, authRevision: revision };
    },
    async userGet({ name }, context) {
      const caller = await access.caller(context);
      await upToDate(context);
      return { header: headerOf(member), roles: access.auth.userGet(caller, name) };
    },
    async userList(_request, context) {
      const caller = await access.caller(context);
      await upToDate(context);
      access.auth.checkAdmin(caller);
      return { header: headerOf(member), users: access.auth.userList() };
    },
    async roleGet({ role }, context) {
      const caller = await access.caller(context);
      await upToDate(context);
      return { header: headerOf(member), perm: access.auth.roleGet(caller, role) };
    },
    async roleList(_request, context) {
      const caller = await access.caller(context);
      await upToDate(context);
      access.auth.checkAdmin(caller);
      return { header: headerOf(member), roles: access.auth.roleList() };
    },
  };
}

function headerOf(member: Member): ResponseHeader {
  return member.header(member.machine.store.revision);
}

/** Callers without a known address count as one. */
function addressOf({ address }: CallContext): string {
  return address === undefined ? "" : networkOf(address);
}
