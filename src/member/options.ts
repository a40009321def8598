/** Options and limits of a member. They are validated once, when the member is created. */
import { assert } from "../base/assert.ts";
import type { Prng } from "../base/prng.ts";
import type { Member as MemberRecord } from "../protocol/api/cluster.ts";
import type { ClusterShape } from "../protocol/peer/cluster-shape-schema.ts";
import type { MemberId } from "../protocol/peer/raft-message.ts";
import type { ResumePoint } from "../raft/config.ts";
import type { Identity, Storage } from "../storage/storage.ts";
import type { Transport } from "../transport/transport.ts";
import type { Clock } from "./clock.ts";
import { BCRYPT_COST_DEFAULT, BCRYPT_COST_MAX, BCRYPT_COST_MIN } from "../auth/password-hashes.ts";
import type { EtcdError } from "../protocol/errors.ts";
import type { MemberProblem, ProblemCode } from "./api/services.ts";

/** How a fresh store is initialized. A store that has data ignores it. */
export type BootstrapOptions =
  /** An initial member. All initial members get the same list. */
  | { readonly type: "found"; readonly members: readonly MemberRecord[]; readonly shape?: ClusterShape | undefined }
  /** Added later: sends join requests until the log contains it as a member. */
  | { readonly type: "join" };

/** A member that requests to join. */
export interface Newcomer {
  readonly id: MemberId;
  /** The name that it gives itself. */
  readonly name: string;
  /** True if the transport has authenticated it as belonging to this cluster (Transport.isAuthenticated). */
  readonly isAuthenticated: boolean;
}

/**
 * Which newcomers are admitted, as learners, at their own request. "nobody": only operators add members.
 * "authenticated": those that the transport has authenticated. "all": every newcomer, as in an open room. A function
 * decides for each; it must not throw, and is called again when the newcomer repeats its request. All members of a
 * cluster must have the same policy.
 */
export type AdmissionPolicy = "nobody" | "authenticated" | "all" | ((newcomer: Newcomer) => boolean);

export interface MemberLimits {
  /** etcd's --max-request-bytes: bytes of the marshalled request. Default 1.5 MiB. */
  readonly requestBytes: number;
  /** etcd's --max-txn-ops: operations of a txn. Default 128. */
  readonly txnOperations: number;
  /**
   * Bytes of keys and values of one response, which is built in memory. A streamed range has no such limit. Default 64
   * MiB.
   */
  readonly responseBytes: number;
  /** Writes and reads that wait for a response. Default 20,000 and 64 MiB. */
  readonly pendingRequests: number;
  readonly pendingBytes: number;
  /** Entries committed but not applied. Above it writes are refused, as in etcd. Default 5,000. */
  readonly applyBacklog: number;
  /** Size of the log above which it is cut; a lagging member then needs a snapshot. Default 10,000 and 64 MiB. */
  readonly logEntries: number;
  readonly logBytes: number;
  /** Entries kept when the log is cut, for members that lag a little. Default 5,000. */
  readonly catchUpEntries: number;
  /** Bytes of entries of one append message. A larger entry is sent alone. Default 1 MiB. */
  readonly appendBytes: number;
  /** Approximate size of the chunks in which the state is streamed to a lagging member. Default 128 KiB. */
  readonly snapshotChunkBytes: number;
  /** With this many learners no newcomer is admitted at its own request. Default 64. */
  readonly joinedLearners: number;
  /** Simple tokens that this member stores. Default 10,000. */
  readonly authTokens: number;
  /** Watches of all clients. Default 12,500. */
  readonly watchers: number;
  /** Open watch streams of all clients. Each may have many watches. Default 20,000. */
  readonly watchStreams: number;
  /** Leases granted through this member that still exist. Default 100,000. */
  readonly leases: number;
  /** WebSockets that multiplex many streams. Default 256. */
  readonly sockets: number;
  /** Bytes of requests that have not arrived completely. Default 32 MiB. */
  readonly unfinishedBytes: number;
  /**
   * Bytes that were sent over WebSockets and may not have been read, where the platform does not tell what a socket has
   * buffered. Default 64 MiB.
   */
  readonly unreadBytes: number;
  /**
   * The same limits for one caller: a user, or an address where there is no user. Default: four fifths of the total.
   */
  readonly pendingRequestsPerCaller: number;
  readonly watchersPerCaller: number;
  readonly watchStreamsPerCaller: number;
  readonly leasesPerCaller: number;
  readonly socketsPerCaller: number;
  readonly unfinishedBytesPerCaller: number;
  readonly unreadBytesPerCaller: number;
  /** Bytes of responses that wait for one slow reader, per stream. Default 4 MiB. */
  readonly watchStreamBytes: number;
}

