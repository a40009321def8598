/**
 * Maps a call's token to its caller, and checks what the caller may do before anything is proposed or read. Only here
 * are tokens verified; the interceptors call it for every call of every API layer.
 */
import type { AuthStore, Caller } from "../../auth/auth-store.ts";
import { NOBODY } from "../../auth/auth-store.ts";
import { checkTxn } from "../../auth/check-request.ts";
import type { CheckContext } from "../../auth/check-request.ts";
import { errAuthOldRevision, errInvalidAuthToken, errUserEmpty } from "../../protocol/errors.ts";
import type { RangeRequest, TxnRequest } from "../../protocol/api/kv.ts";
import type { TokenProvider } from "../auth/credentials.ts";
import type { Member } from "../node/member.ts";
import { readIndex } from "../node/requests.ts";
import type { CallContext } from "../api/services.ts";
import { indexOfToken } from "../auth/simple-tokens.ts";

/** Checks every call while auth is off. Throws the error for a caller that may not call. */
export type Admission = (context: CallContext) => void;

export class Authorizer {
  readonly #member: Member;
  readonly #tokens: TokenProvider;
  readonly #admit: Admission | undefined;

  /** Without `admit`, every caller that reaches the member is allowed while auth is off, as in etcd. */
  constructor(member: Member, tokens: TokenProvider, admit?: Admission) {
    this.#member = member;
    this.#tokens = tokens;
    this.#admit = admit;
  }

  get auth(): AuthStore {
    return this.#member.machine.auth;
  }

  /**
   * Returns the caller of a token; `NOBODY` without a token or while auth is off. Rejects with `errInvalidAuthToken` if
   * the token is not valid.
   */
  caller(context: CallContext): Caller | Promise<Caller> {
    if (context.token !== "") return this.#callerOf(context);
    this.checkAdmitted(context);
    return NOBODY;
  }

  /** While auth is off: throws what `admit` throws. */
  checkAdmitted(context: CallContext): void {
    if (!this.auth.enabled && context.isOperator !== true) this.#admit?.(context);
  }

  /** Returns the caller. Rejects with `errUserEmpty` if auth is on and the call has no token. */
  async requireUser(context: CallContext): Promise<Caller> {
    const caller = await this.caller(context);
    if (this.auth.enabled && caller === NOBODY) throw errUserEmpty;
    return caller;
  }

  async requireRoot(context: CallContext): Promise<Caller> {
    const caller = await this.caller(context);
    this.auth.checkAdmin(caller);
    return caller;
  }

  /** Throws if the caller may not read. Call it in the same turn in which the keys are read. */
  checkRange(caller: Caller, request: RangeRequest): void {
    this.auth.checkRead(caller, request);
    this.#checkPresent(caller);
  }

  checkTxn(caller: Caller, request: TxnRequest): void {
    if (!this.auth.enabled) return;
    checkTxn(this.checkContext(caller), request);
    this.#checkPresent(caller);
  }

  checkContext(caller: Caller): CheckContext {
    const { auth, leases } = this.#member.machine;
    return { auth, caller, keysOfLease: (id) => leases.keysOf(id) };
  }

  async #callerOf(context: CallContext): Promise<Caller> {
    const { token } = context;
    // A member that lags may not know the token yet, nor that auth is on.
    const index = indexOfToken(token);
    if (index !== undefined && index > this.#member.applied) await readIndex(this.#member);
    this.checkAdmitted(context);
    if (!this.auth.enabled) return NOBODY;
    const caller = await this.#tokens.callerOf(token, this.auth.revision);
    if (caller === undefined) throw errInvalidAuthToken;
    this.#member.callers.learn(token, caller.username);
    return caller;
  }

  /** Throws if the token is of a newer auth revision than this member has, which it cannot check. */
  #checkPresent(caller: Caller): void {
    if (this.auth.enabled && caller.revision > this.auth.revision) throw errAuthOldRevision;
  }
}
