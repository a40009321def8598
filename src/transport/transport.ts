/**
 * The contract of the carriers, which bring whole frames from one member to another: bytes in, bytes out.
 *
 * A carrier is dumb and lossy. It may drop, delay, reorder and duplicate; Raft asks again. What it must never do is
 * hand over half a frame, change one, mix up who sent it, grow without bound while a peer is slow, or throw at a
 * member because of something a peer did. It knows none of Raft's rules and does not look into a frame.
 *
 *     member ── send(to, frame) ──► carrier ═══ HTTP, WebRTC, memory ═══► carrier ── onFrame(from, frame) ──► member
 *
 * Everything a peer sends is bounded and checked here before it goes up: bad bytes cost the connection (or the POST)
 * that they came by, nothing else.
 */
import type { MemberId } from "../protocol/peer/raft-message.ts";

export interface TransportHandlers {
  /**
   * A whole frame from a peer. `from` is the carrier's claim; the member checks it against the frame's own header. The
   * bytes may be a view into a larger buffer that nobody writes to again: keep a copy of small parts, not the view.
   *
   * `done` is called, once, when all that the frame caused (writes included) has been done and every reply was handed
   * to `send`: carriers with replies (HTTP) answer then.
   */
  onFrame(from: MemberId, frame: Uint8Array, done: () => void): void;
  /** The peer can be reached: connected, or, where nothing stays connected, heard from. Alternates with onPeerDown. */
  onPeerUp(peer: MemberId): void;
  onPeerDown(peer: MemberId): void;
}

export interface Transport {
  /** Frames up to this size are carried, in fragments where the carrier needs them; a larger or empty one is dropped. */
  readonly maxFrameBytes: number;
  /** Once. Before it nothing is sent, received or told. */
  start(handlers: TransportHandlers): void;
  /**
   * Fire and forget; never throws. The frame belongs to the carrier from now on: the caller does not change it. A peer
   * that is neither in `setPeers` nor connected to us is unknown, and its frames are dropped.
   */
  send(to: MemberId, frame: Uint8Array): void;
  /**
   * Whom to stay connected with. Others may connect to us (a member that is about to join is in nobody's list); who
   * leaves the list is disconnected.
   */
  setPeers(peers: readonly MemberId[]): void;
  /**
   * Whether this peer has proved to the carrier that it belongs to us: it is an object of our own, or knows the room's
   * secret. It says nothing of membership, which the log decides. False for a peer that is not connected, and for every
   * peer of a carrier that cannot tell. The member asks while it looks at a frame of that peer, and never remembers the
   * answer; so a carrier that lets proven and unproven channels of one peer live side by side says false.
   */
  isAuthenticated(peer: MemberId): boolean;
  /** Disconnects. No handler is called afterwards. */
  close(): void;
}

/**
 * Room for what Raft puts into one append (1 MiB of entries, or a single entry of the largest request, 1.5 MiB) and
 * for its headers. All carriers have the same limit, so that what one carries the next one does.
 */
export const MAX_FRAME_BYTES: number = 4 * 1024 * 1024;

/** Sent and not yet taken by the network, per peer; what comes on top is dropped. Two whole frames always fit. */
export const MAX_QUEUE_BYTES: number = 2 * MAX_FRAME_BYTES;
