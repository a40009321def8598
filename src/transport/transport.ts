/**
 * Contract of transports between members: whole frames, best effort, bytes in and bytes out.
 *
 * A transport may drop, delay, reorder and duplicate frames; Raft retries. It must not deliver a partial, modified or
 * misattributed frame, buffer without bound for a slow peer, or throw because of peer input. It does not parse frames.
 *
 *     member ── send(to, frame) ─► transport ═══ HTTP, WebRTC, memory ═══► transport ─ onFrame(from, frame) ─► member
 *
 * All input of a peer is bounded and checked here before it is passed on. Invalid input costs the connection (HTTP: the
 * POST), nothing else.
 */
import type { MemberId } from "../protocol/peer/raft-message.ts";
import type { PeerProof } from "./greeting/handshake.ts";

export interface TransportHandlers {
  /**
   * Receives a whole frame of a peer. `from` is the transport's claim; the member checks it against the frame's own
   * header. The bytes may be a view into a larger buffer that is not modified any more: copy small parts instead of
   * keeping the view.
   *
   * Call `done` once, when everything that the frame caused (writes included) is done and every response was passed to
   * `send`. Transports with responses (HTTP) then respond.
   */
  onFrame(from: MemberId, frame: Uint8Array, done: () => void): void;
  /**
   * Called when the peer can be reached: connected, or, for a transport without connections, recently in contact.
   * Alternates with onPeerDown.
   */
  onPeerUp(peer: MemberId): void;
  onPeerDown(peer: MemberId): void;
  /**
   * Returns why a peer is not let in, a value of JOIN_REFUSALS, or undefined if it is. A transport whose peers prove who
   * they are asks before the first frame of a connection, and tells the peer.
   */
  admit?(peer: MemberId, proof: PeerProof): string | undefined;
  /**
   * Called when the peer, which has proved that it belongs to the group, does not let this member in; also when it speaks
   * another version, which nobody proves.
   */
  onDenied?(peer: MemberId, code: string): void;
}

export interface Transport {
  /** Bytes. Frames up to this size are sent, in fragments if necessary. A larger or empty one is dropped. */
  readonly maxFrameBytes: number;
  /** Call it once. Before it nothing is sent, received or reported. */
  start(handlers: TransportHandlers): void;
  /**
   * Sends without waiting; never throws. The transport owns the frame from now on: the caller must not change it.
   * Frames to a peer that is neither in `setPeers` nor connected to this member are dropped.
   */
  send(to: MemberId, frame: Uint8Array): void;
  /**
   * Sets the peers to stay connected with. Others may connect to this member (a member that is about to join is not in
   * the list). A peer that leaves the list is disconnected.
   */
  setPeers(peers: readonly MemberId[]): void;
  /**
   * Returns whether this peer has proved to the transport that it belongs to the group: it is an object of the same
   * worker, or knows the room's secret. It says nothing about membership, which the log decides. False for a peer that
   * is not connected, and for every peer of a transport that cannot tell. The member calls it while it handles a frame
   * of that peer, and never stores the result. So a transport returns false if a peer has proven and unproven channels
   * at once.
   */
  isAuthenticated(peer: MemberId): boolean;
  /**
   * Returns what this peer has proved of itself; undefined for a peer that is not connected. A transport without this
   * method cannot tell, and its peers prove nothing.
   */
  proofOf?(peer: MemberId): PeerProof | undefined;
  /** Disconnects. No handler is called afterwards. */
  close(): void;
}

/**
 * Bytes. Enough for what Raft puts into one append (1 MiB of entries, or a single entry of the largest request, 1.5
 * MiB) and for its headers. All transports have the same limit, so that a frame can be sent by any of them.
 */
export const MAX_FRAME_BYTES: number = 4 * 1024 * 1024;

/**
 * Bytes per peer that were sent and not yet taken by the network. Frames beyond it are dropped. Two whole frames always
 * fit.
 */
export const MAX_QUEUE_BYTES: number = 2 * MAX_FRAME_BYTES;
