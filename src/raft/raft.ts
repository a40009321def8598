/**
 * Consensus as a pure state machine, built as etcd-io/raft is with asynchronous storage writes.
 *
 * It does nothing by itself. Ticks, messages, proposals and storage acknowledgements go in; a Ready comes out that says
 * what to write, what to send, what to apply. It reads no clock, draws its chance from one injected generator and returns
 * no promise, so a run is decided by its inputs and a simulator can replay it from a seed.
 *
 *      tick() ─────────────┐                      ┌──▶ messages    to the others, at once
 *      step(message) ──────┤                      ├──▶ persist     one atomic write ──┐
 *      propose(), … ───────┼──▶  Core  ──ready()──┼──▶ committed   to the state ────┐ │
 *      appliedTo(index) ◀──┤                      ├──▶ readStates  to the readers   │ │
 *      persisted(id) ◀─────┘                      └──▶ softState   who leads        │ │
 *          ▲       └───────────────────────────────────────────────────────────────┘ │
 *          └──────────────────────────────────────────────────────────────────────────┘
 *
 * The one duty that all safety hangs on: nothing that promises something to others (a vote, an acknowledgement, the
 * leader's or candidate's own count) leaves before what it promises is durable. Such messages are held with the write that
 * was newest when they were made, and persisted() releases them. So the driver may send `messages` at once, before
 * `persist`, and have several writes under way. A commit index alone causes no write: it rides with the next one and is
 * learned again after a restart. Only that a change of the members is committed is written before it is told (core.ts).
 *
 * Where what lives: core.ts the state · election.ts terms and votes · leadership.ts replication and commit · follower.ts
 * the other end · reads.ts read index · membership.ts, conf-change.ts, quorum.ts who counts · log.ts, unstable.ts,
 * writes.ts the log · persister.ts what is written next · progress.ts, inflights.ts flow control · well-formed.ts what is
 * believed of a message.
 */
import { assert, unreachable } from "../base/assert.ts";
import type {
  ConfChange,
  ConfState,
  LogIndex,
  MemberId,
  ProposeMessage,
  RaftMessage,
  ReadIndexMessage,
  Term,
  TransferLeaderMessage,
} from "../protocol/peer/raft-message.ts";
import { changeConfiguration, isJoint } from "./conf-change.ts";
import { decodeChange, encodeChange } from "./conf-change-entry.ts";
import { checkConfig, MAX_CONTEXT_BYTES, type RaftConfig } from "./config.ts";
import { Core, NONE } from "./core.ts";
import { campaign, campaignForTransfer, handleVote, handleVoteResponse, settleTerm, tickElection } from "./election.ts";
import { handleAppend, handleHeartbeat, handleSnapshot } from "./follower.ts";
import { checkInvariants } from "./invariants.ts";
import {
  appendProposals,
  beginTransfer,
  countOwnLog,
  flush,
  handleAppendResponse,
  handleHeartbeatResponse,
  releaseUncommitted,
  reportSnapshot,
  reportUnreachable,
  reserveUncommitted,
  tickLeader,
  type Proposal,
} from "./leadership.ts";
import { maybeLeaveJoint, switchConfiguration } from "./membership.ts";
import { Persister } from "./persister.ts";
import { requestRead } from "./reads.ts";
import type { BasicStatus, RaftStatus, Ready, Role, SoftState } from "./ready.ts";
import { becomeFollower } from "./roles.ts";
import { statusOf } from "./status.ts";
import { isWellFormed } from "./well-formed.ts";

/** What members ask of the leader. Its answer, if any, is of its term; a proposal is meant for one term only. */
type Request = ProposeMessage | ReadIndexMessage | TransferLeaderMessage;

export class Raft {
  readonly #core: Core;
  readonly #persister: Persister;
  /** As the driver was last told. */
  #reportedLeader: MemberId = NONE;
  #reportedRole: Role = "follower";

  constructor(config: RaftConfig) {
    checkConfig(config);
    this.#core = new Core(config);
    this.#persister = new Persister(this.#core, config.hardState);
  }

