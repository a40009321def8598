/**
 * What etcd's gRPC services are called and what goes in and out of them: a table of data, from which fronts and tests
 * make their methods. `grpc.health.v1`, which etcd serves beside them, stands at the end.
 */
import {
  authDisableRequestSchema,
  authDisableResponseSchema,
  authEnableRequestSchema,
  authEnableResponseSchema,
  authRoleAddRequestSchema,
  authRoleAddResponseSchema,
  authRoleDeleteRequestSchema,
  authRoleDeleteResponseSchema,
  authRoleGetRequestSchema,
  authRoleGetResponseSchema,
  authRoleGrantPermissionRequestSchema,
  authRoleGrantPermissionResponseSchema,
  authRoleListRequestSchema,
  authRoleListResponseSchema,
  authRoleRevokePermissionRequestSchema,
  authRoleRevokePermissionResponseSchema,
  authStatusRequestSchema,
  authStatusResponseSchema,
  authUserAddRequestSchema,
  authUserAddResponseSchema,
  authUserChangePasswordRequestSchema,
  authUserChangePasswordResponseSchema,
  authUserDeleteRequestSchema,
  authUserDeleteResponseSchema,
  authUserGetRequestSchema,
  authUserGetResponseSchema,
  authUserGrantRoleRequestSchema,
  authUserGrantRoleResponseSchema,
  authUserListRequestSchema,
  authUserListResponseSchema,
  authUserRevokeRoleRequestSchema,
  authUserRevokeRoleResponseSchema,
  authenticateRequestSchema,
  authenticateResponseSchema,
} from "./auth-schema.ts";
import type {
  AuthDisableRequest,
  AuthDisableResponse,
  AuthEnableRequest,
  AuthEnableResponse,
  AuthRoleAddRequest,
  AuthRoleAddResponse,
  AuthRoleDeleteRequest,
  AuthRoleDeleteResponse,
  AuthRoleGetRequest,
  AuthRoleGetResponse,
  AuthRoleGrantPermissionRequest,
  AuthRoleGrantPermissionResponse,
  AuthRoleListRequest,
  AuthRoleListResponse,
  AuthRoleRevokePermissionRequest,
  AuthRoleRevokePermissionResponse,
  AuthStatusRequest,
  AuthStatusResponse,
  AuthUserAddRequest,
  AuthUserAddResponse,
  AuthUserChangePasswordRequest,
  AuthUserChangePasswordResponse,
  AuthUserDeleteRequest,
  AuthUserDeleteResponse,
  AuthUserGetRequest,
  AuthUserGetResponse,
  AuthUserGrantRoleRequest,
  AuthUserGrantRoleResponse,
  AuthUserListRequest,
  AuthUserListResponse,
  AuthUserRevokeRoleRequest,
  AuthUserRevokeRoleResponse,
  AuthenticateRequest,
  AuthenticateResponse,
} from "./auth.ts";
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
import {
  campaignRequestSchema,
  campaignResponseSchema,
  leaderRequestSchema,
  leaderResponseSchema,
  proclaimRequestSchema,
  proclaimResponseSchema,
  resignRequestSchema,
  resignResponseSchema,
} from "./election-schema.ts";
import type {
  CampaignRequest,
  CampaignResponse,
  LeaderRequest,
  LeaderResponse,
  ProclaimRequest,
  ProclaimResponse,
  ResignRequest,
  ResignResponse,
} from "./election.ts";
import {
  compactionRequestSchema,
  compactionResponseSchema,
  deleteRangeRequestSchema,
  deleteRangeResponseSchema,
  putRequestSchema,
  putResponseSchema,
  rangeRequestSchema,
  rangeResponseSchema,
  rangeStreamResponseSchema,
  txnRequestSchema,
  txnResponseSchema,
} from "./kv-schema.ts";
import type {
  CompactionRequest,
  CompactionResponse,
  DeleteRangeRequest,
  DeleteRangeResponse,
  PutRequest,
  PutResponse,
  RangeRequest,
  RangeResponse,
  RangeStreamResponse,
  TxnRequest,
  TxnResponse,
} from "./kv.ts";
import {
  leaseGrantRequestSchema,
  leaseGrantResponseSchema,
  leaseKeepAliveRequestSchema,
  leaseKeepAliveResponseSchema,
  leaseLeasesRequestSchema,
  leaseLeasesResponseSchema,
  leaseRevokeRequestSchema,
  leaseRevokeResponseSchema,
  leaseTimeToLiveRequestSchema,
  leaseTimeToLiveResponseSchema,
} from "./lease-schema.ts";
import type {
  LeaseGrantRequest,
  LeaseGrantResponse,
  LeaseKeepAliveRequest,
  LeaseKeepAliveResponse,
  LeaseLeasesRequest,
  LeaseLeasesResponse,
  LeaseRevokeRequest,
  LeaseRevokeResponse,
  LeaseTimeToLiveRequest,
  LeaseTimeToLiveResponse,
} from "./lease.ts";
import { lockRequestSchema, lockResponseSchema, unlockRequestSchema, unlockResponseSchema } from "./lock-schema.ts";
import type { LockRequest, LockResponse, UnlockRequest, UnlockResponse } from "./lock.ts";
import {
  alarmRequestSchema,
  alarmResponseSchema,
  defragmentRequestSchema,
  defragmentResponseSchema,
  downgradeRequestSchema,
  downgradeResponseSchema,
  hashKvRequestSchema,
  hashKvResponseSchema,
  hashRequestSchema,
  hashResponseSchema,
  healthCheckRequestSchema,
  healthCheckResponseSchema,
  moveLeaderRequestSchema,
  moveLeaderResponseSchema,
  snapshotRequestSchema,
  snapshotResponseSchema,
  statusRequestSchema,
  statusResponseSchema,
} from "./maintenance-schema.ts";
import type {
  AlarmRequest,
  AlarmResponse,
  DefragmentRequest,
  DefragmentResponse,
  DowngradeRequest,
  DowngradeResponse,
  HashKvRequest,
  HashKvResponse,
  HashRequest,
  HashResponse,
  HealthCheckRequest,
  HealthCheckResponse,
  MoveLeaderRequest,
  MoveLeaderResponse,
  SnapshotRequest,
  SnapshotResponse,
  StatusRequest,
  StatusResponse,
} from "./maintenance.ts";
import { watchRequestSchema, watchResponseSchema } from "./watch-schema.ts";
import type { WatchRequest, WatchResponse } from "./watch.ts";
import type { Schema } from "./schema.ts";

