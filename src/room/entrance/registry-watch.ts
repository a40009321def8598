/** A running member asks the room's registry from time to time: whom to dial, and whether the room is still its own. */
import type { Clock } from "../../member/clock.ts";
import type { Member } from "../../member/node/member.ts";
import { isInvitationRefusal } from "../../transport/room.ts";
import type { InvitationRefusalCode, RoomEdge, RoomInfo, RoomRegistry } from "../../transport/room.ts";
import { checkRegistry } from "./entry.ts";
import { messageOf, type Patience } from "../common/patience.ts";
import type { RunningState } from "../common/tab-state.ts";

export interface RegistryWatch {
  readonly registry: RoomRegistry;
  readonly clock: Clock;
  readonly patience: Patience;
  /** The objects of the room's cluster; undefined: all its members are tabs. */
  readonly edge: RoomEdge | undefined;
  /** The room is being taken from this very cluster. */
  readonly isRecovering: () => boolean;
  /** Undefined while the tab's member does not run. */
  readonly state: () => RunningState | undefined;
  readonly update: (changes: Partial<RunningState>) => void;
  /** The store is of no use: the tab begins anew. */
  readonly onDiscard: () => void;
  /** The members do not let this newcomer in: its invitation is over. */
  readonly onRefused: (code: InvitationRefusalCode) => void;
}

const FIRST_POLL_MS = 300;
const POLL_GROWTH = 1.5;
const POLL_WHILE_JOINING_MS = 5_000;
const POLL_WITHOUT_LEADER_MS = 3_000;
const POLL_MS = 20_000;
/** A member finds its objects without the registry, and each question wakes the registry. */
const POLL_AT_EDGE_MS = 10 * 60_000;

/** Until the signal aborts. */
export async function watchRegistry(member: Member, watch: RegistryWatch, signal: AbortSignal): Promise<void> {
  let joiningMs = FIRST_POLL_MS;
  while (!signal.aborted) {
    await askRegistry(member, watch, signal);
    if (signal.aborted) return;
    if (!belongs(member) && isInvitationRefusal(member.joinRefusal)) return watch.onRefused(member.joinRefusal);
    joiningMs = Math.min(joiningMs * POLL_GROWTH, POLL_WHILE_JOINING_MS);
    await watch.patience.pause(belongs(member) ? settledMs(member, watch) : joiningMs, signal);
  }
}

function settledMs(member: Member, { edge }: RegistryWatch): number {
  if (edge !== undefined) return POLL_AT_EDGE_MS;
  return member.leader === 0n ? POLL_WITHOUT_LEADER_MS : POLL_MS;
}

/** The membership alone does not tell: a log that was loaded is applied only after the start. */
export function belongs(member: Member): boolean {
  return member.status().lastIndex > 0 || member.machine.membership.has(member.id);
}

async function askRegistry(member: Member, watch: RegistryWatch, signal: AbortSignal): Promise<void> {
  let room: RoomInfo;
  try {
    room = await watch.registry.info();
  } catch (error) {
    watch.update({ roomTrouble: messageOf(error) });
    return;
  }
  if (signal.aborted) return;
  member.dial(watch.edge?.objects ?? room.members);
  const isAlone = watch.edge === undefined && room.members.every((id) => id === member.id);
  watch.update({
    room,
    roomTrouble: undefined,
    aloneSinceMs: isAlone ? (watch.state()?.aloneSinceMs ?? watch.clock.nowMs()) : undefined,
  });
  await obey(member, room, watch);
}

async function obey(member: Member, room: RoomInfo, watch: RegistryWatch): Promise<void> {
  if (watch.isRecovering()) return;
  const { registry } = watch;
  const { id: memberId, clusterId } = member;
  const own = { memberId, clusterId, belongs: belongs(member), isEmptyFounding: isEmptyFounding(member) };
  const checked = checkRegistry(own, room);
  // Objects make the room's cluster; a learner cannot found it again.
  const verdict = watch.edge !== undefined && checked === "register" ? "conflict" : checked;
  watch.update({ isConflict: verdict === "conflict" });
  try {
    if (verdict === "register") await registry.claim(memberId, clusterId);
    if (verdict === "register" || verdict === "confirm") await registry.confirm(memberId, clusterId);
  } catch {
    // The next round asks again, and says what is wrong.
  }
  if (verdict === "discard") watch.onDiscard();
  if (verdict === "agrees") await tellWhoIsInvited(member, room, watch);
}

/** Who is removed, or comes in by the last use, changes it without a word to the registry. */
async function tellWhoIsInvited(member: Member, room: RoomInfo, { registry }: RegistryWatch): Promise<void> {
  const { membership } = member.machine;
  const isNobody = membership.invitations.made.length === 0 && room.guests === undefined;
  if (isNobody || member.unavailable !== undefined || membership.guest(member.id) !== undefined) return;
  try {
    const { tellGuests } = await import("./guest-list.ts");
    await tellGuests(member, registry, room);
  } catch {
    // The next round tells it.
  }
}

function isEmptyFounding(member: Member): boolean {
  const { membership, store } = member.machine;
  return membership.members.length === 1 && store.revision <= 1 && member.applied === member.status().lastIndex;
}
