/** The one way in: what other members say is checked and given to the part that it is for. */
import { unreachable } from "../base/assert.ts";
import { DecodeError } from "../protocol/decode-error.ts";
import type { FrameBody } from "../protocol/frame-schema.ts";
import type { MemberId } from "../protocol/raft-message.ts";
import type { Raft } from "../raft/raft.ts";
import type { Transport } from "../transport/transport.ts";
import type { Belonging } from "./belonging.ts";
import type { ClusterChanges } from "./cluster-changes.ts";
import type { CommitNotices } from "./commit-notices.ts";
import type { Driver } from "./driver.ts";
import type { KnownLeader } from "./known-leader.ts";
import type { Lifecycle } from "./lifecycle.ts";
import type { MemberMetrics } from "./member-metrics.ts";
import type { Quiet } from "./quiet.ts";
import type { Roster } from "./roster.ts";
import type { Rpc } from "./rpc.ts";
import type { Snapshots } from "./snapshots.ts";
import { decodeMemberFrame } from "./wire.ts";
import type { WritesInFlight } from "./writes-in-flight.ts";

export interface InboxParts {
  readonly id: MemberId;
  readonly clusterId: bigint;
  readonly transport: Transport;
  readonly life: Lifecycle;
  readonly raft: Raft;
  readonly driver: Driver;
  readonly belonging: Belonging;
  readonly leader: KnownLeader;
  readonly quiet: Quiet;
  readonly notices: CommitNotices;
  readonly snapshots: Snapshots;
  readonly roster: Roster;
  readonly changes: ClusterChanges;
  readonly rpc: Rpc;
  readonly writes: WritesInFlight;
  readonly metrics: MemberMetrics;
}

type RaftBody = Extract<FrameBody, { readonly type: "raft" }>;

export class Inbox {
  readonly #parts: InboxParts;

  constructor(parts: InboxParts) {
    this.#parts = parts;
  }

  open(): void {
    const { transport, life } = this.#parts;
    transport.start({
      onFrame: (from, frame, done) => life.guard(() => this.#onFrame(from, frame, done)),
      onPeerUp: (peer) => life.guard(() => this.#onPeerUp(peer)),
      onPeerDown: (peer) => life.guard(() => this.#onPeerDown(peer)),
    });
  }

  /** `done` is called when all that the frame causes here is durable, and what answers it has been sent. */
  #onFrame(from: MemberId, frame: Uint8Array, done: () => void): void {
    const { metrics, belonging, roster, changes, writes, driver } = this.#parts;
    metrics.counters.framesReceived += 1;
    metrics.counters.bytesReceived += frame.length;
    const body = this.#decode(from, frame);
    if (body === undefined || belonging.refuses(from, body)) return done();
    roster.heard(from);
    metrics.peers.received(from, body, frame.length);
    changes.heard(from);
    this.#onBody(from, body);
    writes.whenSettled(done);
    driver.schedule();
  }

  #decode(from: MemberId, frame: Uint8Array): FrameBody | undefined {
    const { id, clusterId, metrics } = this.#parts;
    try {
      return decodeMemberFrame(frame, { clusterId, from, to: id });
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      metrics.counters.framesRejected += 1;
      return undefined;
    }
  }

  #onBody(from: MemberId, body: FrameBody): void {
    const { id, quiet, snapshots, notices, rpc } = this.#parts;
    switch (body.type) {
      case "raft":
        this.#onRaft(from, body);
        break;
      case "snapshot-chunk":
        quiet.rouse();
        snapshots.takeChunk(from, id, body);
        break;
      case "snapshot-ack":
        snapshots.takeAcknowledgement(from, body.transferId, body.nextSeq);
        break;
      case "join":
        this.#parts.roster.onJoin(body.memberId, body.name, this.#parts.leader.id);
        break;
      case "quiet":
        quiet.onNotice(from, body.term, body.index);
        break;
      case "wake":
        quiet.onWake(from);
        break;
      case "not-leading":
        quiet.onNotLeading();
        break;
      case "rpc":
        quiet.onRequest();
        notices.asked(from);
        rpc.onRequest(from, body);
        break;
      case "rpc-response":
        rpc.onResponse(body);
        break;
      case "join-response":
        this.#parts.belonging.answered(body);
        break;
      case "ping":
      case "pong":
      case "goodbye":
        // Carriers and later versions use these; a member has nothing to do for them.
        break;
      default:
        unreachable(body);
    }
  }

  #onRaft(from: MemberId, { messages }: RaftBody): void {
    const { raft, quiet, notices } = this.#parts;
    quiet.onRaft(from, messages);
    for (const message of messages) {
      // A snapshot is announced by the chunks that bring it, and by nothing else.
      if (message.from === from && message.type !== "snapshot") raft.step(message);
      if (message.type === "propose" || message.type === "read-index") notices.asked(from);
    }
  }

  #onPeerUp(peer: MemberId): void {
    this.#parts.roster.up(peer);
    this.#parts.snapshots.peerUp(peer);
    this.#parts.driver.schedule();
  }

  #onPeerDown(peer: MemberId): void {
    this.#parts.roster.down(peer);
    this.#parts.metrics.peers.down(peer);
    this.#parts.raft.reportUnreachable(peer);
    this.#parts.driver.schedule();
  }
}