type PerCaller = Extract<keyof MemberLimits, `${string}PerCaller`>;

export const DEFAULT_LIMITS: Omit<MemberLimits, PerCaller> = {
  requestBytes: 1.5 * 1024 * 1024,
  txnOperations: 128,
  responseBytes: 64 * 1024 * 1024,
  pendingRequests: 20_000,
  pendingBytes: 64 * 1024 * 1024,
  applyBacklog: 5_000,
  logEntries: 10_000,
  logBytes: 64 * 1024 * 1024,
  catchUpEntries: 5_000,
  appendBytes: 1024 * 1024,
  snapshotChunkBytes: 128 * 1024,
  joinedLearners: 64,
  authTokens: 10_000,
  watchers: 12_500,
  watchStreams: 20_000,
  leases: 100_000,
  sockets: 256,
  unfinishedBytes: 32 * 1024 * 1024,
  unreadBytes: 64 * 1024 * 1024,
  watchStreamBytes: 4 * 1024 * 1024,
};

/** Rooms only: the leader decides which members vote, one safe step at a time. */
export interface AutopilotOptions {
  /** Maximum number of voters of a room; odd. Default 5. */
  readonly votersMax: number;
  /** A voter without contact for longer is replaced by a learner that is present. Default: `goneAfterMs`. */
  readonly replaceAfterMs?: number;
  /** A voter without contact for longer loses its vote, also if nobody can replace it. */
  readonly goneAfterMs: number;
  /** A learner without contact for longer may be removed when the room is full. Default: none is removed. */
  readonly learnerGoneAfterMs?: number;
}

/**
 * Wakes a quiesced member when a lease expires, where a timer would cost money or would not outlive the member. The
 * member's clock must then continue across restarts.
 */
export interface Wakeup {
  /**
   * Requests a call of `Member.wake()` after this delay, also if another run of the member is active then. Replaces an
   * earlier request.
   */
  readonly wakeAfter: (delayMs: number) => void;
  /**
   * Saves a record. It must be durable before anything that the member sends or responds afterwards leaves it.
   * Undefined deletes the record.
   */
  readonly save: (record: Uint8Array<ArrayBuffer> | undefined) => void;
  /** The record that a previous run saved last. */
  readonly saved: Uint8Array | undefined;
}

/**
 * Keeps the point at which a leader that quiesced may go on in its term after a restart (raft/resumption.ts). A point
 * that was lost costs an election. One that is outdated is recognized and has no effect.
 */
export interface Resumption {
  readonly save: (point: ResumePoint) => void;
  /** What a previous run saved last. */
  readonly saved: ResumePoint | undefined;
}

/** etcd's Cluster service, and the attributes that the member publishes in it. */
export interface ClusterOptions {
  /** etcd's --max-learners, for members that operators add. A room's autopilot ignores it. Default 1. */
  readonly maxLearners: number;
  /** etcd's --strict-reconfig-check. Default true. */
  readonly strictReconfigCheck: boolean;
  /**
   * If true, a learner serves only what etcd's does: status, snapshots, serializable ranges. Default false: it serves
   * everything, as in a room.
   */
  readonly learnersRefuse: boolean;
  /**
   * etcd's --advertise-client-urls. Without them a member publishes the URLs at which it is seen; see attributes.ts.
   */
  readonly clientUrls: readonly string[];
  /** Returns an unused id for a new member; `everCount` members have existed so far. Default: a random id. */
  readonly newMemberId: (everCount: number) => MemberId;
}

