/**
 * The sealing of a relayed channel: AES-GCM with a key for each direction. The keys follow from the room's secret, the two
 * members, and random bytes of both. So a server that relays reads nothing, and a channel that it repeats or mixes with
 * another has other keys. Messages are numbered by the counter of the nonce: one that is lost, repeated or out of order does not
 * open, and ends the channel.
 */
import { concatBytes } from "../../base/bytes.ts";
import { hkdfSha256 } from "../../base/hmac-sha256.ts";
import { utf8Encode } from "../../base/utf8.ts";
import type { MemberId } from "../../protocol/peer/raft-message.ts";
import type { ChannelFingerprints } from "../channel.ts";

/** What both ends know of a channel before its first message. */
export interface RelayEnds {
  readonly dialer: MemberId;
  readonly dialed: MemberId;
  /** Random bytes of either end. */
  readonly dialerNonce: Uint8Array;
  readonly dialedNonce: Uint8Array;
}

export const RELAY_NONCE_BYTES = 16;

const INVITED_SALT = utf8Encode("quorate/relay/invited/1");

type Use = "key of the dialer" | "key of the dialed" | "binding of the dialer" | "binding of the dialed";

const COUNTER_AT = 4;
const IV_BYTES = 12;

/** The key of channels that a guest opens before it knows the room's: `shared` is its invitation's, which members know. */
export function invitedRelayKey(shared: Uint8Array): Uint8Array {
  return hkdfSha256(shared, INVITED_SALT, utf8Encode("relay"));
}

/** For the greeting, in place of the certificates: the channel's own transcript. */
export function relayBindings(key: Uint8Array, ends: RelayEnds, isDialer: boolean): ChannelFingerprints {
  const dialer = derived(key, ends, "binding of the dialer");
  const dialed = derived(key, ends, "binding of the dialed");
  return isDialer ? { own: dialer, peer: dialed } : { own: dialed, peer: dialer };
}

export class RelaySeal {
  readonly #own: Promise<CryptoKey>;
  readonly #peer: Promise<CryptoKey>;
  #sealed = 0n;
  #opened = 0n;

  constructor(key: Uint8Array, ends: RelayEnds, isDialer: boolean) {
    const dialer = importKey(derived(key, ends, "key of the dialer"), isDialer);
    const dialed = importKey(derived(key, ends, "key of the dialed"), !isDialer);
    [this.#own, this.#peer] = isDialer ? [dialer, dialed] : [dialed, dialer];
  }

  /** Call it for one message after the other. */
  async seal(message: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
    const iv = ivOf(this.#sealed++);
    return new Uint8Array(await crypto.subtle.encrypt({ name: "AES-GCM", iv }, await this.#own, message));
  }

  /** Rejects for what the other end has not sealed as its next message. */
  async open(sealed: Uint8Array<ArrayBuffer>): Promise<ArrayBuffer> {
    const iv = ivOf(this.#opened++);
    return crypto.subtle.decrypt({ name: "AES-GCM", iv }, await this.#peer, sealed);
  }
}

function derived(key: Uint8Array, { dialer, dialed, dialerNonce, dialedNonce }: RelayEnds, use: Use): Uint8Array {
  const ids = new Uint8Array(16);
  const view = new DataView(ids.buffer);
  view.setBigUint64(0, dialer);
  view.setBigUint64(8, dialed);
  return hkdfSha256(key, concatBytes(dialerNonce, dialedNonce), concatBytes(utf8Encode(`${use}\0`), ids));
}

function importKey(bytes: Uint8Array, isOwn: boolean): Promise<CryptoKey> {
  const raw = bytes as Uint8Array<ArrayBuffer>;
  return crypto.subtle.importKey("raw", raw, "AES-GCM", false, [isOwn ? "encrypt" : "decrypt"]);
}

function ivOf(counter: bigint): Uint8Array<ArrayBuffer> {
  const iv = new Uint8Array(IV_BYTES);
  new DataView(iv.buffer).setBigUint64(COUNTER_AT, counter);
  return iv;
}
