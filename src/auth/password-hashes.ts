/**
 * The formats of a stored password. The prefix names the hash function and its cost.
 *
 *     $2b$10$<salt><hash>                          bcrypt, as etcd stores it ($2a$); the format of new passwords
 *     $pbkdf2-sha256$i=100000,r=6$<salt>$<hash>    PBKDF2-HMAC-SHA-256, the format of older versions of Quorate
 *
 * A hash comes with the log or with a snapshot, so its cost is bounded here: it must not keep a member busy for
 * minutes.
 */
import { fromBase64 } from "../base/text-codes.ts";

/** As etcd's: 4 is the minimum of bcrypt. */
export const BCRYPT_COST_MIN = 4;
/**
 * etcd allows 31. bcrypt blocks the thread for a tenth of a second at 10, and twice as long with each step more. A
 * leader that is blocked for a second loses its leadership.
 */
export const BCRYPT_COST_MAX = 12;
/** As etcd's --bcrypt-cost. */
export const BCRYPT_COST_DEFAULT = 10;

const ITERATIONS_MAX = 100_000;
const ROUNDS_MAX = 64;
const PBKDF2_HASH_BYTES = 32;

export interface BcryptHash {
  readonly type: "bcrypt";
  readonly text: string;
}

export interface Pbkdf2Hash {
  readonly type: "pbkdf2";
  readonly iterations: number;
  readonly rounds: number;
  readonly salt: Uint8Array<ArrayBuffer>;
  readonly hash: Uint8Array;
}

/** Matches no known password: 22 characters of salt, and 31 of a hash that was never computed. */
const DECOY_SALT_AND_HASH = ".".repeat(53);

/** Returns a hash that no password matches, and that costs as much to verify as one of this cost. */
export function decoyHash(cost: number = BCRYPT_COST_DEFAULT): string {
  return `$2b$${String(cost).padStart(2, "0")}$${DECOY_SALT_AND_HASH}`;
}

/** Returns undefined for a format that cannot be verified here. */
export function parsePasswordHash(text: string): BcryptHash | Pbkdf2Hash | undefined {
  return text.startsWith("$2") ? parseBcrypt(text) : parsePbkdf2(text);
}

/** Returns what two hashes that take equally long to verify have in common: the function and its cost. */
export function costOfHash(text: string): string {
  return text
    .split("$", 3)
    .join("$")
    .replace(/^\$2[aby]\$/, "$2b$");
}

function parseBcrypt(text: string): BcryptHash | undefined {
  const cost = Number(/^\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}$/.exec(text)?.[1]);
  return cost >= BCRYPT_COST_MIN && cost <= BCRYPT_COST_MAX ? { type: "bcrypt", text } : undefined;
}

function parsePbkdf2(text: string): Pbkdf2Hash | undefined {
  const parts = /^\$pbkdf2-sha256\$i=(\d{1,6}),r=(\d{1,2})\$([^$]{1,64})\$([^$]{1,64})$/.exec(text);
  if (parts === null) return undefined;
  const [iterations, rounds] = [Number(parts[1]), Number(parts[2])];
  const salt = fromBase64(parts[3] ?? "");
  const hash = fromBase64(parts[4] ?? "");
  if (salt === undefined || hash?.length !== PBKDF2_HASH_BYTES) return undefined;
  if (iterations < 1 || iterations > ITERATIONS_MAX || rounds < 1 || rounds > ROUNDS_MAX) return undefined;
  return { type: "pbkdf2", iterations, rounds, salt: new Uint8Array(salt), hash };
}
