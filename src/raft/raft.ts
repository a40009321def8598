/**
 * Consensus as a pure state machine, built as etcd-io/raft is with asynchronous storage writes.
 *
 * It does nothing by itself. Ticks, messages, proposals and storage acknowledgements go in. A Ready comes out that says
 * what to write, what to send and what to apply. It reads no clock, draws random numbers from one injected generator
 * and returns no promise. So its inputs decide a run, and a simulator can replay it from a seed.
 *
 *      tick() ─────────────┐                      ┌──▶ messages    to the others, at once
 *      step(message) ──────┤                      ├──▶ persist     one atomic write ──┐
 *      propose(), … ───────┼──▶  Core  ──ready()──┼──▶ committed   to the state ────┐ │
 *      appliedTo(index) ◀──┤                      ├──▶ readStates  to the readers   │ │
 *      persisted(id) ◀─────┘                      └──▶ softState   who leads        │ │
 *          ▲       └───────────────────────────────────────────────────────────────┘ │
 *          └──────────────────────────────────────────────────────────────────────────┘
 *
 * All safety depends on one duty: nothing that promises something to others (a vote, an acknowledgement, the leader's
 * or candidate's own count) leaves before what it promises is durable. Such messages are held with the write that was
 * newest when they were made, and persisted() releases them. So the driver may send `messages` at once, before
 * `persist`, and have several writes in flight. A commit index alone causes no write: the next write includes it, and a
 * restarted member learns it again. The exception is the commit of a configuration change, which is written before it
 * is exposed (core.ts).
 *
 * Files: core.ts the state · dispatch.ts what a message does · proposals.ts what is proposed · election.ts terms and votes · leadership.ts replication and commit · transfer.ts hand-over · follower.ts the other
 * end · reads.ts read index · resumption.ts a term resumed · membership.ts, conf-change.ts, quorum.ts which members count · log.ts, unstable.ts,
 * writes.ts the log · persister.ts what is written next · progress.ts, inflights.ts flow control · well-formed.ts the
 * checks of a message · sole-voter.ts the end of a member that votes alone.
 */
import { assert } from "../base/assert.ts";
import type { ConfChange, ConfState, LogIndex, MemberId, RaftMessage, Term } from "../protocol/peer/raft-message.ts";
import { changeConfiguration } from "./conf-change/conf-change.ts";
import { encodeChange } from "./conf-change/conf-change-entry.ts";
import { checkConfig, MAX_CONTEXT_BYTES, type RaftConfig, type ResumePoint } from "./config.ts";
import { Core, NONE } from "./core.ts";
import { dispatch } from "./dispatch.ts";
import { campaign, tickElection } from "./election.ts";
import { checkInvariants } from "./invariants.ts";
import {
  countOwnLog,
  flush,
  releaseUncommitted,
  reportSnapshot,
  reportUnreachable,
  sendHeartbeat,
  tickLeader,
} from "./leadership.ts";
import { maybeLeaveJoint, switchConfiguration } from "./membership.ts";
import { Persister } from "./persister.ts";
import { mayChange, propose, type ProposeResult } from "./proposals.ts";
import { requestRead } from "./reads.ts";
import { isResumable, isResuming, markResumable, resume } from "./resumption.ts";
import type { BasicStatus, RaftStatus, Ready, Role, SoftState } from "./ready.ts";
import { commitAlone } from "./sole-voter.ts";
import { statusOf } from "./status.ts";
import { beginTransfer } from "./transfer.ts";
import { isWellFormed } from "./well-formed.ts";

/**
 * One member of a Raft group. Inputs are ticks, messages, proposals and storage acknowledgements; what to do comes out of
 * `ready()`.
 */
export class Raft {
  readonly #core: Core;
  readonly #persister: Persister;
  /** The soft state that the driver received last. */
  #reportedLeader: MemberId = NONE;
  #reportedRole: Role = "follower";

  constructor(config: RaftConfig) {
    checkConfig(config);
    this.#core = new Core(config);
    this.#persister = new Persister(this.#core, config.hardState);
  }

