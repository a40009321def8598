/**
 * Channels between two tabs over the room's signalling server, for tabs that cannot connect with each other: a network
 * that forbids WebRTC, without a TURN server. The server forwards texts between members (type "RELAY") and reads nothing of
 * them, because they are sealed (relay-seal.ts). Whoever uses a channel greets on it as on any other.
 *
 *     DIAL    1  nonce of the dialer [id of an invitation]
 *     ACCEPT  2  nonce of the dialer, nonce of the dialed
 *     DATA    3  nonce of the dialer, sealed message
 *     CLOSE   4  nonce of the dialer
 *
 * The dialer's nonce names the channel. Whoever was invited and does not know the room's key yet names its invitation: then
 * the channel is sealed with a key that follows from that, which the members know. The server may lose, repeat, delay or invent these messages: that costs a
 * channel, or opens one on which no greeting succeeds.
 */
import { toHex, fromBase64, toBase64 } from "../../base/text-codes.ts";
import { concatAll } from "../../base/bytes.ts";
import type { MemberId } from "../../protocol/peer/raft-message.ts";
import type { Channel, ChannelEvents, ChannelFingerprints, PeerPort, PeerPortEvents, RelayWire } from "../channel.ts";
import { memberOfPeerId } from "../peer-id.ts";
import { RELAY_NONCE_BYTES, relayBindings, type RelayEnds, RelaySeal } from "./relay-seal.ts";

const DIAL = 1;
const ACCEPT = 2;
const DATA = 3;
const CLOSE = 4;
const MAX_TEXT_LENGTH = 60 * 1024;
const MAX_CHANNELS = 256;
/** Bytes that wait to be sealed and sent. Above it a channel ends: Link waits long before. */
const MAX_PENDING_BYTES = 4 * 1024 * 1024;
const DRAIN_EVERY_MS = 20;
const LOW_WATER_BYTES = 64 * 1024;
const NOTHING = new Uint8Array(0);

/** By what channels are sealed. */
export interface RelayKeys {
  /** Of the channels that this member dials. Undefined: it has none. */
  own(): RelayKey | undefined;
  /** Of the channels of others, who name an invitation or none. Undefined: this member does not know it. */
  of(invitation: Uint8Array | undefined): Uint8Array | undefined;
}

export interface RelayKey {
  readonly key: Uint8Array;
  /** Whose key it is. Undefined: it is the room's. */
  readonly invitation: Uint8Array | undefined;
}

export class RelayPort implements PeerPort {
  readonly #id: MemberId;
  readonly #keys: RelayKeys;
  readonly #wire: RelayWire;
  readonly #channels: Map<string, RelayChannel> = new Map();
  #events: PeerPortEvents | undefined;

  constructor(id: MemberId, keys: RelayKeys, wire: RelayWire) {
    this.#id = id;
    this.#keys = keys;
    this.#wire = wire;
  }

  start(events: PeerPortEvents): void {
    this.#events = events;
    this.#wire.listen(
      (peerId, text) => this.#received(peerId, text),
      (isOpen) => this.#changed(isOpen),
    );
    if (this.#wire.isOpen) this.#changed(true);
  }

