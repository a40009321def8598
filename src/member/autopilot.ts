/**
 * Who votes in a room of browser tabs. Pure: from what the leader sees, the one step to take next, or none.
 *
 * An odd number of voters: an even one survives no more losses than one less does, and needs more members up. So two
 * learners are promoted one right after the other, and with two members only the founder votes. A voter that is gone
 * for long gives its vote to a learner that is there.
 */
import type { MemberId } from "../protocol/raft-message.ts";
import type { AutopilotOptions } from "./options.ts";

export interface AutopilotMember {
  readonly id: MemberId;
  readonly learner: boolean;
  /** Has (nearly) the whole log. */
  readonly caughtUp: boolean;
  /** Milliseconds since it was heard of; 0 for the leader itself, Infinity for never. */
  readonly silentMs: number;
}

/** Heard of within the last few heartbeats, however late they were. */
const PRESENT_MS = 3_000;

export type AutopilotStep = { readonly type: "promote" | "demote"; readonly id: MemberId };

export function autopilotStep(
  members: readonly AutopilotMember[],
  leader: MemberId,
  options: AutopilotOptions,
): AutopilotStep | undefined {
  const voters = members.filter((member) => !member.learner);
  const ready = members
    .filter((member) => member.learner && member.caughtUp && member.silentMs < PRESENT_MS)
    .sort((left, right) => (left.id < right.id ? -1 : 1));
  const gone = voters.filter((member) => member.silentMs > options.goneAfterMs && member.id !== leader);
  const promoted = ready[0];
  if (voters.length % 2 === 0) {
    // In the middle of a step of two, or somebody left it so: complete it upwards if possible.
    if (promoted !== undefined && voters.length < options.votersMax) return { type: "promote", id: promoted.id };
    const dropped = gone[0];
    return dropped === undefined ? undefined : { type: "demote", id: dropped.id };
  }
  if (ready.length >= 2 && voters.length + 2 <= options.votersMax) return promote(promoted);
  if (ready.length >= 1 && gone.length >= 1) return promote(promoted);
  return undefined;
}

function promote(member: AutopilotMember | undefined): AutopilotStep | undefined {
  return member === undefined ? undefined : { type: "promote", id: member.id };
}