export interface Rpc<Request, Response> {
  /** `etcdserverpb.KV`. */
  readonly service: string;
  /** `Range`. */
  readonly method: string;
  readonly request: Schema<Request>;
  readonly response: Schema<Response>;
  readonly kind: RpcKind;
}

/** One request and one answer; one request and many answers; many of both, each whenever it likes. */
export type RpcKind = "unary" | "serverStream" | "duplex";

export interface RpcTable {
  readonly kv: {
    readonly range: Rpc<RangeRequest, RangeResponse>;
    readonly rangeStream: Rpc<RangeRequest, RangeStreamResponse>;
    readonly put: Rpc<PutRequest, PutResponse>;
    readonly deleteRange: Rpc<DeleteRangeRequest, DeleteRangeResponse>;
    readonly txn: Rpc<TxnRequest, TxnResponse>;
    readonly compact: Rpc<CompactionRequest, CompactionResponse>;
  };
  readonly watch: {
    readonly watch: Rpc<WatchRequest, WatchResponse>;
  };
  readonly lease: {
    readonly grant: Rpc<LeaseGrantRequest, LeaseGrantResponse>;
    readonly revoke: Rpc<LeaseRevokeRequest, LeaseRevokeResponse>;
    readonly keepAlive: Rpc<LeaseKeepAliveRequest, LeaseKeepAliveResponse>;
    readonly timeToLive: Rpc<LeaseTimeToLiveRequest, LeaseTimeToLiveResponse>;
    readonly leases: Rpc<LeaseLeasesRequest, LeaseLeasesResponse>;
  };
  readonly cluster: {
    readonly memberAdd: Rpc<MemberAddRequest, MemberAddResponse>;
    readonly memberRemove: Rpc<MemberRemoveRequest, MemberRemoveResponse>;
    readonly memberUpdate: Rpc<MemberUpdateRequest, MemberUpdateResponse>;
    readonly memberList: Rpc<MemberListRequest, MemberListResponse>;
    readonly memberPromote: Rpc<MemberPromoteRequest, MemberPromoteResponse>;
  };
  readonly maintenance: {
    readonly alarm: Rpc<AlarmRequest, AlarmResponse>;
    readonly status: Rpc<StatusRequest, StatusResponse>;
    readonly defragment: Rpc<DefragmentRequest, DefragmentResponse>;
    readonly hash: Rpc<HashRequest, HashResponse>;
    readonly hashKv: Rpc<HashKvRequest, HashKvResponse>;
    readonly snapshot: Rpc<SnapshotRequest, SnapshotResponse>;
    readonly moveLeader: Rpc<MoveLeaderRequest, MoveLeaderResponse>;
    readonly downgrade: Rpc<DowngradeRequest, DowngradeResponse>;
  };
  readonly auth: {
    readonly authEnable: Rpc<AuthEnableRequest, AuthEnableResponse>;
    readonly authDisable: Rpc<AuthDisableRequest, AuthDisableResponse>;
    readonly authStatus: Rpc<AuthStatusRequest, AuthStatusResponse>;
    readonly authenticate: Rpc<AuthenticateRequest, AuthenticateResponse>;
    readonly userAdd: Rpc<AuthUserAddRequest, AuthUserAddResponse>;
    readonly userGet: Rpc<AuthUserGetRequest, AuthUserGetResponse>;
    readonly userList: Rpc<AuthUserListRequest, AuthUserListResponse>;
    readonly userDelete: Rpc<AuthUserDeleteRequest, AuthUserDeleteResponse>;
    readonly userChangePassword: Rpc<AuthUserChangePasswordRequest, AuthUserChangePasswordResponse>;
    readonly userGrantRole: Rpc<AuthUserGrantRoleRequest, AuthUserGrantRoleResponse>;
    readonly userRevokeRole: Rpc<AuthUserRevokeRoleRequest, AuthUserRevokeRoleResponse>;
    readonly roleAdd: Rpc<AuthRoleAddRequest, AuthRoleAddResponse>;
    readonly roleGet: Rpc<AuthRoleGetRequest, AuthRoleGetResponse>;
    readonly roleList: Rpc<AuthRoleListRequest, AuthRoleListResponse>;
    readonly roleDelete: Rpc<AuthRoleDeleteRequest, AuthRoleDeleteResponse>;
    readonly roleGrantPermission: Rpc<AuthRoleGrantPermissionRequest, AuthRoleGrantPermissionResponse>;
    readonly roleRevokePermission: Rpc<AuthRoleRevokePermissionRequest, AuthRoleRevokePermissionResponse>;
  };
  readonly lock: {
    readonly lock: Rpc<LockRequest, LockResponse>;
    readonly unlock: Rpc<UnlockRequest, UnlockResponse>;
  };
  readonly election: {
    readonly campaign: Rpc<CampaignRequest, CampaignResponse>;
    readonly proclaim: Rpc<ProclaimRequest, ProclaimResponse>;
    readonly leader: Rpc<LeaderRequest, LeaderResponse>;
    readonly observe: Rpc<LeaderRequest, LeaderResponse>;
    readonly resign: Rpc<ResignRequest, ResignResponse>;
  };
  readonly health: {
    readonly check: Rpc<HealthCheckRequest, HealthCheckResponse>;
    readonly watch: Rpc<HealthCheckRequest, HealthCheckResponse>;
  };
}

