/**
 * A room's secret: 32 random bytes as base64url in the fragment of the room's link, which browsers never send. HKDF
 * derives all visible values from it, bound to the room's name. None of them reveals the secret or another one:
 *
 * - the registry's key, which is sent to the signalling server (it stores a hash of it);
 * - the room's key, by which two members prove to each other that they belong to the room (greeting/);
 * - the admission key, by which a peer proves that it knows the secret itself, and so may become a member.
 *
 * An open room has no secret. Its keys are derived from the name alone, and prove nothing.
 */
import { assert } from "../base/assert.ts";
import { EMPTY_BYTES } from "../base/bytes.ts";
import { hkdfSha256 } from "../base/hmac-sha256.ts";
import { fromBase64, toBase64 } from "../base/text-codes.ts";
import { utf8Encode } from "../base/utf8.ts";
import type { GreetingCredentials } from "./greeting/handshake.ts";

export interface RoomKeys {
  /** For `Authorization: Bearer`; undefined in an open room. */
  readonly registry: string | undefined;
  readonly greeting: Uint8Array;
  /** Seals what the server relays between two tabs (relay/relay-seal.ts). */
  readonly relay: Uint8Array;
  readonly admission: Uint8Array;
}

const SECRET_BYTES = 32;
const SECRET = /^[A-Za-z0-9_-]{43}$/;
const SALT = utf8Encode("quorate/room/1");

/** What a member that knows the room's secret shows to others. */
export function credentialsOf({ greeting, admission }: RoomKeys): GreetingCredentials {
  return { roomKey: greeting, admissionKey: admission };
}

export function newRoomSecret(): string {
  return toBase64Url(crypto.getRandomValues(new Uint8Array(SECRET_BYTES)));
}

/** Returns whether the text is a complete secret. A cut one is not. A wrong one may be: only the registry can tell. */
export function isRoomSecret(text: string): boolean {
  return secretBytes(text) !== undefined;
}

/** Derives the keys of a room. `secret` undefined: an open room. Throws if the text is not a secret. */
export function roomKeys(room: string, secret: string | undefined): RoomKeys {
  const bytes = secret === undefined ? EMPTY_BYTES : secretBytes(secret);
  assert(bytes !== undefined, "a room's secret is 32 bytes");
  const derived = (use: string): Uint8Array => hkdfSha256(bytes, SALT, utf8Encode(`${use}\0${room}`));
  return {
    registry: secret === undefined ? undefined : toBase64Url(derived("registry")),
    greeting: derived("greeting"),
    relay: derived("relay"),
    admission: derived("admission"),
  };
}

/** The bytes of a room's registry key, which is written as its secret is. Throws if the text is none. */
export function registryKeyBytes(key: string): Uint8Array {
  const bytes = secretBytes(key);
  assert(bytes !== undefined, "a registry key is 32 bytes");
  return bytes;
}

export function registryKeyText(bytes: Uint8Array): string {
  return toBase64Url(bytes);
}

function secretBytes(text: string): Uint8Array | undefined {
  const bytes = SECRET.test(text) ? fromBase64(text.replaceAll("-", "+").replaceAll("_", "/")) : undefined;
  // The last letter has two spare bits. They must be zero, or one secret could be written in four ways.
  return bytes?.length === SECRET_BYTES && toBase64Url(bytes) === text ? bytes : undefined;
}

function toBase64Url(bytes: Uint8Array): string {
  return toBase64(bytes).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}
