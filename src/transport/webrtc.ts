/**
 * The transport between browsers: one WebRTC data channel to each member of the room, kept open as long as it is
 * wanted.
 *
 *     wanted ──► dial ──► Link: greeting, proof ──► ready: up ──► falls silent, closes: down ──┐
 *                 ▲                                                                            │
 *                 └──────────── backoff with jitter, doubled by each failure ◄─────────────────┘
 *
 * A member that wants a peer dials it, because only a joining member may know of the other. If two want each other, the
 * one with the lower id dials at once and the other a moment later, so that two dials seldom meet. If two channels do
 * meet, the one that the lower id dialed stays. The lower id closes the other, after a while in which both have moved
 * over. A peer that crashed and restarted has a new session: its earlier channels are dead, even if that was not
 * noticed yet.
 *
 * No frame of a peer is read, and none is sent to it, before both have proved that they belong to the room and who they
 * are (greeting/), and the member has let the peer in.
 *
 * Frames of one pair arrive in order, except while a second channel takes over from a first.
 */
import { assert } from "../base/assert.ts";
import type { MemberId } from "../protocol/peer/raft-message.ts";
import type { Channel, PeerPort, SignallingState } from "./channel.ts";
import { type TransportClock, platformClock } from "./clock.ts";
import type { GreetingCredentials, PeerProof } from "./greeting/handshake.ts";
import { memberOfPeerId, peerIdOf } from "./peer-id.ts";
import { MAX_FRAME_BYTES, MAX_QUEUE_BYTES, type Transport, type TransportHandlers } from "./transport.ts";
import { Link } from "./webrtc-link.ts";

export interface WebRtcTransportOptions {
  readonly id: MemberId;
  /** `peerJsPort`, with the same id. */
  readonly port: PeerPort;
  /** Asked for each connection. A peer that does not prove that it has the same keys is not connected. */
  readonly credentials: () => GreetingCredentials;
  /** Called when signalling changes, so that the page can say why it is not ready. */
  readonly onSignalling?: (state: SignallingState, text: string) => void;
  readonly maxFrameBytes?: number;
  /** Bytes per peer. Frames beyond it are dropped. Default 8 MiB. */
  readonly maxQueueBytes?: number;
  /** Interval of the pings to a silent peer. After three pings without a response it is down. Default 3,000. */
  readonly pingMs?: number;
  /** From the dial to the greeting. Default 15,000: signalling, ICE and a relay are slow. */
  readonly openWithinMs?: number;
  /** The first wait before the next dial. Doubles up to a minute. Default 500. */
  readonly redialMs?: number;
  readonly clock?: TransportClock;
  /** Returns a number in [0, 1), for the jitter. */
  readonly random?: () => number;
  /** Distinguishes this run of the member from its previous one. Default: random. */
  readonly session?: bigint;
}

/** The state of one other member. */
interface Peer {
  readonly id: MemberId;
  wanted: boolean;
  /** Opening and ready links, oldest first. Replaced, never changed in place. */
  links: readonly Link[];
  /** The link that sends frames: the first ready one, unless a better one became ready. */
  current: Link | undefined;
  failures: number;
  cancelDial: (() => void) | undefined;
  cancelTidy: (() => void) | undefined;
}

const MAX_PEERS = 128;
const MAX_LINKS_PER_PEER = 4;
const MAX_REDIAL_MS = 60_000;
/** The next dial follows after 4 to 12 s. */
const FAILURES_WHEN_DENIED = 4;
/** How long the higher id waits for the lower one to dial first. */
const LEAVE_DIAL_MS = 300;
/** How long two channels to one peer stay open side by side. */
const TIDY_MS = 1000;

export class WebRtcTransport implements Transport {
  readonly maxFrameBytes: number;
  readonly #id: MemberId;
  readonly #options: WebRtcTransportOptions;
  readonly #port: PeerPort;
  readonly #clock: TransportClock;
  readonly #random: () => number;
  readonly #session: bigint;
  readonly #peers: Map<MemberId, Peer> = new Map();
  #signalling: SignallingState = "connecting";
  #handlers: TransportHandlers | undefined;
  #closed = false;

