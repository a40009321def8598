/**
 * Decides which members of a room of browser tabs vote. Pure: returns the next step for what the leader sees, or none.
 *
 * The number of voters is odd: an even number survives no more losses than one voter less, and needs more members up.
 * So two learners are promoted one right after the other, and of two members only the initial one votes. If a pair of
 * steps cannot be completed, its first step is reversed.
 *
 * A voter that is gone loses its vote while the others can still decide that: soon to a learner that is present, and
 * later without a successor. Otherwise it would count until the next voter leaves, and then stop the room.
 *
 * A tab that is closed permanently stays a learner, and a room takes a limited number of them. So a full room removes the
 * learner that has been silent for the longest time.
 */
import type { MemberId } from "../../protocol/peer/raft-message.ts";
import type { AutopilotOptions } from "../options.ts";

export interface AutopilotMember {
  readonly id: MemberId;
  readonly learner: boolean;
  /** False for one that was invited to read only. */
  readonly mayVote: boolean;
  /** True if it has the whole log, or nearly. */
  readonly caughtUp: boolean;
  /** Milliseconds since the last contact; 0 for the leader itself, Infinity if there was none. */
  readonly sinceContactMs: number;
}

export interface AutopilotView {
  readonly members: readonly AutopilotMember[];
  readonly leader: MemberId;
  /** Learners above which no newcomer is admitted. */
  readonly learnersMax: number;
  /** How long this member has led. A member that it never had contact with may have been present just before. */
  readonly leadingMs: number;
}

/** A member with contact in this time is present. It covers several heartbeats, even late ones. */
const PRESENT_MS = 3_000;

export type AutopilotStep = { readonly type: "promote" | "demote" | "remove"; readonly id: MemberId };

export function autopilotStep(view: AutopilotView, options: AutopilotOptions): AutopilotStep | undefined {
  return votingStep(view, options) ?? removalStep(view, options);
}

function votingStep(view: AutopilotView, options: AutopilotOptions): AutopilotStep | undefined {
  const members = [...view.members].sort((left, right) => (left.id < right.id ? -1 : 1));
  const voters = members.filter((member) => !member.learner);
  const ready = members.filter((member) => member.learner && member.mayVote && member.caughtUp && isPresent(member));
  const { goneAfterMs, replaceAfterMs = goneAfterMs } = options;
  const gone = voters.filter((member) => isSilentFor(goneAfterMs, member, view)).toSorted(longestSilentFirst);
  const replaceable = voters.filter((member) => isSilentFor(replaceAfterMs, member, view)).toSorted(longestSilentFirst);
  const candidate = ready[0];
  if (voters.length % 2 === 0) {
    // Between the two steps of a pair, or a previous leader stopped there. Completes the pair if possible; otherwise
    // reverses it.
    if (candidate !== undefined && voters.length < options.votersMax) return { type: "promote", id: candidate.id };
    return demote(replaceable[0] ?? dispensable(voters, view.leader));
  }
  if (candidate === undefined) return demote(gone[0]);
  const grows = ready.length >= 2 && voters.length + 2 <= options.votersMax;
  return grows || replaceable.length >= 1 ? { type: "promote", id: candidate.id } : undefined;
}

/**
 * Makes room for another learner. One without any contact since this member leads has been silent for at least that long.
 */
export function removalStep(
  { members, learnersMax, leadingMs }: AutopilotView,
  { learnerGoneAfterMs = Infinity }: AutopilotOptions,
): AutopilotStep | undefined {
  const learners = members.filter(({ learner }) => learner);
  if (learners.length < learnersMax || leadingMs <= learnerGoneAfterMs) return undefined;
  const gone = learners.filter(({ sinceContactMs }) => sinceContactMs > learnerGoneAfterMs).sort(longestSilentFirst)[0];
  return gone === undefined ? undefined : { type: "remove", id: gone.id };
}

function isPresent({ sinceContactMs }: AutopilotMember): boolean {
  return sinceContactMs < PRESENT_MS;
}

/** Silence before this member led says nothing: it heard only from the leader then. */
function isSilentFor(afterMs: number, { id, sinceContactMs }: AutopilotMember, view: AutopilotView): boolean {
  return id !== view.leader && sinceContactMs > afterMs && view.leadingMs > afterMs;
}

function longestSilentFirst(left: AutopilotMember, right: AutopilotMember): number {
  if (left.sinceContactMs !== right.sinceContactMs) return left.sinceContactMs < right.sinceContactMs ? 1 : -1;
  return left.id < right.id ? -1 : 1;
}

/**
 * Returns the voter to demote. None while a voter is silent but not yet gone: it may return soon, or be the one to
 * demote.
 */
function dispensable(voters: readonly AutopilotMember[], leader: MemberId): AutopilotMember | undefined {
  return voters.every(isPresent) ? voters.filter(({ id }) => id !== leader).at(-1) : undefined;
}

function demote(member: AutopilotMember | undefined): AutopilotStep | undefined {
  return member === undefined ? undefined : { type: "demote", id: member.id };
}
