/** The messages of a greeting on a WebSocket between a tab and an object (socket-greeting.ts), byte for byte. */
import { concatAll } from "../../base/bytes.ts";
import { utf8Decode, utf8Encode } from "../../base/utf8.ts";
import type { MemberId } from "../../protocol/peer/raft-message.ts";
import { INVITATION_ID_BYTES, REFUSAL_CODE_BYTES_MAX } from "../greeting/greeting-message.ts";
import { decodeSigned, encodeSigned, SIGNED_BYTES } from "../greeting/signed-by.ts";
import type { SignedBy } from "../greeting/signed-by.ts";

export const HELLO = 0x01;
export const CHALLENGE = 0x02;
export const PROOF = 0x03;
export const WELCOME = 0x04;
export const REFUSED = 0x05;
/** Version 1 had no proof of who a member is, and no invitations. */
export const SOCKET_GREETING_VERSION = 2;
/** Larger than every message of a greeting. */
export const SOCKET_GREETING_BYTES_MAX = 320;
export const SOCKET_PROOF_BYTES = 32;

const NONCE_BYTES = 32;
const HEAD_BYTES = 2;
const INTRODUCTION_BYTES: number = HEAD_BYTES + 3 * 8 + NONCE_BYTES;
const NO_INVITATION = new Uint8Array(INVITATION_ID_BYTES);
const NOT_ONE = "a greeting that is none";

/** What one end says of itself. */
export interface Introduction {
  readonly cluster: bigint;
  readonly member: MemberId;
  /** Distinguishes one run of a member, or one connection, from another. */
  readonly session: bigint;
  readonly nonce: Uint8Array;
}

export interface Hello extends Introduction {
  /** The id of the invitation by which this tab came. Undefined: it knows the room's secret. */
  readonly invitation: Uint8Array | undefined;
}

export interface TabProofs {
  readonly proof: Uint8Array;
  readonly member: SignedBy | undefined;
  readonly invitation: SignedBy | undefined;
}

export interface Refusal {
  readonly proof: Uint8Array;
  /** A value of JOIN_REFUSALS; later versions may have more. */
  readonly code: string;
}

export function newNonce(): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(NONCE_BYTES));
}

export function encodeHello(hello: Hello): Uint8Array<ArrayBuffer> {
  return concatAll([introduction(HELLO, hello), hello.invitation ?? NO_INVITATION]);
}

/** Returns a text that says what is wrong with it, here and below. The type was checked before. */
export function decodeHello(bytes: Uint8Array): Hello | string {
  const wrong = wrongForm(bytes, INTRODUCTION_BYTES + INVITATION_ID_BYTES);
  if (wrong !== undefined) return wrong;
  const invitation = bytes.slice(INTRODUCTION_BYTES);
  return { ...introduced(bytes), invitation: invitation.some((byte) => byte !== 0) ? invitation : undefined };
}

/** Without the proof, which is appended. */
export function encodeChallenge(object: Introduction): Uint8Array<ArrayBuffer> {
  return introduction(CHALLENGE, object);
}

export function decodeChallenge(bytes: Uint8Array): Introduction | string {
  return wrongForm(bytes, INTRODUCTION_BYTES + SOCKET_PROOF_BYTES) ?? introduced(bytes);
}

/** Splits a CHALLENGE into what is proved and its proof. */
export function partsOfChallenge(bytes: Uint8Array): { readonly head: Uint8Array; readonly proof: Uint8Array } {
  return { head: bytes.slice(0, INTRODUCTION_BYTES), proof: bytes.slice(INTRODUCTION_BYTES) };
}

export function encodeProofs({ proof, member, invitation }: TabProofs): Uint8Array<ArrayBuffer> {
  const flags = (member ? 1 : 0) | (invitation ? 2 : 0);
  return concatAll([headOf(PROOF), new Uint8Array([flags]), proof, encodeSigned([member, invitation])]);
}

export function decodeProofs(bytes: Uint8Array): TabProofs | string {
  const wrong = wrongVersion(bytes);
  if (wrong !== undefined) return wrong;
  const flags = bytes[HEAD_BYTES] ?? 0;
  const [hasMember, hasInvitation] = [1, 2].map((flag) => (flags & flag) !== 0);
  let at = HEAD_BYTES + 1;
  const take = (length: number): Uint8Array => bytes.slice(at, (at += length));
  const proofs = {
    proof: take(SOCKET_PROOF_BYTES),
    member: hasMember ? decodeSigned(take(SIGNED_BYTES)) : undefined,
    invitation: hasInvitation ? decodeSigned(take(SIGNED_BYTES)) : undefined,
  };
  return flags <= 3 && bytes.length === at ? proofs : NOT_ONE;
}

export function encodeWelcome(): Uint8Array<ArrayBuffer> {
  return headOf(WELCOME);
}

export function encodeRefusal({ proof, code }: Refusal): Uint8Array<ArrayBuffer> {
  return concatAll([headOf(REFUSED), proof, utf8Encode(code)]);
}

export function decodeRefusal(bytes: Uint8Array): Refusal | string {
  const wrong = wrongVersion(bytes);
  if (wrong !== undefined) return wrong;
  const text = bytes.slice(HEAD_BYTES + SOCKET_PROOF_BYTES);
  const code = text.length > REFUSAL_CODE_BYTES_MAX ? "" : utf8Decode(text);
  return /^[a-z-]+$/.test(code) ? { proof: bytes.slice(HEAD_BYTES, HEAD_BYTES + SOCKET_PROOF_BYTES), code } : NOT_ONE;
}

/** Named alike on both sides. */
export function wrongVersion(bytes: Uint8Array): string | undefined {
  const [type, version = 0] = bytes;
  if (version === SOCKET_GREETING_VERSION) return undefined;
  const isFromTab = type === HELLO || type === PROOF;
  const [tab, object] = isFromTab ? [version, SOCKET_GREETING_VERSION] : [SOCKET_GREETING_VERSION, version];
  const remedy = tab < object ? "reload the page" : "the server is to be updated";
  return `this tab speaks version ${tab} of the greeting, and the room’s server ${object}: ${remedy}`;
}

function wrongForm(bytes: Uint8Array, size: number): string | undefined {
  return wrongVersion(bytes) ?? (bytes.length === size ? undefined : "a greeting of the wrong length");
}

function headOf(type: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array([type, SOCKET_GREETING_VERSION]);
}

function introduction(type: number, one: Introduction): Uint8Array<ArrayBuffer> {
  const bytes = concatAll([headOf(type), new Uint8Array(3 * 8), one.nonce]);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(2, one.cluster);
  view.setBigUint64(10, one.member);
  view.setBigUint64(18, one.session);
  return bytes;
}

function introduced(bytes: Uint8Array): Introduction {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  return {
    cluster: view.getBigUint64(2),
    member: view.getBigUint64(10),
    session: view.getBigUint64(18),
    nonce: bytes.slice(26, INTRODUCTION_BYTES),
  };
}
