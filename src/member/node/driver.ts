/**
 * The run: what Raft says is to be done is done, in order.
 *
 *      requests ──► proposals ─┐                       ┌─► storage.append ──► persisted ─┐
 *      frames ────────────────►│  raft ──► Ready ──────┼─► carrier                       │
 *      ticks ─────────────────►│                       └─► state machine ──► answers     │
 *                              └◄────────────────────────────────────────────────────────┘
 *
 * Every input only changes Raft and asks for a run; a run, at the end of the turn, takes one Ready after the other
 * and works it off in order: messages leave, entries go to storage, committed entries are applied. Messages may leave
 * before the write because Raft itself holds back those that depend on it. So all requests of one turn share one
 * proposal, one write and one message per follower; and while a write is under way the next batch gathers.
 */
import type { RaftMessage, SnapshotMeta } from "../../protocol/peer/raft-message.ts";
import type { Raft } from "../../raft/raft.ts";
import type { Ready } from "../../raft/ready.ts";
import type { Storage } from "../../storage/storage.ts";
import type { Applier } from "./applier.ts";
import type { Clock } from "../clock.ts";
import type { CommitDelay } from "../peer/commit-delay.ts";
import type { LeaderTracker } from "./leader-tracker.ts";
import type { Lifecycle } from "./lifecycle.ts";
import type { MemberMetrics } from "../metrics/member-metrics.ts";
import type { Outbox } from "../peer/outbox.ts";
import type { Proposals } from "./proposals.ts";
import type { Quiescence } from "./quiescence.ts";
import { raftFrames } from "../peer/raft-frames.ts";
import type { Reads } from "./reads.ts";
import type { Rpc } from "../peer/rpc.ts";
import type { Snapshots } from "../snapshot/snapshots.ts";
import type { StateMachine } from "../apply/state-machine.ts";
import type { WritesInFlight } from "./writes-in-flight.ts";

/** One proposal batch; with what Raft adds it fits one frame of every carrier. */
const PROPOSAL_BATCH_BYTES = 512 * 1024;

export interface DriverDeps {
  readonly clock: Clock;
  readonly lifecycle: Lifecycle;
  readonly raft: Raft;
  readonly storage: Storage;
  readonly machine: StateMachine;
  readonly applier: Applier;
  readonly leader: LeaderTracker;
  readonly proposals: Proposals;
  readonly reads: Reads;
  readonly rpc: Rpc;
  readonly quiescence: Quiescence;
  readonly writes: WritesInFlight;
  readonly commitDelay: CommitDelay;
  readonly snapshots: Snapshots;
  readonly outbox: Outbox;
  readonly metrics: MemberMetrics;
}

export class Driver {
  readonly #parts: DriverDeps;
  #isScheduled = false;
  #isRunning = false;

  constructor(parts: DriverDeps) {
    this.#parts = parts;
  }

  /** At the end of this turn, once for all that comes in it. */
  schedule(): void {
    const { clock, lifecycle } = this.#parts;
    if (this.#isScheduled || lifecycle.problem !== undefined) return;
    this.#isScheduled = true;
    clock.defer(() => {
      this.#isScheduled = false;
      lifecycle.runOrStop(() => this.#run());
    });
  }

  #run(): void {
    if (this.#isRunning) return;
    this.#isRunning = true;
    const { raft, quiescence, rpc, leader, snapshots, writes } = this.#parts;
    try {
      this.#propose();
      this.#requestReadIndexes();
      if (quiescence.isActive) rpc.dispatch(leader.id);
      while (raft.hasReady()) {
        this.#process(raft.ready());
        // What was applied or learned may have freed the next batch.
        this.#propose();
        this.#requestReadIndexes();
      }
    } finally {
      this.#isRunning = false;
    }
    snapshots.dropRefused();
    writes.settle();
  }

  /** The next batch gathers while a write is under way: the batch, not the request, pays for the write. */
  #propose(): void {
    const { raft, proposals, writes, quiescence, leader } = this.#parts;
    while (proposals.queued > 0 && writes.outstanding === 0 && quiescence.isActive) {
      const batch = proposals.nextBatch(PROPOSAL_BATCH_BYTES);
      if (raft.propose(batch) !== "accepted") return;
      proposals.batchTaken(batch.length, raft.term);
      if (leader.isSelf) return;
    }
  }

  #requestReadIndexes(): void {
    const { raft, reads, quiescence, clock } = this.#parts;
    if (reads.pending === 0 || !quiescence.isActive) return;
    for (const context of reads.contextsToSend(clock.nowMs())) {
      if (raft.readIndex(context) !== "accepted") {
        reads.retryPending();
        return;
      }
    }
  }

  #process(ready: Ready): void {
    const { leader, commitDelay, reads, applier } = this.#parts;
    if (ready.softState !== undefined) leader.onLeaderChanged(ready.softState.leader);
    this.send(commitDelay.holdBack(ready.messages, ready.committed));
    if (ready.persist !== undefined) this.#persist(ready.persist);
    for (const { context, index } of ready.readStates) reads.confirm(context, index);
    if (ready.committed.length > 0) applier.apply(ready.committed);
    reads.applied(applier.index);
  }

  send(messages: readonly RaftMessage[]): void {
    if (messages.length === 0) return;
    const { outbox, snapshots, applier, machine } = this.#parts;
    const framed = messages.filter((message) => message.type !== "snapshot");
    for (const frame of raftFrames(framed)) outbox.send(frame.to, { type: "raft", messages: frame.messages });
    for (const message of messages) {
      if (message.type === "snapshot") snapshots.send(message, applier.index, machine.store.revision);
    }
  }

  #persist(persist: NonNullable<Ready["persist"]>): void {
    const { lifecycle, storage, snapshots, writes, clock } = this.#parts;
    const install = persist.snapshot === undefined ? undefined : snapshots.install(persist.snapshot);
    writes.issued(persist.id);
    const sinceMs = clock.nowMs();
    storage.append({ hardState: persist.hardState, entries: persist.entries, install }, (error) =>
      lifecycle.runOrStop(() => this.#persisted(persist.id, sinceMs, install?.snapshot, error)),
    );
  }

  #persisted(id: number, sinceMs: number, snapshot: SnapshotMeta | undefined, error: Error | undefined): void {
    const { lifecycle, raft, writes, metrics, clock, applier } = this.#parts;
    if (error !== undefined) return lifecycle.stop({ code: "storage", text: error.message });
    writes.durable(id);
    metrics.logWriteSeconds.observe((clock.nowMs() - sinceMs) / 1_000);
    if (snapshot !== undefined) applier.installed(snapshot);
    raft.persisted(id);
    this.schedule();
  }
}
