/**
 * What authentication needs of the platform: chance, time and costly arithmetic, none of which may happen inside the
 * replicated state. Both contracts are asynchronous, because the platform's cryptography is.
 */
import type { Caller } from "../../auth/auth-store.ts";

export interface PasswordHasher {
  /** Says by itself how it was made, so that its cost can be raised without a migration. Refuses what is too long. */
  hash(password: string): Promise<string>;
  /** False also for what is no hash of ours. Takes as long for a wrong password as for a right one. */
  verify(password: string, hashed: string): Promise<boolean>;
  /** No password's hash, which costs as much to verify as a new user's. */
  readonly nobodys: string;
}

export interface TokenProvider {
  /** What the log is to make a simple token of; empty when tokens are made without it. */
  newPrefix(): string;
  /** The token to hand out. `simpleToken` is the one that the log has made. */
  issue(username: string, revision: number, simpleToken: string): Promise<string>;
  /** Whose token it is; undefined when it is none, or none any more. `revision` is the auth revision of now. */
  callerOf(token: string, revision: number): Promise<Caller | undefined>;
}
