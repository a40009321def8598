/**
 * A member of a cluster, as its services and whoever runs it see it. Consensus, state, storage, carrier, clock and chance
 * meet in its parts, each with one thing to do:
 *
 *      clients ──► admission ──┐                 ┌──► outbox ──► carrier
 *      frames ───► inbox ──────┼──► driver ──────┼──► storage
 *      clock ────► ticking ────┘    (and Raft)   └──► applying ──► state machine, answers
 *
 * `known-leader` and `belonging` say who leads and who belongs, and what follows when that changes; `lifecycle` ends it
 * all; `assembly` puts the parts together.
 *
 * There is no promise in here and no clock but the one handed in, so the simulator runs this very code from a seed.
 */
import { assert } from "../../base/assert.ts";
import type { Caller } from "../../auth/auth-store.ts";
import type { Member as MemberRecord } from "../../protocol/api/cluster.ts";
import type { EtcdError } from "../../protocol/errors.ts";
import type { ResponseHeader } from "../../protocol/api/header.ts";
import type { InternalRequest } from "../../protocol/peer/internal.ts";
import type { ConfChangeType, MemberId } from "../../protocol/peer/raft-message.ts";
import type { LogReader } from "../../raft/log-reader.ts";
import type { BasicStatus, RaftStatus } from "../../raft/ready.ts";
import type { StateTables } from "../../mvcc/tables/tables.ts";
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
  /** The replicated state as it is here and now; what is read from it is serializable. */
  readonly machine: StateMachine;
  /** Calls between members; services add their methods. */
  readonly rpc: Rpc;
  readonly lessor: Lessor;
  readonly changes: ClusterChanges;
  readonly attributes: Attributes;
  readonly hashQueue: HashQueue;
  readonly leaderMonitor: LeaderMonitor;
  readonly tokens: SimpleTokens;
  readonly metrics: MemberMetrics;
  /** Who holds how much of it. */
  readonly callers: Callers;
  readonly counters: MemberCounters;
  readonly #parts: Assembly;
  #isStarted = false;

  /** `options.storage` is open; a fresh one was given its beginning by `bootstrapStorage`. */
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
    // A compaction may have been under way when the member stopped.
    maintenance.scheduleCompaction(undefined);
    driver.schedule();
  }

  /** Members to stay connected with beside those in the membership: a newcomer must know somebody to ask. */
  dial(peers: readonly MemberId[]): void {
    this.#parts.peers.dial(peers);
  }

  /** Ends without a trace: nothing is sent, waiting requests end with "server stopped". */
  stop(): void {
    this.#parts.lifecycle.stop({ code: "stopped", text: "The member was stopped." });
  }

  /** Undefined while it lives. */
  get problem(): Problem | undefined {
    return this.#parts.lifecycle.problem;
  }

  /** The returned function takes it back. */
  whenStopped(run: () => void): () => void {
    return this.#parts.lifecycle.whenStopped(run);
  }

  // ── requests ──────────────────────────────────────────────────────────────────────────────────────────────────

  /** Proposes a request; `done` gets what applying it gave, or an error. `key` is the caller's in `callers`. */
  write(request: InternalRequest, done: (outcome: Outcome<unknown>) => void, caller?: Caller, key?: string): void {
    this.#parts.admission.write(request, done, caller, key);
  }

  /** Runs `read` once everything that was committed before this call is applied here. */
  linearizable(read: () => void, fail: (error: EtcdError) => void): void {
    this.#parts.admission.linearizable(read, fail);
  }

  /** Proposes a membership change; `done` is called when it was applied here. */
  changeMembership(type: ConfChangeType, nodeId: MemberId, context: Uint8Array): "accepted" | "no-leader" | "pending" {
    return this.#parts.admission.changeMembership(type, nodeId, context);
  }

  /** Asks that `to` lead; it does so once it has the whole log, or the leader keeps leading. */
  transferLeader(to: MemberId): void {
    this.#parts.admission.transferLeader(to);
  }

  /** Ends the quiet, and sees to it that what waits is done: calls to the leader, leases that have ended. */
  wake(): void {
    this.#parts.admission.wake();
  }

  /** For a new lease: positive, and nobody else's. */
  newLeaseId(): bigint {
    return this.#parts.admission.newLeaseId();
  }

  header(revision: number): ResponseHeader {
    return this.#parts.header(revision);
  }

  // ── chores ────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Watchers were added, or readers took something: there may be history to deliver. */
  syncWatchers(): void {
    this.#parts.maintenance.syncWatchers();
  }

  notifyProgressEvery(): void {
    this.#parts.maintenance.notifyProgressEvery(this.settings.watchProgressMs);
  }

  /** Starts physical compaction; `done` is called when it has ended. */
  scheduleCompaction(done: (() => void) | undefined): void {
    this.#parts.maintenance.scheduleCompaction(done);
  }

  /** No row is removed until the returned function is called. */
  holdRows(): () => void {
    return this.#parts.snapshots.hold();
  }

  /** Drops what was compacted and writes all that is behind; `done` is called too when the member stops. */
  defragment(done: () => void): void {
    this.scheduleCompaction(() => (this.problem === undefined ? this.#parts.storage.flush(done) : done()));
  }

  // ── what is known here ────────────────────────────────────────────────────────────────────────────────────────

  get leader(): MemberId {
    return this.#parts.leader.id;
  }

  /** Who belongs to the cluster, as far as this member knows; one that was removed may know better from the others. */
  get members(): readonly MemberRecord[] {
    return this.#parts.membershipMonitor.members;
  }

  /** While it is not let in: why not (protocol/peer/join-refusal.ts), as one of those said last whom it asked. */
  get joinRefusal(): string | undefined {
    return this.#parts.membershipMonitor.joinRefusal;
  }

  /** Whether it was heard of within the last election timeout. */
  isActive(member: MemberId): boolean {
    return this.#parts.peers.sinceContactMs(member) <= 2 * this.settings.electionTicks * this.settings.tickMs;
  }

  /** Nobody is known to lead because the cluster was asleep, and the others are being asked. */
  get isWaking(): boolean {
    return !this.#parts.quiescence.isActive;
  }

  status(): RaftStatus {
    return this.#parts.raft.status();
  }

  /** What changes all the time, without the cost of a whole status. */
  basicStatus(): BasicStatus {
    return this.#parts.raft.basicStatus();
  }

  /** The index of the last entry that was applied. */
  get applied(): number {
    return this.#parts.applier.index;
  }

  /** The term of an entry of the log, written or not. */
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
