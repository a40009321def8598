/**
 * Keys that prove who a peer is: ECDSA on P-256, by WebCrypto. Every member verifies the keys of all others, so there is
 * one algorithm, which every browser has; Ed25519 is missing in some that are in use.
 */
import { assert } from "../../base/assert.ts";
import { Sha256 } from "../../base/sha256.ts";

export const PUBLIC_KEY_BYTES = 65;
export const SIGNATURE_BYTES = 64;
export const FINGERPRINT_BYTES = 32;

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256" };
const SIGNING = { name: "ECDSA", hash: "SHA-256" };

/** Each platform has its own name for the type. */
type Key = Parameters<typeof crypto.subtle.sign>[1];

export interface KeyPair {
  readonly privateKey: Key;
  readonly publicKey: Key;
}

export interface SigningKey {
  /** The uncompressed point. */
  readonly publicKey: Uint8Array;
  /** SHA-256 of the public key: what others store of it. */
  readonly fingerprint: Uint8Array;
  sign(message: Uint8Array): Promise<Uint8Array>;
}

/** Returns a new key pair, whose private key cannot be read, by this page either. */
export async function newKeyPair(): Promise<KeyPair> {
  const pair: KeyPair | Key = await crypto.subtle.generateKey(ALGORITHM, false, ["sign", "verify"]);
  assert("privateKey" in pair, "ECDSA has pairs of keys");
  return pair;
}

export async function signingKey({ privateKey, publicKey }: KeyPair): Promise<SigningKey> {
  const raw: unknown = await crypto.subtle.exportKey("raw", publicKey);
  assert(raw instanceof ArrayBuffer, "a raw key is bytes");
  const point = new Uint8Array(raw);
  return {
    publicKey: point,
    fingerprint: keyFingerprint(point),
    sign: async (message) => new Uint8Array(await crypto.subtle.sign(SIGNING, privateKey, owned(message))),
  };
}

/** Returns whether the owner of the public key has signed the message. Does not reject: bytes that are no key sign nothing. */
export async function isSignedBy(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): Promise<boolean> {
  try {
    const key = await crypto.subtle.importKey("raw", owned(publicKey), ALGORITHM, false, ["verify"]);
    return await crypto.subtle.verify(SIGNING, key, owned(signature), owned(message));
  } catch {
    return false;
  }
}

export function keyFingerprint(publicKey: Uint8Array): Uint8Array {
  return new Sha256().update(publicKey).digest();
}

/** WebCrypto takes no view of memory that may be shared. */
function owned(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(bytes);
}
