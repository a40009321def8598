/**
 * A member of a cluster, as its services and its operator see it. Consensus, state, storage, transport, clock and PRNG
 * meet in its parts, each with one task:
 *
 *      clients ──► admission ──┐                 ┌──► outbox ──► transport
 *      frames ───► inbox ──────┼──► driver ──────┼──► storage
 *      clock ────► ticker ─────┘    (and Raft)   └──► applier ──► state machine, responses
 *
 * `leader-tracker` and `membership-monitor` notify the parts of a new leader and of membership changes. `lifecycle`
 * stops the member. `assembly` constructs the parts.
 *
 * No code here uses promises, or a clock or PRNG that is not passed in. So the simulator runs this very code from a
 * seed.
 */
import { assert } from "../../base/assert.ts";
import type { Caller } from "../../auth/auth-store.ts";
import type { Member as MemberRecord } from "../../protocol/api/cluster.ts";
import type { EtcdError } from "../../protocol/errors.ts";
import type { ResponseHeader } from "../../protocol/api/header.ts";
import type { InternalRequest } from "../../protocol/peer/internal.ts";
import type { ConfChangeType, MemberId } from "../../protocol/peer/raft-message.ts";
import type { LogReader } from "../../raft/log/log-reader.ts";
import type { BasicStatus, RaftStatus } from "../../raft/ready.ts";
import type { StateTables } from "../../mvcc/tables/tables.ts";
import type { StorageError } from "../../storage/storage-error.ts";
import { Assembly } from "./assembly.ts";
import type { Attributes } from "../membership/attributes.ts";
import type { Callers } from "../limits/callers.ts";
import type { Clock } from "../clock.ts";
import type { ClusterChanges } from "../membership/cluster-changes.ts";
import { autoCompactionOf } from "./compactor.ts";
import { CorruptionCheck } from "../background/corruption.ts";
import type { HashQueue } from "../background/hash-queue.ts";
import type { LeaderMonitor } from "./leader-monitor.ts";
import type { Lessor } from "../background/lessor.ts";
import type { Problem } from "./lifecycle.ts";
import type { MemberCounters, MemberMetrics } from "../metrics/member-metrics.ts";
import type { MemberOptions, Settings } from "../options.ts";
import type { Outcome } from "../outcome.ts";
import type { Rpc } from "../peer/rpc.ts";
import type { SimpleTokens } from "../auth/simple-tokens.ts";
import type { StateMachine } from "../apply/state-machine.ts";

export class Member {
  readonly id: MemberId;
  readonly clusterId: bigint;
  readonly name: string;
  readonly settings: Settings;
  readonly clock: Clock;
  /** The replicated state on this member, now. Reads from it are serializable. */
  readonly machine: StateMachine;
  /** Calls between members. Services register their methods. */
  readonly rpc: Rpc;
  readonly lessor: Lessor;
  readonly changes: ClusterChanges;
  readonly attributes: Attributes;
  readonly hashQueue: HashQueue;
  readonly leaderMonitor: LeaderMonitor;
  readonly tokens: SimpleTokens;
  readonly metrics: MemberMetrics;
  /** Resources held per caller. */
  readonly callers: Callers;
  readonly counters: MemberCounters;
  readonly #parts: Assembly;
  #isStarted = false;

  /** Creates a member. `options.storage` is open; `bootstrapStorage` has initialized it if it was fresh. */
  constructor(options: MemberOptions) {
    const parts = new Assembly(options);
    this.#parts = parts;
    this.id = parts.id;
    this.clusterId = parts.clusterId;
    this.name = parts.name;
    this.settings = parts.settings;
    this.clock = parts.clock;
    this.machine = parts.machine;
    this.rpc = parts.rpc;
    this.lessor = parts.lessor;
    this.changes = parts.changes;
    this.attributes = parts.attributes;
    this.hashQueue = parts.hashQueue;
    this.leaderMonitor = parts.leaderMonitor;
    this.tokens = parts.tokens;
    this.metrics = parts.metrics;
    this.callers = parts.callers;
    this.counters = parts.metrics.counters;
    parts.ticker.register([new CorruptionCheck(this), autoCompactionOf(this, options.autoCompaction)]);
  }

