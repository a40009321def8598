/**
 * The state that all rules of consensus work on, and the two ways out for a message: at once, or held until everything
 * that was decided before it is durable.
 */
import type { Prng } from "../base/prng.ts";
import type { ConfState, LogIndex, MemberId, RaftMessage, Term } from "../protocol/peer/raft-message.ts";
import { membersOf } from "./conf-change.ts";
import { MAX_NUMBER, type RaftConfig } from "./config.ts";
import { ProposalDedup } from "./proposal-dedup.ts";
import { RaftLog } from "./log.ts";
import type { Progress } from "./progress.ts";
import { JointQuorum } from "./quorum.ts";
import { ReadQueue } from "./read-queue.ts";
import type { ReadState, Role } from "./ready.ts";

export const NONE: MemberId = 0n;

export class Core {
  readonly config: RaftConfig;
  readonly id: MemberId;
  readonly log: RaftLog;
  readonly prng: Prng;

  term: Term;
  /** Whom this member voted for in `term`. */
  vote: MemberId;
  role: Role = "follower";
  leader: MemberId = NONE;
  /** Time may have passed unseen since the leader was heard. */
  doubtsLeader = false;

  conf: ConfState;
  quorum: JointQuorum;
  /** Everybody but this member who is sent entries; what the leader knows of each is in `progress`. */
  peers: readonly MemberId[] = [];

  /** Ticks since the leader was heard or a vote was given; on the leader, since the last quorum check. */
  electionElapsed = 0;
  heartbeatElapsed = 0;
  /** Drawn anew for every term, in [electionTicks, 2 × electionTicks). */
  electionTimeout: number;
  /** Answers in the current election. */
  votes: Map<MemberId, boolean> = new Map();

  /** Leader only, this member included; empty on all others. */
  progress: Map<MemberId, Progress> = new Map();
  reads: ReadQueue = new ReadQueue();
  /** Proposals that others forwarded to this member in this term. */
  proposalDedup: ProposalDedup = new ProposalDedup();
  /** Of this member's life, and the number of its latest forwarded proposal. */
  readonly session: number;
  sequence = 0;
  /** A configuration change may be unapplied up to here: no other is accepted before. */
  pendingConfIndex = 0;
  /** Bytes of data proposed in this term and not yet handed out to be applied. */
  uncommittedBytes = 0;
  /** Whom leadership is being handed to. */
  transferee: MemberId = NONE;
  /** Sending waits for ready(), so that many proposals share one message and many reads one round of heartbeats. */
  wantsAppends = false;
  wantsHeartbeats = false;

  /** To be sent. */
  messages: RaftMessage[] = [];
  /** To be sent once all that was decided up to now is durable. */
  held: RaftMessage[] = [];
  readStates: ReadState[] = [];

  constructor(config: RaftConfig) {
    const { hardState, log, applied, confState } = config;
    this.config = config;
    this.id = config.id;
    this.prng = config.prng;
    this.log = new RaftLog({
      reader: log,
      commit: hardState.commit,
      applied,
      keepBytes: config.maxInflightBytes,
    });
    this.term = hardState.term;
    this.vote = hardState.vote;
    this.conf = confState;
    this.quorum = new JointQuorum([], []);
    this.setConf(confState);
    this.electionTimeout = this.drawTimeout();
    this.session = this.prng.int(1, MAX_NUMBER);
  }

  setConf(conf: ConfState): void {
    this.conf = conf;
    this.quorum = new JointQuorum(conf.voters, conf.votersOutgoing);
    this.peers = membersOf(conf).filter((id) => id !== this.id);
  }

  get isLeader(): boolean {
    return this.role === "leader";
  }

  /** A learner must not campaign, nor must a member whose state is still arriving. */
  get isPromotable(): boolean {
    return this.quorum.has(this.id) && this.log.unstable.snapshot === undefined;
  }

  /** The leader was heard so recently that nobody may be elected in its place (§6, disruptive servers). */
  get isInLease(): boolean {
    return this.leader !== NONE && !this.doubtsLeader && this.electionElapsed < this.config.electionTicks;
  }

  /**
   * What is committed and may be told and applied. Whoever hears that it was removed may be gone for good a moment later,
   * and so may somebody whom an operator heard to be removed. A leader that crashed then and had forgotten the commit
   * would wait for the vote of one that is no more: of two voters, one. So a leader tells of a change of the members, and
   * applies it, only when a restart would know that it is committed.
   */
  get exposedCommit(): LogIndex {
    const { pendingConfIndex: change, log } = this;
    const isFlushed = !this.isLeader || change <= log.applied || change > log.committed || change <= log.durableCommit;
    return isFlushed ? log.committed : change - 1;
  }

  drawTimeout(): number {
    const { electionTicks } = this.config;
    return this.prng.int(electionTicks, 2 * electionTicks);
  }

  /** For what depends on nothing that is not durable yet. */
  send(message: RaftMessage): void {
    this.messages.push(message);
  }

  /** For promises: a vote, an acknowledgement. It leaves once all that was decided up to now is durable. */
  sendDurable(message: RaftMessage): void {
    this.held.push(message);
  }

  /** What is taken belongs to the taker: nothing is added to it later, so an empty list is a new one too. */
  takeMessages(): readonly RaftMessage[] {
    const { messages } = this;
    this.messages = [];
    return messages;
  }

  takeHeld(): RaftMessage[] {
    const { held } = this;
    this.held = [];
    return held;
  }

  takeReadStates(): readonly ReadState[] {
    const { readStates } = this;
    this.readStates = [];
    return readStates;
  }
}
