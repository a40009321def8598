/** The one way out: what a member says to another one is framed, counted and handed to the carrier. */
import { encodeFrame } from "../protocol/frame.ts";
import type { FrameBody } from "../protocol/frame-schema.ts";
import type { MemberId } from "../protocol/raft-message.ts";
import type { Transport } from "../transport/transport.ts";
import type { MemberMetrics } from "./member-metrics.ts";

export interface OutboxParts {
  readonly id: MemberId;
  readonly clusterId: bigint;
  readonly transport: Transport;
  readonly metrics: MemberMetrics;
}

export class Outbox {
  readonly #parts: OutboxParts;

  constructor(parts: OutboxParts) {
    this.#parts = parts;
  }

  send(to: MemberId, body: FrameBody): void {
    const { id, clusterId, transport, metrics } = this.#parts;
    const frame = encodeFrame({ clusterId, from: id, to }, body);
    metrics.counters.framesSent += 1;
    metrics.counters.bytesSent += frame.length;
    metrics.peers.sent(to, body, frame.length);
    transport.send(to, frame);
  }
}