  /** One tick. Ticks that were missed are not replayed: time that passed unseen must not start an election. */
  tick(): void {
    if (this.#core.isLeader) tickLeader(this.#core);
    else tickElection(this.#core);
  }

  /** Takes any message from any peer; what makes no sense is ignored. */
  step(message: RaftMessage): void {
    if (message.to !== this.#core.id || message.from === this.#core.id || !isWellFormed(message)) return;
    this.#dispatch(message);
  }

  /** Asks for an election now, pre-vote first. */
  campaign(): void {
    campaign(this.#core);
  }

  /** A batch is taken or refused as a whole. "accepted" promises nothing yet: only a committed entry is there to stay. */
  propose(data: readonly Uint8Array[]): "accepted" | "no-leader" | "too-much-uncommitted" {
    return this.#propose(data.map((bytes) => ({ type: "normal", data: bytes })));
  }

  /** One change at a time: "pending" while an older one may be unapplied. */
  proposeConfChange(change: ConfChange): "accepted" | "no-leader" | "pending" {
    if (this.#core.isLeader && !this.#mayChange(change)) return "pending";
    const verdict = this.#propose([{ type: "conf-change", data: encodeChange(change) }]);
    return verdict === "too-much-uncommitted" ? "pending" : verdict;
  }

  /** Answered by a read state with the same context, or never: the caller gives up after a time of its own. */
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

  /** For a committed change, when it is applied and before appliedTo(). An impossible change has no effect. */
  applyConfChange(change: ConfChange): ConfState {
    const next = changeConfiguration(this.#core.conf, change);
    if (next !== undefined) switchConfiguration(this.#core, next);
    return this.#core.conf;
  }

  reportUnreachable(peer: MemberId): void {
    reportUnreachable(this.#core, peer);
  }

  /** Every snapshot message must be followed by this once its transfer ended, or nothing more is sent to that member. */
  reportSnapshot(peer: MemberId, ok: boolean): void {
    reportSnapshot(this.#core, peer, ok);
  }

  /** The write `id`, and with it every older one, is durable. */
  persisted(id: number): void {
    const { log, exposedCommit } = this.#core;
    for (const write of log.writes.complete(id)) {
      log.acknowledge(write);
      this.#release(write.held);
    }
    if (this.#core.isLeader) countOwnLog(this.#core);
    if (this.#core.exposedCommit > exposedCommit) this.#core.wantsAppends = true;
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

  /** Drains what is to be done. */
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

  get term(): Term {
    return this.#core.term;
  }

  /** 0n: none known. */
  get leader(): MemberId {
    return this.#core.leader;
  }

  /** Whether a leader was heard so recently that nobody may be elected in its place; a leader hears itself. */
  get hearsLeader(): boolean {
    return this.#core.isInLease;
  }

  /** What the configuration, or an entry that is not applied yet, makes of this id; the most of it. */
  roleOf(id: MemberId): "voter" | "learner" | undefined {
    const { conf, quorum, log } = this.#core;
    if (quorum.has(id)) return "voter";
    const coming = log.coming.roleOf(id);
    if (coming !== undefined) return coming;
    return conf.learners.includes(id) || conf.learnersNext.includes(id) ? "learner" : undefined;
  }

  /** Entries that are committed and not applied. */
  get backlog(): number {
    return this.#core.log.committed - this.#core.log.applied;
  }

  /** Leader only: heartbeats with the next Ready, not at the next tick. */
  heartbeat(): void {
    if (this.#core.isLeader) this.#core.wantsHeartbeats = true;
  }

  /**
   * Ticks are about to stop, so time will pass unseen: until the leader is heard again it has no lease, and whoever asks
   * for a pre-vote gets it.
   */
  forgetLease(): void {
    this.#core.doubtsLeader = true;
    this.#core.electionElapsed = 0;
  }

  basicStatus(): BasicStatus {
    const { term, role, leader, log } = this.#core;
    return { term, role, leader, commit: log.committed, lastIndex: log.lastIndex };
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

  /** The messages of a term, after its rules; requests have rules of their own. */
  #dispatch(message: RaftMessage): void {
    const core = this.#core;
    if (isRequest(message)) {
      if (core.isLeader) this.#serve(message);
    } else if (settleTerm(core, message)) {
      this.#dispatchInTerm(message);
    }
  }

  #serve(message: Request): void {
    const core = this.#core;
    switch (message.type) {
      case "propose":
        return this.#acceptForwarded(message);
      case "read-index":
        // A copy: the context may be a view into a whole frame, and waiting reads would keep it alive.
        requestRead(core, { from: message.from, context: message.context.slice() });
        return undefined;
      case "transfer-leader":
        return beginTransfer(core, message.transferee);
      default:
        return unreachable(message);
    }
  }

  #dispatchInTerm(message: Exclude<RaftMessage, Request>): void {
    const core = this.#core;
    switch (message.type) {
      case "vote":
      case "pre-vote":
        return handleVote(core, message);
      case "vote-response":
      case "pre-vote-response":
        return handleVoteResponse(core, message);
      case "append":
        return this.#isFromLeader(message) ? handleAppend(core, message) : undefined;
      case "heartbeat":
        return this.#isFromLeader(message) ? handleHeartbeat(core, message) : undefined;
      case "snapshot":
        return this.#isFromLeader(message) ? handleSnapshot(core, message) : undefined;
      case "append-response":
        return core.isLeader ? handleAppendResponse(core, message) : undefined;
      case "heartbeat-response":
        return core.isLeader ? handleHeartbeatResponse(core, message) : undefined;
      case "timeout-now":
        return core.leader === message.from ? campaignForTransfer(core) : undefined;
      case "read-index-response":
        if (!core.isLeader) core.readStates.push({ context: message.context, index: message.index });
        return undefined;
      default:
        return unreachable(message);
    }
  }

  /** Follows the sender. There is one leader in a term: whoever claims to be another one is not believed. */
  #isFromLeader(message: RaftMessage): boolean {
    const core = this.#core;
    if (core.role === "follower" && core.leader === message.from) {
      core.electionElapsed = 0;
      core.doubtsLeader = false;
      return true;
    }
    if (core.leader !== NONE) return false;
    becomeFollower(core, core.term, message.from);
    return true;
  }

  #propose(proposals: readonly Proposal[]): "accepted" | "no-leader" | "too-much-uncommitted" {
    const core = this.#core;
    if (core.isLeader) return this.#append(proposals);
    if (core.leader === NONE) return "no-leader";
    if (proposals.length === 0) return "accepted";
    const entries = proposals.map(({ type, data }) => ({ type, term: 0, index: 0, data }));
    const { id: from, leader: to, term, session } = core;
    core.send({ type: "propose", from, to, term, session, sequence: ++core.sequence, entries });
    return "accepted";
  }

  #append(proposals: readonly Proposal[]): "accepted" | "no-leader" | "too-much-uncommitted" {
    const core = this.#core;
    if (core.transferee !== NONE || !core.quorum.has(core.id)) return "no-leader";
    let bytes = 0;
    for (const { data } of proposals) bytes += data.length;
    if (!reserveUncommitted(core, bytes)) return "too-much-uncommitted";
    if (proposals.length > 0) appendProposals(core, proposals);
    return "accepted";
  }

  #mayChange(change: ConfChange): boolean {
    const { conf, log, pendingConfIndex } = this.#core;
    return pendingConfIndex <= log.applied && isJoint(conf) === (change.changes.length === 0);
  }

  /** A forwarded proposal is not forwarded again: two members that take each other for the leader would never end. */
  #acceptForwarded(message: ProposeMessage): void {
    const { from, session, sequence } = message;
    if (message.term !== this.#core.term || !this.#core.proposalDedup.acceptOnce(from, session, sequence)) return;
    const proposals: Proposal[] = [];
    let hasChange = false;
    for (const { type, data } of message.entries) {
      if (type === "conf-change") {
        const change = decodeChange(data);
        if (change === undefined || hasChange || !this.#mayChange(change)) continue;
        hasChange = true;
      }
      proposals.push({ type, data });
    }
    this.#append(proposals);
  }

  /** What was held for a write that is durable now; the own vote comes home by the same way. */
  #release(held: readonly RaftMessage[]): void {
    for (const message of held) {
      if (message.to === this.#core.id) this.#dispatch(message);
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

function isRequest(message: RaftMessage): message is Request {
  return message.type === "propose" || message.type === "read-index" || message.type === "transfer-leader";
}
