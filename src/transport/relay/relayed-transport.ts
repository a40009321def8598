/**
 * The transport of a tab to other tabs, which picks a way for each peer: directly by WebRTC, or over the room's server where
 * that does not connect within some seconds, or falls silent.
 *
 *     wanted ── 5 s without a direct connection ──► relayed as well ── 10 s of a direct one ──► direct only
 *
 * While both are there, the direct one sends, and frames of both are received. A peer is up while either is.
 */
import { EMPTY_BYTES, equalBytes } from "../../base/bytes.ts";
import type { MemberId } from "../../protocol/peer/raft-message.ts";
import { platformClock, type TransportClock } from "../clock.ts";
import type { PeerProof } from "../greeting/handshake.ts";
import type { Transport, TransportHandlers } from "../transport.ts";

/** A transport that can be told that the network, or the page, is back. */
export interface WayTransport extends Transport {
  retryNow(): void;
}

export interface RelayedTransportOptions {
  readonly direct: WayTransport;
  readonly relay: WayTransport;
  /** Called with the peers that are reached over the server only, whenever that changes. */
  readonly onRelayed?: (peers: readonly MemberId[]) => void;
  readonly clock?: TransportClock;
}

const RELAY_AFTER_MS = 5_000;
const DIRECT_AFTER_MS = 10_000;

interface Peer {
  readonly id: MemberId;
  isWanted: boolean;
  isDirect: boolean;
  isRelayed: boolean;
  /** Whether the relay is to stay connected with it. */
  wantsRelay: boolean;
  cancel: () => void;
}

export class RelayedTransport implements WayTransport {
  readonly maxFrameBytes: number;
  readonly #options: RelayedTransportOptions;
  readonly #clock: TransportClock;
  readonly #peers: Map<MemberId, Peer> = new Map();
  #handlers: TransportHandlers | undefined;
  #relayed = "";

  constructor(options: RelayedTransportOptions) {
    this.#options = options;
    this.#clock = options.clock ?? platformClock;
    this.maxFrameBytes = Math.min(options.direct.maxFrameBytes, options.relay.maxFrameBytes);
  }

  start(handlers: TransportHandlers): void {
    this.#handlers = handlers;
    const admit: TransportHandlers["admit"] = (peer, proof) => this.#handlers?.admit?.(peer, proof);
    const onDenied: TransportHandlers["onDenied"] = (peer, code) => this.#handlers?.onDenied?.(peer, code);
    const onFrame: TransportHandlers["onFrame"] = (from, frame, done) => this.#handlers?.onFrame(from, frame, done);
    const { direct, relay } = this.#options;
    direct.start({
      onFrame,
      admit,
      onDenied,
      onPeerUp: (id) => this.#changed(id, { isDirect: true }),
      onPeerDown: (id) => this.#changed(id, { isDirect: false }),
    });
    relay.start({
      onFrame,
      admit,
      onDenied,
      onPeerUp: (id) => this.#changed(id, { isRelayed: true }),
      onPeerDown: (id) => this.#changed(id, { isRelayed: false }),
    });
  }

  send(to: MemberId, frame: Uint8Array): void {
    const { direct, relay } = this.#options;
    (this.#peers.get(to)?.isDirect === true ? direct : relay).send(to, frame);
  }

  setPeers(peers: readonly MemberId[]): void {
    const wanted = new Set(peers);
    for (const id of wanted) {
      const peer = this.#peer(id);
      if (peer.isWanted) continue;
      peer.isWanted = true;
      this.#decideLater(peer);
    }
    for (const peer of this.#peers.values()) {
      if (!peer.isWanted || wanted.has(peer.id)) continue;
      peer.isWanted = false;
      peer.wantsRelay = false;
      peer.cancel();
    }
    this.#options.direct.setPeers(peers);
    this.#setRelayPeers();
    for (const peer of this.#peers.values()) this.#forgetIfIdle(peer);
  }

  isAuthenticated(peer: MemberId): boolean {
    return this.#options.direct.isAuthenticated(peer) || this.#options.relay.isAuthenticated(peer);
  }

  /** Frames of both ways are received. So if somebody else is at the end of one of them, nothing is proved. */
  proofOf(peer: MemberId): PeerProof | undefined {
    const [direct, relayed] = [this.#options.direct.proofOf?.(peer), this.#options.relay.proofOf?.(peer)];
    if (direct === undefined || relayed === undefined) return direct ?? relayed;
    const isOne = equalBytes(direct.key ?? EMPTY_BYTES, relayed.key ?? EMPTY_BYTES);
    return isOne && direct.knowsSecret === relayed.knowsSecret ? direct : undefined;
  }

  retryNow(): void {
    this.#options.direct.retryNow();
    this.#options.relay.retryNow();
  }

  close(): void {
    this.#handlers = undefined;
    for (const peer of this.#peers.values()) peer.cancel();
    // The relay uses the connection of the direct one.
    this.#options.relay.close();
    this.#options.direct.close();
  }

  #changed(id: MemberId, change: Partial<Pick<Peer, "isDirect" | "isRelayed">>): void {
    const peer = this.#peer(id);
    const wasUp = peer.isDirect || peer.isRelayed;
    Object.assign(peer, change);
    const isUp = peer.isDirect || peer.isRelayed;
    if (change.isDirect !== undefined) this.#decideLater(peer);
    this.#tell();
    if (isUp && !wasUp) this.#handlers?.onPeerUp(id);
    if (wasUp && !isUp) this.#handlers?.onPeerDown(id);
    this.#forgetIfIdle(peer);
  }

  /** The direct connection may be about to open, or to break again. */
  #decideLater(peer: Peer): void {
    peer.cancel();
    if (!peer.isWanted || peer.wantsRelay !== peer.isDirect) return;
    peer.cancel = this.#clock.after(peer.isDirect ? DIRECT_AFTER_MS : RELAY_AFTER_MS, () => {
      peer.wantsRelay = !peer.isDirect;
      this.#setRelayPeers();
    });
  }

  #setRelayPeers(): void {
    this.#options.relay.setPeers([...this.#peers.values()].filter(({ wantsRelay }) => wantsRelay).map(({ id }) => id));
  }

  #tell(): void {
    const peers = [...this.#peers.values()].filter(({ isDirect, isRelayed }) => isRelayed && !isDirect);
    const ids = peers.map(({ id }) => id);
    if (ids.join() === this.#relayed) return;
    this.#relayed = ids.join();
    this.#options.onRelayed?.(ids);
  }

  #forgetIfIdle(peer: Peer): void {
    if (!peer.isWanted && !peer.isDirect && !peer.isRelayed) this.#peers.delete(peer.id);
  }

  #peer(id: MemberId): Peer {
    let peer = this.#peers.get(id);
    if (peer === undefined) {
      peer = { id, isWanted: false, isDirect: false, isRelayed: false, wantsRelay: false, cancel: () => {} };
      this.#peers.set(id, peer);
    }
    return peer;
  }
}
