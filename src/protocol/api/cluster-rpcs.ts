/** The methods of etcd's Cluster service. */
import {
  memberAddRequestSchema,
  memberAddResponseSchema,
  memberListRequestSchema,
  memberListResponseSchema,
  memberPromoteRequestSchema,
  memberPromoteResponseSchema,
  memberRemoveRequestSchema,
  memberRemoveResponseSchema,
  memberUpdateRequestSchema,
  memberUpdateResponseSchema,
} from "./cluster-schema.ts";
import type {
  MemberAddRequest,
  MemberAddResponse,
  MemberListRequest,
  MemberListResponse,
  MemberPromoteRequest,
  MemberPromoteResponse,
  MemberRemoveRequest,
  MemberRemoveResponse,
  MemberUpdateRequest,
  MemberUpdateResponse,
} from "./cluster.ts";
import { unary } from "./rpc.ts";
import type { Rpc } from "./rpc.ts";

export interface ClusterRpcs {
  readonly memberAdd: Rpc<MemberAddRequest, MemberAddResponse>;
  readonly memberRemove: Rpc<MemberRemoveRequest, MemberRemoveResponse>;
  readonly memberUpdate: Rpc<MemberUpdateRequest, MemberUpdateResponse>;
  readonly memberList: Rpc<MemberListRequest, MemberListResponse>;
  readonly memberPromote: Rpc<MemberPromoteRequest, MemberPromoteResponse>;
}

const SERVICE = "etcdserverpb.Cluster";

export const CLUSTER_RPCS: ClusterRpcs = {
  memberAdd: unary(SERVICE, "MemberAdd", ["/v3/cluster/member/add"], memberAddRequestSchema, memberAddResponseSchema),
  memberRemove: unary(
    SERVICE,
    "MemberRemove",
    ["/v3/cluster/member/remove"],
    memberRemoveRequestSchema,
    memberRemoveResponseSchema,
  ),
  memberUpdate: unary(
    SERVICE,
    "MemberUpdate",
    ["/v3/cluster/member/update"],
    memberUpdateRequestSchema,
    memberUpdateResponseSchema,
  ),
  memberList: unary(
    SERVICE,
    "MemberList",
    ["/v3/cluster/member/list"],
    memberListRequestSchema,
    memberListResponseSchema,
    { isRead: true },
  ),
  memberPromote: unary(
    SERVICE,
    "MemberPromote",
    ["/v3/cluster/member/promote"],
    memberPromoteRequestSchema,
    memberPromoteResponseSchema,
  ),
};