  constructor(options: WebRtcTransportOptions) {
    this.maxFrameBytes = options.maxFrameBytes ?? MAX_FRAME_BYTES;
    this.#id = options.id;
    this.#options = options;
    this.#port = options.port;
    this.#clock = options.clock ?? platformClock;
    this.#random = options.random ?? Math.random;
    this.#session = options.session ?? crypto.getRandomValues(new BigUint64Array(1))[0] ?? 0n;
  }

  start(handlers: TransportHandlers): void {
    assert(this.#handlers === undefined && !this.#closed, "a transport is started once");
    this.#handlers = handlers;
    this.#port.start({
      onSignalling: (state, text) => this.#signallingChanged(state, text),
      onChannel: (channel) => this.#accept(channel),
    });
  }

  send(to: MemberId, frame: Uint8Array): void {
    this.#peers.get(to)?.current?.send(frame);
  }

  setPeers(peers: readonly MemberId[]): void {
    if (this.#closed) return;
    const wanted = new Set(peers);
    wanted.delete(this.#id);
    for (const id of wanted) {
      const peer = this.#peer(id);
      if (peer.wanted) continue;
      peer.wanted = true;
      this.#dialLater(peer, id > this.#id ? 0 : LEAVE_DIAL_MS);
    }
    for (const peer of this.#peers.values()) if (peer.wanted && !wanted.has(peer.id)) this.#dismiss(peer);
  }

  /**
   * In an open room every peer is. If this member was invited, it cannot tell who else may bring in new members; before
   * it belongs to the room, it trusts those that know its invitation.
   */
  isAuthenticated(peer: MemberId): boolean {
    const proof = this.proofOf(peer);
    return proof !== undefined && (proof.knowsSecret === true || proof.isHost);
  }

  proofOf(peer: MemberId): PeerProof | undefined {
    return this.#peers.get(peer)?.current?.proof;
  }

  /** Call when the page was resumed or the network is back: ends all waiting. */
  retryNow(): void {
    if (this.#closed) return;
    this.#port.retryNow();
    for (const peer of this.#peers.values()) {
      peer.failures = 0;
      if (peer.cancelDial !== undefined) this.#dialLater(peer, 0);
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#handlers = undefined;
    for (const peer of this.#peers.values()) this.#dismiss(peer);
    this.#port.close();
  }

  #signallingChanged(state: SignallingState, text: string): void {
    if (this.#closed) return;
    this.#signalling = state;
    this.#options.onSignalling?.(state, text);
    if (state !== "open") return;
    // Without signalling no peer could be dialed, so failures meanwhile do not count.
    for (const peer of this.#peers.values()) {
      peer.failures = 0;
      if (peer.cancelDial === undefined) this.#dialLater(peer, peer.id > this.#id ? 0 : LEAVE_DIAL_MS);
    }
  }

  #accept(channel: Channel): void {
    const id = memberOfPeerId(channel.peerId);
    const known = id !== undefined && this.#peers.has(id);
    if (this.#closed || id === undefined || id === this.#id || (!known && this.#peers.size >= MAX_PEERS)) {
      channel.close();
      return;
    }
    const peer = this.#peer(id);
    // A peer that dials again and again has given up its earlier dials.
    const excess =
      peer.links.length < MAX_LINKS_PER_PEER ? undefined : peer.links.find((link) => link !== peer.current);
    this.#addLink(peer, channel);
    if (excess !== undefined) this.#drop(peer, excess);
  }

  #dialLater(peer: Peer, delayMs: number): void {
    peer.cancelDial?.();
    peer.cancelDial = this.#clock.after(delayMs, () => {
      peer.cancelDial = undefined;
      this.#dial(peer);
    });
  }

  #dial(peer: Peer): void {
    if (this.#closed || !peer.wanted || peer.current !== undefined || this.#signalling !== "open") return;
    if (peer.links.some(({ channel }) => channel.dialed)) return;
    const channel = this.#port.dial(peerIdOf(peer.id));
    if (channel === undefined) {
      peer.failures += 1;
      this.#redial(peer);
    } else this.#addLink(peer, channel);
  }

  #addLink(peer: Peer, channel: Channel): void {
    const { maxQueueBytes = MAX_QUEUE_BYTES, pingMs = 3000, openWithinMs = 15_000 } = this.#options;
    const link = new Link(
      {
        channel,
        id: this.#id,
        peer: peer.id,
        session: this.#session,
        credentials: this.#options.credentials(),
        maxFrameBytes: this.maxFrameBytes,
        maxQueueBytes,
        pingMs,
        openWithinMs,
        clock: this.#clock,
      },
      {
        judge: (proof) => this.#handlers?.admit?.(peer.id, proof),
        onDenied: (code) => this.#denied(peer, code),
        onReady: (ready) => this.#ready(peer, ready),
        onFrame: (_, frame) => this.#handlers?.onFrame(peer.id, frame, ignore),
        onEnd: (ended) => this.#ended(peer, ended),
      },
    );
    peer.links = [...peer.links, link];
  }

  /** It would be denied again: what must change first takes longer than a network. */
  #denied(peer: Peer, code: string): void {
    peer.failures = Math.max(peer.failures, FAILURES_WHEN_DENIED);
    this.#handlers?.onDenied?.(peer.id, code);
  }

  #ready(peer: Peer, link: Link): void {
    // A peer that denies this member is ready for a moment, because it cannot say so before.
    if (peer.failures < FAILURES_WHEN_DENIED) peer.failures = 0;
    peer.cancelDial?.();
    peer.cancelDial = undefined;
    const before = peer.current;
    peer.current = this.#better(peer, before, link);
    for (const other of peer.links) {
      if (other.ready && other.session !== link.session) this.#drop(peer, other);
    }
    if (before === undefined) this.#handlers?.onPeerUp(peer.id);
    // The call above may have closed or dismissed what this continues with; #tidy checks again.
    if (peer.links.length > 1) this.#tidyLater(peer);
  }

  #better(peer: Peer, current: Link | undefined, fresh: Link): Link {
    if (current === undefined || current.session !== fresh.session) return fresh;
    // If the same side dialed both, the later one: that side has given up the other.
    return current.channel.dialed === fresh.channel.dialed || this.#stays(peer, fresh) ? fresh : current;
  }

  #stays(peer: Peer, link: Link): boolean {
    return link.channel.dialed === this.#id < peer.id;
  }

  #tidyLater(peer: Peer): void {
    peer.cancelTidy ??= this.#clock.after(TIDY_MS, () => {
      peer.cancelTidy = undefined;
      this.#tidy(peer);
    });
  }

  /** The lower id closes the channels that neither side uses any more. */
  #tidy(peer: Peer): void {
    if (this.#id > peer.id || peer.current === undefined) return;
    for (const link of peer.links) if (link !== peer.current && link.ready) this.#drop(peer, link);
  }

  #ended(peer: Peer, link: Link): void {
    peer.links = peer.links.filter((other) => other !== link);
    if (peer.current === link) {
      peer.current = peer.links.find(({ ready }) => ready);
      if (peer.current === undefined) this.#handlers?.onPeerDown(peer.id);
    } else if (link.channel.dialed && link.session === undefined) peer.failures += 1;
    this.#redial(peer);
    this.#forgetIfIdle(peer);
  }

  #redial(peer: Peer): void {
    if (this.#closed || !peer.wanted || peer.current !== undefined || peer.cancelDial !== undefined) return;
    const waitMs = Math.min(MAX_REDIAL_MS, (this.#options.redialMs ?? 500) * 2 ** peer.failures);
    this.#dialLater(peer, waitMs * (0.5 + this.#random()));
  }

  #drop(peer: Peer, link: Link): void {
    link.close();
    this.#ended(peer, link);
  }

  #dismiss(peer: Peer): void {
    peer.wanted = false;
    peer.cancelDial?.();
    peer.cancelDial = undefined;
    for (const link of peer.links) this.#drop(peer, link);
    this.#forgetIfIdle(peer);
  }

  #forgetIfIdle(peer: Peer): void {
    if (peer.wanted || peer.links.length > 0) return;
    peer.cancelTidy?.();
    if (this.#peers.get(peer.id) === peer) this.#peers.delete(peer.id);
  }

  #peer(id: MemberId): Peer {
    const known = this.#peers.get(id);
    if (known !== undefined) return known;
    const peer: Peer = {
      id,
      wanted: false,
      links: [],
      current: undefined,
      failures: 0,
      cancelDial: undefined,
      cancelTidy: undefined,
    };
    this.#peers.set(id, peer);
    return peer;
  }
}

function ignore(): void {}
