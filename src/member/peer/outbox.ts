/** The only exit for frames: encodes, counts and passes them to the transport. */
import { encodeFrame } from "../../protocol/peer/frame.ts";
import type { FrameBody } from "../../protocol/peer/frame-schema.ts";
import type { MemberId } from "../../protocol/peer/raft-message.ts";
import type { Raft } from "../../raft/raft.ts";
import type { Transport } from "../../transport/transport.ts";
import type { MemberMetrics } from "../metrics/member-metrics.ts";

export interface OutboxDeps {
  readonly id: MemberId;
  readonly clusterId: bigint;
  readonly transport: Transport;
  readonly raft: Raft;
  readonly metrics: MemberMetrics;
}

export class Outbox {
  readonly #parts: OutboxDeps;

  constructor(parts: OutboxDeps) {
    this.#parts = parts;
  }

  send(to: MemberId, body: FrameBody): void {
    const { id, clusterId, transport, metrics, raft } = this.#parts;
    const frame = encodeFrame({ clusterId, from: id, to }, body);
    metrics.counters.framesSent += 1;
    metrics.counters.bytesSent += frame.length;
    // Frames to newcomers are not counted: they would displace the metrics of members.
    if (raft.roleOf(to) !== undefined) metrics.peers.sent(to, body, frame.length);
    transport.send(to, frame);
  }
}
