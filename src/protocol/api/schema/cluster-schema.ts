/** Field tables of the messages in cluster.ts, with the numbers and names of etcd's .proto files. */
import {
  clusterMemberAttrSetRequest,
  clusterVersionSetRequest,
  downgradeInfoSetRequest,
  member,
  memberAddRequest,
  memberAddResponse,
  memberAttributes,
  memberListRequest,
  memberListResponse,
  memberPromoteRequest,
  memberPromoteResponse,
  memberRemoveRequest,
  memberRemoveResponse,
  memberUpdateRequest,
  memberUpdateResponse,
  membershipMember,
  raftAttributes,
} from "../cluster.ts";
import type {
  ClusterMemberAttrSetRequest,
  ClusterVersionSetRequest,
  DowngradeInfoSetRequest,
  Member,
  MemberAddRequest,
  MemberAddResponse,
  MemberAttributes,
  MemberListRequest,
  MemberListResponse,
  MemberPromoteRequest,
  MemberPromoteResponse,
  MemberRemoveRequest,
  MemberRemoveResponse,
  MemberUpdateRequest,
  MemberUpdateResponse,
  MembershipMember,
  RaftAttributes,
} from "../cluster.ts";
import { header } from "./header-schema.ts";
import { always, bool, id, message, optional, repeated, string } from "../../codec/schema.ts";
import type { Schema } from "../../codec/schema.ts";

export const memberSchema: Schema<Member> = message("etcdserverpb.Member", member, {
  id: id(1, "ID", "unsigned"),
  name: string(2, "name"),
  peerUrls: repeated(string(3, "peerURLs")),
  clientUrls: repeated(string(4, "clientURLs")),
  isLearner: bool(5, "isLearner"),
});

export const memberAddRequestSchema: Schema<MemberAddRequest> = message(
  "etcdserverpb.MemberAddRequest",
  memberAddRequest,
  { peerUrls: repeated(string(1, "peerURLs")), isLearner: bool(2, "isLearner") },
);

export const memberAddResponseSchema: Schema<MemberAddResponse> = message(
  "etcdserverpb.MemberAddResponse",
  memberAddResponse,
  {
    header,
    member: optional(2, "member", () => memberSchema),
    members: repeated(always(3, "members", () => memberSchema)),
  },
);

export const memberRemoveRequestSchema: Schema<MemberRemoveRequest> = message(
  "etcdserverpb.MemberRemoveRequest",
  memberRemoveRequest,
  { id: id(1, "ID", "unsigned") },
);

export const memberRemoveResponseSchema: Schema<MemberRemoveResponse> = message(
  "etcdserverpb.MemberRemoveResponse",
  memberRemoveResponse,
  { header, members: repeated(always(2, "members", () => memberSchema)) },
);

export const memberUpdateRequestSchema: Schema<MemberUpdateRequest> = message(
  "etcdserverpb.MemberUpdateRequest",
  memberUpdateRequest,
  { id: id(1, "ID", "unsigned"), peerUrls: repeated(string(2, "peerURLs")) },
);

export const memberUpdateResponseSchema: Schema<MemberUpdateResponse> = message(
  "etcdserverpb.MemberUpdateResponse",
  memberUpdateResponse,
  { header, members: repeated(always(2, "members", () => memberSchema)) },
);

export const memberListRequestSchema: Schema<MemberListRequest> = message(
  "etcdserverpb.MemberListRequest",
  memberListRequest,
  { linearizable: bool(1, "linearizable") },
);

export const memberListResponseSchema: Schema<MemberListResponse> = message(
  "etcdserverpb.MemberListResponse",
  memberListResponse,
  { header, members: repeated(always(2, "members", () => memberSchema)) },
);

export const memberPromoteRequestSchema: Schema<MemberPromoteRequest> = message(
  "etcdserverpb.MemberPromoteRequest",
  memberPromoteRequest,
  { id: id(1, "ID", "unsigned") },
);

export const memberPromoteResponseSchema: Schema<MemberPromoteResponse> = message(
  "etcdserverpb.MemberPromoteResponse",
  memberPromoteResponse,
  { header, members: repeated(always(2, "members", () => memberSchema)) },
);

export const raftAttributesSchema: Schema<RaftAttributes> = message("membershippb.RaftAttributes", raftAttributes, {
  peerUrls: repeated(string(1, "peer_urls")),
  isLearner: bool(2, "is_learner"),
});

export const memberAttributesSchema: Schema<MemberAttributes> = message("membershippb.Attributes", memberAttributes, {
  name: string(1, "name"),
  clientUrls: repeated(string(2, "client_urls")),
});

export const membershipMemberSchema: Schema<MembershipMember> = message("membershippb.Member", membershipMember, {
  id: id(1, "ID", "unsigned"),
  raftAttributes: optional(2, "raft_attributes", () => raftAttributesSchema),
  memberAttributes: optional(3, "member_attributes", () => memberAttributesSchema),
});

export const clusterVersionSetRequestSchema: Schema<ClusterVersionSetRequest> = message(
  "membershippb.ClusterVersionSetRequest",
  clusterVersionSetRequest,
  { ver: string(1, "ver") },
);

export const clusterMemberAttrSetRequestSchema: Schema<ClusterMemberAttrSetRequest> = message(
  "membershippb.ClusterMemberAttrSetRequest",
  clusterMemberAttrSetRequest,
  {
    memberId: id(1, "member_ID", "unsigned"),
    memberAttributes: optional(2, "member_attributes", () => memberAttributesSchema),
  },
);

export const downgradeInfoSetRequestSchema: Schema<DowngradeInfoSetRequest> = message(
  "membershippb.DowngradeInfoSetRequest",
  downgradeInfoSetRequest,
  { enabled: bool(1, "enabled"), ver: string(2, "ver") },
);
