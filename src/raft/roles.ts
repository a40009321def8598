/**
 * Transitions to follower, pre-candidate and candidate. leadership.ts has the transition to leader.
 */
import { assert } from "../base/assert.ts";
import type { MemberId, Term } from "../protocol/peer/raft-message.ts";
import { NONE, type Core } from "./core.ts";
import { ProposalDedup } from "./proposal-dedup.ts";
import { ReadQueue } from "./read-queue.ts";

export function becomeFollower(core: Core, term: Term, leader: MemberId): void {
  enterTerm(core, term);
  core.role = "follower";
  core.leader = leader;
}

/**
 * Starts a pre-vote: finds out whether an election could be won. The term stays, no vote is spent, no member is
 * disturbed.
 */
export function becomePreCandidate(core: Core): void {
  assert(!core.isLeader, "a leader does not campaign");
  core.votes.clear();
  core.role = "pre-candidate";
  core.leader = NONE;
}

export function becomeCandidate(core: Core): void {
  assert(!core.isLeader, "a leader does not campaign");
  enterTerm(core, core.term + 1);
  core.vote = core.id;
  core.role = "candidate";
}

/** Becomes a candidate of the term that it led before. */
export function becomeResuming(core: Core): void {
  assert(!core.isLeader && core.vote === core.id, "only a term that was led is resumed");
  enterTerm(core, core.term);
  core.role = "candidate";
}

/** Clears the state of the previous role. A vote is cleared only with its term. */
export function enterTerm(core: Core, term: Term): void {
  assert(term >= core.term, `the term never falls from ${core.term} to ${term}`);
  if (term > core.term) {
    core.term = term;
    core.vote = NONE;
    core.proposalDedup = new ProposalDedup();
    core.resumeIndex = 0;
  }
  core.leader = NONE;
  core.run = 0;
  core.doubtsLeader = false;
  core.electionElapsed = 0;
  core.heartbeatElapsed = 0;
  core.electionTimeout = core.drawTimeout();
  core.votes.clear();
  core.transferee = NONE;
  core.uncommittedBytes = 0;
  core.wantsAppends = false;
  core.wantsHeartbeats = false;
  if (core.progress.size > 0) core.progress = new Map();
  if (core.reads.position > 0 || core.reads.size > 0) core.reads = new ReadQueue(0);
}
