/** The methods of etcd's Cluster service. */
import * as schemas from "../schema/cluster-schema.ts";
import type * as messages from "../cluster.ts";
import { unary } from "./rpc.ts";
import type { Rpc } from "./rpc.ts";

export interface ClusterRpcs {
  readonly memberAdd: Rpc<messages.MemberAddRequest, messages.MemberAddResponse>;
  readonly memberRemove: Rpc<messages.MemberRemoveRequest, messages.MemberRemoveResponse>;
  readonly memberUpdate: Rpc<messages.MemberUpdateRequest, messages.MemberUpdateResponse>;
  readonly memberList: Rpc<messages.MemberListRequest, messages.MemberListResponse>;
  readonly memberPromote: Rpc<messages.MemberPromoteRequest, messages.MemberPromoteResponse>;
}

const SERVICE = "etcdserverpb.Cluster";

export const CLUSTER_RPCS: ClusterRpcs = {
  memberAdd: unary(
    SERVICE,
    "MemberAdd",
    ["/v3/cluster/member/add"],
    schemas.memberAddRequestSchema,
    schemas.memberAddResponseSchema,
  ),
  memberRemove: unary(
    SERVICE,
    "MemberRemove",
    ["/v3/cluster/member/remove"],
    schemas.memberRemoveRequestSchema,
    schemas.memberRemoveResponseSchema,
  ),
  memberUpdate: unary(
    SERVICE,
    "MemberUpdate",
    ["/v3/cluster/member/update"],
    schemas.memberUpdateRequestSchema,
    schemas.memberUpdateResponseSchema,
  ),
  memberList: unary(
    SERVICE,
    "MemberList",
    ["/v3/cluster/member/list"],
    schemas.memberListRequestSchema,
    schemas.memberListResponseSchema,
    { isRead: true },
  ),
  memberPromote: unary(
    SERVICE,
    "MemberPromote",
    ["/v3/cluster/member/promote"],
    schemas.memberPromoteRequestSchema,
    schemas.memberPromoteResponseSchema,
  ),
};
