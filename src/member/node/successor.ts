/** Who should lead instead of a leader that is about to go: the voter in contact that has the most of the log. */
import type { Member as MemberRecord } from "../../protocol/api/cluster.ts";
import type { MemberId } from "../../protocol/peer/raft-message.ts";
import type { RaftStatus } from "../../raft/ready.ts";

/** Undefined: there is none. */
export function successorOf(
  id: MemberId,
  members: readonly MemberRecord[],
  { progress }: Pick<RaftStatus, "progress">,
  isActive: (member: MemberId) => boolean,
): MemberId | undefined {
  const matchOf = (member: MemberId): number => progress.get(member)?.match ?? 0;
  const [first] = members
    .filter((member) => member.id !== id && !member.isLearner && isActive(member.id))
    .toSorted((left, right) => matchOf(right.id) - matchOf(left.id));
  return first?.id;
}