  /** Advances time by one tick. Do not replay missed ticks: time that passed unnoticed must not start an election. */
  tick(): void {
    if (this.#core.isLeader) tickLeader(this.#core);
    else tickElection(this.#core);
  }

  /** Processes a message from any peer. Ignores a message that makes no sense. */
  step(message: RaftMessage): void {
    if (message.to !== this.#core.id || message.from === this.#core.id || !isWellFormed(message)) return;
    dispatch(this.#core, message);
  }

  /** Starts an election now, pre-vote first. */
  campaign(): void {
    campaign(this.#core);
  }

  /**
   * Returns the point at which this leader could go on in its term after a restart. Store it, and pass it as
   * `config.resumable`. Undefined unless everything is committed and durable here, and if nothing changed since the
   * last point. The caller knows that all members hold the log and that nothing is pending.
   */
  markResumable(): ResumePoint | undefined {
    return markResumable(this.#core);
  }

  /** Asks for the votes of the term that this member led before its restart. Returns whether it waits for them. */
  resume(): boolean {
    return resume(this.#core);
  }

  /** True for a leader that has written nothing since its point was made. */
  get isResumable(): boolean {
    return isResumable(this.#core);
  }

  get isResuming(): boolean {
    return isResuming(this.#core);
  }

  /**
   * Proposes a batch, which is accepted or rejected as a whole. "accepted" promises nothing yet: only a committed entry
   * cannot be lost.
   */
  propose(data: readonly Uint8Array[]): ProposeResult {
    return propose(
      this.#core,
      data.map((bytes) => ({ type: "normal", data: bytes })),
    );
  }

  /** Proposes a configuration change. Returns "pending" while an older change may be unapplied: only one at a time. */
  proposeConfChange(change: ConfChange): "accepted" | "no-leader" | "pending" {
    if (this.#core.isLeader && !mayChange(this.#core, change)) return "pending";
    const result = propose(this.#core, [{ type: "conf-change", data: encodeChange(change) }]);
    return result === "too-much-uncommitted" ? "pending" : result;
  }

  /**
   * Requests a linearizable read. The response is a read state with the same context. It may never come, so the caller
   * needs a timeout of its own.
   */
  readIndex(context: Uint8Array): "accepted" | "no-leader" {
    const core = this.#core;
    assert(context.length <= MAX_CONTEXT_BYTES, "a read's context is short");
    if (core.isLeader) return requestRead(core, { from: core.id, context }) ? "accepted" : "no-leader";
    if (core.leader === NONE) return "no-leader";
    core.send({ type: "read-index", from: core.id, to: core.leader, term: 0, context });
    return "accepted";
  }

  transferLeader(to: MemberId): void {
    const core = this.#core;
    if (core.isLeader) beginTransfer(core, to);
    else if (core.leader !== NONE) {
      core.send({ type: "transfer-leader", from: core.id, to: core.leader, term: 0, transferee: to });
    }
  }

  /**
   * Applies a committed change. Call it when its entry is applied, before appliedTo(). An impossible change has no
   * effect.
   */
  applyConfChange(change: ConfChange): ConfState {
    const next = changeConfiguration(this.#core.conf, change);
    if (next !== undefined) switchConfiguration(this.#core, next);
    return this.#core.conf;
  }

  reportUnreachable(peer: MemberId): void {
    reportUnreachable(this.#core, peer);
  }

  /**
   * Reports the end of a snapshot's transfer. Call it after every snapshot message, or that member gets no more
   * messages.
   */
  reportSnapshot(peer: MemberId, ok: boolean): void {
    reportSnapshot(this.#core, peer, ok);
  }

  /** Reports that the write `id`, and with it every older one, is durable. */
  persisted(id: number): void {
    const { log, exposedCommit } = this.#core;
    const { sendableIndex } = this.#core;
    for (const write of log.writes.complete(id)) {
      log.acknowledge(write);
      this.#release(write.held);
    }
    if (!this.#core.isLeader) return;
    countOwnLog(this.#core);
    if (this.#core.exposedCommit > exposedCommit || this.#core.sendableIndex > sendableIndex) {
      this.#core.wantsAppends = true;
    }
  }

  appliedTo(index: LogIndex): void {
    this.#core.log.appliedTo(index);
    maybeLeaveJoint(this.#core);
  }

  hasReady(): boolean {
    const core = this.#core;
    return (
      core.messages.length > 0 ||
      core.wantsAppends ||
      core.wantsHeartbeats ||
      core.readStates.length > 0 ||
      core.log.applicable(core.exposedCommit) > core.log.applying ||
      this.#persister.isDue ||
      (core.held.length > 0 && core.log.writes.count === 0) ||
      core.leader !== this.#reportedLeader ||
      core.role !== this.#reportedRole
    );
  }

  /** Returns what must be done, and clears it. */
  ready(): Ready {
    const core = this.#core;
    if (core.isLeader) flush(core);
    const persist = this.#persister.take((held) => this.#release(held));
    const committed = core.log.nextToApply(core.exposedCommit, core.config.maxApplyBytes);
    if (core.isLeader) releaseUncommitted(core, committed);
    return {
      persist,
      messages: core.takeMessages(),
      committed,
      readStates: core.takeReadStates(),
      softState: this.#takeSoftState(),
    };
  }

  /**
   * For a member that will write no more: commits what is certain because nobody else votes (sole-voter.ts). Returns whether
   * anything is. Call it when all that was committed is applied, and again after the next ready().
   */
  commitAlone(): boolean {
    return commitAlone(this.#core);
  }

  /** On the leader: the last entry that its log held when it began to lead; a lessor's saved deadlines refer to it. */
  get inheritedIndex(): LogIndex {
    return this.#core.inheritedIndex;
  }

  /** Returns whether this leader knows and has applied everything that was committed before it. */
  get isSettled(): boolean {
    const { isLeader, log, settledIndex } = this.#core;
    return isLeader && log.applied >= settledIndex;
  }

  get term(): Term {
    return this.#core.term;
  }

  /** The member that leads; 0n if none is known. */
  get leader(): MemberId {
    return this.#core.leader;
  }

  /** Returns whether a leader was in contact so recently that no other may be elected. True on the leader itself. */
  get hearsLeader(): boolean {
    return this.#core.isInLease;
  }

  /** Returns the highest role that the configuration or an unapplied entry gives this id. */
  roleOf(id: MemberId): "voter" | "learner" | undefined {
    const { conf, quorum, log } = this.#core;
    if (quorum.has(id)) return "voter";
    const pendingRole = log.pendingMembers.roleOf(id);
    if (pendingRole !== undefined) return pendingRole;
    return conf.learners.includes(id) || conf.learnersNext.includes(id) ? "learner" : undefined;
  }

  /** Number of entries that are committed and not applied. */
  get backlog(): number {
    return this.#core.log.committed - this.#core.log.applied;
  }

  /** Sends heartbeats to the voters and to `asking` with the next Ready, not at the next tick. Only a leader does. */
  heartbeat(asking: MemberId): void {
    const core = this.#core;
    if (!core.isLeader) return;
    core.wantsHeartbeats = true;
    if (!core.quorum.has(asking)) sendHeartbeat(core, asking);
  }

  /** Ticks since a follower heard its leader. */
  get silentTicks(): number {
    return this.#core.electionElapsed;
  }

  /**
   * Call before ticks stop, because time will then pass unnoticed. Until its next message the leader has no lease, and
   * every pre-vote is granted.
   */
  forgetLease(): void {
    this.#core.doubtsLeader = true;
    this.#core.electionElapsed = 0;
  }

  basicStatus(): BasicStatus {
    const { term, role, leader, log, leaderCommit } = this.#core;
    const commit = log.committed;
    return { term, role, leader, commit, lastIndex: log.lastIndex, leaderCommit: Math.max(commit, leaderCommit) };
  }

  logTerm(index: LogIndex): Term | undefined {
    return this.#core.log.term(index);
  }

  status(): RaftStatus {
    return statusOf(this.#core);
  }

  checkInvariants(): void {
    checkInvariants(this.#core);
  }

  /** Delivers the messages of a write that is now durable. The member's own vote is delivered in the same way. */
  #release(held: readonly RaftMessage[]): void {
    for (const message of held) {
      if (message.to === this.#core.id) dispatch(this.#core, message);
      else this.#core.messages.push(message);
    }
  }

  #takeSoftState(): SoftState | undefined {
    const { leader, role } = this.#core;
    if (leader === this.#reportedLeader && role === this.#reportedRole) return undefined;
    this.#reportedLeader = leader;
    this.#reportedRole = role;
    return { leader, role };
  }
}
