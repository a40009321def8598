/**
 * Who votes in a room of browser tabs. Pure: from what the leader sees, the one step to take next, or none.
 *
 * An odd number of voters: an even one survives no more losses than one less does, and needs more members up. So two
 * learners are promoted one right after the other, and with two members only the founder votes. A voter that is gone
 * for long gives its vote to a learner that is there. Where a step of two cannot be completed it is taken back.
 */
import type { MemberId } from "../../protocol/peer/raft-message.ts";
import type { AutopilotOptions } from "../options.ts";

export interface AutopilotMember {
  readonly id: MemberId;
  readonly learner: boolean;
  /** Has (nearly) the whole log. */
  readonly caughtUp: boolean;
  /** Milliseconds since it was heard of; 0 for the leader itself, Infinity for never. */
  readonly sinceContactMs: number;
}

export interface AutopilotView {
  readonly members: readonly AutopilotMember[];
  readonly leader: MemberId;
  /** How long this leader has been looking: whom it never heard of may have been there a moment before. */
  readonly leadingMs: number;
}

/** Heard of within the last few heartbeats, however late they were. */
const PRESENT_MS = 3_000;

export type AutopilotStep = { readonly type: "promote" | "demote"; readonly id: MemberId };

export function autopilotStep(view: AutopilotView, options: AutopilotOptions): AutopilotStep | undefined {
  const members = [...view.members].sort((left, right) => (left.id < right.id ? -1 : 1));
  const voters = members.filter((member) => !member.learner);
  const ready = members.filter((member) => member.learner && member.caughtUp && isPresent(member));
  const gone = voters.filter((member) => isGone(member, view, options));
  const candidate = ready[0];
  if (voters.length % 2 === 0) {
    // In the middle of a step of two, or somebody left it so: complete it upwards if possible, else downwards.
    if (candidate !== undefined && voters.length < options.votersMax) return { type: "promote", id: candidate.id };
    return demote(gone[0] ?? dispensable(voters, view.leader));
  }
  if (candidate === undefined) return undefined;
  const grows = ready.length >= 2 && voters.length + 2 <= options.votersMax;
  return grows || gone.length >= 1 ? { type: "promote", id: candidate.id } : undefined;
}

function isPresent({ sinceContactMs }: AutopilotMember): boolean {
  return sinceContactMs < PRESENT_MS;
}

function isGone({ id, sinceContactMs }: AutopilotMember, view: AutopilotView, options: AutopilotOptions): boolean {
  return id !== view.leader && sinceContactMs > options.goneAfterMs && view.leadingMs > options.goneAfterMs;
}

/** While somebody is silent and not yet gone nobody is: it may be back in a moment, or be the one to drop. */
function dispensable(voters: readonly AutopilotMember[], leader: MemberId): AutopilotMember | undefined {
  return voters.every(isPresent) ? voters.filter(({ id }) => id !== leader).at(-1) : undefined;
}

function demote(member: AutopilotMember | undefined): AutopilotStep | undefined {
  return member === undefined ? undefined : { type: "demote", id: member.id };
}
