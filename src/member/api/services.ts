/**
 * The only service interface of a member, named like etcd's gRPC services. Every API layer (JSON over HTTP, WebSocket,
 * gRPC, the direct call in a tab) is a thin layer over it and holds no rule of its own.
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

/** What an API layer knows about a call beside the message: etcd's gRPC metadata. */
export interface CallContext {
  /** Metadata `token` / `authorization`; empty if the caller sent none. */
  readonly token: string;
  /** Metadata `hasleader: true`: the call fails without a leader. */
  readonly requireLeader: boolean;
  /** Aborted when the caller no longer waits. For calls that may wait long. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Resolves once the API layer has verified, as far as it can, that the caller still waits; if it does not, `signal`
   * is aborted by then. For calls that have waited, before they are granted what other callers wait for. Never rejects.
   */
  readonly confirmWaiting?: (() => Promise<void>) | undefined;
  /** The network address of the caller as the platform reports it; absent where there is none, as in a tab. */
  readonly address?: string | undefined;
  /**
   * The authenticated caller. The auth interceptor derives it from the token (auth-interceptors.ts); a value set by an
   * API layer is ignored.
   */
  readonly caller?: Caller;
}

export interface KvService {
  range(request: RangeRequest, context: CallContext): Promise<RangeResponse>;
  /** Returns a range in parts that are produced on demand. Leaving the loop cancels it. */
  rangeStream(request: RangeRequest, context: CallContext): AsyncIterable<RangeStreamResponse>;
  put(request: PutRequest, context: CallContext): Promise<PutResponse>;
  deleteRange(request: DeleteRangeRequest, context: CallContext): Promise<DeleteRangeResponse>;
  txn(request: TxnRequest, context: CallContext): Promise<TxnResponse>;
  compact(request: CompactionRequest, context: CallContext): Promise<CompactionResponse>;
}

/** A watch stream: many watches, requests in, responses pulled out, so that a slow reader bounds its own memory. */
export interface WatchStream {
  request(request: WatchRequest): void;
  /** Returns the next response; undefined once the stream is closed. One caller at a time. */
  next(): Promise<WatchResponse | undefined>;
  close(): void;
}

export interface WatchService {
  watch(context: CallContext): WatchStream;
}

export interface LeaseService {
  grant(request: LeaseGrantRequest, context: CallContext): Promise<LeaseGrantResponse>;
  revoke(request: LeaseRevokeRequest, context: CallContext): Promise<LeaseRevokeResponse>;
  /** Renews a lease once. API layers make etcd's stream of it: one response per request, in order. */
  keepAlive(request: LeaseKeepAliveRequest, context: CallContext): Promise<LeaseKeepAliveResponse>;
  timeToLive(request: LeaseTimeToLiveRequest, context: CallContext): Promise<LeaseTimeToLiveResponse>;
  leases(request: LeaseLeasesRequest, context: CallContext): Promise<LeaseLeasesResponse>;
}

/** Waits until the lock is acquired. Aborting `context.signal` gives up the position in the queue. */
export interface LockService {
  lock(request: LockRequest, context: CallContext): Promise<LockResponse>;
  unlock(request: UnlockRequest, context: CallContext): Promise<UnlockResponse>;
}

export interface LeaderStream {
  /**
   * Returns the next leader, or the next value of the current one; undefined once the stream is closed. One caller at a
   * time.
   */
  next(): Promise<LeaderResponse | undefined>;
  close(): void;
}

export interface ElectionService {
  /** Waits until the caller is elected. Aborting `context.signal` withdraws the candidate. */
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
  /** Returns the member's data in parts that are produced on demand. Leaving the loop cancels it. */
  snapshot(request: SnapshotRequest, context: CallContext): AsyncIterable<SnapshotResponse>;
  moveLeader(request: MoveLeaderRequest, context: CallContext): Promise<MoveLeaderResponse>;
  downgrade(request: DowngradeRequest, context: CallContext): Promise<DowngradeResponse>;
}

/** One value of a metric, with its label set. */
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
  /** Number of observations at or below each bound. */
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
  /** Why the check failed; undefined if it passed. */
  readonly failure: string | undefined;
}

/** `/health`, `/livez`, `/readyz`, `/version` and `/metrics`: what etcd serves beside its services. */
export interface HealthService {
  /** Returns undefined when healthy, otherwise etcd's reason text. */
  check(options: { readonly serializable: boolean; readonly exclude: readonly string[] }): Promise<string | undefined>;
  /** Runs the named checks of this kind; all by default. */
  probe(kind: ProbeKind, names?: readonly string[]): Promise<readonly ProbeResult[]>;
  metrics(): readonly MetricSample[];
  /** Returns the cluster version. Only members that know it have this method. */
  clusterVersion?(): string;
}

/** What a member exposes of itself beyond etcd's Status. The page, the console and the tests read it. */
export interface MemberView {
  /** Decimal, like all 64-bit ids outside the core. */
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
  /** Why the member cannot serve now, with a message for operators; absent while it can. */
  readonly problem?: { readonly code: ProblemCode; readonly text: string };
}

export interface MemberViewPeer {
  readonly id: string;
  readonly name: string;
  readonly learner: boolean;
  /** Set by the leader only: highest index known to be stored on that member. */
  readonly match?: number;
  /** Set by the leader only: true if the member was heard within the longest election timeout. */
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
