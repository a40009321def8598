/**
 * HMAC (RFC 2104) and HKDF (RFC 5869) with SHA-256, in the same turn: WebCrypto answers later, and what comes in between
 * would have to be held back.
 */
import { concatBytes } from "./bytes.ts";
import { Sha256 } from "./sha256.ts";

const BLOCK_BYTES = 64;

export function hmacSha256(key: Uint8Array, message: Uint8Array): Uint8Array {
  const block = new Uint8Array(BLOCK_BYTES);
  block.set(key.length > BLOCK_BYTES ? new Sha256().update(key).digest() : key);
  const inner = new Sha256().update(block.map((byte) => byte ^ 0x36)).update(message);
  return new Sha256()
    .update(block.map((byte) => byte ^ 0x5c))
    .update(inner.digest())
    .digest();
}

/** 32 bytes that follow from `secret` for this use of it. */
export function hkdfSha256(secret: Uint8Array, salt: Uint8Array, info: Uint8Array): Uint8Array {
  return hmacSha256(hmacSha256(salt, secret), concatBytes(info, new Uint8Array([1])));
}

/** Takes the same time wherever the two differ. */
export function equalSecrets(left: Uint8Array, right: Uint8Array): boolean {
  if (left.length !== right.length) return false;
  let difference = 0;
  for (const [at, byte] of left.entries()) difference |= byte ^ (right[at] as number);
  return difference === 0;
}
