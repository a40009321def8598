/**
 * The first messages between two members, in which each proves that it belongs to the room, and who it is:
 *
 *     HELLO    0x01 version session nonce invitation
 *     WELCOME  0x04 version session nonce flags proof [admission] [member] [invitation]
 *     REFUSED  0x05 version session nonce proof code
 *
 * `proof` and `admission` are HMACs. `member` and `invitation` are a public key and a signature each. transcript.ts says
 * what they cover.
 */
import { concatBytes, EMPTY_BYTES } from "../../base/bytes.ts";
import { utf8Decode, utf8Encode } from "../../base/utf8.ts";
import { decodeSigned, encodeSigned, SIGNED_BYTES } from "./signed-by.ts";
import type { SignedBy } from "./signed-by.ts";

export const HELLO = 0x01;
export const WELCOME = 0x04;
export const REFUSED = 0x05;
/**
 * Versions 1 and 2 had no proof, and version 3 none of who a member is. Some members that speak version 4 know no invitations:
 * they would let a reader write, and promote it.
 */
export const GREETING_VERSION = 5;
export const NONCE_BYTES = 32;
export const INVITATION_ID_BYTES = 32;
export const REFUSAL_CODE_BYTES_MAX = 32;

const PROOF_BYTES = 32;
const HEAD_BYTES: number = 2 + 8 + NONCE_BYTES;
const NO_INVITATION = new Uint8Array(INVITATION_ID_BYTES);
const NOT_ONE = "not-one";

interface Head {
  /** Distinguishes one run of a member from another. */
  readonly session: bigint;
  readonly nonce: Uint8Array;
}

export interface Hello extends Head {
  readonly type: typeof HELLO;
  /** The id of the invitation by which this end comes. */
  readonly invitation: Uint8Array | undefined;
}

export interface WelcomeProofs {
  readonly proof: Uint8Array;
  readonly admission: Uint8Array | undefined;
  readonly member: SignedBy | undefined;
  readonly invitation: SignedBy | undefined;
}

export interface Welcome extends Head, WelcomeProofs {
  readonly type: typeof WELCOME;
}

export interface Refused extends Head {
  readonly type: typeof REFUSED;
  readonly proof: Uint8Array;
  /** A value of JOIN_REFUSALS; later versions may have more. */
  readonly code: string;
}

/** The first two are also values of JOIN_REFUSALS. */
export type GreetingError = "peer-older" | "peer-newer" | typeof NOT_ONE;

export type GreetingMessage = Hello | Welcome | Refused;

export function isGreeting(message: Uint8Array): boolean {
  return message[0] === HELLO || message[0] === WELCOME || message[0] === REFUSED;
}

export function encodeGreeting(message: GreetingMessage): Uint8Array<ArrayBuffer> {
  const head = new Uint8Array(HEAD_BYTES);
  head[0] = message.type;
  head[1] = GREETING_VERSION;
  new DataView(head.buffer).setBigUint64(2, message.session);
  head.set(message.nonce, 10);
  return new Uint8Array(concatBytes(head, bodyOf(message)));
}

function bodyOf(message: GreetingMessage): Uint8Array {
  if (message.type === HELLO) return message.invitation ?? NO_INVITATION;
  if (message.type === REFUSED) return concatBytes(message.proof, utf8Encode(message.code));
  const { proof, admission, member, invitation } = message;
  const flags = (admission ? 1 : 0) | (member ? 2 : 0) | (invitation ? 4 : 0);
  return concatBytes(new Uint8Array([flags]), proof, admission ?? EMPTY_BYTES, encodeSigned([member, invitation]));
}

/** Returns a greeting, or what is wrong with it. */
export function decodeGreeting(bytes: Uint8Array): GreetingMessage | GreetingError {
  const [type, version = 0] = bytes;
  if (version !== GREETING_VERSION) return version < GREETING_VERSION ? "peer-older" : "peer-newer";
  if (bytes.length < HEAD_BYTES) return NOT_ONE;
  const session = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(2);
  const head = { session, nonce: bytes.slice(10, HEAD_BYTES) };
  const body = bytes.slice(HEAD_BYTES);
  if (type === HELLO) return helloOf(head, body) ?? NOT_ONE;
  return (type === WELCOME ? welcomeOf(head, body) : refusedOf(head, body)) ?? NOT_ONE;
}

function helloOf(head: Head, body: Uint8Array): Hello | undefined {
  if (body.length !== INVITATION_ID_BYTES) return undefined;
  return { type: HELLO, ...head, invitation: body.some((byte) => byte !== 0) ? body : undefined };
}

function welcomeOf(head: Head, body: Uint8Array): Welcome | undefined {
  const [flags = 0] = body;
  let at = 1;
  const take = (length: number): Uint8Array => body.slice(at, (at += length));
  const signed = (): SignedBy => decodeSigned(take(SIGNED_BYTES));
  const [hasAdmission, hasMember, hasInvitation] = [1, 2, 4].map((flag) => (flags & flag) !== 0);
  const length =
    1 + PROOF_BYTES + (hasAdmission ? PROOF_BYTES : 0) + SIGNED_BYTES * (Number(hasMember) + Number(hasInvitation));
  if (body.length !== length || flags > 7) return undefined;
  const proof = take(PROOF_BYTES);
  const admission = hasAdmission ? take(PROOF_BYTES) : undefined;
  const member = hasMember ? signed() : undefined;
  return { type: WELCOME, ...head, proof, admission, member, invitation: hasInvitation ? signed() : undefined };
}

function refusedOf(head: Head, body: Uint8Array): Refused | undefined {
  const code = utf8Decode(body.slice(PROOF_BYTES));
  const isCode = body.length <= PROOF_BYTES + REFUSAL_CODE_BYTES_MAX && /^[a-z-]+$/.test(code);
  return isCode ? { type: REFUSED, ...head, proof: body.slice(0, PROOF_BYTES), code } : undefined;
}