export interface OutageResponse {
  /** What a request fails with. True: it is a write that was proposed, so it may take effect later. */
  readonly error: (isUnknown: boolean) => EtcdError;
  /** Milliseconds that a request may wait for an end of the outage; at most `requestTimeoutMs`. */
  readonly failAfterMs: number;
}

export interface MemberOptions {
  readonly storage: Storage;
  readonly transport: Transport;
  readonly clock: Clock;
  readonly prng: Prng;
  /** Used on a fresh store. A store that has data keeps its own. */
  readonly identity: Identity;
  readonly bootstrap: BootstrapOptions;
  /**
   * The fingerprint of the key that this member's transport proves to others. The log then says whose it is, and nobody
   * else can take this member's place. Default: none.
   */
  readonly key?: Uint8Array | undefined;
  /** Default "nobody". */
  readonly admission?: AdmissionPolicy;
  /** Milliseconds per tick. Default 100. */
  readonly tickMs?: number;
  /** Ticks of the election timeout, randomised in [n, 2n). Default 10. */
  readonly electionTicks?: number;
  /** Milliseconds until a pending request fails. Default: etcd's 5 s + 2 election timeouts. */
  readonly requestTimeoutMs?: number;
  /** Ticks without work after which the cluster quiesces; 0 (default): never. */
  readonly quiesceAfterTicks?: number;
  /**
   * Whether a restarted member of such a cluster sleeps until something needs a leader. For platforms that load a member
   * for each event. Default false.
   */
  readonly startsQuiet?: boolean;
  /**
   * Milliseconds that a commit index may wait for the next append to a follower. For transports that bill each message.
   * Default 0. Must be less than `tickMs`.
   */
  readonly commitDelayMs?: number;
  /**
   * Milliseconds that appends may wait for voters whom no majority needs (peer/quorum-first.ts). For transports that bill
   * each message. Default 0. Must be less than `tickMs`.
   */
  readonly spareDelayMs?: number;
  /**
   * Milliseconds that appends may wait for the learners of a large room, and three times as long for their commit
   * (peer/learner-batches.ts). Default 0. Three times of it must be less than `tickMs`.
   */
  readonly learnerDelayMs?: number;
  /** Default: a timer of the clock. */
  readonly wakeup?: Wakeup;
  /** Default: each restart of a leader causes an election. */
  readonly resumption?: Resumption;
  readonly autopilot?: AutopilotOptions;
  readonly cluster?: Partial<ClusterOptions>;
  readonly limits?: Partial<MemberLimits>;
  /** etcd's --auto-compaction-mode and -retention. Default: off. */
  readonly autoCompaction?: AutoCompactionOptions;
  /** etcd's --auth-token-ttl: milliseconds after its last use until a simple token expires. Default 300 s. */
  readonly authTokenTtlMs?: number;
  /** etcd's --bcrypt-cost of new passwords: 4 to 12. Default 10. */
  readonly bcryptCost?: number;
  /** etcd's --quota-backend-bytes: 0 (default) is 2 GiB, a negative value no limit. Stored data may be as large. */
  readonly quotaBackendBytes?: number;
  /**
   * etcd's --corrupt-check-time: minimum interval at which the leader compares all members' data, and only after
   * changes. It reads every row, on all members. Default 0: never.
   */
  readonly corruptCheckMs?: number;
  /** etcd's --watch-progress-notify-interval. Default: 10 minutes. */
  readonly watchProgressMs?: number;
  /** etcd's feature InitialCorruptCheck: a member compares its data once after its start, and stops if it differs. */
  readonly initialCorruptCheck?: boolean;
  /** After each absence the member confirms that it is current, and is unavailable until then. Default false. */
  readonly confirmsFreshness?: boolean;
  /**
   * How requests end while the member is unavailable for this reason. Default: after `requestTimeoutMs`, with etcd's
   * error.
   */
  readonly outage?: (problem: MemberProblem) => OutageResponse | undefined;
  /** Called once, when the member had to stop: storage refused a write, or an invariant was broken. */
  readonly onStopped?: (problem: { readonly code: ProblemCode; readonly text: string }) => void;
  /** Called whenever the membership changes; for transports that must find the other members. */
  readonly onMembership?: (members: readonly MemberRecord[]) => void;
}

