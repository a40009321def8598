/** The one way in: what other members may say (frame-filter.ts) is given to the part that it is for. */
import { unreachable } from "../../base/assert.ts";
import type { FrameBody } from "../../protocol/peer/frame-schema.ts";
import type { MemberId } from "../../protocol/peer/raft-message.ts";
import type { Raft } from "../../raft/raft.ts";
import type { Transport } from "../../transport/transport.ts";
import type { Belonging } from "./belonging.ts";
import type { ClusterChanges } from "../membership/cluster-changes.ts";
import type { CommitNotices } from "../peer/commit-notices.ts";
import type { Driver } from "./driver.ts";
import type { FrameFilter } from "./frame-filter.ts";
import type { Joining } from "./joining.ts";
import type { Lifecycle } from "./lifecycle.ts";
import type { MemberMetrics } from "../metrics/member-metrics.ts";
import type { Quiet } from "./quiet.ts";
import type { Roster } from "../membership/roster.ts";
import type { Rpc } from "../peer/rpc.ts";
import type { Snapshots } from "../snapshot/snapshots.ts";
import type { WritesInFlight } from "./writes-in-flight.ts";

export interface InboxParts {
  readonly id: MemberId;
  readonly transport: Transport;
  readonly life: Lifecycle;
  readonly raft: Raft;
  readonly driver: Driver;
  readonly belonging: Belonging;
  readonly filter: FrameFilter;
  readonly joining: Joining;
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
    const { filter, metrics, writes, driver } = this.#parts;
    const body = filter.accept(from, frame);
    if (body === undefined) return done();
    metrics.counters.framesReceived += 1;
    metrics.counters.bytesReceived += frame.length;
    // A wish to be let in makes nobody a member who is there.
    if (body.type !== "join") this.#heard(from, body, frame.length);
    this.#onBody(from, body);
    writes.whenSettled(done);
    driver.schedule();
  }

  #heard(from: MemberId, body: FrameBody, bytes: number): void {
    const { metrics, roster, changes } = this.#parts;
    roster.heard(from);
    metrics.peers.received(from, body, bytes);
    changes.heard(from);
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
        this.#parts.joining.onJoin(from, body);
        break;
      case "quiet":
        quiet.onNotice(from, body.term, body.index);
        break;
      case "wake":
        quiet.onWake(from);
        break;
      case "not-leading":
        quiet.onNotLeading(from);
        break;
      case "rpc":
        quiet.onRequest();
        notices.asked(from);
        rpc.onRequest(from, body);
        break;
      case "rpc-response":
        rpc.onResponse(from, body);
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
      raft.step(message);
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
