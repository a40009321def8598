/**
 * The content of a membership change besides Raft's part of it. The first three fields are etcd's
 * `membershippb.Member`. The others say which of etcd's rules apply when the change is validated, so that all members
 * validate it alike.
 */
import { EMPTY_BYTES } from "../../base/bytes.ts";
import { raftAttributesSchema, memberAttributesSchema, memberSchema } from "../api/schema/cluster-schema.ts";
import type { Member, MemberAttributes, RaftAttributes } from "../api/cluster.ts";
import { bool, bytes, closedEnum, id, message, optional, repeated, string, uint, always } from "../codec/schema.ts";
import type { Schema } from "../codec/schema.ts";
import { clusterShapeSchema } from "./cluster-shape-schema.ts";
import type { ClusterShape } from "./cluster-shape-schema.ts";
import { inviteSchema } from "./invitations-schema.ts";
import type { Invite } from "./invitations-schema.ts";

/**
 * "none": automatic changes of a room (a new member joins, the autopilot promotes), which etcd does not have. Nor has it
 * "invite" and "revoke", which change nothing but the invitations of a room, and "shape", which says who votes in it.
 */
export type ChangeRule = "none" | "add" | "promote" | "update" | "remove" | "invite" | "revoke" | "shape";

const RULES: readonly ChangeRule[] = ["none", "add", "promote", "update", "remove", "invite", "revoke", "shape"];

export interface MemberChange {
  readonly id: bigint;
  readonly raftAttributes: RaftAttributes | undefined;
  readonly memberAttributes: MemberAttributes | undefined;
  readonly rule: ChangeRule;
  /** etcd's --max-learners, at the leader that proposed the change. */
  readonly maxLearners: number;
  /** The fingerprint of the member's key, in a room; otherwise empty. */
  readonly key: Uint8Array;
  /** The id of the invitation by which it comes, or that is revoked; otherwise empty. */
  readonly invitation: Uint8Array;
  /** Of the rule "invite". */
  readonly invite: Invite | undefined;
  /** Of the rule "shape", and of a room that is founded. */
  readonly shape: ClusterShape | undefined;
}

export function memberChange(set?: Partial<MemberChange>): MemberChange {
  return {
    ...{ id: 0n, raftAttributes: undefined, memberAttributes: undefined, rule: "none", maxLearners: 0 },
    ...{ key: EMPTY_BYTES, invitation: EMPTY_BYTES, invite: undefined, shape: undefined, ...set },
  };
}

export const memberChangeSchema: Schema<MemberChange> = message<MemberChange>(
  "quorate.MemberChange",
  () => memberChange(),
  {
    id: id(1, "ID", "unsigned"),
    raftAttributes: optional(2, "raft_attributes", () => raftAttributesSchema),
    memberAttributes: optional(3, "member_attributes", () => memberAttributesSchema),
    rule: closedEnum<ChangeRule>(4, "rule", RULES),
    maxLearners: uint(5, "max_learners"),
    key: bytes(6, "key"),
    invitation: bytes(7, "invitation"),
    invite: optional(8, "invite", () => inviteSchema),
    shape: optional(9, "shape", () => clusterShapeSchema),
  },
);

/** The request to the leader. */
export interface MemberChangeCall {
  /** The change's id in the log. A repeated request with this id is the same change. */
  readonly changeId: bigint;
  readonly rule: ChangeRule;
  /** 0 for a member to be added: the leader draws it. */
  readonly memberId: bigint;
  readonly peerUrls: readonly string[];
  readonly isLearner: boolean;
  /** Of the rule "invite". */
  readonly invite: Invite | undefined;
  /** The id of the invitation that is revoked; otherwise empty. */
  readonly invitation: Uint8Array;
  /** Of the rule "shape". */
  readonly shape: ClusterShape | undefined;
}

export function memberChangeCall(set?: Partial<MemberChangeCall>): MemberChangeCall {
  return {
    ...{ changeId: 0n, rule: "none", memberId: 0n, peerUrls: [], isLearner: false },
    ...{ invite: undefined, invitation: EMPTY_BYTES, shape: undefined, ...set },
  };
}

export const memberChangeCallSchema: Schema<MemberChangeCall> = message<MemberChangeCall>(
  "quorate.MemberChangeCall",
  () => memberChangeCall(),
  {
    changeId: id(1, "change_id", "unsigned"),
    rule: closedEnum<ChangeRule>(2, "rule", RULES),
    memberId: id(3, "member_id", "unsigned"),
    peerUrls: repeated(string(4, "peer_urls")),
    isLearner: bool(5, "is_learner"),
    invite: optional(6, "invite", () => inviteSchema),
    invitation: bytes(7, "invitation"),
    shape: optional(8, "shape", () => clusterShapeSchema),
  },
);

/** The leader's result. */
export interface MemberChangeAnswer {
  readonly memberId: bigint;
  readonly members: readonly Member[];
}

export const memberChangeAnswerSchema: Schema<MemberChangeAnswer> = message<MemberChangeAnswer>(
  "quorate.MemberChangeAnswer",
  () => ({ memberId: 0n, members: [] }),
  {
    memberId: id(1, "member_id", "unsigned"),
    members: repeated(always(2, "members", () => memberSchema)),
  },
);

/** The most recent changes, so that a change that arrives twice is applied once. */
export interface RecentChange {
  readonly changeId: bigint;
  readonly memberId: bigint;
}

interface RecentChanges {
  readonly changes: readonly RecentChange[];
}

export const recentChangeSchema: Schema<RecentChange> = message<RecentChange>(
  "quorate.RecentChange",
  () => ({ changeId: 0n, memberId: 0n }),
  { changeId: id(1, "change_id", "unsigned"), memberId: id(2, "member_id", "unsigned") },
);

export const recentChangesSchema: Schema<RecentChanges> = message<RecentChanges>(
  "quorate.RecentChanges",
  () => ({ changes: [] }),
  { changes: repeated(always(1, "changes", () => recentChangeSchema)) },
);