export const RPCS: RpcTable = {
  kv: {
    range: unary("etcdserverpb.KV", "Range", rangeRequestSchema, rangeResponseSchema),
    rangeStream: serverStream("etcdserverpb.KV", "RangeStream", rangeRequestSchema, rangeStreamResponseSchema),
    put: unary("etcdserverpb.KV", "Put", putRequestSchema, putResponseSchema),
    deleteRange: unary("etcdserverpb.KV", "DeleteRange", deleteRangeRequestSchema, deleteRangeResponseSchema),
    txn: unary("etcdserverpb.KV", "Txn", txnRequestSchema, txnResponseSchema),
    compact: unary("etcdserverpb.KV", "Compact", compactionRequestSchema, compactionResponseSchema),
  },
  watch: {
    watch: duplex("etcdserverpb.Watch", "Watch", watchRequestSchema, watchResponseSchema),
  },
  lease: {
    grant: unary("etcdserverpb.Lease", "LeaseGrant", leaseGrantRequestSchema, leaseGrantResponseSchema),
    revoke: unary("etcdserverpb.Lease", "LeaseRevoke", leaseRevokeRequestSchema, leaseRevokeResponseSchema),
    keepAlive: duplex(
      "etcdserverpb.Lease",
      "LeaseKeepAlive",
      leaseKeepAliveRequestSchema,
      leaseKeepAliveResponseSchema,
    ),
    timeToLive: unary(
      "etcdserverpb.Lease",
      "LeaseTimeToLive",
      leaseTimeToLiveRequestSchema,
      leaseTimeToLiveResponseSchema,
    ),
    leases: unary("etcdserverpb.Lease", "LeaseLeases", leaseLeasesRequestSchema, leaseLeasesResponseSchema),
  },
  cluster: {
    memberAdd: unary("etcdserverpb.Cluster", "MemberAdd", memberAddRequestSchema, memberAddResponseSchema),
    memberRemove: unary("etcdserverpb.Cluster", "MemberRemove", memberRemoveRequestSchema, memberRemoveResponseSchema),
    memberUpdate: unary("etcdserverpb.Cluster", "MemberUpdate", memberUpdateRequestSchema, memberUpdateResponseSchema),
    memberList: unary("etcdserverpb.Cluster", "MemberList", memberListRequestSchema, memberListResponseSchema),
    memberPromote: unary(
      "etcdserverpb.Cluster",
      "MemberPromote",
      memberPromoteRequestSchema,
      memberPromoteResponseSchema,
    ),
  },
  maintenance: {
    alarm: unary("etcdserverpb.Maintenance", "Alarm", alarmRequestSchema, alarmResponseSchema),
    status: unary("etcdserverpb.Maintenance", "Status", statusRequestSchema, statusResponseSchema),
    defragment: unary("etcdserverpb.Maintenance", "Defragment", defragmentRequestSchema, defragmentResponseSchema),
    hash: unary("etcdserverpb.Maintenance", "Hash", hashRequestSchema, hashResponseSchema),
    hashKv: unary("etcdserverpb.Maintenance", "HashKV", hashKvRequestSchema, hashKvResponseSchema),
    snapshot: serverStream("etcdserverpb.Maintenance", "Snapshot", snapshotRequestSchema, snapshotResponseSchema),
    moveLeader: unary("etcdserverpb.Maintenance", "MoveLeader", moveLeaderRequestSchema, moveLeaderResponseSchema),
    downgrade: unary("etcdserverpb.Maintenance", "Downgrade", downgradeRequestSchema, downgradeResponseSchema),
  },
  auth: {
    authEnable: unary("etcdserverpb.Auth", "AuthEnable", authEnableRequestSchema, authEnableResponseSchema),
    authDisable: unary("etcdserverpb.Auth", "AuthDisable", authDisableRequestSchema, authDisableResponseSchema),
    authStatus: unary("etcdserverpb.Auth", "AuthStatus", authStatusRequestSchema, authStatusResponseSchema),
    authenticate: unary("etcdserverpb.Auth", "Authenticate", authenticateRequestSchema, authenticateResponseSchema),
    userAdd: unary("etcdserverpb.Auth", "UserAdd", authUserAddRequestSchema, authUserAddResponseSchema),
    userGet: unary("etcdserverpb.Auth", "UserGet", authUserGetRequestSchema, authUserGetResponseSchema),
    userList: unary("etcdserverpb.Auth", "UserList", authUserListRequestSchema, authUserListResponseSchema),
    userDelete: unary("etcdserverpb.Auth", "UserDelete", authUserDeleteRequestSchema, authUserDeleteResponseSchema),
    userChangePassword: unary(
      "etcdserverpb.Auth",
      "UserChangePassword",
      authUserChangePasswordRequestSchema,
      authUserChangePasswordResponseSchema,
    ),
    userGrantRole: unary(
      "etcdserverpb.Auth",
      "UserGrantRole",
      authUserGrantRoleRequestSchema,
      authUserGrantRoleResponseSchema,
    ),
    userRevokeRole: unary(
      "etcdserverpb.Auth",
      "UserRevokeRole",
      authUserRevokeRoleRequestSchema,
      authUserRevokeRoleResponseSchema,
    ),
    roleAdd: unary("etcdserverpb.Auth", "RoleAdd", authRoleAddRequestSchema, authRoleAddResponseSchema),
    roleGet: unary("etcdserverpb.Auth", "RoleGet", authRoleGetRequestSchema, authRoleGetResponseSchema),
    roleList: unary("etcdserverpb.Auth", "RoleList", authRoleListRequestSchema, authRoleListResponseSchema),
    roleDelete: unary("etcdserverpb.Auth", "RoleDelete", authRoleDeleteRequestSchema, authRoleDeleteResponseSchema),
    roleGrantPermission: unary(
      "etcdserverpb.Auth",
      "RoleGrantPermission",
      authRoleGrantPermissionRequestSchema,
      authRoleGrantPermissionResponseSchema,
    ),
    roleRevokePermission: unary(
      "etcdserverpb.Auth",
      "RoleRevokePermission",
      authRoleRevokePermissionRequestSchema,
      authRoleRevokePermissionResponseSchema,
    ),
  },
  lock: {
    lock: unary("v3lockpb.Lock", "Lock", lockRequestSchema, lockResponseSchema),
    unlock: unary("v3lockpb.Lock", "Unlock", unlockRequestSchema, unlockResponseSchema),
  },
  election: {
    campaign: unary("v3electionpb.Election", "Campaign", campaignRequestSchema, campaignResponseSchema),
    proclaim: unary("v3electionpb.Election", "Proclaim", proclaimRequestSchema, proclaimResponseSchema),
    leader: unary("v3electionpb.Election", "Leader", leaderRequestSchema, leaderResponseSchema),
    observe: serverStream("v3electionpb.Election", "Observe", leaderRequestSchema, leaderResponseSchema),
    resign: unary("v3electionpb.Election", "Resign", resignRequestSchema, resignResponseSchema),
  },
  health: {
    check: unary("grpc.health.v1.Health", "Check", healthCheckRequestSchema, healthCheckResponseSchema),
    watch: serverStream("grpc.health.v1.Health", "Watch", healthCheckRequestSchema, healthCheckResponseSchema),
  },
};

/** As HTTP/2 has it in `:path`. */
export function rpcPath({ service, method }: { readonly service: string; readonly method: string }): string {
  return `/${service}/${method}`;
}

function unary<Request, Response>(
  service: string,
  method: string,
  request: Schema<Request>,
  response: Schema<Response>,
): Rpc<Request, Response> {
  return { service, method, request, response, kind: "unary" };
}

function serverStream<Request, Response>(
  service: string,
  method: string,
  request: Schema<Request>,
  response: Schema<Response>,
): Rpc<Request, Response> {
  return { service, method, request, response, kind: "serverStream" };
}

function duplex<Request, Response>(
  service: string,
  method: string,
  request: Schema<Request>,
  response: Schema<Response>,
): Rpc<Request, Response> {
  return { service, method, request, response, kind: "duplex" };
}
