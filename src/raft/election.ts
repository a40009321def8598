/**
 * Elections: which member may campaign, which requests are granted, and what a term means.
 *
 *   follower ──timeout──▶ pre-candidate ──majority would──▶ candidate ──majority did──▶ leader
 *      ▲                     │ timeout: again                  │ timeout: pre-vote        │
 *      └──── a leader, a higher term, a majority against ──────┴──── quorum silent ───────┘
 */
import type { RaftMessage, TimeoutNowMessage, VoteMessage, VoteResponse } from "../protocol/peer/raft-message.ts";
import { NONE, type Core } from "./core.ts";
import { acknowledge } from "./follower.ts";
import { becomeLeader } from "./leadership.ts";
import { becomeCandidate, becomeFollower, becomePreCandidate } from "./roles.ts";

/** Bytes of committed entries per read when the log is searched for configuration changes. */
const SCAN_BYTES = 1 << 20;

export function tickElection(core: Core): void {
  core.electionElapsed++;
  if (core.electionElapsed < core.electionTimeout) return;
  core.electionElapsed = 0;
  campaign(core);
  // A member that may not campaign, as a learner, would otherwise name its last leader for ever.
  if (core.role === "follower") core.leader = NONE;
}

export function campaign(core: Core): void {
  if (!mayCampaign(core)) return;
  becomePreCandidate(core);
  recordVote(core, core.id, true);
  // A single voter is a majority already.
  if (core.role !== "pre-candidate") return;
  askForVotes(core, "pre-vote", false);
}

/**
 * Campaigns because the leader hands over. Skips the pre-vote; the others must not reject it for hearing the leader. A
 * member whose log is shorter than the leader's would lose, and the group would have no leader, so it does nothing.
 */
export function handleTimeoutNow(core: Core, { from, lastIndex, lastTerm }: TimeoutNowMessage): void {
  const { log } = core;
  const hasAll = log.lastTerm > lastTerm || (log.lastTerm === lastTerm && log.lastIndex >= lastIndex);
  if (core.leader === from && hasAll && mayCampaign(core)) elect(core, true);
}

export function mayCampaign(core: Core): boolean {
  return !core.isLeader && core.isPromotable && !hasUnappliedConfChange(core);
}

/** A member does not campaign if it knows that its configuration is outdated: it would count votes by that one. */
function hasUnappliedConfChange(core: Core): boolean {
  const { log } = core;
  let index = log.applied + 1;
  while (index <= log.committed) {
    const entries = log.entries(index, log.committed + 1, SCAN_BYTES);
    if (entries.some((entry) => entry.type === "conf-change")) return true;
    index += entries.length;
  }
  return false;
}

function elect(core: Core, transfer: boolean): void {
  becomeCandidate(core);
  // The member's own vote counts like the others', once it is durable.
  core.sendDurable({ type: "vote-response", from: core.id, to: core.id, term: core.term, reject: false });
  askForVotes(core, "vote", transfer);
}

export function askForVotes(core: Core, type: "vote" | "pre-vote", transfer: boolean): void {
  const { lastIndex, lastTerm } = core.log;
  const term = type === "vote" ? core.term : core.term + 1;
  for (const to of core.peers) {
    if (!core.quorum.has(to)) continue;
    core.send({ type, from: core.id, to, term, lastIndex, lastTerm, transfer });
  }
}

/** Applies the rules of terms. Returns false if the message needs no further processing. */
export function settleTerm(core: Core, message: RaftMessage): boolean {
  if (message.term > core.term) return meetHigherTerm(core, message);
  if (message.term < core.term) {
    answerLowerTerm(core, message);
    return false;
  }
  return true;
}

function meetHigherTerm(core: Core, message: RaftMessage): boolean {
  const { type, term, from } = message;
  if ((type === "vote" || type === "pre-vote") && !message.transfer && core.isInLease) return false;
  // A pre-vote names a term that no member has entered yet.
  if (type === "pre-vote" || (type === "pre-vote-response" && !message.reject)) return true;
  const isFromLeader = type === "append" || type === "heartbeat" || type === "snapshot";
  becomeFollower(core, term, isFromLeader ? from : NONE);
  return true;
}

function answerLowerTerm(core: Core, message: RaftMessage): void {
  const { type, from } = message;
  if (type === "append" || type === "heartbeat") {
    // Because of its lease, a leader of an older term does not learn of our term from votes. This response makes it
    // step down.
    acknowledge(core, from, 0);
  } else if (type === "pre-vote") {
    core.sendDurable({ type: "pre-vote-response", from: core.id, to: from, term: core.term, reject: true });
  }
}

/**
 * A learner votes when asked to: the candidate may know of a promotion that has not reached the learner yet, and its
 * vote may be needed for the quorum.
 */
export function handleVote(core: Core, message: VoteMessage): void {
  const { from, term } = message;
  const isPreVote = message.type === "pre-vote";
  const type = isPreVote ? "pre-vote-response" : "vote-response";
  // A leader that asks again for the votes of its term was restarted (resumption.ts). It does not lead meanwhile.
  const wasRestarted = !isPreVote && core.leader === from && message.lastTerm === term;
  if (wasRestarted) becomeFollower(core, term, NONE);
  const mayVote = core.vote === from || (core.vote === NONE && core.leader === NONE) || (isPreVote && term > core.term);
  if (!mayVote || !core.log.isUpToDate(message.lastIndex, message.lastTerm)) {
    core.sendDurable({ type, from: core.id, to: from, term: core.term, reject: true });
    return;
  }
  // The response carries the requested term, not this member's. A pre-candidate that is ahead would take the latter for
  // outdated.
  core.sendDurable({ type, from: core.id, to: from, term, reject: false });
  if (isPreVote) {
    if (core.role === "pre-candidate" && isBetter(core, message)) becomeFollower(core, core.term, NONE);
    return;
  }
  core.electionElapsed = 0;
  core.vote = from;
}

/**
 * Members that campaign at the same moment, as all do after a restart, would split the votes and wait for an election
 * timeout. So a pre-candidate yields to a voter with a longer log. Where the logs are equal, it yields to the last leader,
 * which may know more about its term than the log says, and to a lower id. Its own log is known to be no longer.
 */
function isBetter({ id, log, quorum, term, vote }: Core, { from, lastIndex, lastTerm }: VoteMessage): boolean {
  if (!quorum.has(from)) return false;
  if (lastTerm > log.lastTerm || lastIndex > log.lastIndex || from === vote) return true;
  const hasLed = vote === id && log.lastTerm === term;
  return !hasLed && from < id;
}

export function handleVoteResponse(core: Core, message: VoteResponse): void {
  const isPreVote = message.type === "pre-vote-response";
  if (core.role !== (isPreVote ? "pre-candidate" : "candidate")) return;
  // A vote granted in an earlier campaign says nothing about this one.
  if (isPreVote && !message.reject && message.term !== core.term + 1) return;
  recordVote(core, message.from, !message.reject);
}

function recordVote(core: Core, from: bigint, granted: boolean): void {
  if (!core.quorum.has(from) || core.votes.has(from)) return;
  core.votes.set(from, granted);
  const result = core.quorum.voteResult((id) => core.votes.get(id));
  if (result === "lost") becomeFollower(core, core.term, NONE);
  if (result !== "won") return;
  if (core.role === "pre-candidate") elect(core, false);
  else becomeLeader(core);
}
