/**
 * The options of a group member, validated once when the member is created, and the limits that cannot be configured.
 */
import { assert } from "../base/assert.ts";
import type { Prng } from "../base/prng.ts";
import type { ConfState, HardState, LogIndex, MemberId, SnapshotMeta, Term } from "../protocol/peer/raft-message.ts";
import { isConfState } from "./conf-change/conf-change.ts";
import type { LogReader } from "./log/log-reader.ts";

/** A leader's word: it led `term`, all members held its log up to `index`, and it had sent nothing beyond. */
export interface ResumePoint {
  readonly term: Term;
  readonly index: LogIndex;
}

/** What a Raft member starts with. Times are in ticks. */
export interface RaftConfig {
  readonly id: MemberId;
  /** Default 10. A follower campaigns after a random time in [n, 2n) without a leader. Must exceed heartbeatTicks. */
  readonly electionTicks: number;
  /** Default 1. */
  readonly heartbeatTicks: number;
  readonly prng: Prng;
  readonly log: LogReader;
  /** As loaded from storage. */
  readonly hardState: HardState;
  /** The configuration as of `applied`. */
  readonly confState: ConfState;
  /** Index of the last entry that the state machine holds durably. */
  readonly applied: LogIndex;
  /** What `markResumable()` returned last, if it was stored; see resumption.ts. Default: the term is not resumed. */
  readonly resumable?: ResumePoint | undefined;
  /**
   * Returns the newest state that can be streamed to a lagging member: its applied index, and the term and
   * configuration there.
   */
  readonly snapshotMeta: () => SnapshotMeta | undefined;
  /** Bytes of entries per append message. A single larger entry is sent alone. */
  readonly maxAppendBytes: number;
  /** Unacknowledged append messages per follower. */
  readonly maxInflightMessages: number;
  /** Unacknowledged bytes per follower; at least maxAppendBytes, or the pipeline would stall after each message. */
  readonly maxInflightBytes: number;
  /**
   * Bytes. While the uncommitted tail is larger, proposals are rejected. Bounds the memory of a leader without a
   * quorum.
   */
  readonly maxUncommittedBytes: number;
  /** Bytes of committed entries per Ready. */
  readonly maxApplyBytes: number;
}

/** Reads that wait for a quorum or for the term's first commit. More are rejected; the caller retries. */
export const MAX_PENDING_READS = 8192;
/** A read's context is a request id, not a payload. */
export const MAX_CONTEXT_BYTES = 256;
/** Terms and indexes from outside are rejected above this, so that an addition never exceeds the safe integers. */
export const MAX_NUMBER: number = 2 ** 52;

export function checkConfig(config: RaftConfig): void {
  assert(config.id > 0n, "the member has an id");
  assert(isCount(config.heartbeatTicks), "heartbeatTicks is at least 1");
  assert(isCount(config.electionTicks), "electionTicks is at least 1");
  assert(config.electionTicks > config.heartbeatTicks, "electionTicks exceeds heartbeatTicks");
  assert(isCount(config.maxAppendBytes), "maxAppendBytes is at least 1");
  assert(isCount(config.maxInflightMessages), "maxInflightMessages is at least 1");
  assert(config.maxInflightBytes >= config.maxAppendBytes, "maxInflightBytes is at least maxAppendBytes");
  assert(isCount(config.maxUncommittedBytes), "maxUncommittedBytes is at least 1");
  assert(isCount(config.maxApplyBytes), "maxApplyBytes is at least 1");
  assert(isConfState(config.confState) || isBlank(config.confState), "the configuration is well formed");
  checkLoaded(config);
}

/**
 * Checks that the loaded state is consistent. If not, storage lost or mixed up something, and the member must not run.
 */
function checkLoaded({ log, hardState, applied }: RaftConfig): void {
  const first = log.firstIndex();
  const last = log.lastIndex();
  assert(first >= 1 && last >= first - 1, `a log from ${first} to ${last} is possible`);
  assert(log.term(first - 1) !== undefined || first === 1, "the term before the log's first entry is known");
  assert(applied >= first - 1, `the log begins at ${first}, but the state holds only ${applied}`);
  assert(applied <= last, `the state holds ${applied}, but the log ends at ${last}`);
  assert(hardState.commit <= last, `${hardState.commit} was committed, but the log ends at ${last}`);
  assert(hardState.term >= (log.term(last) ?? 0), "no entry is of a term after the current one");
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 1;
}

/** A member that was just created has no configuration until the leader sends one. */
function isBlank(confState: ConfState): boolean {
  return (
    confState.voters.length === 0 &&
    confState.learners.length === 0 &&
    confState.votersOutgoing.length === 0 &&
    confState.learnersNext.length === 0
  );
}
