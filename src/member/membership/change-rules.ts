/**
 * etcd's rules for membership changes, in etcd's order. One set is checked when a change is applied: alike on all
 * members, from the log and the member list alone. The other set is checked before it is proposed, by the leader, which
 * sees who is connected.
 */
import { unreachable } from "../../base/assert.ts";
import { errObjectsLeft, haveGivenUp, shapeRefusal } from "./cluster-shape.ts";
import type { Member } from "../../protocol/api/cluster.ts";
import {
  errLearnerNotReady,
  errMemberExist,
  errMemberNotEnoughStarted,
  errMemberNotFound,
  errMemberNotLearner,
  errPeerURLExist,
  errTooManyLearners,
  errUnhealthy,
} from "../../protocol/errors.ts";
import type { EtcdError } from "../../protocol/errors.ts";
import { errInvitationNotFound, errReadOnlyMember } from "../../protocol/invitation-errors.ts";
import type { Guest, Invitations } from "../../protocol/peer/invitations-schema.ts";
import type { MemberChange } from "../../protocol/peer/member-change-schema.ts";
import type { ClusterShape } from "../../protocol/peer/cluster-shape-schema.ts";
import type { ConfState, MemberId } from "../../protocol/peer/raft-message.ts";
import { invitationOf, inviteRefusal } from "./invitations.ts";

export interface KnownMembers {
  readonly members: readonly Member[];
  readonly shape: ClusterShape;
  readonly confState: Pick<ConfState, "voters" | "votersOutgoing">;
  get(id: MemberId): Member | undefined;
  wasRemoved(id: MemberId): boolean;
  readonly invitations: Invitations;
  guest(id: MemberId): Guest | undefined;
}

/** Returns why the change must not take effect; undefined if it may. */
export function refusalOf(change: MemberChange, known: KnownMembers): EtcdError | undefined {
  const { id, rule } = change;
  const member = known.get(id);
  if (known.wasRemoved(id)) return errMemberNotFound;
  switch (rule) {
    case "add":
      if (member !== undefined) return errMemberExist;
      return urlTaken(change, known) ?? tooManyLearners(change, known);
    case "promote":
      if (member === undefined) return errMemberNotFound;
      if (known.guest(id)?.role === "reader") return errReadOnlyMember;
      if (haveGivenUp(known) && known.shape.objects.includes(id)) return errObjectsLeft;
      return member.isLearner ? undefined : errMemberNotLearner;
    case "update":
      return member === undefined ? errMemberNotFound : urlTaken(change, known);
    case "remove":
      return member === undefined ? errMemberNotFound : undefined;
    case "invite":
      return change.invite === undefined ? errInvitationNotFound : inviteRefusal(known.invitations, change.invite);
    case "revoke":
      return invitationOf(known.invitations, change.invitation) === undefined ? errInvitationNotFound : undefined;
    case "shape":
      return shapeRefusal(change.shape, known);
    case "none":
      return undefined;
    default:
      return unreachable(rule);
  }
}

function urlTaken({ id, raftAttributes }: MemberChange, { members }: KnownMembers): EtcdError | undefined {
  const taken = new Set(members.filter((member) => member.id !== id).flatMap((member) => member.peerUrls));
  return raftAttributes?.peerUrls.some((url) => taken.has(url)) === true ? errPeerURLExist : undefined;
}

function tooManyLearners({ raftAttributes, maxLearners }: MemberChange, known: KnownMembers): EtcdError | undefined {
  if (raftAttributes?.isLearner !== true) return undefined;
  const { shape, objects } = known.shape;
  // Tabs join by themselves, and have a limit of their own.
  const learners = known.members.filter(({ id, isLearner }) => isLearner && (shape === "none" || objects.includes(id)));
  return learners.length < maxLearners ? undefined : errTooManyLearners;
}

/** Connection to a member. "unknown": leadership is too young to decide. "back": it was down a moment ago. */
export type Connection = "up" | "back" | "down" | "unknown";

/** What the leader sees. */
export interface ChangeView {
  readonly members: readonly Member[];
  readonly self: MemberId;
  connection(id: MemberId): Connection;
}

/** Checks etcd's --strict-reconfig-check. Returns "wait" if the connection state of a member is not known yet. */
export function mayAdd(isLearner: boolean, view: ChangeView): EtcdError | "wait" | undefined {
  const voters = votersOf(view.members);
  const started = voters.filter(isStarted).length;
  // A single member may add a second one.
  const isReady = (started === 1 && voters.length === 1) || started >= quorumOf(voters.length + 1);
  if (!isLearner && !isReady) return errMemberNotEnoughStarted;
  if (voters.length === 1 || connected(voters, view, "up") >= quorumOf(voters.length + 1)) return undefined;
  return connected(voters, view, "unknown") > 0 ? "wait" : errUnhealthy;
}

export function mayRemove(id: MemberId, view: ChangeView): EtcdError | "wait" | undefined {
  if (view.members.some((member) => member.id === id && member.isLearner)) return undefined;
  const voters = votersOf(view.members);
  const rest = voters.filter((member) => member.id !== id);
  if (rest.filter(isStarted).length < quorumOf(rest.length)) return errMemberNotEnoughStarted;
  // A member that is down is not part of the working quorum.
  const leaving = id === view.self ? "up" : view.connection(id);
  if (leaving === "down") return undefined;
  if (leaving === "unknown") return "wait";
  if (connected(voters, view, "up") - 1 >= 1 + Math.floor((voters.length - 1) / 2)) return undefined;
  return connected(voters, view, "unknown") > 0 ? "wait" : errUnhealthy;
}

/**
 * `match` is the learner's and `leaderMatch` the leader's own. Undefined: the leader sends entries to no member of that
 * id.
 */
export function mayPromote(
  match: number | undefined,
  leaderMatch: number,
  members: readonly Member[],
  isStrict: boolean,
): EtcdError | undefined {
  if (match === undefined) return errMemberNotFound;
  if (match < leaderMatch * CAUGHT_UP) return errLearnerNotReady;
  if (!isStrict) return undefined;
  const voters = votersOf(members);
  // The learner to be promoted counts as started.
  return 1 + voters.filter(isStarted).length < quorumOf(voters.length + 1) ? errMemberNotEnoughStarted : undefined;
}

const CAUGHT_UP = 0.9;

function votersOf(members: readonly Member[]): readonly Member[] {
  return members.filter((member) => !member.isLearner);
}

/** A member publishes its name when it runs for the first time. */
function isStarted({ name }: Member): boolean {
  return name !== "";
}

function quorumOf(count: number): number {
  return Math.floor(count / 2) + 1;
}

function connected(voters: readonly Member[], view: ChangeView, as: Connection): number {
  return voters.filter(({ id }) => (id === view.self ? as === "up" : view.connection(id) === as)).length;
}
