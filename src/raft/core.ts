/**
 * The state that all rules of consensus share, and the two ways to send a message: at once, or after everything decided
 * before it is durable.
 */
import type { Prng } from "../base/prng.ts";
import type { ConfState, LogIndex, MemberId, RaftMessage, Term } from "../protocol/peer/raft-message.ts";
import { membersOf } from "./conf-change/conf-change.ts";
import { MAX_NUMBER, type RaftConfig } from "./config.ts";
import { ProposalDedup } from "./proposal-dedup.ts";
import { RaftLog } from "./log/log.ts";
import type { Progress } from "./progress.ts";
import { JointQuorum } from "./conf-change/quorum.ts";
import { resumeIndexOf } from "./resume-point.ts";
import { ReadQueue } from "./read-queue.ts";
import type { ReadState, Role } from "./ready.ts";

export const NONE: MemberId = 0n;

export class Core {
  readonly config: RaftConfig;
  readonly id: MemberId;
  readonly log: RaftLog;
  readonly prng: Prng;

  term: Term;
  /** The candidate that this member voted for in `term`. */
  vote: MemberId;
  role: Role = "follower";
  leader: MemberId = NONE;
  /** Time may have passed unnoticed since the last message of the leader. */
  doubtsLeader = false;
  /** The highest commit index that a leader has named. This member may not have the entries yet. */
  leaderCommit: LogIndex = 0;

  conf: ConfState;
  quorum: JointQuorum;
  /** All other members that receive entries. `progress` holds what the leader knows of each. */
  peers: readonly MemberId[] = [];

  /**
   * Ticks since the leader's last message or since this member granted a vote. On the leader: since the last quorum
   * check.
   */
  electionElapsed = 0;
  heartbeatElapsed = 0;
  /** Ticks, drawn again for every term, in [electionTicks, 2 × electionTicks). */
  electionTimeout: number;
  /** Responses received in the current election. */
  votes: Map<MemberId, boolean> = new Map();

  /** On the leader: one per member, itself included. Empty on all others. */
  progress: Map<MemberId, Progress> = new Map();
  reads: ReadQueue = new ReadQueue(0);
  /** Deduplicates the proposals that other members forwarded to this leader in this term. */
  proposalDedup: ProposalDedup = new ProposalDedup();
  /**
   * Identifies the current leadership, of this member or of the leader that it follows; 0: unknown. A leader that goes
   * on in its term has forgotten what it did in it, so whatever refers to that names the run.
   */
  run = 0;
  /** Number of times that this process became leader. */
  leaderships = 0;
  /**
   * After a restart, or once its term is resumed, this leader may find its log ending here. So it sends no entry beyond
   * that is not durable, until one is; see resumption.ts. 0: there is no such point in this term.
   */
  resumeIndex: LogIndex = 0;
  /** On the leader: the last entry that was in its log when it began to lead. */
  inheritedIndex: LogIndex = 0;
  /** On the leader: once this is committed, the commit index covers everything that was committed before. */
  settledIndex: LogIndex = 0;
  /** Identifies this run of the process; with it, the number of its last forwarded proposal. */
  readonly session: number;
  sequence = 0;
  /**
   * Highest index at which a configuration change may be unapplied. No other change is accepted before it is applied.
   */
  pendingConfIndex = 0;
  /** Bytes of data that were proposed in this term and not yet handed out to be applied. */
  uncommittedBytes = 0;
  /** The member that leadership is being transferred to. */
  transferee: MemberId = NONE;
  /**
   * Sending waits for ready(), so that many proposals share one message and many reads share one round of heartbeats.
   */
  wantsAppends = false;
  wantsHeartbeats = false;

  /** To be sent at once. */
  messages: RaftMessage[] = [];
  /** To be sent once everything decided so far is durable. */
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
    this.resumeIndex = resumeIndexOf(config);
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

  /** Returns whether this member may campaign. A learner may not, nor a member whose snapshot is still arriving. */
  get isPromotable(): boolean {
    return this.quorum.has(this.id) && this.log.unstable.snapshot === undefined;
  }

  /** True while the leader was in contact so recently that no other member may be elected (§6, disruptive servers). */
  get isInLease(): boolean {
    return this.leader !== NONE && !this.doubtsLeader && this.electionElapsed < this.config.electionTicks;
  }

  /**
   * Highest commit index that may be sent or applied. On a leader, a committed configuration change counts only once
   * its commit is durable. Otherwise this could happen: the leader announces a removal, to the removed voter or to an
   * operator. The removed voter shuts down permanently. The leader crashes, forgets the commit, and waits for the vote
   * of a member that no longer exists. A group of two voters would never recover.
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

  /** Highest index that a leader may send. */
  get sendableIndex(): LogIndex {
    const { lastIndex, durableIndex } = this.log;
    return durableIndex <= this.resumeIndex ? durableIndex : lastIndex;
  }

  /** Sends a message that depends on nothing that is not durable yet. */
  send(message: RaftMessage): void {
    this.messages.push(message);
  }

  /** Sends a promise: a vote or an acknowledgement. It leaves once everything decided so far is durable. */
  sendDurable(message: RaftMessage): void {
    this.held.push(message);
  }

  /**
   * Returns the messages to send. The caller owns the list: nothing is added to it later, so an empty one is new too.
   */
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
