/**
 * The only service interface of a member, named like etcd's gRPC services. Every API layer (JSON over HTTP, WebSocket,
 * gRPC, the direct call in a tab) is a thin layer over it and holds no rule of its own.
 *
 * All methods reject with an `EtcdError` (gRPC code and etcd's exact text) and with nothing else.
 */
import type { Caller } from "../../auth/auth-store.ts";
import type { AuthRpcs } from "../../protocol/api/rpc/auth-rpcs.ts";
import type { ClusterRpcs } from "../../protocol/api/rpc/cluster-rpcs.ts";
import type { ElectionRpcs } from "../../protocol/api/rpc/election-rpcs.ts";
import type { LeaderRequest, LeaderResponse } from "../../protocol/api/election.ts";
import type { KvRpcs } from "../../protocol/api/rpc/kv-rpcs.ts";
import type { LeaseRpcs } from "../../protocol/api/rpc/lease-rpcs.ts";
import type { LeaseKeepAliveRequest, LeaseKeepAliveResponse } from "../../protocol/api/lease.ts";
import type { LockRpcs } from "../../protocol/api/rpc/lock-rpcs.ts";
import type { MaintenanceRpcs } from "../../protocol/api/rpc/maintenance-rpcs.ts";
import type { Rpc } from "../../protocol/api/rpc/rpc.ts";
import type { WatchRequest, WatchResponse } from "../../protocol/api/watch.ts";
import type { StreamPosition } from "../../mvcc/watch/watch-stream.ts";

/** What an API layer knows about a call beside the message: etcd's gRPC metadata. */
export interface CallContext {
  /** Metadata `token` / `authorization`; empty if the caller sent none. */
  readonly token: string;
  /** Metadata `hasleader: true`: the call fails without a leader. */
  readonly requireLeader: boolean;
  /** Aborted when the caller no longer waits. For calls that may wait long. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds that the caller waits for the response. Of clients; members have their own. */
  readonly timeoutMs?: number | undefined;
  /**
   * Resolves once the API layer has verified, as far as it can, that the caller still waits; if it does not, `signal`
   * is aborted by then. For calls that have waited, before they are granted what other callers wait for. Never rejects.
   */
  readonly confirmWaiting?: (() => Promise<void>) | undefined;
  /** The network address of the caller as the platform reports it; absent where there is none, as in a tab. */
  readonly address?: string | undefined;
  /** Called by code of whoever operates the member: the rule for strangers while auth is off does not hold for it. */
  readonly isOperator?: boolean;
  /**
   * The authenticated caller. The auth interceptor derives it from the token (auth-interceptors.ts); a value set by an
   * API layer is ignored.
   */
  readonly caller?: Caller;
}

/**
 * The methods of a gRPC service as a member serves them, derived from the service's table of RPCs. `Own` names the
 * streams whose form the service declares itself.
 */
export type ServiceOf<Rpcs, Own extends keyof Rpcs = never> = {
  [Name in keyof Rpcs as Exclude<Name, Own>]: MethodOf<Rpcs[Name]>;
};

type MethodOf<Described> =
  Described extends Rpc<infer Request, infer Response>
    ? (request: Request, context: CallContext) => Promise<Response>
    : Described extends Rpc<infer Request, infer Response, "serverStream">
      ? (request: Request, context: CallContext) => AsyncIterable<Response>
      : never;

export type KvService = ServiceOf<KvRpcs>;
export type LockService = ServiceOf<LockRpcs>;
export type AuthService = ServiceOf<AuthRpcs>;
export type ClusterService = ServiceOf<ClusterRpcs>;
export type MaintenanceService = ServiceOf<MaintenanceRpcs>;

/** A watch stream: many watches, requests in, responses pulled out, so that a slow reader bounds its own memory. */
export interface WatchStream {
  request(request: WatchRequest): void;
  /** Returns the next response; undefined once the stream is closed. One caller at a time. */
  next(): Promise<WatchResponse | undefined>;
  close(): void;
  /** Of a member: where the stream is, if its reader has read everything and waits; otherwise undefined. */
  position?(): WatchPosition | undefined;
}

/** Where a stream of watches is. It outlives the memory of the member, and contains no secret. */
export interface WatchPosition extends StreamPosition {
  /** The user of each watch; empty without one. */
  readonly usernames: readonly string[];
}

export interface ResumedWatch {
  readonly context: CallContext;
  readonly position: WatchPosition;
}

export interface WatchService {
  watch(context: CallContext): WatchStream;
}

/** The watches of a member. */
export interface MemberWatchService extends WatchService {
  /**
   * Goes on with a stream of a former life of this member, without a gap and without a double. What the user of a watch
   * may read is checked before its next event, as for every watch.
   */
  resume(resumed: ResumedWatch): WatchStream;
}

export interface LeaseService extends ServiceOf<LeaseRpcs, "keepAlive"> {
  /** Renews a lease once. API layers make etcd's stream of it: one response per request, in order. */
  keepAlive(request: LeaseKeepAliveRequest, context: CallContext): Promise<LeaseKeepAliveResponse>;
}

export interface LeaderStream {
  /**
   * Returns the next leader, or the next value of the current one; undefined once the stream is closed. One caller at a
   * time.
   */
  next(): Promise<LeaderResponse | undefined>;
  close(): void;
}

export interface ElectionService extends ServiceOf<ElectionRpcs, "observe"> {
  observe(request: LeaderRequest, context: CallContext): LeaderStream;
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
  /** Waits until a quorum has confirmed the leader, where the member may have slept. Default: there is no need. */
  leaderConfirmed?(): Promise<void>;
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
  /** Entries that its leader has committed and that are not applied here; absent if there are none. */
  readonly behind?: number;
  /** Why the member cannot serve now, with a message for operators; absent while it can. */
  readonly problem?: MemberProblem;
  /** Of a member that is not let in: why not, as those inside said last (protocol/peer/join-refusal.ts). */
  readonly joinRefusal?: string;
}

/** A member of the cluster, as another one sees it. */
export interface MemberViewPeer {
  readonly id: string;
  readonly name: string;
  readonly learner: boolean;
  /** As what it came in by an invitation; absent for one that knows the room's secret. */
  readonly invited?: "member" | "reader";
  /** Set by the leader only: highest index known to be stored on that member. */
  readonly match?: number;
  /** Set by the leader only: true if the member was heard within the longest election timeout. */
  readonly active?: boolean;
}

/** What is wrong with a member, for its operators. */
export interface MemberProblem {
  readonly code: ProblemCode;
  /** For operators. */
  readonly text: string;
  /** Since when, in milliseconds since 1970; absent where the member cannot date it. */
  readonly sinceWallMs?: number;
  /** Without a quorum: the voters that are heard, this member included, and all of them. */
  readonly voters?: { readonly here: number; readonly total: number };
}

/** Why a member does not serve everything. */
export type ProblemCode =
  | "starting"
  | "joining"
  | "no-leader"
  | "no-quorum"
  | "catching-up"
  | "no-signalling"
  | "storage"
  /** The disk is full. The member has stopped, and still answers serializable reads from its memory. */
  | "disk-full"
  | "stopped"
  | "refused"
  | "removed"
  | "deleted";

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