  start(): void {
    assert(!this.#isStarted, "a member starts once");
    this.#isStarted = true;
    const { inbox, membershipMonitor, ticker, maintenance, driver } = this.#parts;
    inbox.open();
    membershipMonitor.membershipChanged();
    membershipMonitor.campaignIfAlone();
    ticker.start();
    // A compaction may have been in progress when the member stopped.
    maintenance.scheduleCompaction(undefined);
    driver.schedule();
  }

  /**
   * Begins the life of a member whose disk is full, instead of `start()`: what is known to be committed is applied, and the
   * member reads. It takes no part in the cluster. Nothing is sent, written or received.
   */
  startReading(error: StorageError): void {
    assert(!this.#isStarted, "a member starts once");
    assert(error.kind === "quota", "only a full disk leaves what can be read");
    this.#isStarted = true;
    this.#parts.storageFailure.report(error);
  }

  /** Stays connected with `peers` in addition to the members. A newcomer needs them: it knows no member yet. */
  dial(peers: readonly MemberId[]): void {
    this.#parts.peers.dial(peers);
  }

  /** Stops the member. Pending requests fail with "server stopped". Nothing is sent afterwards. */
  stop(): void {
    this.#parts.lifecycle.stop({ code: "stopped", text: "The member was stopped." });
  }

  /** Why the member stopped; undefined while it runs. */
  get problem(): Problem | undefined {
    return this.#parts.lifecycle.problem;
  }

  /** Why this member cannot serve linearizable requests now; undefined while it can. */
  get unavailable(): Problem | undefined {
    return this.#parts.availability.problem;
  }

  /** Calls `run` in a later turn whenever `unavailable` has changed. The returned function removes the listener. */
  whenAvailabilityChanges(run: () => void): () => void {
    return this.#parts.availability.onChange(run);
  }

  /** Calls `run` in a later turn whenever what `memberView` tells has changed. The returned function removes the listener. */
  whenViewChanges(run: () => void): () => void {
    return this.#parts.viewChanges.onChange(run);
  }

  /** Calls `run` when the member has stopped. The returned function removes the listener. */
  whenStopped(run: () => void): () => void {
    return this.#parts.lifecycle.whenStopped(run);
  }

  // ── requests ───────────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Proposes a request. `done` gets the result of applying it, or an error. `key` identifies the caller in `callers`.
   */
  write(request: InternalRequest, done: (outcome: Outcome<unknown>) => void, caller?: Caller, key?: string): void {
    this.#parts.admission.write(request, done, caller, key);
  }

  /** Runs `read` once every entry that was committed before this call is applied here; otherwise calls `fail`. */
  linearizable(read: () => void, fail: (error: EtcdError) => void): void {
    this.#parts.admission.linearizable(read, fail);
  }

  /** Proposes a membership change. Returns whether Raft accepted it; the change takes effect when it is applied. */
  changeMembership(type: ConfChangeType, nodeId: MemberId, context: Uint8Array): "accepted" | "no-leader" | "pending" {
    return this.#parts.admission.changeMembership(type, nodeId, context);
  }

  /**
   * Requests a transfer of leadership to `to`. It takes over once it has the whole log; otherwise the leader keeps
   * leading.
   */
  transferLeader(to: MemberId): void {
    this.#parts.admission.transferLeader(to);
  }

  /** Tells the connected peers that this member leaves: in a room with objects it loses its vote at once. */
  sayGoodbye(): void {
    if (this.problem === undefined) this.#parts.peers.sayGoodbye();
  }

  /** Ends quiescence and schedules pending work: calls to the leader, leases that have expired. */
  wake(): void {
    this.#parts.admission.wake();
  }

  /** Returns an id for a new lease: positive and unique in the cluster. */
  newLeaseId(): bigint {
    return this.#parts.admission.newLeaseId();
  }

  header(revision: number): ResponseHeader {
    return this.#parts.header(revision);
  }

  // ── store maintenance ──────────────────────────────────────────────────────────────────────────────────────────────

  /** Call after adding watchers, or after a reader has taken responses: history may have to be delivered. */
  syncWatchers(): void {
    this.#parts.maintenance.syncWatchers();
  }

  notifyProgressEvery(): void {
    this.#parts.maintenance.notifyProgressEvery(this.settings.watchProgressMs);
  }

  /** Starts physical compaction. `done` is called when it has ended. */
  scheduleCompaction(done: (() => void) | undefined): void {
    this.#parts.maintenance.scheduleCompaction(done);
  }

  /** Prevents the removal of rows until the returned function is called. */
  holdRows(): () => void {
    return this.#parts.snapshots.hold();
  }

  /** Removes compacted rows and writes all pending state. `done` is also called when the member stops. */
  defragment(done: () => void): void {
    this.scheduleCompaction(() => (this.problem === undefined ? this.#parts.storage.flush(done) : done()));
  }

  // ── views ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  get leader(): MemberId {
    return this.#parts.leader.id;
  }

  /**
   * The members of the cluster, as far as this member knows. A removed member returns those that the others have
   * reported.
   */
  get members(): readonly MemberRecord[] {
    return this.#parts.membershipMonitor.members;
  }

  /**
   * Why this member has not been admitted, from the last refusal that it received (protocol/peer/join-refusal.ts).
   * Undefined if it is a member, or if no refusal has arrived.
   */
  get joinRefusal(): string | undefined {
    return this.#parts.membershipMonitor.joinRefusal;
  }

  /** True if this member had contact with `member` within the longest election timeout. */
  isActive(member: MemberId): boolean {
    return this.#parts.availability.isActive(member);
  }

  /** The number of committed entries that are known to be missing here. */
  get behind(): number {
    return this.#parts.freshness.behind;
  }

  /** True while no leader is known because the cluster was quiesced. The other members are being contacted. */
  get isWaking(): boolean {
    return !this.#parts.quiescence.isActive;
  }

  /** True if the cluster stops its clocks while it is idle. What this member knows of the leader may then be old. */
  get quiesces(): boolean {
    return this.settings.quiesceAfterTicks > 0;
  }

  status(): RaftStatus {
    return this.#parts.raft.status();
  }

  /** The fields that change all the time, without the cost of a full status. */
  basicStatus(): BasicStatus {
    return this.#parts.raft.basicStatus();
  }

  /** Index of the last applied entry. */
  get applied(): number {
    return this.#parts.applier.index;
  }

  /** Returns the term of a log entry, whether durable or not. */
  logTerm(index: number): number | undefined {
    return this.#parts.raft.logTerm(index);
  }

  get logReader(): LogReader {
    return this.#parts.storage.log;
  }

  get tables(): StateTables {
    return this.#parts.storage.tables;
  }

  get sizeBytes(): number {
    return this.#parts.storage.sizeBytes;
  }

  get pendingProposals(): number {
    return this.#parts.proposals.pending;
  }

  get snapshotsSent(): number {
    return this.#parts.snapshots.sent;
  }

  checkInvariants(): void {
    const { raft, applier, storage } = this.#parts;
    raft.checkInvariants();
    assert(applier.index >= storage.durableApplied, "what is durable was applied");
  }
}
