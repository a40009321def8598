/**
 * The one service interface of a member, named as etcd names its gRPC services. Every front (JSON over HTTP,
 * WebSocket, gRPC, the direct call in a tab) is a thin layer over it and holds no rule of its own.
 *
 * All methods reject with an `EtcdError` (gRPC code and etcd's exact text) and with nothing else.
 */
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
} from "../../protocol/api/kv.ts";
import type {
  CampaignRequest,
  CampaignResponse,
  LeaderRequest,
  LeaderResponse,
  ProclaimRequest,
  ProclaimResponse,
  ResignRequest,
  ResignResponse,
} from "../../protocol/api/election.ts";
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
} from "../../protocol/api/lease.ts";
import type { LockRequest, LockResponse, UnlockRequest, UnlockResponse } from "../../protocol/api/lock.ts";
import type { Caller } from "../../auth/auth-store.ts";
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
} from "../../protocol/api/auth.ts";
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
} from "../../protocol/api/cluster.ts";
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
  MoveLeaderRequest,
  MoveLeaderResponse,
  SnapshotRequest,
  SnapshotResponse,
  StatusRequest,
  StatusResponse,
} from "../../protocol/api/maintenance.ts";
import type { WatchRequest, WatchResponse } from "../../protocol/api/watch.ts";

/** What a front knows about a call beside the message: etcd's gRPC metadata. */
export interface CallContext {
  /** Metadata `token` / `authorization`; empty when the caller gave none. */
  readonly token: string;
  /** Metadata `hasleader: true`: refuse without a leader. */
  readonly requireLeader: boolean;
  /** Aborted when the caller does not wait any more; for calls that may wait for long. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Resolves once the front has made sure, as far as it can, that the caller still waits; of one that does not, `signal`
   * is aborted by then. For calls that have waited, before they give what others wait for. Never rejects.
   */
  readonly confirmWaiting?: (() => Promise<void>) | undefined;
  /** The network address of the caller, as the platform saw it; absent where there is none, as in a tab. */
  readonly address?: string | undefined;
  /** Who calls. The guard finds it out from the token (auth-interceptors.ts); what a front writes here counts for nothing. */
  readonly caller?: Caller;
}

export interface KvService {
  range(request: RangeRequest, context: CallContext): Promise<RangeResponse>;
  /** A range in parts, which are made as they are asked for; leaving the loop ends it. */
  rangeStream(request: RangeRequest, context: CallContext): AsyncIterable<RangeStreamResponse>;
  put(request: PutRequest, context: CallContext): Promise<PutResponse>;
  deleteRange(request: DeleteRangeRequest, context: CallContext): Promise<DeleteRangeResponse>;
  txn(request: TxnRequest, context: CallContext): Promise<TxnResponse>;
  compact(request: CompactionRequest, context: CallContext): Promise<CompactionResponse>;
}

/** One watch stream: many watches, requests in, responses pulled out, so that a slow reader bounds its own memory. */
export interface WatchStream {
  request(request: WatchRequest): void;
  /** The next response; undefined once the stream is closed. One caller at a time. */
  next(): Promise<WatchResponse | undefined>;
  close(): void;
}

export interface WatchService {
  watch(context: CallContext): WatchStream;
}

export interface LeaseService {
  grant(request: LeaseGrantRequest, context: CallContext): Promise<LeaseGrantResponse>;
  revoke(request: LeaseRevokeRequest, context: CallContext): Promise<LeaseRevokeResponse>;
  /** One beat; fronts make etcd's stream of it, one answer for one request, in order. */
  keepAlive(request: LeaseKeepAliveRequest, context: CallContext): Promise<LeaseKeepAliveResponse>;
  timeToLive(request: LeaseTimeToLiveRequest, context: CallContext): Promise<LeaseTimeToLiveResponse>;
  leases(request: LeaseLeasesRequest, context: CallContext): Promise<LeaseLeasesResponse>;
}

