/**
 * Decides which members of a room vote whose cluster has objects. Pure: returns the next step for what the leader sees, or
 * none. Each step is one change of the configuration, a joint one where several votes change, and leads to an odd number
 * of voters:
 *
 * - Shape "edge": the objects vote, and no tab does.
 * - Shape "tabs": the tabs vote, and no object does. An object that leads cannot tell whether the tabs reach each other. So it
 *   votes with them until one of them leads, which then takes its vote. A single tab gets it at once.
 * - Shape "mixed": the objects that are present vote, and with them as many tabs as make the largest odd number.
 * - A voter that has left loses its vote at once, and one that is silent for some seconds then. If nobody can take its
 *   place, another tab loses its vote as well. So the next loss does not stop the room.
 * - Fewer than three tabs never vote without an object: one browser alone would hold the room, and take it along.
 * - Who votes goes on to, except for a tab in whose place an object returns.
 * - The present members are a majority of the voters before the step and after it. So each step can be completed.
 */
import { unreachable } from "../../base/assert.ts";
import type { ShapeName } from "../../protocol/peer/cluster-shape-schema.ts";
import type { MemberId } from "../../protocol/peer/raft-message.ts";

export interface MixedMember {
  readonly id: MemberId;
  readonly isVoter: boolean;
  /** False for one that was invited to read only. */
  readonly mayVote: boolean;
  readonly isObject: boolean;
  /** True if it has the whole log, or nearly. */
  readonly isCaughtUp: boolean;
  /** It has said that it leaves, and nothing since. */
  readonly hasLeft: boolean;
  /** Milliseconds since the last contact; 0 for the leader itself, Infinity if there was none. */
  readonly sinceContactMs: number;
  /** The leader has a connection to it, or is it. */
  readonly isUp: boolean;
}

export interface MixedView {
  readonly shape: ShapeName;
  readonly members: readonly MixedMember[];
  readonly leader: MemberId;
  /** How long this member has led. Silence before that says nothing. */
  readonly leadingMs: number;
}

export interface MixedOptions {
  /** Odd. */
  readonly votersMax: number;
  /** A voter without contact for longer loses its vote. */
  readonly goneAfterMs: number;
}

/** Who gets a vote and who loses one, at once. */
export interface VotesStep {
  readonly promote: readonly MemberId[];
  readonly demote: readonly MemberId[];
}

/** A member with contact in this time is present. It covers several heartbeats, even late ones. */
export const PRESENT_MS = 3_000;
/** Fewer voters than this survive no loss. */
const TABS_ALONE_MIN = 3;

export function votesStep(view: MixedView, options: MixedOptions): VotesStep | undefined {
  const wanted = wantedVoters(view, options);
  if (wanted === undefined) return undefined;
  const voters = view.members.filter(({ isVoter }) => isVoter);
  const promote = wanted.filter(({ isVoter }) => !isVoter);
  const demote = voters.filter((voter) => !wanted.includes(voter));
  if (promote.length + demote.length === 0 || !isDecidable(voters) || !isDecidable(wanted)) return undefined;
  return { promote: idsOf(promote), demote: idsOf(demote) };
}

/** Tabs alone vote in a room that is to have objects, or had some: the rules of rooms of tabs hold there (autopilot.ts). */
export function isLeftToTabs({ shape, members }: MixedView, hasArrived: (object: MemberId) => boolean): boolean {
  const objects = members.filter(({ isObject }) => isObject);
  if (objects.some(({ isVoter }) => isVoter)) return false;
  return shape === "tabs" || !objects.some((object) => hasArrived(object.id) || isReady(object));
}

function wantedVoters(view: MixedView, options: MixedOptions): readonly MixedMember[] | undefined {
  switch (view.shape) {
    case "edge":
      return objectsOf(view);
    case "tabs":
      return tabsOf(view, options);
    case "none":
    case "mixed":
      return mixedVoters(view, options);
    default:
      return unreachable(view.shape);
  }
}

/** While an object votes. A tab that may be gone already does not get the room into its hands. */
function tabsOf(view: MixedView, options: MixedOptions): readonly MixedMember[] | undefined {
  const { members, leader } = view;
  if (!members.some(({ isVoter, isObject }) => isVoter && isObject)) return undefined;
  const tabs = members
    .filter((member) => !member.isObject && member.isUp && isReady(member))
    .toSorted((left, right) => rankOf(left, view) - rankOf(right, view) || byId(left, right));
  const count = Math.min(largestOdd(tabs.length), options.votersMax);
  const isObjectLeading = members.some(({ id, isObject }) => id === leader && isObject);
  if (isObjectLeading && count > 1) return mixedVoters(view, options);
  return count === 0 ? undefined : tabs.slice(0, count);
}

/** While a tab votes. After that, operators decide which objects vote. */
function objectsOf({ members }: MixedView): readonly MixedMember[] | undefined {
  if (!members.some(({ isVoter, isObject }) => isVoter && !isObject)) return undefined;
  const objects = members.filter((member) => member.isObject && (member.isVoter || isReady(member)));
  const count = largestOdd(objects.length);
  return count === 0 ? undefined : objects.toSorted(votersFirst).slice(0, count);
}

function mixedVoters(view: MixedView, { votersMax, goneAfterMs }: MixedOptions): readonly MixedMember[] | undefined {
  const candidates = view.members
    .filter((member) => (member.isVoter ? !isGone(member, view, goneAfterMs) : isReady(member)))
    .toSorted((left, right) => rankOf(left, view) - rankOf(right, view) || byId(left, right));
  const sitting = view.members.filter(({ isVoter }) => isVoter).length;
  // One that is silent for a moment keeps its vote, but the number grows only for those that are present.
  const grown = Math.min(largestOdd(candidates.filter(isPresent).length), votersMax);
  const count = Math.max(grown, Math.min(largestOdd(candidates.length), sitting, votersMax));
  const voters = candidates.slice(0, largestOdd(count));
  const isSafe = voters.some(({ isObject }) => isObject) || voters.length >= TABS_ALONE_MIN;
  return isSafe ? voters : undefined;
}

function rankOf({ id, isObject, isVoter }: MixedMember, { leader }: MixedView): number {
  if (isObject) return 0;
  if (!isVoter) return 3;
  return id === leader ? 1 : 2;
}

/** More than half of them respond, and so decide a change. */
function isDecidable(voters: readonly MixedMember[]): boolean {
  return voters.filter(isPresent).length * 2 > voters.length;
}

function isReady(member: MixedMember): boolean {
  return member.mayVote && member.isCaughtUp && isPresent(member);
}

function isPresent({ hasLeft, sinceContactMs }: MixedMember): boolean {
  return !hasLeft && sinceContactMs < PRESENT_MS;
}

function isGone({ id, hasLeft, sinceContactMs }: MixedMember, view: MixedView, afterMs: number): boolean {
  if (id === view.leader) return false;
  return hasLeft || (sinceContactMs > afterMs && view.leadingMs > afterMs);
}

function largestOdd(count: number): number {
  return count % 2 === 1 || count === 0 ? count : count - 1;
}

function votersFirst(left: MixedMember, right: MixedMember): number {
  return Number(right.isVoter) - Number(left.isVoter) || byId(left, right);
}

function byId(left: MixedMember, right: MixedMember): number {
  return left.id < right.id ? -1 : 1;
}

function idsOf(members: readonly MixedMember[]): readonly MemberId[] {
  return members.map(({ id }) => id);
}
