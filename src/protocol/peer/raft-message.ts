/**
 * The messages between Raft members, and the records that a member keeps: entries, hard state, configurations.
 *
 * The union has one shape per kind of message. On the wire all of them are etcd's `raftpb.Message`; `toWire` and
 * `fromWire` alone define which of its fields a message uses, and for what.
 */

/** Id of a member, 64 bits wide; never 0. */
export type MemberId = bigint;
/** A term of Raft. It grows with each election. */
export type Term = number;
/** Index of a log entry. The first is 1. */
export type LogIndex = number;

/** Kind of a log entry. */
export type EntryType = "normal" | "conf-change";

/** An entry of the log. */
export interface Entry {
  readonly type: EntryType;
  readonly term: Term;
  readonly index: LogIndex;
  readonly data: Uint8Array;
}

/** Who belongs to the group, and who votes. */
export interface ConfState {
  readonly voters: readonly MemberId[];
  readonly learners: readonly MemberId[];
  /** The voters of the outgoing configuration while two are joint; otherwise empty. */
  readonly votersOutgoing: readonly MemberId[];
  readonly learnersNext: readonly MemberId[];
  readonly autoLeave: boolean;
}

/** What a snapshot stands for: the last index and term, and the configuration there. */
export interface SnapshotMeta {
  readonly index: LogIndex;
  readonly term: Term;
  readonly confState: ConfState;
}

/** Term, vote and commit index, as they must be stored. */
export interface HardState {
  readonly term: Term;
  /** The candidate that this member voted for in the term; 0n if none. */
  readonly vote: MemberId;
  readonly commit: LogIndex;
}

/** Kind of a step of a configuration change. */
export type ConfChangeType = "add-node" | "remove-node" | "update-node" | "add-learner";
/** How a change of several steps enters and leaves the joint configuration. */
export type ConfChangeTransition = "auto" | "joint-implicit" | "joint-explicit";

/** One step of a configuration change. */
export interface ConfChangeSingle {
  readonly type: ConfChangeType;
  readonly nodeId: MemberId;
}

/** A change of the configuration: one or several steps at once. */
export interface ConfChange {
  /** The proposer's request id. By it the proposer recognises its own change when it is applied. */
  readonly id: bigint;
  readonly transition: ConfChangeTransition;
  /** An empty change leaves a joint configuration. */
  readonly changes: readonly ConfChangeSingle[];
  readonly context: Uint8Array;
}

interface Base {
  readonly from: MemberId;
  readonly to: MemberId;
  readonly term: Term;
}

interface FromLeader extends Base {
  /**
   * Identifies this leadership: a leader that goes on in its term after a restart has another run in it. Absent in
   * messages of older builds.
   */
  readonly run?: number;
}

export interface AppendMessage extends FromLeader {
  readonly type: "append";
  readonly prevIndex: LogIndex;
  readonly prevTerm: Term;
  readonly entries: readonly Entry[];
  readonly commit: LogIndex;
}

export interface AppendResponse extends Base {
  readonly type: "append-response";
  readonly index: LogIndex;
  readonly reject: boolean;
  readonly rejectHint: LogIndex;
  readonly hintTerm: Term;
}

export interface VoteMessage extends Base {
  readonly type: "vote" | "pre-vote";
  readonly lastIndex: LogIndex;
  readonly lastTerm: Term;
  /** The leader requested this election: voters must not reject it because they hear from a leader. */
  readonly transfer: boolean;
}

export interface VoteResponse extends Base {
  readonly type: "vote-response" | "pre-vote-response";
  readonly reject: boolean;
}

export interface HeartbeatMessage extends FromLeader {
  readonly type: "heartbeat";
  readonly commit: LogIndex;
  readonly context: Uint8Array;
}

export interface HeartbeatResponse extends Base {
  readonly type: "heartbeat-response";
  readonly context: Uint8Array;
}

/** Announces a snapshot. Its data is sent separately, in chunks. */
export interface SnapshotMessage extends FromLeader {
  readonly type: "snapshot";
  readonly snapshot: SnapshotMeta;
}

export interface ProposeMessage extends Base {
  readonly type: "propose";
  /** The run of the leader that the proposal is meant for, as far as the sender knows it. */
  readonly run?: number;
  /**
   * Identifies the sender's run, drawn at random. With `sequence` it reveals a second delivery of the same proposal.
   */
  readonly session: number;
  readonly sequence: number;
  readonly entries: readonly Entry[];
}

export interface ReadIndexMessage extends Base {
  readonly type: "read-index";
  readonly context: Uint8Array;
}

export interface ReadIndexResponse extends Base {
  readonly type: "read-index-response";
  readonly context: Uint8Array;
  readonly index: LogIndex;
}

export interface TimeoutNowMessage extends Base {
  readonly type: "timeout-now";
  /** The end of the leader's log, which the receiver needs to win. Zeros in messages of older builds. */
  readonly lastIndex: LogIndex;
  readonly lastTerm: Term;
}

export interface TransferLeaderMessage extends Base {
  readonly type: "transfer-leader";
  readonly transferee: MemberId;
}

/** A message between two members. */
export type RaftMessage =
  | AppendMessage
  | AppendResponse
  | VoteMessage
  | VoteResponse
  | HeartbeatMessage
  | HeartbeatResponse
  | SnapshotMessage
  | ProposeMessage
  | ReadIndexMessage
  | ReadIndexResponse
  | TimeoutNowMessage
  | TransferLeaderMessage;
