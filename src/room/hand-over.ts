/** A leader that closes, or whose page is hidden, lets another member lead, so that nobody waits for an election time-out. */
import type { Member } from "../member/node/member.ts";

const LIMIT_MS = 1_500;
const LOOK_EVERY_MS = 10;

/** Resolves when another member leads, when there is none that could, or after a moment. */
export async function handOver(member: Member): Promise<void> {
  if (!transferLeadership(member)) return;
  const untilMs = member.clock.nowMs() + LIMIT_MS;
  while (member.problem === undefined && member.clock.nowMs() < untilMs) {
    if (member.leader !== member.id && member.leader !== 0n) return;
    await new Promise<void>((resolve) => {
      member.clock.setTimer(LOOK_EVERY_MS, resolve);
    });
  }
}

/** Asks the member with the most of the log to lead. False if this one does not lead, or no other could. */
export function transferLeadership(member: Member): boolean {
  if (member.problem !== undefined || member.leader !== member.id) return false;
  const { progress } = member.status();
  const matchOf = (id: bigint): number => progress.get(id)?.match ?? 0;
  const [successor] = member.machine.membership.members
    .filter(({ id, isLearner }) => id !== member.id && !isLearner && member.isActive(id))
    .toSorted((a, b) => matchOf(b.id) - matchOf(a.id));
  if (successor === undefined) return false;
  member.transferLeader(successor.id);
  return true;
}
