/**
 * Verifies passwords that older versions of Quorate hashed with WebCrypto's PBKDF2-HMAC-SHA-256. Cloudflare refuses
 * more than 100,000 iterations in one call (https://github.com/cloudflare/workerd/issues/1346). So the cost is a number
 * of rounds of that many iterations, each keyed with the result of the previous one. With one round it is plain PBKDF2.
 */
import { equalSecrets } from "../../base/bytes.ts";
import type { Pbkdf2Hash } from "../../auth/password-hashes.ts";
import type { Slice } from "./pace.ts";

const HASH_BITS = 256;

/** Verifies a password. A round occupies the thread, and other work gets its share between two rounds. */
export async function verifyPbkdf2(password: string, stored: Pbkdf2Hash, slice: Slice): Promise<boolean> {
  const { iterations, rounds, salt, hash } = stored;
  let secret = new TextEncoder().encode(password);
  for (let round = 0; round < rounds; round++) {
    secret = await slice(async () => {
      const key = await crypto.subtle.importKey("raw", secret, "PBKDF2", false, ["deriveBits"]);
      const algorithm = { name: "PBKDF2", hash: "SHA-256", salt, iterations };
      return new Uint8Array(await crypto.subtle.deriveBits(algorithm, key, HASH_BITS));
    });
  }
  return equalSecrets(secret, hash);
}
