/** A leader that closes, or whose page is hidden, lets another member lead, so that nobody waits for an election time-out. */
import type { Member } from "../../member/node/member.ts";
import { successorOf } from "../../member/node/successor.ts";

const LIMIT_MS = 1_500;
const LOOK_EVERY_MS = 10;

/** For a page that is being left: in a room in which tabs vote with an object, the others then go on without its vote. */
export function sayGoodbye(member: Member): boolean {
  if (member.machine.membership.shape.shape !== "mixed") return false;
  member.sayGoodbye();
  return true;
}

/** Resolves when this member does not vote, or after a moment. */
export async function giveUpVote(member: Member): Promise<void> {
  if (!sayGoodbye(member)) return;
  const votes = (): boolean => {
    const { voters, votersOutgoing } = member.machine.membership.confState;
    return voters.includes(member.id) || votersOutgoing.includes(member.id);
  };
  await untilDone(member, () => !votes());
}

/** Resolves when another member leads, when there is none that could, or after a moment. */
export async function handOver(member: Member): Promise<void> {
  if (!transferLeadership(member)) return;
  await untilDone(member, () => member.leader !== member.id && member.leader !== 0n);
}

async function untilDone(member: Member, isDone: () => boolean): Promise<void> {
  const untilMs = member.clock.nowMs() + LIMIT_MS;
  while (member.problem === undefined && member.clock.nowMs() < untilMs) {
    if (isDone()) return;
    await new Promise<void>((resolve) => {
      member.clock.setTimer(LOOK_EVERY_MS, resolve);
    });
  }
}

/** Asks the member with the most of the log to lead. False if this one does not lead, or no other could. */
export function transferLeadership(member: Member): boolean {
  if (member.problem !== undefined || member.leader !== member.id) return false;
  const { members } = member.machine.membership;
  const successor = successorOf(member.id, members, member.status(), (id) => member.isActive(id));
  if (successor === undefined) return false;
  member.transferLeader(successor);
  return true;
}
