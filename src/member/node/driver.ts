/**
 * Runs the member: executes what Raft returns as work, in order. What happens at a run can be read here from top to
 * bottom.
 *
 *      requests ──► proposals ─┐                       ┌─► storage.append ──► persisted ─┐
 *      frames ────────────────►│  raft ──► Ready ──────┼─► transport                     │
 *      ticks ─────────────────►│                       └─► state machine ──► responses   │
 *                              └◄────────────────────────────────────────────────────────┘
 *
 * Inputs (a request, a frame, a tick, a completed write) only change Raft or a queue, and call `schedule`. All inputs
 * of one turn of the event loop share one run. So all requests of a turn share one proposal, one write and one message
 * per follower, and requests that arrive while a write is in flight form the next batch.
 *
 * A run has these steps:
 *
 *      1. #propose              queued writes become one proposal
 *      2. #requestReadIndexes   queued reads ask Raft for a read index
 *      3. rpc.dispatch          queued calls are sent to the leader
 *      4. #process, per Ready   a) a new leader is announced to the parts
 *                               b) messages are sent
 *                               c) entries and hard state are written; #persisted follows when they are durable
 *                               d) read indexes are confirmed
 *                               e) committed entries are applied, then reads whose index is applied are run
 *                               and again 1 and 2: what was applied may have made room for the next batch
 *      5. writes.settle         a transport waiting for the durability of its frame is notified
 *      6. availability.check    listeners are notified if the member has become able or unable to serve
 *         viewChanges.check     and if anything else that it shows of itself has changed
 *      7. storageFailure.check  a leader whose disk is full stops when another member leads
 *
 * A tick schedules a run too, so what only time changes is checked as well.
 *
 * Messages may be sent before the write, because Raft itself holds back those that depend on the write.
 */
import type { RaftMessage, SnapshotMeta } from "../../protocol/peer/raft-message.ts";
import type { Raft } from "../../raft/raft.ts";
import type { Ready } from "../../raft/ready.ts";
import type { Storage } from "../../storage/storage.ts";
import type { Availability } from "./availability.ts";
import type { Applier } from "./applier.ts";
import type { Clock } from "../clock.ts";
import type { LeaderTracker } from "./leader-tracker.ts";
import type { Lifecycle } from "./lifecycle.ts";
import type { MemberMetrics } from "../metrics/member-metrics.ts";
import type { Outbox } from "../peer/outbox.ts";
import type { Proposals } from "./proposals.ts";
import type { Quiescence } from "./quiescence.ts";
import { raftFrames } from "../peer/raft-frames.ts";
import type { Reads } from "./reads.ts";
import type { Rpc } from "../peer/rpc.ts";
import type { SendDelays } from "../peer/send-delays.ts";
import type { Snapshots } from "../snapshot/snapshots.ts";
import type { StateMachine } from "../apply/state-machine.ts";
import type { StorageFailure } from "./storage-failure.ts";
import type { ViewChanges } from "./view-changes.ts";
import type { WritesInFlight } from "./writes-in-flight.ts";

/** Size of one proposal batch. Together with Raft's overhead it fits one frame of every transport. */
const PROPOSAL_BATCH_BYTES = 512 * 1024;
/** One in so many writes of a follower is timed, where its end would not be awaited otherwise. */
const TIMED_WRITES = 64;

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
  readonly sendDelays: SendDelays;
  readonly snapshots: Snapshots;
  readonly outbox: Outbox;
  readonly metrics: MemberMetrics;
  readonly availability: Availability;
  readonly viewChanges: ViewChanges;
  readonly storageFailure: StorageFailure;
}

export class Driver {
  readonly #parts: DriverDeps;
  #isScheduled = false;
  #isRunning = false;
  #hasRun = false;

  constructor(parts: DriverDeps) {
    this.#parts = parts;
  }

