/**
 * What authentication needs of the platform: randomness, time and expensive computation, which the replicated state
 * must not contain. Both contracts are asynchronous, because the platform's cryptography is.
 */
import type { Caller } from "../../auth/auth-store.ts";

export interface PasswordHasher {
  /**
   * Hashes a password. The hash contains its function and cost, so that the cost can be raised without a migration.
   * Rejects a password that is too long.
   */
  hash(password: string): Promise<string>;
  /**
   * Returns whether the password matches; false also for a hash of an unknown form. A wrong password takes as long as a
   * right one.
   */
  verify(password: string, hashed: string): Promise<boolean>;
  /** A hash that no password matches. It costs as much to verify as a new user's. */
  readonly decoy: string;
}

export interface TokenProvider {
  /**
   * Returns the text from which the log makes a simple token; empty if the provider's tokens do not come from the log.
   */
  newPrefix(): string;
  /** Returns the token for the client. `simpleToken` is the one that the log has made. */
  issue(username: string, revision: number, simpleToken: string): Promise<string>;
  /**
   * Returns the user of a token; undefined if it is invalid or has expired. `revision` is the current auth revision.
   */
  callerOf(token: string, revision: number): Promise<Caller | undefined>;
}