export interface Settings {
  readonly tickMs: number;
  readonly electionTicks: number;
  readonly requestTimeoutMs: number;
  readonly quiesceAfterTicks: number;
  readonly startsQuiet: boolean;
  readonly commitDelayMs: number;
  readonly spareDelayMs: number;
  readonly learnerDelayMs: number;
  readonly authTokenTtlMs: number;
  readonly bcryptCost: number;
  /** As configured; Quota interprets it. */
  readonly quotaBackendBytes: number;
  readonly corruptCheckMs: number;
  readonly watchProgressMs: number;
  readonly learnersRefuse: boolean;
  readonly initialCorruptCheck: boolean;
  readonly limits: MemberLimits;
}

/** A caller that takes all it may leaves a fifth for the others. */
const CALLER_PART = 0.8;

export function limitsOf(given: Partial<MemberLimits> = {}): MemberLimits {
  const limits = { ...DEFAULT_LIMITS, ...given };
  const part = (total: number): number => Math.max(1, Math.floor(total * CALLER_PART));
  return {
    pendingRequestsPerCaller: part(limits.pendingRequests),
    watchersPerCaller: part(limits.watchers),
    watchStreamsPerCaller: part(limits.watchStreams),
    leasesPerCaller: part(limits.leases),
    socketsPerCaller: part(limits.sockets),
    unfinishedBytesPerCaller: part(limits.unfinishedBytes),
    unreadBytesPerCaller: part(limits.unreadBytes),
    ...limits,
  };
}

export function settingsOf(options: MemberOptions): Settings {
  const tickMs = options.tickMs ?? 100;
  const electionTicks = options.electionTicks ?? 10;
  const settings: Settings = {
    tickMs,
    electionTicks,
    requestTimeoutMs: options.requestTimeoutMs ?? 5_000 + 2 * electionTicks * tickMs,
    quiesceAfterTicks: options.quiesceAfterTicks ?? 0,
    startsQuiet: options.startsQuiet ?? false,
    commitDelayMs: options.commitDelayMs ?? 0,
    spareDelayMs: options.spareDelayMs ?? 0,
    learnerDelayMs: options.learnerDelayMs ?? 0,
    authTokenTtlMs: options.authTokenTtlMs ?? 300_000,
    bcryptCost: options.bcryptCost ?? BCRYPT_COST_DEFAULT,
    learnersRefuse: options.cluster?.learnersRefuse ?? false,
    quotaBackendBytes: options.quotaBackendBytes ?? 0,
    corruptCheckMs: options.corruptCheckMs ?? 0,
    watchProgressMs: options.watchProgressMs ?? 600_000,
    initialCorruptCheck: options.initialCorruptCheck ?? false,
    limits: limitsOf(options.limits),
  };
  assert(tickMs > 0 && electionTicks > 1, "an election timeout is more than one tick");
  assert(settings.commitDelayMs < tickMs, "a delayed commit index leaves before the heartbeat that repeats it");
  assert(settings.spareDelayMs < tickMs, "a delayed append leaves before the heartbeat that would look for it");
  assert(3 * settings.learnerDelayMs < tickMs, "a delayed append leaves before the heartbeat that would look for it");
  assert(settings.limits.catchUpEntries < settings.limits.logEntries, "what is kept is less than what is allowed");
  assert(
    settings.bcryptCost >= BCRYPT_COST_MIN && settings.bcryptCost <= BCRYPT_COST_MAX,
    "a hash of bcrypt's costs enough, and can be verified",
  );
  assert(
    settings.quiesceAfterTicks === 0 || settings.quiesceAfterTicks > electionTicks,
    "quiescence begins after an election timeout",
  );
  return settings;
}

export interface AutoCompactionOptions {
  /** "off" is the default. */
  readonly mode: "off" | "periodic" | "revision";
  /** History to keep: milliseconds, or revisions. */
  readonly retention: number;
  /** The record that a previous run saved last, if the clock continues across restarts. */
  readonly saved?: Uint8Array | undefined;
  readonly save?: (record: Uint8Array<ArrayBuffer>) => void;
}
