/**
 * PeerJS 1.5.5, and what it takes to rely on it. No other file imports it. The traps that this file avoids:
 *
 * - Data is dropped silently before the server has sent OPEN, so nothing is dialed before.
 * - A connection that fails before it opens emits `error` or nothing, never `close`.
 * - Losing the server leaves connections up but ends the search for new ones until `reconnect()`.
 * - An id that is taken, or a full room, destroys the peer if it happens at the first attempt: then it takes a new one.
 * - `peer-unavailable` names the peer only in its text.
 * - `destroy()` iterates over a list that shrinks meanwhile and leaves every other connection open (`_cleanupPeer`).
 * - Chromium may report a channel that the peer opened as open and then, for a while or forever, as connecting again.
 * - PeerJS does not check whether the server echoes heartbeats. Our server does, so a socket that died silently is
 *   found.
 */
import { type DataConnection, Peer, util } from "peerjs";
import type { MemberId } from "../protocol/peer/raft-message.ts";
import type { Channel, ChannelEvents, ChannelFingerprints, PeerPort, PeerPortEvents, RelayWire } from "./channel.ts";
import { type TransportClock, platformClock } from "./clock.ts";
import { certificateFingerprint, peerFingerprint } from "./dtls.ts";
import { peerIdOf } from "./peer-id.ts";
import { RoomRefusal, roomPath } from "./room.ts";

export interface PeerJsPortOptions {
  readonly id: MemberId;
  /** The origin of the signalling server. */
  readonly baseUrl: string;
  readonly room: string;
  /**
   * Proves to the server that this member had the id a moment ago. Store it with the member's data: a page that reloads
   * without it may have to wait until the server gives up the previous connection.
   */
  readonly token: string;
  /** `newCertificate()`: the certificate that this end presents to its peers. */
  readonly certificate: RTCCertificate;
  /** What the server expects instead of the token, fetched again for each attempt; for a room that has a key. */
  readonly ticket?: (peerId: string, token: string) => Promise<string>;
  /** STUN and TURN servers. Default: PeerJS's own, which are shared and best effort. */
  readonly iceServers?: readonly RTCIceServer[];
  readonly clock?: TransportClock;
  readonly random?: () => number;
}

const FIRST_RETRY_MS = 500;
const MAX_RETRY_MS = 5_000;
const WATCH_MS = 5000;
/** PeerJS sends a heartbeat every 5 s, in a hidden tab every minute. */
const ECHO_WITHIN_MS = 90_000;
/** The timer was so late that this page may have caused the silence. */
const OWN_STALL_MS = 15_000;
/** How long a connection may take to show that it works, when the page or its network is back. */
const PROVE_WITHIN_MS = 3_000;
const LOW_WATER_BYTES = 64 * 1024;
/** How many messages may arrive while an open channel still reports that it is connecting. */
const MAX_UNSENT = 3;
const UNAVAILABLE = /^Could not connect to peer (.+)$/;
/** A permanent rejection by the server or the browser. Any other error is a network that may recover. */
const REFUSALS: ReadonlySet<string> = new Set([
  "browser-incompatible",
  "invalid-id",
  "invalid-key",
  "server-error",
  "ssl-unavailable",
  "unavailable-id",
]);

/** A port whose connection to the server also relays (relay/relay-port.ts). */
export interface PeerJsPortWithRelay extends PeerPort {
  readonly relay: RelayWire;
}

export function peerJsPort(options: PeerJsPortOptions): PeerJsPortWithRelay {
  return new PeerJsPort(options);
}

/** Texts between members that the server forwards; PeerJS itself knows no such type. */
const RELAY = "RELAY";

class PeerJsPort implements PeerJsPortWithRelay {
  readonly #options: PeerJsPortOptions;
  readonly #clock: TransportClock;
  readonly #random: () => number;
  readonly #channels: Set<PeerJsChannel> = new Set();
  #events: PeerPortEvents | undefined;
  #peer: Peer | undefined;
  #refusal: string | undefined;
  #failures = 0;
  /** A ticket is being fetched. */
  #isFetching = false;
  #cancelRetry: (() => void) | undefined;
  #cancelWatch: (() => void) | undefined;
  #cancelProof: (() => void) | undefined;
  #lastWatchMs = 0;
  #relayed: (peerId: string, text: unknown) => void = () => {};
  #relayChanged: (isOpen: boolean) => void = () => {};
  /** When the server last echoed a heartbeat; undefined if it never did. */
  #lastEchoMs: number | undefined;

  constructor(options: PeerJsPortOptions) {
    this.#options = options;
    this.#clock = options.clock ?? platformClock;
    this.#random = options.random ?? Math.random;
  }

  start(events: PeerPortEvents): void {
    this.#events = events;
    this.#connect();
    this.#lastWatchMs = this.#clock.nowMs();
    this.#watchLater();
  }

