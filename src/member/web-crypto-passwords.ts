/**
 * Passwords by WebCrypto's PBKDF2-HMAC-SHA-256, the one slow hash that tabs, Node and Cloudflare's workers all have.
 *
 *     $pbkdf2-sha256$i=100000,r=6$<salt>$<hash>
 *
 * Cloudflare refuses more than 100,000 iterations in one call (https://github.com/cloudflare/workerd/issues/1346), and a
 * cluster's members must be able to verify each other's hashes; so the cost is rounds of that many, each keyed with the
 * result of the one before. With one round it is plain PBKDF2.
 */
import { fromBase64, toBase64 } from "../base/text-codes.ts";
import { errRequestTooManyRequests } from "../protocol/errors.ts";
import type { PasswordHasher } from "./credentials.ts";

export interface PasswordCost {
  /** In one round; at most 100,000. */
  readonly iterations: number;
  readonly rounds: number;
}

/** 600,000 in all, as OWASP advises for this function: about a fifth of a second of CPU, three times etcd's bcrypt. */
export const DEFAULT_PASSWORD_COST: PasswordCost = { iterations: 100_000, rounds: 6 };

const ITERATIONS_MAX = 100_000;
/** Of a hash that came with the log: it must not be able to keep a member busy for minutes. */
const ROUNDS_MAX = 64;
const SALT_BYTES = 16;
const HASH_BYTES = 32;
/** Everybody may ask to be authenticated. One is worked on at a time, and so many more may wait. */
const WAITING_MAX = 32;

interface Hashed {
  readonly cost: PasswordCost;
  readonly salt: Uint8Array<ArrayBuffer>;
  readonly hash: Uint8Array;
}

export function webCryptoPasswords(cost: PasswordCost = DEFAULT_PASSWORD_COST): PasswordHasher {
  const inLine = oneAfterTheOther();
  const nobodysSalt = crypto.getRandomValues(new Uint8Array(SALT_BYTES));
  return {
    hash: (password) =>
      inLine(async () => {
        const salt = crypto.getRandomValues(new Uint8Array(SALT_BYTES));
        return hashedText({ cost, salt, hash: await derive(password, salt, cost) });
      }),
    verify: (password, text) =>
      inLine(async () => {
        const hashed = parseHashed(text);
        const derived = await derive(password, hashed?.salt ?? nobodysSalt, hashed?.cost ?? cost);
        return hashed !== undefined && isEqual(derived, hashed.hash);
      }),
    verifyNobody: (password) =>
      inLine(async () => {
        await derive(password, nobodysSalt, cost);
      }),
  };
}

async function derive(password: string, salt: Uint8Array<ArrayBuffer>, cost: PasswordCost): Promise<Uint8Array> {
  let secret = new TextEncoder().encode(password);
  for (let round = 0; round < cost.rounds; round++) {
    const key = await crypto.subtle.importKey("raw", secret, "PBKDF2", false, ["deriveBits"]);
    const { iterations } = cost;
    const bits = await crypto.subtle.deriveBits(
      { name: "PBKDF2", hash: "SHA-256", salt, iterations },
      key,
      HASH_BYTES * 8,
    );
    secret = new Uint8Array(bits);
  }
  return secret;
}

function hashedText({ cost, salt, hash }: Hashed): string {
  return `$pbkdf2-sha256$i=${cost.iterations},r=${cost.rounds}$${toBase64(salt)}$${toBase64(hash)}`;
}

function parseHashed(text: string): Hashed | undefined {
  const parts = /^\$pbkdf2-sha256\$i=(\d{1,6}),r=(\d{1,2})\$([^$]+)\$([^$]+)$/.exec(text);
  if (parts === null) return undefined;
  const cost = { iterations: Number(parts[1]), rounds: Number(parts[2]) };
  const salt = fromBase64(parts[3] ?? "");
  const hash = fromBase64(parts[4] ?? "");
  if (salt === undefined || hash?.length !== HASH_BYTES) return undefined;
  if (cost.iterations < 1 || cost.iterations > ITERATIONS_MAX || cost.rounds < 1 || cost.rounds > ROUNDS_MAX) {
    return undefined;
  }
  return { cost, salt: new Uint8Array(salt), hash };
}

/** Looks at every byte, however early the first difference is. */
function isEqual(left: Uint8Array, right: Uint8Array): boolean {
  if (left.length !== right.length) return false;
  let difference = 0;
  for (let at = 0; at < left.length; at++) difference |= (left[at] as number) ^ (right[at] as number);
  return difference === 0;
}

function oneAfterTheOther(): <T>(work: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  let waiting = 0;
  return async (work) => {
    if (waiting >= WAITING_MAX) throw errRequestTooManyRequests;
    waiting += 1;
    const before = last;
    const mine = before.then(work, work);
    last = mine;
    try {
      return await mine;
    } finally {
      waiting -= 1;
    }
  };
}