/** Waits until the lock is had; an aborted `context.signal` gives the place in the queue back. */
export interface LockService {
  lock(request: LockRequest, context: CallContext): Promise<LockResponse>;
  unlock(request: UnlockRequest, context: CallContext): Promise<UnlockResponse>;
}

export interface LeaderStream {
  /** The next leader, or the next value of the present one; undefined once the stream is closed. One caller at a time. */
  next(): Promise<LeaderResponse | undefined>;
  close(): void;
}

export interface ElectionService {
  /** Waits until it is elected; an aborted `context.signal` withdraws the candidate. */
  campaign(request: CampaignRequest, context: CallContext): Promise<CampaignResponse>;
  proclaim(request: ProclaimRequest, context: CallContext): Promise<ProclaimResponse>;
  leader(request: LeaderRequest, context: CallContext): Promise<LeaderResponse>;
  observe(request: LeaderRequest, context: CallContext): LeaderStream;
  resign(request: ResignRequest, context: CallContext): Promise<ResignResponse>;
}

export interface AuthService {
  authEnable(request: AuthEnableRequest, context: CallContext): Promise<AuthEnableResponse>;
  authDisable(request: AuthDisableRequest, context: CallContext): Promise<AuthDisableResponse>;
  authStatus(request: AuthStatusRequest, context: CallContext): Promise<AuthStatusResponse>;
  authenticate(request: AuthenticateRequest, context: CallContext): Promise<AuthenticateResponse>;
  userAdd(request: AuthUserAddRequest, context: CallContext): Promise<AuthUserAddResponse>;
  userGet(request: AuthUserGetRequest, context: CallContext): Promise<AuthUserGetResponse>;
  userList(request: AuthUserListRequest, context: CallContext): Promise<AuthUserListResponse>;
  userDelete(request: AuthUserDeleteRequest, context: CallContext): Promise<AuthUserDeleteResponse>;
  userChangePassword(
    request: AuthUserChangePasswordRequest,
    context: CallContext,
  ): Promise<AuthUserChangePasswordResponse>;
  userGrantRole(request: AuthUserGrantRoleRequest, context: CallContext): Promise<AuthUserGrantRoleResponse>;
  userRevokeRole(request: AuthUserRevokeRoleRequest, context: CallContext): Promise<AuthUserRevokeRoleResponse>;
  roleAdd(request: AuthRoleAddRequest, context: CallContext): Promise<AuthRoleAddResponse>;
  roleGet(request: AuthRoleGetRequest, context: CallContext): Promise<AuthRoleGetResponse>;
  roleList(request: AuthRoleListRequest, context: CallContext): Promise<AuthRoleListResponse>;
  roleDelete(request: AuthRoleDeleteRequest, context: CallContext): Promise<AuthRoleDeleteResponse>;
  roleGrantPermission(
    request: AuthRoleGrantPermissionRequest,
    context: CallContext,
  ): Promise<AuthRoleGrantPermissionResponse>;
  roleRevokePermission(
    request: AuthRoleRevokePermissionRequest,
    context: CallContext,
  ): Promise<AuthRoleRevokePermissionResponse>;
}

export interface ClusterService {
  memberAdd(request: MemberAddRequest, context: CallContext): Promise<MemberAddResponse>;
  memberRemove(request: MemberRemoveRequest, context: CallContext): Promise<MemberRemoveResponse>;
  memberUpdate(request: MemberUpdateRequest, context: CallContext): Promise<MemberUpdateResponse>;
  memberList(request: MemberListRequest, context: CallContext): Promise<MemberListResponse>;
  memberPromote(request: MemberPromoteRequest, context: CallContext): Promise<MemberPromoteResponse>;
}

