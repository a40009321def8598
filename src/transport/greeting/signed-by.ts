/** A public key and a signature by its private key, as greetings carry them. */
import { concatAll } from "../../base/bytes.ts";
import { PUBLIC_KEY_BYTES, SIGNATURE_BYTES } from "./signing-key.ts";

export interface SignedBy {
  readonly publicKey: Uint8Array;
  readonly signature: Uint8Array;
}

export const SIGNED_BYTES: number = PUBLIC_KEY_BYTES + SIGNATURE_BYTES;

/** Encodes those that are there, one behind the other. */
export function encodeSigned(parts: readonly (SignedBy | undefined)[]): Uint8Array<ArrayBuffer> {
  return concatAll(parts.flatMap((signed) => (signed ? [signed.publicKey, signed.signature] : [])));
}

/** Decodes `SIGNED_BYTES` bytes. */
export function decodeSigned(bytes: Uint8Array): SignedBy {
  return { publicKey: bytes.slice(0, PUBLIC_KEY_BYTES), signature: bytes.slice(PUBLIC_KEY_BYTES, SIGNED_BYTES) };
}