  get relay(): RelayWire {
    // oxlint-disable-next-line typescript/no-this-alias -- the wire is a view of this port
    const port = this;
    return {
      get isOpen() {
        return port.#peer?.open === true;
      },
      get bufferedBytes() {
        return port.#bufferedBytes;
      },
      send: (peerId, text) => {
        if (this.#peer?.open === true) this.#peer.socket.send({ type: RELAY, dst: peerId, payload: text });
      },
      listen: (received, changed) => {
        this.#relayed = received;
        this.#relayChanged = changed;
      },
    };
  }

  /** PeerJS hides its WebSocket. Without it, nothing is known to wait. */
  get #bufferedBytes(): number {
    const { _socket: socket } = (this.#peer?.socket ?? {}) as { readonly _socket?: Partial<WebSocket> };
    return socket?.bufferedAmount ?? 0;
  }

  dial(peerId: string): Channel | undefined {
    if (this.#peer?.open !== true) return undefined;
    try {
      return this.#channel(this.#peer.connect(peerId, { reliable: true, serialization: "raw" }), true);
    } catch {
      // Browsers limit the number of RTCPeerConnections, including earlier ones that are not collected yet.
      return undefined;
    }
  }

  retryNow(): void {
    this.#failures = 0;
    if (this.#cancelRetry === undefined) this.#prove();
    else {
      this.#cancelRetry();
      this.#connect();
    }
  }

  /** A connection that outlived a sleep or a change of networks may be dead, and would seem open for a minute. */
  #prove(): void {
    const peer = this.#peer;
    if (peer === undefined || this.#isFetching || this.#cancelProof !== undefined) return;
    const askedMs = this.#clock.nowMs();
    if (peer.open) peer.socket.send({ type: "HEARTBEAT" });
    this.#cancelProof = this.#clock.after(PROVE_WITHIN_MS, () => {
      this.#cancelProof = undefined;
      const isProved = peer.open && (this.#lastEchoMs ?? askedMs) >= askedMs;
      if (!isProved && peer === this.#peer) peer.disconnect();
    });
  }

  close(): void {
    this.#events = undefined;
    this.#cancelProof?.();
    this.#cancelRetry?.();
    this.#cancelWatch?.();
    this.#destroy();
  }

  #connect(): void {
    this.#cancelRetry = undefined;
    this.#refusal = undefined;
    this.#lastEchoMs = undefined;
    this.#events?.onSignalling("connecting", "asking the signalling server");
    const { id, ticket, token } = this.#options;
    if (ticket === undefined) this.#connectWith(token);
    else void this.#connectBy(ticket(peerIdOf(id), token));
  }

  async #connectBy(ticket: Promise<string>): Promise<void> {
    this.#isFetching = true;
    try {
      const token = await ticket;
      this.#isFetching = false;
      if (this.#events !== undefined) this.#connectWith(token);
    } catch (error) {
      this.#isFetching = false;
      if (error instanceof RoomRefusal) this.#refusal = error.message;
      this.#retryLater();
    }
  }

  #connectWith(token: string): void {
    const peer = this.#peer;
    if (peer === undefined || peer.destroyed || !peer.disconnected) this.#create(token);
    else {
      peer.options.token = token;
      peer.reconnect();
    }
  }

  #create(token: string): void {
    const { hostname, port, protocol } = new URL(this.#options.baseUrl);
    const secure = protocol === "https:";
    const { certificate, iceServers } = this.#options;
    const peer = new Peer(peerIdOf(this.#options.id), {
      host: hostname,
      port: port === "" ? (secure ? 443 : 80) : Number(port),
      path: roomPath(this.#options.room, this.#options.baseUrl),
      secure,
      token,
      config: {
        ...util.defaultConfig,
        ...(iceServers === undefined ? {} : { iceServers }),
        certificates: [certificate],
      },
    });
    this.#peer = peer;
    peer.on("open", () => this.#opened());
    peer.on("connection", (connection) => this.#accepted(connection));
    peer.on("disconnected", () => this.#lost(peer));
    peer.on("close", () => this.#lost(peer));
    peer.on("error", ({ type, message }) => this.#failed(type, message));
    peer.socket.on("message", ({ type, src, payload }: Readonly<Record<"type" | "src" | "payload", unknown>>) => {
      if (type === "HEARTBEAT") this.#lastEchoMs = this.#clock.nowMs();
      if (type === RELAY && typeof src === "string") this.#relayed(src, payload);
    });
  }

  #opened(): void {
    this.#failures = 0;
    this.#events?.onSignalling("open", "others can find this member");
    this.#relayChanged(true);
  }

  #accepted(connection: DataConnection): void {
    const channel = this.#channel(connection, false);
    const fits = connection.reliable && connection.serialization === "raw";
    if (fits && this.#events !== undefined) this.#events.onChannel(channel);
    else channel.close();
  }

  #channel(connection: DataConnection, dialed: boolean): PeerJsChannel {
    const own = certificateFingerprint(this.#options.certificate);
    const channel = new PeerJsChannel(connection, dialed, own, () => this.#channels.delete(channel));
    this.#channels.add(channel);
    return channel;
  }

  #failed(type: string, message: string): void {
    const unavailable = type === "peer-unavailable" ? UNAVAILABLE.exec(message)?.[1] : undefined;
    if (unavailable !== undefined) {
      for (const channel of this.#channels) {
        if (channel.peerId === unavailable && channel.dialed && !channel.open) channel.end("the peer is not there");
      }
    } else if (REFUSALS.has(type)) this.#refusal = message;
  }

  /** PeerJS may emit both `disconnected` and `close`; one retry is enough. */
  #lost(peer: Peer): void {
    if (peer === this.#peer && !this.#isFetching) this.#retryLater();
  }

  #retryLater(): void {
    if (this.#events === undefined || this.#cancelRetry !== undefined) return;
    const waitMs = Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** this.#failures) * (0.5 + this.#random());
    this.#failures += 1;
    this.#relayChanged(false);
    this.#cancelRetry = this.#clock.after(waitMs, () => this.#connect());
    const refusal = this.#refusal;
    if (refusal === undefined) this.#events.onSignalling("lost", "the signalling server cannot be reached");
    else this.#events.onSignalling("refused", refusal);
  }

  #watchLater(): void {
    this.#cancelWatch = this.#clock.after(WATCH_MS, () => {
      this.#watch();
      this.#watchLater();
    });
  }

  #watch(): void {
    const nowMs = this.#clock.nowMs();
    const stalled = nowMs - this.#lastWatchMs > OWN_STALL_MS;
    this.#lastWatchMs = nowMs;
    if (this.#lastEchoMs === undefined) return;
    if (stalled) this.#lastEchoMs = nowMs;
    else if (nowMs - this.#lastEchoMs > ECHO_WITHIN_MS) this.#peer?.disconnect();
  }

  #destroy(): void {
    for (const channel of this.#channels) channel.close();
    this.#peer?.destroy();
    this.#peer = undefined;
  }
}

class PeerJsChannel implements Channel {
  readonly peerId: string;
  readonly dialed: boolean;
  readonly #connection: DataConnection;
  readonly #ownFingerprint: Uint8Array | undefined;
  readonly #forget: () => void;
  #events: ChannelEvents | undefined;
  #closed = false;
  #unsent = 0;

  constructor(connection: DataConnection, dialed: boolean, ownFingerprint: Uint8Array | undefined, forget: () => void) {
    this.#connection = connection;
    this.peerId = connection.peer;
    this.dialed = dialed;
    this.#ownFingerprint = ownFingerprint;
    this.#forget = forget;
  }

  get open(): boolean {
    return this.#connection.open;
  }

  get bufferedBytes(): number {
    return this.#dataChannel?.bufferedAmount ?? 0;
  }

  get fingerprints(): ChannelFingerprints | undefined {
    const peer = peerFingerprint(this.#connection.peerConnection);
    return this.#ownFingerprint === undefined || peer === undefined ? undefined : { own: this.#ownFingerprint, peer };
  }

  start(events: ChannelEvents): void {
    this.#events = events;
    const connection = this.#connection;
    connection.on("open", () => this.#opened());
    connection.on("data", (data) => this.#events?.onMessage(data));
    connection.on("close", () => this.end("the peer closed the connection"));
    connection.on("error", ({ message }) => this.end(message));
    connection.on("iceStateChanged", (state) => {
      if (state === "disconnected") this.#events?.onDoubt();
    });
    if (connection.open) this.#opened();
  }

  send(message: Uint8Array<ArrayBuffer>): void {
    const dataChannel = this.#dataChannel;
    if (dataChannel?.readyState === "connecting") this.#couldNotSend();
    if (dataChannel?.readyState !== "open") return;
    try {
      // Bypasses PeerJS's own queue, which only a timer checks again.
      dataChannel.send(message);
    } catch (error) {
      this.end(error instanceof Error ? error.message : String(error));
    }
  }

  #couldNotSend(): void {
    this.#unsent += 1;
    if (this.#unsent > MAX_UNSENT) this.end("the browser never opened its side of the channel");
  }

  end(reason: string): void {
    const events = this.#events;
    this.close();
    events?.onClosed(reason);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#events = undefined;
    this.#forget();
    this.#connection.close();
  }

  #opened(): void {
    const dataChannel = this.#dataChannel;
    if (dataChannel !== undefined) {
      dataChannel.bufferedAmountLowThreshold = LOW_WATER_BYTES;
      dataChannel.addEventListener("bufferedamountlow", () => this.#events?.onDrained());
    }
    this.#events?.onOpen();
  }

  /** PeerJS's types omit that there is none before the negotiation and after the close. */
  get #dataChannel(): RTCDataChannel | undefined {
    const dataChannel: RTCDataChannel | null | undefined = this.#connection.dataChannel;
    return dataChannel ?? undefined;
  }
}