  dial(peerId: string): Channel | undefined {
    const dialed = memberOfPeerId(peerId);
    if (!this.#wire.isOpen || dialed === undefined || this.#channels.size >= MAX_CHANNELS) return undefined;
    const own = this.#keys.own();
    if (own === undefined) return undefined;
    const dialerNonce = newNonce();
    const channel = this.#newChannel(peerId, dialerNonce, own.key, true);
    this.#send(peerId, DIAL, dialerNonce, own.invitation);
    return channel;
  }

  /** The connection is signalling's, which has been told. */
  retryNow(): void {}

  close(): void {
    this.#events = undefined;
    for (const channel of this.#channels.values()) channel.close();
  }

  #newChannel(peerId: string, name: Uint8Array, key: Uint8Array, dialed: boolean): RelayChannel {
    const place = nameOf(peerId, name);
    const channel = new RelayChannel(peerId, key, dialed, {
      wire: this.#wire,
      write: (type, body) => this.#send(peerId, type, name, body),
      forget: () => this.#channels.delete(place),
    });
    this.#channels.set(place, channel);
    return channel;
  }

  #received(peerId: string, text: unknown): void {
    const peer = memberOfPeerId(peerId);
    const bytes = typeof text === "string" && text.length <= MAX_TEXT_LENGTH ? fromBase64(text) : undefined;
    if (this.#events === undefined || peer === undefined || bytes === undefined) return;
    if (bytes.length < 1 + RELAY_NONCE_BYTES) return;
    const name = bytes.slice(1, 1 + RELAY_NONCE_BYTES);
    const body = bytes.slice(1 + RELAY_NONCE_BYTES);
    const channel = this.#channels.get(nameOf(peerId, name));
    if (bytes[0] === DIAL && channel === undefined) this.#dialed(peerId, peer, name, body);
    else if (bytes[0] === ACCEPT && channel?.dialed === true && body.length === RELAY_NONCE_BYTES) {
      channel.opened({ dialer: this.#id, dialed: peer, dialerNonce: name, dialedNonce: body });
    } else if (bytes[0] === DATA) channel?.received(body);
    else if (bytes[0] === CLOSE) channel?.end("the peer closed the connection");
  }

  #dialed(peerId: string, peer: MemberId, name: Uint8Array, invitation: Uint8Array): void {
    const key = this.#keys.of(invitation.length === 0 ? undefined : invitation);
    if (this.#channels.size >= MAX_CHANNELS || key === undefined) return;
    const dialedNonce = newNonce();
    const channel = this.#newChannel(peerId, name, key, false);
    this.#send(peerId, ACCEPT, name, dialedNonce);
    this.#events?.onChannel(channel);
    channel.opened({ dialer: peer, dialed: this.#id, dialerNonce: name, dialedNonce });
  }

  #changed(isOpen: boolean): void {
    if (!isOpen) for (const channel of this.#channels.values()) channel.end("the signalling server cannot be reached");
    this.#events?.onSignalling(isOpen ? "open" : "lost", "");
  }

  #send(peerId: string, type: number, name: Uint8Array, body: Uint8Array = NOTHING): void {
    this.#wire.send(peerId, toBase64(concatAll([new Uint8Array([type]), name, body])));
  }
}

interface ChannelHost {
  readonly wire: RelayWire;
  readonly write: (type: number, body?: Uint8Array) => void;
  readonly forget: () => void;
}

class RelayChannel implements Channel {
  readonly peerId: string;
  readonly dialed: boolean;
  readonly #key: Uint8Array;
  readonly #host: ChannelHost;
  #events: ChannelEvents | undefined;
  #seal: RelaySeal | undefined;
  #fingerprints: ChannelFingerprints | undefined;
  #pendingBytes = 0;
  #isClosed = false;
  /** Sealing and opening take turns: each has an order. */
  #sending: Promise<void> = Promise.resolve();
  #opening: Promise<void> = Promise.resolve();
  #drain: ReturnType<typeof setTimeout> | undefined;

  constructor(peerId: string, key: Uint8Array, dialed: boolean, host: ChannelHost) {
    this.peerId = peerId;
    this.#key = key;
    this.dialed = dialed;
    this.#host = host;
  }

  get bufferedBytes(): number {
    return this.#pendingBytes + this.#host.wire.bufferedBytes;
  }

  get fingerprints(): ChannelFingerprints | undefined {
    return this.#fingerprints;
  }

  start(events: ChannelEvents): void {
    this.#events = events;
    if (this.#seal !== undefined) events.onOpen();
  }

  opened(ends: RelayEnds): void {
    if (this.#isClosed || this.#seal !== undefined) return;
    this.#seal = new RelaySeal(this.#key, ends, this.dialed);
    this.#fingerprints = relayBindings(this.#key, ends, this.dialed);
    this.#events?.onOpen();
  }

  send(message: Uint8Array<ArrayBuffer>): void {
    const seal = this.#seal;
    if (this.#isClosed || seal === undefined) return;
    this.#pendingBytes += message.length;
    if (this.#pendingBytes > MAX_PENDING_BYTES) return this.end("the connection is too slow");
    this.#sending = this.#sending.then(async () => {
      const sealed = await seal.seal(message);
      this.#pendingBytes -= message.length;
      if (this.#isClosed) return;
      this.#host.write(DATA, sealed);
      this.#drainLater();
    });
    this.#sending.catch((error: unknown) => this.end(String(error)));
  }

  received(sealed: Uint8Array<ArrayBuffer>): void {
    const seal = this.#seal;
    if (this.#isClosed || seal === undefined) return;
    this.#opening = this.#opening.then(async () => {
      const message = await seal.open(sealed);
      if (!this.#isClosed) this.#events?.onMessage(message);
    });
    this.#opening.catch(() => this.end("a message that the peer has not sealed"));
  }

  end(reason: string): void {
    if (this.#isClosed) return;
    const events = this.#events;
    this.close();
    events?.onClosed(reason);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#events = undefined;
    clearTimeout(this.#drain);
    this.#host.write(CLOSE);
    this.#host.forget();
  }

  /** A WebSocket does not tell when it has sent what it was given. */
  #drainLater(): void {
    if (this.bufferedBytes < LOW_WATER_BYTES) return this.#events?.onDrained();
    this.#drain ??= setTimeout(() => {
      this.#drain = undefined;
      if (!this.#isClosed) this.#drainLater();
    }, DRAIN_EVERY_MS);
  }
}

function newNonce(): Uint8Array<ArrayBuffer> {
  return crypto.getRandomValues(new Uint8Array(RELAY_NONCE_BYTES));
}

function nameOf(peerId: string, name: Uint8Array): string {
  return `${peerId}/${toHex(name)}`;
}