export interface MaintenanceService {
  alarm(request: AlarmRequest, context: CallContext): Promise<AlarmResponse>;
  status(request: StatusRequest, context: CallContext): Promise<StatusResponse>;
  defragment(request: DefragmentRequest, context: CallContext): Promise<DefragmentResponse>;
  hash(request: HashRequest, context: CallContext): Promise<HashResponse>;
  hashKv(request: HashKvRequest, context: CallContext): Promise<HashKvResponse>;
  /** The member's data in parts, which are made as they are asked for; leaving the loop ends it. */
  snapshot(request: SnapshotRequest, context: CallContext): AsyncIterable<SnapshotResponse>;
  moveLeader(request: MoveLeaderRequest, context: CallContext): Promise<MoveLeaderResponse>;
  downgrade(request: DowngradeRequest, context: CallContext): Promise<DowngradeResponse>;
}

/** One reading of a metric, with the label set it belongs to. */
export type MetricSample = NumberSample | HistogramSample;

interface SampleOf<Type> {
  readonly name: string;
  readonly type: Type;
  readonly help: string;
  readonly labels?: Readonly<Record<string, string>>;
}

interface NumberSample extends SampleOf<"counter" | "gauge"> {
  readonly value: number;
}

interface HistogramSample extends SampleOf<"histogram"> {
  readonly bounds: readonly number[];
  /** How many were at most as much, for each bound. */
  readonly cumulative: readonly number[];
  readonly count: number;
  readonly sum: number;
}

export type ProbeKind = "livez" | "readyz";

/** etcd's checks behind `/livez` and `/readyz`. */
export const PROBES: Readonly<Record<ProbeKind, readonly string[]>> = {
  livez: ["serializable_read"],
  readyz: ["data_corruption", "serializable_read", "linearizable_read", "non_learner"],
};

export interface ProbeResult {
  readonly name: string;
  /** Why it failed; undefined: it did not. */
  readonly failure: string | undefined;
}

/** `/health`, `/livez`, `/readyz`, `/version` and `/metrics`: what etcd serves beside its services. */
export interface HealthService {
  /** `undefined` when healthy, else etcd's reason text. */
  check(options: { readonly serializable: boolean; readonly exclude: readonly string[] }): Promise<string | undefined>;
  /** The checks of that kind that are named, all of them by default. */
  probe(kind: ProbeKind, names?: readonly string[]): Promise<readonly ProbeResult[]>;
  metrics(): readonly MetricSample[];
  /** Which version the cluster keeps to, of members that can tell. */
  clusterVersion?(): string;
}

/** What a member tells of itself beyond etcd's Status: the page, the console and the tests read it. */
export interface MemberView {
  /** Decimal, as all 64-bit ids outside the core. */
  readonly id: string;
  readonly name: string;
  readonly clusterId: string;
  readonly role: "leader" | "follower" | "candidate" | "learner";
  readonly term: number;
  /** Decimal id; "0" while none is known. */
  readonly leader: string;
  readonly commit: number;
  readonly applied: number;
  readonly lastIndex: number;
  readonly revision: number;
  readonly compactRevision: number;
  readonly dbSizeBytes: number;
  readonly members: readonly MemberViewPeer[];
  /** Why the member cannot serve right now, in words for people; absent when it can. */
  readonly problem?: { readonly code: ProblemCode; readonly text: string };
}

export interface MemberViewPeer {
  readonly id: string;
  readonly name: string;
  readonly learner: boolean;
  /** Known at the leader only: highest index known to be stored there. */
  readonly match?: number;
  /** Known at the leader only: heard from within the last election timeout. */
  readonly active?: boolean;
}

export type ProblemCode =
  | "starting"
  | "joining"
  | "no-leader"
  | "no-quorum"
  | "no-signalling"
  | "storage"
  | "stopped"
  | "refused"
  | "removed";

export interface InspectService {
  view(): Promise<MemberView>;
}

export interface Services {
  readonly kv: KvService;
  readonly watch: WatchService;
  readonly lease: LeaseService;
  readonly lock: LockService;
  readonly election: ElectionService;
  readonly auth: AuthService;
  readonly cluster: ClusterService;
  readonly maintenance: MaintenanceService;
  readonly health: HealthService;
  readonly inspect: InspectService;
}
