/**
 * The code of an invitation, which is in the fragment of its link and nowhere else: a P-256 key pair, as base64url. The
 * members know the fingerprint of its public key. So who has read the log cannot use the invitation, and only its holder
 * signs with it.
 *
 * HKDF derives from the private key, bound to the room's name, by what its holder and the members greet, and what its
 * holder shows to the room's registry, which stores a hash of it.
 */
import { assert } from "../base/assert.ts";
import { hkdfSha256 } from "../base/hmac-sha256.ts";
import { fromBase64, toBase64 } from "../base/text-codes.ts";
import { utf8Encode } from "../base/utf8.ts";
import { registryKeyText } from "./room-secret.ts";
import type { OwnInvitation } from "./greeting/handshake.ts";
import { signingKey } from "./greeting/signing-key.ts";

/** What a browser that comes by an invitation has of it. */
export interface HeldInvitation extends OwnInvitation {
  /** For `Authorization: Bearer`. */
  readonly registry: string;
}

const NUMBER_BYTES = 32;
const CODE_BYTES: number = 3 * NUMBER_BYTES;
const CURVE = { name: "ECDSA", namedCurve: "P-256" };
const SALT = utf8Encode("quorate/invitation/1");

export async function newInvitationCode(): Promise<string> {
  const pair = await crypto.subtle.generateKey(CURVE, true, ["sign", "verify"]);
  assert("privateKey" in pair, "ECDSA has pairs of keys");
  const exported: object = await crypto.subtle.exportKey("jwk", pair.privateKey);
  const { d, x, y }: { readonly d?: string; readonly x?: string; readonly y?: string } = exported;
  const bytes = [d, x, y].map((number) => bytesOf(number ?? ""));
  assert(
    bytes.every((number) => number?.length === NUMBER_BYTES),
    "a P-256 key has three numbers of 32 bytes",
  );
  return toBase64Url(bytes.flatMap((number) => [...(number ?? [])]));
}

/** Throws DOMException for a code that was changed on its way: it is no key. */
export async function heldInvitation(room: string, code: string): Promise<HeldInvitation> {
  const bytes = bytesOf(code);
  assert(bytes?.length === CODE_BYTES, "an invitation's code is three numbers of 32 bytes");
  const [d, x, y] = [0, 1, 2].map((at) => toBase64Url(bytes.slice(at * NUMBER_BYTES, (at + 1) * NUMBER_BYTES)));
  const own = { kty: "EC", crv: "P-256", ext: false };
  const key = signingKey({
    privateKey: await crypto.subtle.importKey("jwk", { ...own, d, x, y } as JsonWebKey, CURVE, false, ["sign"]),
    publicKey: await crypto.subtle.importKey("jwk", { ...own, x, y, ext: true } as JsonWebKey, CURVE, true, ["verify"]),
  });
  const derived = (use: string): Uint8Array =>
    hkdfSha256(bytes.slice(0, NUMBER_BYTES), SALT, utf8Encode(`${use}\0${room}`));
  const signing = await key;
  return {
    id: signing.fingerprint,
    key: derived("greeting"),
    signingKey: signing,
    registry: registryKeyText(derived("registry")),
  };
}

function bytesOf(text: string): Uint8Array | undefined {
  return fromBase64(text.replaceAll("-", "+").replaceAll("_", "/"));
}

function toBase64Url(bytes: ArrayLike<number>): string {
  return toBase64(Uint8Array.from(bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}
