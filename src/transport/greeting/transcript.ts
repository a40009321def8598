/**
 * What the proofs of a greeting cover: what is proved, the side that proves it (dialer or dialed), and of both sides the
 * member's id, session, nonce and what binds it to this channel. So a proof is valid for one purpose, for this connection
 * between these two ends, once, and in one direction. A server that mediates and puts its own certificates between them,
 * a recording, and an echo of our own messages all prove nothing.
 */
import { concatBytes } from "../../base/bytes.ts";
import { hmacSha256 } from "../../base/hmac-sha256.ts";
import { utf8Encode } from "../../base/utf8.ts";
import type { MemberId } from "../../protocol/peer/raft-message.ts";
import { GREETING_VERSION } from "./greeting-message.ts";

export const BINDING_BYTES = 32;

const LABEL = utf8Encode("quorate greeting\0");

/** One end of a connection. */
export interface GreetingSide {
  readonly id: MemberId;
  readonly session: bigint;
  readonly nonce: Uint8Array;
  /**
   * 32 bytes that this end presents to the channel itself, and that the other end has seen there: over WebRTC the
   * SHA-256 of its DTLS certificate.
   */
  readonly binding: Uint8Array;
}

export interface GreetingSides {
  readonly dialer: GreetingSide;
  readonly dialed: GreetingSide;
}

export type Prover = keyof GreetingSides;

/**
 * - `room`: that the end belongs to the room, or was invited to it.
 * - `admission`: that it knows the room's secret, and so may bring in a new member.
 * - `member`: that it has the private key of its member.
 * - `invitation`: that it has the private key of an invitation.
 * - `refusal`: that it does not let the other end in.
 */
export type Purpose = "room" | "admission" | "member" | "invitation" | "refusal";

const PURPOSES: Readonly<Record<Purpose, number>> = { room: 1, admission: 2, member: 3, invitation: 4, refusal: 5 };

/** `about`: what else the proof is bound to, of a fixed length for each purpose. */
export function transcript(purpose: Purpose, sides: GreetingSides, prover: Prover, about: Uint8Array): Uint8Array {
  const head = new Uint8Array([GREETING_VERSION, PURPOSES[purpose], prover === "dialer" ? 1 : 2]);
  return concatBytes(LABEL, head, sideBytes(sides.dialer), sideBytes(sides.dialed), about);
}

export function keyedProof(key: Uint8Array, ...of: Parameters<typeof transcript>): Uint8Array {
  return hmacSha256(key, transcript(...of));
}

/** Of a fixed length, so that two different inputs never have the same bytes. */
function sideBytes({ id, session, nonce, binding }: GreetingSide): Uint8Array {
  const numbers = new Uint8Array(16);
  const view = new DataView(numbers.buffer);
  view.setBigUint64(0, id);
  view.setBigUint64(8, session);
  return concatBytes(numbers, nonce, binding);
}
