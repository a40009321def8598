/**
 * HMAC (RFC 2104) and HKDF (RFC 5869) with SHA-256, by @noble/hashes. Synchronous, because WebCrypto returns its result in
 * a later turn, and everything that arrives in between would have to be held back.
 */
import { hkdf } from "@noble/hashes/hkdf.js";
import { hmac } from "@noble/hashes/hmac.js";
import { sha256 } from "@noble/hashes/sha2.js";

export function hmacSha256(key: Uint8Array, message: Uint8Array): Uint8Array {
  return hmac(sha256, key, message);
}

/** Derives 32 bytes from `secret` for the use that `info` names. */
export function hkdfSha256(secret: Uint8Array, salt: Uint8Array, info: Uint8Array): Uint8Array {
  return hkdf(sha256, secret, salt, info, 32);
}
