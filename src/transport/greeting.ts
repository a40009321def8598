/**
 * The first messages between two members, in which each proves that it knows the room's secret:
 *
 *     HELLO    0x01 version session nonce
 *     WELCOME  0x04 version session nonce proof
 *
 * A proof is an HMAC with the greeting's key. It covers the side that proves (dialer or dialed), and of both sides the
 * member's id, session, nonce and the fingerprint of the DTLS certificate. So it is valid for this connection between
 * these two ends, once, and in one direction. A server that mediates and puts its own certificates between them, a
 * recording, and an echo of our own messages all prove nothing.
 */
import { concatBytes } from "../base/bytes.ts";
import { hmacSha256 } from "../base/hmac-sha256.ts";
import { utf8Encode } from "../base/utf8.ts";
import type { MemberId } from "../protocol/peer/raft-message.ts";

export const HELLO = 0x01;
export const WELCOME = 0x04;
/** Versions 1 and 2 had no proof. */
export const GREETING_VERSION = 3;
export const NONCE_BYTES = 32;

const PROOF_BYTES = 32;
const HELLO_BYTES: number = 2 + 8 + NONCE_BYTES;
const LABEL = utf8Encode("quorate greeting\0");

export interface Greeting {
  readonly type: typeof HELLO | typeof WELCOME;
  /** Distinguishes one run of a member from another. */
  readonly session: bigint;
  readonly nonce: Uint8Array;
  /** Empty in a HELLO. */
  readonly proof: Uint8Array;
}

/** One end of a connection. */
export interface GreetingSide {
  readonly id: MemberId;
  readonly session: bigint;
  readonly nonce: Uint8Array;
  /** SHA-256 of the certificate that this end presented. */
  readonly fingerprint: Uint8Array;
}

export interface GreetingSides {
  readonly dialer: GreetingSide;
  readonly dialed: GreetingSide;
}

export function greetingProof(key: Uint8Array, sides: GreetingSides, prover: keyof GreetingSides): Uint8Array {
  const role = new Uint8Array([GREETING_VERSION, prover === "dialer" ? 1 : 2]);
  return hmacSha256(key, concatBytes(LABEL, role, sideBytes(sides.dialer), sideBytes(sides.dialed)));
}

export function encodeGreeting({ type, session, nonce, proof }: Greeting): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(HELLO_BYTES + proof.length);
  bytes[0] = type;
  bytes[1] = GREETING_VERSION;
  new DataView(bytes.buffer).setBigUint64(2, session);
  bytes.set(nonce, 10);
  bytes.set(proof, HELLO_BYTES);
  return bytes;
}

/** Returns a greeting, or a text that says what is wrong with it. */
export function decodeGreeting(bytes: Uint8Array<ArrayBuffer>): Greeting | string {
  const type = bytes[0] === HELLO ? HELLO : WELCOME;
  const version = bytes[1] ?? 0;
  if (version !== GREETING_VERSION) {
    return `a peer that speaks version ${version} of our protocol, and we speak ${GREETING_VERSION}`;
  }
  if (bytes.length !== HELLO_BYTES + (type === HELLO ? 0 : PROOF_BYTES)) return "a greeting that is none";
  const session = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(2);
  return { type, session, nonce: bytes.slice(10, HELLO_BYTES), proof: bytes.slice(HELLO_BYTES) };
}

/** Of a fixed length, so that two different inputs never have the same bytes. */
function sideBytes({ id, session, nonce, fingerprint }: GreetingSide): Uint8Array {
  const numbers = new Uint8Array(16);
  const view = new DataView(numbers.buffer);
  view.setBigUint64(0, id);
  view.setBigUint64(8, session);
  return concatBytes(numbers, nonce, fingerprint);
}
