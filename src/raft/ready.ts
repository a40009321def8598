/**
 * The actions that consensus requests. The driver takes a Ready at once and handles it in order: messages, persist,
 * committed.
 */
import type {
  ConfState,
  Entry,
  HardState,
  LogIndex,
  MemberId,
  RaftMessage,
  SnapshotMeta,
  Term,
} from "../protocol/peer/raft-message.ts";
import type { ProgressState } from "./progress.ts";

/** Role of a member in its term. */
export type Role = "follower" | "pre-candidate" | "candidate" | "leader";

/** State that need not survive a restart. */
export interface SoftState {
  /** The member that leads; 0n if none is known. */
  readonly leader: MemberId;
  readonly role: Role;
}

/** What must be written in one atomic batch before `persisted(id)` is called. */
export interface Persist {
  /** Increases. Acknowledge it with raft.persisted(id). Several writes may be in flight; they complete in order. */
  readonly id: number;
  readonly hardState: HardState | undefined;
  /** Contiguous. They replace all entries from entries[0].index on. */
  readonly entries: readonly Entry[];
  /** The state to switch to, in the same write. `entries` then follow it. */
  readonly snapshot: SnapshotMeta | undefined;
}

/** A read index that was confirmed: reads of at least this much are linearizable. */
export interface ReadState {
  readonly context: Uint8Array;
  readonly index: LogIndex;
}

/** What the caller must do next: write, send, apply. */
export interface Ready {
  /** What must be written atomically; absent if there is nothing to write. */
  readonly persist: Persist | undefined;
  /**
   * May all be sent at once, before `persist` is durable: messages that depend on a write are held until persisted().
   */
  readonly messages: readonly RaftMessage[];
  /** Entries to apply, in order; committed and locally durable. Then call raft.appliedTo(index). */
  readonly committed: readonly Entry[];
  readonly readStates: readonly ReadState[];
  /** Present if leader or role changed. */
  readonly softState: SoftState | undefined;
}

/** What a leader knows of one member. */
export interface ProgressStatus {
  readonly match: LogIndex;
  readonly next: LogIndex;
  readonly state: ProgressState;
  readonly recentActive: boolean;
  readonly isLearner: boolean;
}

/** The few figures that can be read without allocation. */
export interface BasicStatus {
  readonly term: Term;
  readonly role: Role;
  readonly leader: MemberId;
  readonly commit: LogIndex;
  readonly lastIndex: LogIndex;
  /** The highest commit index that this member has heard of; its own log may still lack entries up to it. */
  readonly leaderCommit: LogIndex;
}

/** State of a member and, at the leader, of the others. */
export interface RaftStatus {
  readonly id: MemberId;
  readonly term: Term;
  readonly vote: MemberId;
  readonly commit: LogIndex;
  readonly applied: LogIndex;
  readonly firstIndex: LogIndex;
  readonly lastIndex: LogIndex;
  readonly leader: MemberId;
  readonly role: Role;
  readonly isLearner: boolean;
  readonly confState: ConfState;
  /** Empty except on the leader. */
  readonly progress: ReadonlyMap<MemberId, ProgressStatus>;
}
