/**
 * The forms of a stored password, which say by themselves how it was hashed:
 *
 *     $2b$10$<salt><hash>                          bcrypt, as etcd stores it ($2a$); what new passwords become
 *     $pbkdf2-sha256$i=100000,r=6$<salt>$<hash>    PBKDF2-HMAC-SHA-256, what older versions of Quorate made
 *
 * A hash comes with the log or with a snapshot, so its cost is bounded here: it must not keep a member busy for minutes.
 */
import { fromBase64 } from "../base/text-codes.ts";

/** As etcd's: 4 is bcrypt's least. */
export const BCRYPT_COST_MIN = 4;
/**
 * etcd would take 31. bcrypt keeps the thread for a tenth of a second at 10 and twice as long with each step more, and a
 * leader that is away for a second loses its place.
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

/** Undefined for what no password can be verified by here. */
export function parsePasswordHash(text: string): BcryptHash | Pbkdf2Hash | undefined {
  return text.startsWith("$2") ? parseBcrypt(text) : parsePbkdf2(text);
}

/** What two hashes that take equally long to verify have in common: the function and its cost. */
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
