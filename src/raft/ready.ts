/**
 * What consensus wants done. The driver takes a Ready at once and works it off in order: messages, persist, committed.
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

export type Role = "follower" | "pre-candidate" | "candidate" | "leader";

export interface SoftState {
  /** 0n: none known. */
  readonly leader: MemberId;
  readonly role: Role;
}

export interface Persist {
  /** Grows; acknowledge with raft.persisted(id). Several may be outstanding; they complete in order. */
  readonly id: number;
  readonly hardState: HardState | undefined;
  /** Contiguous; they replace everything from entries[0].index on. */
  readonly entries: readonly Entry[];
  /** The state to switch to, in the same write; `entries` then follow it. */
  readonly snapshot: SnapshotMeta | undefined;
}

export interface ReadState {
  readonly context: Uint8Array;
  readonly index: LogIndex;
}

export interface Ready {
  /** What must be written atomically; absent when nothing must. */
  readonly persist: Persist | undefined;
  /** May all be sent at once, before `persist` is durable: what depends on a write is held back until persisted(). */
  readonly messages: readonly RaftMessage[];
  /** Committed and locally durable, in order, to be applied; then raft.appliedTo(index). */
  readonly committed: readonly Entry[];
  readonly readStates: readonly ReadState[];
  /** Present when leader or role changed. */
  readonly softState: SoftState | undefined;
}

export interface ProgressStatus {
  readonly match: LogIndex;
  readonly next: LogIndex;
  readonly state: ProgressState;
  readonly recentActive: boolean;
  readonly isLearner: boolean;
}

/** The few figures that cost nothing to read. */
export interface BasicStatus {
  readonly term: Term;
  readonly role: Role;
  readonly leader: MemberId;
  readonly commit: LogIndex;
  readonly lastIndex: LogIndex;
}

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
  /** Empty but on the leader. */
  readonly progress: ReadonlyMap<MemberId, ProgressStatus>;
}
