/** Counts what was sent to and received from each member, and measures the round trip of heartbeats. */
import type { FrameBody } from "../../protocol/peer/frame-schema.ts";
import type { MemberId } from "../../protocol/peer/raft-message.ts";
import { doublings, Histogram } from "./histogram.ts";

/** More than a cluster can have members. Peers can claim any id, so further ones are not counted. */
const PEERS_MAX = 64;
/** A heartbeat without a response for this long counts as lost. */
const LOST_AFTER_MS = 5_000;
const ROUND_TRIP_SECONDS = doublings(0.0001, 16);

export interface PeerCounters {
  sentBytes: number;
  receivedBytes: number;
  sendFailures: number;
  readonly roundTripSeconds: Histogram;
  /** Send time of the heartbeat that waits for its response. */
  askedMs: number | undefined;
}

export class PeerMetrics {
  readonly #nowMs: () => number;
  readonly #peers: Map<MemberId, PeerCounters> = new Map();

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  get peers(): ReadonlyMap<MemberId, PeerCounters> {
    return this.#peers;
  }

  sent(to: MemberId, body: FrameBody, bytes: number): void {
    const peer = this.#peer(to);
    if (peer === undefined) return;
    peer.sentBytes += bytes;
    if (!holds(body, "heartbeat")) return;
    const nowMs = this.#nowMs();
    if (peer.askedMs === undefined || nowMs - peer.askedMs > LOST_AFTER_MS) peer.askedMs = nowMs;
  }

  received(from: MemberId, body: FrameBody, bytes: number): void {
    const peer = this.#peer(from);
    if (peer === undefined) return;
    peer.receivedBytes += bytes;
    if (peer.askedMs === undefined || !holds(body, "heartbeat-response")) return;
    peer.roundTripSeconds.observe((this.#nowMs() - peer.askedMs) / 1_000);
    peer.askedMs = undefined;
  }

  /** Call when the connection is lost. Frames in flight may be lost, and with them a heartbeat. */
  down(to: MemberId): void {
    const peer = this.#peer(to);
    if (peer === undefined) return;
    peer.sendFailures += 1;
    peer.askedMs = undefined;
  }

  #peer(id: MemberId): PeerCounters | undefined {
    const known = this.#peers.get(id);
    if (known !== undefined || this.#peers.size >= PEERS_MAX) return known;
    const peer = {
      sentBytes: 0,
      receivedBytes: 0,
      sendFailures: 0,
      roundTripSeconds: new Histogram(ROUND_TRIP_SECONDS),
      askedMs: undefined,
    };
    this.#peers.set(id, peer);
    return peer;
  }
}

function holds(body: FrameBody, type: "heartbeat" | "heartbeat-response"): boolean {
  return body.type === "raft" && body.messages.some((message) => message.type === type);
}
