/** A running member asks the room's registry from time to time: whom to dial, and whether the room is still its own. */
import type { Clock } from "../../member/clock.ts";
import type { Member } from "../../member/node/member.ts";
import { isInvitationRefusal } from "../../transport/room.ts";
import type { InvitationRefusalCode, RoomEdge, RoomInfo, RoomRegistry } from "../../transport/room.ts";
import { homeOf } from "../common/room-home.ts";
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
  /** The room's cluster has objects now, or has none any more: the tab comes in once more, with what it has. */
  readonly onMoved: () => void;
  /** Somebody who has the room's key asks for another shape. */
  readonly onWish: (shape: "edge" | "mixed") => void;
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

function settledMs(member: Member, watch: RegistryWatch): number {
  const { edge } = watch;
  // Soon it has moved.
  if (isMoving(member, edge)) return POLL_WITHOUT_LEADER_MS;
  if (edge !== undefined) return isRefused(watch) ? POLL_MS : POLL_AT_EDGE_MS;
  return member.leader === 0n ? POLL_WITHOUT_LEADER_MS : POLL_MS;
}

function isMoving({ machine: { membership } }: Member, edge: RoomEdge | undefined): boolean {
  return homeOf(membership) !== (edge === undefined ? "tabs" : "objects");
}

/** The membership alone does not tell: a log that was loaded is applied only after the start. */
export function belongs(member: Member): boolean {
  return member.status().lastIndex > 0 || member.machine.membership.has(member.id);
}

async function askRegistry(member: Member, watch: RegistryWatch, signal: AbortSignal): Promise<void> {
  let room: RoomInfo;
  try {
    room = await watch.registry.info();
    if (isBehind(member, room, watch)) room = await watch.registry.look();
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

/**
 * The registry does not know yet who votes in the room, or that a snapshot was restored into it. It asks an object, and takes
 * nobody else's word.
 */
function isBehind(
  { clusterId, machine: { membership } }: Member,
  { cluster, edge }: RoomInfo,
  watch: RegistryWatch,
): boolean {
  if (cluster !== clusterId) return false;
  const home = homeOf(membership);
  const hasMoved = home !== undefined && (home === "objects") !== (edge !== undefined);
  return hasMoved || isRefused(watch);
}

/** By the room's object: it may belong to another cluster by now. */
function isRefused({ edge, state }: RegistryWatch): boolean {
  return edge !== undefined && state()?.signalling.state === "refused";
}

async function obey(member: Member, room: RoomInfo, watch: RegistryWatch): Promise<void> {
  if (watch.isRecovering()) return;
  const { registry } = watch;
  const { id: memberId, clusterId } = member;
  const own = {
    memberId,
    clusterId,
    belongs: belongs(member),
    hasNothing: isEmptyFounding(member) || isEmptyCopy(member),
  };
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
  if (verdict !== "agrees") return;
  if ((room.edge === undefined) !== (watch.edge === undefined)) return watch.onMoved();
  removeFormerObjects(member, room);
  const mayReshape = member.leader === member.id && member.machine.membership.guest(member.id) === undefined;
  if (room.wish !== undefined && mayReshape) watch.onWish(room.wish);
  await tellWhoIsInvited(member, room, watch);
}

/** They have given up their votes, and are deleted. */
function removeFormerObjects(member: Member, { edge }: RoomInfo): void {
  const { membership } = member.machine;
  const isOver = edge === undefined && membership.shape.shape === "tabs" && homeOf(membership) === "tabs";
  if (!isOver || member.leader !== member.id) return;
  const [former] = membership.shape.objects.filter((id) => membership.has(id));
  if (former !== undefined) member.changes.remove(former, () => {});
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

/**
 * A copy of a cluster whose objects alone voted, and to which nothing was written. What it has not applied was acknowledged to
 * nobody, or is known to its objects, over which a snapshot is restored only if they have nothing either.
 */
function isEmptyCopy(member: Member): boolean {
  const { membership, store, auth } = member.machine;
  const { voters, votersOutgoing } = membership.confState;
  const { shape, objects } = membership.shape;
  const isAtEdge = shape !== "none" && [...voters, ...votersOutgoing].every((id) => objects.includes(id));
  return isAtEdge && store.revision <= 1 && !auth.enabled && member.applied >= member.status().commit;
}
