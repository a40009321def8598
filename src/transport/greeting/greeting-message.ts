/**
 * The first messages between two members, in which each proves that it knows the room's secret:
 *
 *     HELLO    0x01 version session nonce
 *     WELCOME  0x04 version session nonce proof
 */
export const HELLO = 0x01;
export const WELCOME = 0x04;
/** Versions 1 and 2 had no proof. */
export const GREETING_VERSION = 3;
export const NONCE_BYTES = 32;

const PROOF_BYTES = 32;
const HELLO_BYTES: number = 2 + 8 + NONCE_BYTES;

export interface GreetingMessage {
  readonly type: typeof HELLO | typeof WELCOME;
  /** Distinguishes one run of a member from another. */
  readonly session: bigint;
  readonly nonce: Uint8Array;
  /** Empty in a HELLO. */
  readonly proof: Uint8Array;
}

export function isGreeting(message: Uint8Array): boolean {
  return message[0] === HELLO || message[0] === WELCOME;
}

export function encodeGreeting({ type, session, nonce, proof }: GreetingMessage): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(HELLO_BYTES + proof.length);
  bytes[0] = type;
  bytes[1] = GREETING_VERSION;
  new DataView(bytes.buffer).setBigUint64(2, session);
  bytes.set(nonce, 10);
  bytes.set(proof, HELLO_BYTES);
  return bytes;
}

/** Returns a greeting, or a text that says what is wrong with it. */
export function decodeGreeting(bytes: Uint8Array): GreetingMessage | string {
  const type = bytes[0] === HELLO ? HELLO : WELCOME;
  const version = bytes[1] ?? 0;
  if (version !== GREETING_VERSION) {
    return `a peer that speaks version ${version} of our protocol, and we speak ${GREETING_VERSION}`;
  }
  if (bytes.length !== HELLO_BYTES + (type === HELLO ? 0 : PROOF_BYTES)) return "a greeting that is none";
  const session = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(2);
  return { type, session, nonce: bytes.slice(10, HELLO_BYTES), proof: bytes.slice(HELLO_BYTES) };
}
