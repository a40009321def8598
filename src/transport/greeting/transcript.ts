/**
 * What the proofs of a greeting cover: the side that proves (dialer or dialed), and of both sides the member's id,
 * session, nonce and what binds it to this channel. So a proof is valid for this connection between these two ends, once,
 * and in one direction. A server that mediates and puts its own certificates between them, a recording, and an echo of
 * our own messages all prove nothing.
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

export function greetingProof(key: Uint8Array, sides: GreetingSides, prover: keyof GreetingSides): Uint8Array {
  const role = new Uint8Array([GREETING_VERSION, prover === "dialer" ? 1 : 2]);
  return hmacSha256(key, concatBytes(LABEL, role, sideBytes(sides.dialer), sideBytes(sides.dialed)));
}

/** Of a fixed length, so that two different inputs never have the same bytes. */
function sideBytes({ id, session, nonce, binding }: GreetingSide): Uint8Array {
  const numbers = new Uint8Array(16);
  const view = new DataView(numbers.buffer);
  view.setBigUint64(0, id);
  view.setBigUint64(8, session);
  return concatBytes(numbers, nonce, binding);
}