  /** Schedules one run at the end of this turn of the event loop. Further calls in the same turn have no effect. */
  schedule(): void {
    const { clock, lifecycle } = this.#parts;
    if (this.#isScheduled || lifecycle.problem !== undefined) return;
    this.#isScheduled = true;
    clock.defer(() => {
      this.#isScheduled = false;
      lifecycle.runOrStop(() => this.#run());
    });
  }

  /** One run. The steps are those of the module header. */
  #run(): void {
    if (this.#isRunning) return;
    this.#isRunning = true;
    const { raft, quiescence, rpc, leader, snapshots, writes, availability, viewChanges, storageFailure } = this.#parts;
    try {
      this.#propose();
      this.#requestReadIndexes();
      if (quiescence.isActive) rpc.dispatch(leader.id);
      while (raft.hasReady()) {
        this.#process(raft.ready());
        // Applied entries and a new leader may have made room for the next batch.
        this.#propose();
        this.#requestReadIndexes();
      }
    } finally {
      this.#isRunning = false;
    }
    snapshots.dropRefused();
    writes.settle();
    availability.check();
    viewChanges.check();
    storageFailure.check();
    if (!this.#hasRun) this.#start();
  }

  /** After the first run the members are known: what was known to be committed is applied. */
  #start(): void {
    this.#hasRun = true;
    this.#parts.quiescence.onStart();
    if (this.#parts.raft.hasReady()) this.schedule();
  }

  /**
   * Proposes the next batch, unless a write is in flight. Meanwhile requests are batched: each batch costs one write.
   */
  #propose(): void {
    const { raft, proposals, writes, quiescence, leader } = this.#parts;
    while (proposals.queued > 0 && writes.outstanding === 0 && quiescence.isActive) {
      const batch = proposals.nextBatch(PROPOSAL_BATCH_BYTES);
      if (raft.propose(batch) !== "accepted") return;
      proposals.batchTaken(batch.length, raft.term);
      if (leader.isSelf) return;
    }
  }

  /** Requests a read index for the next round of reads, and again for rounds whose response is overdue. */
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

  /** Executes one Ready, in the order that Raft relies on. */
  #process(ready: Ready): void {
    const { leader, sendDelays, reads, applier } = this.#parts;
    if (ready.softState !== undefined) {
      leader.onLeaderChanged(ready.softState.leader);
      applier.startLeases();
    }
    this.send(sendDelays.holdBack(ready));
    if (ready.persist !== undefined) this.#persist(ready.persist);
    for (const { context, index } of ready.readStates) reads.confirm(context, index);
    if (ready.committed.length > 0) applier.apply(ready.committed);
    reads.applied(applier.index);
  }

  /** Sends Raft messages: a snapshot as a stream of chunks, all others in frames. */
  send(messages: readonly RaftMessage[]): void {
    if (messages.length === 0) return;
    const { outbox, snapshots, applier, machine } = this.#parts;
    const framed = messages.filter((message) => message.type !== "snapshot");
    for (const frame of raftFrames(framed)) outbox.send(frame.to, { type: "raft", messages: frame.messages });
    for (const message of messages) {
      if (message.type === "snapshot") snapshots.send(message, applier.index, machine.store.revision);
    }
  }

  /** Starts the write of a Ready. A snapshot to install is part of the same write. */
  #persist(persist: NonNullable<Ready["persist"]>): void {
    const { lifecycle, storage, snapshots, writes, clock, metrics, storageFailure } = this.#parts;
    if (storageFailure.hasFailed) return;
    const install = persist.snapshot === undefined ? undefined : snapshots.install(persist.snapshot);
    writes.issued(persist.id);
    const sinceMs = clock.nowMs();
    const isForMessages = this.#isForMessages(persist.id);
    const observe = (): void => {
      if (!isForMessages) metrics.logWriteSeconds.observe((clock.nowMs() - sinceMs) / 1_000);
    };
    storage.append({ hardState: persist.hardState, entries: persist.entries, install, isForMessages }, (error) =>
      lifecycle.runOrStop(() => this.#persisted(persist.id, observe, install?.snapshot, error)),
    );
  }

  /**
   * Nothing but messages waits for the write of a follower. A leader's next batch waits for it, too. Some writes of a
   * follower are awaited all the same, so that their duration is known.
   */
  #isForMessages(id: number): boolean {
    const { storage, leader } = this.#parts;
    return storage.hasOutputGate === true && !leader.isSelf && id % TIMED_WRITES !== 0;
  }

  /** Reports a durable write to Raft, an input like any other, and schedules a run. A failed write stops the member. */
  #persisted(id: number, observe: () => void, snapshot: SnapshotMeta | undefined, error: Error | undefined): void {
    const { raft, writes, applier, storageFailure } = this.#parts;
    if (error !== undefined) return storageFailure.report(error);
    writes.durable(id);
    observe();
    if (snapshot !== undefined) applier.installed(snapshot);
    raft.persisted(id);
    this.schedule();
  }
}
