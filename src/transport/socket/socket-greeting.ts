/**
 * The first messages on a WebSocket between a tab and an object of its room's cluster, in which each proves that it knows
 * the room:
 *
 *     tab                                                      object
 *      │ HELLO      version cluster member session nonce ─────────►
 *      ◄───────── CHALLENGE version cluster member session nonce proof
 *      │ PROOF      version proof ────────────────────────────────►
 *      ◄───────────────────────────────────────────── WELCOME version
 *
 * The object stores only a hash of the room's key (worker/signalling/room-access.ts), so the proofs are those of SCRAM
 * (RFC 5802). Both are HMACs under the hash, over both greetings and the side that proves. The tab's is combined with the
 * key itself by XOR. So the object learns the key, compares its hash, and whoever reads the object's storage cannot make
 * the tab's proof. A recording, an echo and a greeting for another member, cluster or session prove nothing.
 */
import { concatBytes, equalSecrets, latin1ToBytes } from "../../base/bytes.ts";
import { hmacSha256 } from "../../base/hmac-sha256.ts";
import { Sha256 } from "../../base/sha256.ts";
import { utf8Encode } from "../../base/utf8.ts";
import type { MemberId } from "../../protocol/peer/raft-message.ts";
import { registryKeyBytes, registryKeyText } from "../room-secret.ts";

export const HELLO = 0x01;
export const CHALLENGE = 0x02;
export const PROOF = 0x03;
export const WELCOME = 0x04;
export const SOCKET_GREETING_VERSION = 1;

/** Larger than every message of a greeting. */
export const SOCKET_GREETING_BYTES_MAX = 128;

const NONCE_BYTES = 32;
const PROOF_BYTES = 32;
const INTRODUCTION_BYTES: number = 2 + 3 * 8 + NONCE_BYTES;
const LABEL = utf8Encode("quorate socket greeting\0");

/** What one end says of itself. */
export interface Introduction {
  readonly cluster: bigint;
  readonly member: MemberId;
  /** Distinguishes one run of a member, or one connection, from another. */
  readonly session: bigint;
  readonly nonce: Uint8Array;
}

export interface GreetingBytes {
  readonly hello: Uint8Array;
  /** Without its proof. */
  readonly challenge: Uint8Array;
}

export function newNonce(): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(NONCE_BYTES));
}

export function encodeIntroduction(type: typeof HELLO | typeof CHALLENGE, one: Introduction): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(INTRODUCTION_BYTES);
  bytes[0] = type;
  bytes[1] = SOCKET_GREETING_VERSION;
  const view = new DataView(bytes.buffer);
  view.setBigUint64(2, one.cluster);
  view.setBigUint64(10, one.member);
  view.setBigUint64(18, one.session);
  bytes.set(one.nonce, 26);
  return bytes;
}

/** Returns the introduction, or a text that says what is wrong with it. The type was checked before. */
export function decodeIntroduction(bytes: Uint8Array): Introduction | string {
  const wrong = wrongVersion(bytes);
  if (wrong !== undefined) return wrong;
  const size = INTRODUCTION_BYTES + (bytes[0] === CHALLENGE ? PROOF_BYTES : 0);
  if (bytes.length !== size) return "a greeting of the wrong length";
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  return {
    cluster: view.getBigUint64(2),
    member: view.getBigUint64(10),
    session: view.getBigUint64(18),
    nonce: bytes.slice(26, INTRODUCTION_BYTES),
  };
}

export function wrongVersion(bytes: Uint8Array): string | undefined {
  const version = bytes[1] ?? 0;
  if (version === SOCKET_GREETING_VERSION) return undefined;
  return `the other side speaks version ${version} of this greeting, and this one ${SOCKET_GREETING_VERSION}`;
}

/** The part of a CHALLENGE that is proved. */
export function challengeHead(challenge: Uint8Array): Uint8Array {
  return challenge.slice(0, INTRODUCTION_BYTES);
}

/** The hash of a room's registry key, which the object has. */
export function hashOfKey(registryKey: string): Uint8Array {
  return new Sha256().update(latin1ToBytes(registryKey)).digest();
}

export function objectProof(keyHash: Uint8Array, greeting: GreetingBytes): Uint8Array {
  return hmacOf(keyHash, 1, greeting);
}

export function isObjectProof(challenge: Uint8Array, keyHash: Uint8Array, greeting: GreetingBytes): boolean {
  return equalSecrets(challenge.slice(INTRODUCTION_BYTES), objectProof(keyHash, greeting));
}

export function tabProof(registryKey: string, greeting: GreetingBytes): Uint8Array {
  return xor(registryKeyBytes(registryKey), hmacOf(hashOfKey(registryKey), 2, greeting));
}

export function isTabProof(proof: Uint8Array, keyHash: Uint8Array, greeting: GreetingBytes): boolean {
  if (proof.length !== PROOF_BYTES) return false;
  const key = registryKeyText(xor(proof, hmacOf(keyHash, 2, greeting)));
  return equalSecrets(hashOfKey(key), keyHash);
}

/** Of a fixed length each, so that two different greetings never have the same bytes. */
function hmacOf(keyHash: Uint8Array, role: number, { hello, challenge }: GreetingBytes): Uint8Array {
  return hmacSha256(keyHash, concatBytes(LABEL, new Uint8Array([role]), hello, challenge));
}

function xor(left: Uint8Array, right: Uint8Array): Uint8Array {
  return left.map((byte, at) => byte ^ (right[at] ?? 0));
}
