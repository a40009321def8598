/** The only entrance for frames: passes what the filter accepts (frame-filter.ts) to the part that handles it. */
import { unreachable } from "../../base/assert.ts";
import type { FrameBody } from "../../protocol/peer/frame-schema.ts";
import type { MemberId } from "../../protocol/peer/raft-message.ts";
import type { Raft } from "../../raft/raft.ts";
import type { Transport } from "../../transport/transport.ts";
import type { MembershipMonitor } from "./membership-monitor.ts";
import type { AutopilotRunner } from "../membership/autopilot-runner.ts";
import type { LeaderTracker } from "./leader-tracker.ts";
import type { ClusterChanges } from "../membership/cluster-changes.ts";
import type { Driver } from "./driver.ts";
import type { FrameFilter } from "./frame-filter.ts";
import type { Freshness } from "./freshness.ts";
import type { JoinHandler } from "./join-handler.ts";
import type { Lifecycle } from "./lifecycle.ts";
import type { MemberMetrics } from "../metrics/member-metrics.ts";
import type { PeerGate } from "./peer-gate.ts";
import type { Quiescence } from "./quiescence.ts";
import type { PeerTracker } from "../membership/peer-tracker.ts";
import type { Rpc } from "../peer/rpc.ts";
import type { SendDelays } from "../peer/send-delays.ts";
import type { Snapshots } from "../snapshot/snapshots.ts";
import type { WritesInFlight } from "./writes-in-flight.ts";

export interface InboxDeps {
  readonly id: MemberId;
  readonly transport: Transport;
  readonly lifecycle: Lifecycle;
  readonly raft: Raft;
  readonly driver: Driver;
  readonly membershipMonitor: MembershipMonitor;
  readonly filter: FrameFilter;
  readonly freshness: Freshness;
  readonly peerGate: PeerGate;
  readonly joinHandler: JoinHandler;
  readonly quiescence: Quiescence;
  readonly sendDelays: SendDelays;
  readonly snapshots: Snapshots;
  readonly peers: PeerTracker;
  readonly autopilot: AutopilotRunner;
  readonly leader: LeaderTracker;
  readonly changes: ClusterChanges;
  readonly rpc: Rpc;
  readonly writes: WritesInFlight;
  readonly metrics: MemberMetrics;
}

type RaftBody = Extract<FrameBody, { readonly type: "raft" }>;

export class Inbox {
  readonly #parts: InboxDeps;

  constructor(parts: InboxDeps) {
    this.#parts = parts;
  }

  open(): void {
    const { transport, lifecycle } = this.#parts;
    transport.start({
      onFrame: (from, frame, done) => lifecycle.runOrStop(() => this.#onFrame(from, frame, done)),
      admit: (peer, proof) => this.#parts.peerGate.refusalOf(peer, proof),
      onDenied: (_, code) => lifecycle.runOrStop(() => this.#parts.membershipMonitor.onDenied(code)),
      onPeerUp: (peer) => lifecycle.runOrStop(() => this.#onPeerUp(peer)),
      onPeerDown: (peer) => lifecycle.runOrStop(() => this.#onPeerDown(peer)),
    });
  }

  /**
   * Handles one frame. `done` is called when all writes that the frame causes are durable and the responses to it have
   * been sent.
   */
  #onFrame(from: MemberId, frame: Uint8Array, done: () => void): void {
    const { filter, metrics, writes, driver } = this.#parts;
    const body = filter.accept(from, frame);
    if (body === undefined) return done();
    metrics.counters.framesReceived += 1;
    metrics.counters.bytesReceived += frame.length;
    // A join request does not prove that its sender is a member. So it does not count as contact.
    if (body.type !== "join") this.#recordContact(from, body, frame.length);
    this.#onBody(from, body);
    writes.whenSettled(done);
    driver.schedule();
  }

  #recordContact(from: MemberId, body: FrameBody, bytes: number): void {
    const { metrics, peers, changes } = this.#parts;
    peers.recordContact(from);
    metrics.peers.received(from, body, bytes);
    changes.recordContact(from);
  }

  #onBody(from: MemberId, body: FrameBody): void {
    const { id, quiescence, snapshots, sendDelays, rpc } = this.#parts;
    switch (body.type) {
      case "raft":
        this.#onRaft(from, body);
        break;
      case "snapshot-chunk":
        quiescence.wake();
        snapshots.takeChunk(from, id, body);
        break;
      case "snapshot-ack":
        snapshots.takeAcknowledgement(from, body.transferId, body.nextSeq);
        break;
      case "join":
        this.#parts.joinHandler.onJoin(from, body);
        break;
      case "quiet":
        quiescence.onNotice(from, body.term, body.index);
        break;
      case "wake":
        quiescence.onWake(from);
        break;
      case "not-leading":
        quiescence.onNotLeading(from);
        break;
      case "rpc":
        quiescence.onRequest();
        sendDelays.recordRequest(from);
        rpc.onRequest(from, body);
        break;
      case "rpc-response":
        rpc.onResponse(from, body);
        break;
      case "join-response":
        this.#parts.membershipMonitor.onJoinResponse(body);
        break;
      case "goodbye":
        this.#onGoodbye(from);
        break;
      case "ping":
      case "pong":
        // Transports and later versions use these kinds; a member does nothing for them.
        break;
      default:
        unreachable(body);
    }
  }

  #onRaft(from: MemberId, { messages }: RaftBody): void {
    const { raft, quiescence, sendDelays } = this.#parts;
    quiescence.onRaft(from, messages);
    for (const message of messages) {
      raft.step(message);
      if (message.type === "propose" || message.type === "read-index") sendDelays.recordRequest(from);
    }
  }

  /** The leader takes its vote, if it has one. */
  #onGoodbye(from: MemberId): void {
    this.#parts.peers.recordGoodbye(from);
    this.#watchVotes(from);
  }

  #onPeerUp(peer: MemberId): void {
    this.#parts.peers.up(peer);
    this.#parts.snapshots.peerUp(peer);
    this.#parts.freshness.connectionChanged(peer);
    this.#parts.freshness.peerUp(peer);
    this.#watchVotes(peer);
    this.#parts.driver.schedule();
  }

  #onPeerDown(peer: MemberId): void {
    this.#parts.peers.down(peer);
    this.#parts.metrics.peers.down(peer);
    this.#parts.raft.reportUnreachable(peer);
    this.#parts.freshness.connectionChanged(peer);
    this.#watchVotes(peer);
    this.#parts.driver.schedule();
  }

  /** A leader that sleeps would not notice that a voter stays away, or that an object is back. */
  #watchVotes(peer: MemberId): void {
    const { autopilot, quiescence, id, leader } = this.#parts;
    if (leader.id !== id || !autopilot.watches(peer)) return;
    autopilot.stayAwake();
    quiescence.onRequest();
  }
}
