/** What a member is made of, and its limits. Validated once, when the member is made. */
import { assert } from "../base/assert.ts";
import type { Prng } from "../base/prng.ts";
import type { Member as MemberRecord } from "../protocol/api/cluster.ts";
import type { MemberId } from "../protocol/peer/raft-message.ts";
import type { Identity, Storage } from "../storage/storage.ts";
import type { Transport } from "../transport/transport.ts";
import type { Clock } from "./clock.ts";
import { BCRYPT_COST_DEFAULT, BCRYPT_COST_MAX, BCRYPT_COST_MIN } from "../auth/password-hashes.ts";
import type { ProblemCode } from "./api/services.ts";

/** How a store that is fresh begins; a store with a past ignores it. */
export type BootstrapOptions =
  /** One of the founders: every one of them is given the same list. */
  | { readonly type: "found"; readonly members: readonly MemberRecord[] }
  /** Added later: asks the others until the log says that it belongs to them. */
  | { readonly type: "join" };

/** A member that asks to be let in. */
export interface Newcomer {
  readonly id: MemberId;
  /** As it calls itself. */
  readonly name: string;
  /** Whether the carrier has proof that it belongs to us (Transport.isAuthenticated). */
  readonly isAuthenticated: boolean;
}

/**
 * Who is let in, as a learner, that asks by itself. "nobody": people add members. "authenticated": whom the carrier has
 * proof of. "all": everybody, as in a room that is open. A function decides for each: it must not throw, and is asked
 * again when the newcomer asks again. All members of a cluster are to be given the same.
 */
export type AdmissionPolicy = "nobody" | "authenticated" | "all" | ((newcomer: Newcomer) => boolean);

export interface MemberLimits {
  /** etcd's --max-request-bytes: the marshalled request. Default 1.5 MiB. */
  readonly requestBytes: number;
  /** etcd's --max-txn-ops. Default 128. */
  readonly txnOperations: number;
  /** Keys and values of one answer, which is built whole in memory; a streamed range has no such limit. Default 64 MiB. */
  readonly responseBytes: number;
  /** Writes and reads that wait for an answer. Default 20,000 and 64 MiB. */
  readonly pendingRequests: number;
  readonly pendingBytes: number;
  /** Committed but not applied; above it writes are refused as etcd does. Default 5,000. */
  readonly applyBacklog: number;
  /** The log is cut when it holds more than this; a lagging member then needs a snapshot. Default 10,000 and 64 MiB. */
  readonly logEntries: number;
  readonly logBytes: number;
  /** Kept for members that lag a little when the log is cut. Default 5,000. */
  readonly catchUpEntries: number;
  /** Entries of one append message; a larger entry travels alone. Default 1 MiB. */
  readonly appendBytes: number;
  /** The state is streamed to a lagging member in chunks of about this size. Default 128 KiB. */
  readonly snapshotChunkBytes: number;
  /** Nobody is let in by its own asking where there are so many learners. Default 64. */
  readonly joinedLearners: number;
  /** Simple tokens that this member remembers. Default 10,000. */
  readonly authTokens: number;
  /** Default 12,500. */
  readonly watchers: number;
  /** Open at once, of all clients; each may hold many watches. Default 20,000. */
  readonly watchStreams: number;
  /** Granted through this member and not ended. Default 100,000. */
  readonly leases: number;
  /** WebSockets that carry many streams each. Default 256. */
  readonly sockets: number;
  /** Of requests that have not arrived whole. Default 32 MiB. */
  readonly unfinishedBytes: number;
  /** What one caller may hold of each: a user, or an address where there is no user. Default: four fifths of it. */
  readonly pendingRequestsPerCaller: number;
  readonly watchersPerCaller: number;
  readonly watchStreamsPerCaller: number;
  readonly leasesPerCaller: number;
  readonly socketsPerCaller: number;
  readonly unfinishedBytesPerCaller: number;
  /** Responses that wait for one slow reader, per stream. Default 4 MiB. */
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
  watchStreamBytes: 4 * 1024 * 1024,
};

/** Rooms only: who votes is decided by the leader, one safe step at a time. */
export interface AutopilotOptions {
  /** The most voters a room has; odd. Default 5. */
  readonly votersMax: number;
  /** A voter silent for longer may be replaced by a learner that is there. */
  readonly goneAfterMs: number;
}

/**
 * How a member that is quiet is woken for the end of a lease, where a timer would cost money or would not outlive the
 * member. The clock must go on over restarts of the member then.
 */
export interface Wakeup {
  /** `Member.wake()` is to be called after so long, of whichever life of the member; replaces an earlier wish. */
  readonly wakeAfter: (delayMs: number) => void;
  /** Durable before anything that the member sends or answers afterwards leaves; undefined: takes it back. */
  readonly save: (note: Uint8Array<ArrayBuffer> | undefined) => void;
  /** What an earlier life kept last. */
  readonly saved: Uint8Array | undefined;
}

/** etcd's Cluster service, and what the member says of itself in it. */
export interface ClusterOptions {
  /** etcd's --max-learners, for members that people add; a room's autopilot has its own mind. Default 1. */
  readonly maxLearners: number;
  /** etcd's --strict-reconfig-check. Default true. */
  readonly strictReconfigCheck: boolean;
  /** A learner answers what etcd's does: status, snapshots, serializable ranges. Default false: all, as in a room. */
  readonly learnersRefuse: boolean;
  /** etcd's --advertise-client-urls. Without them a member says what is seen; see attributes.ts. */
  readonly clientUrls: readonly string[];
  /** The id of a member that is added when `everCount` were there up to now; nobody's before. Default: by chance. */
  readonly newMemberId: (everCount: number) => MemberId;
}

export interface MemberOptions {
  readonly storage: Storage;
  readonly transport: Transport;
  readonly clock: Clock;
  readonly prng: Prng;
  /** Used on a fresh store; a store with a past keeps its own. */
  readonly identity: Identity;
  readonly bootstrap: BootstrapOptions;
  /** Default "nobody". */
  readonly admission?: AdmissionPolicy;
  /** Default 100. */
  readonly tickMs?: number;
  /** Election timeout, randomised in [n, 2n). Default 10. */
  readonly electionTicks?: number;
  /** How long a request may wait. Default: etcd's 5 s + 2 election timeouts. */
  readonly requestTimeoutMs?: number;
  /** After so many ticks without work the cluster stops its clocks; 0 (default): never. */
  readonly quiesceAfterTicks?: number;
  /**
   * How long a follower may be left without word that something is committed, if the next append can bring it. For
   * carriers that pay for each message; default 0.
   */
  readonly commitDelayMs?: number;
  /** Default: a timer of the clock. */
  readonly wakeup?: Wakeup;
  readonly autopilot?: AutopilotOptions;
  readonly cluster?: Partial<ClusterOptions>;
  readonly limits?: Partial<MemberLimits>;
  /** etcd's --auto-compaction-mode and -retention. Default: off. */
  readonly autoCompaction?: AutoCompactionOptions;
  /** etcd's --auth-token-ttl: a simple token ends so long after its last use. Default 300 s. */
  readonly authTokenTtlMs?: number;
  /** etcd's --bcrypt-cost, of new passwords: 4 to 12. Default 10. */
  readonly bcryptCost?: number;
  /** etcd's --quota-backend-bytes: 0 (default) is 2 GiB, a negative one none. What is stored may be as large. */
  readonly quotaBackendBytes?: number;
  /**
   * etcd's --corrupt-check-time: the leader compares all members' data so often at most, and only after changes. It
   * reads every row, at all members. Default 0: never.
   */
  readonly corruptCheckMs?: number;
  /** etcd's --watch-progress-notify-interval. Default: 10 minutes. */
  readonly watchProgressMs?: number;
  /** etcd's feature InitialCorruptCheck: a member that starts compares its data once, and stops when it differs. */
  readonly initialCorruptCheck?: boolean;
  /** Told once, when the member had to stop: storage refused a write, or an invariant broke. */
  readonly onStopped?: (problem: { readonly code: ProblemCode; readonly text: string }) => void;
  /** Told whenever the membership changes; for carriers that must find the others. */
  readonly onMembership?: (members: readonly MemberRecord[]) => void;
}

export interface Settings {
  readonly tickMs: number;
  readonly electionTicks: number;
  readonly requestTimeoutMs: number;
  readonly quiesceAfterTicks: number;
  readonly commitDelayMs: number;
  readonly authTokenTtlMs: number;
  readonly bcryptCost: number;
  /** As told; Quota reads it. */
  readonly quotaBackendBytes: number;
  readonly corruptCheckMs: number;
  readonly watchProgressMs: number;
  readonly learnersRefuse: boolean;
  readonly initialCorruptCheck: boolean;
  readonly limits: MemberLimits;
}

/** A caller that takes all that it may leaves a fifth for the others. */
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
    commitDelayMs: options.commitDelayMs ?? 0,
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
  assert(settings.commitDelayMs < tickMs, "what waits leaves before the heartbeat that would tell it too");
  assert(settings.limits.catchUpEntries < settings.limits.logEntries, "what is kept is less than what is allowed");
  assert(
    settings.bcryptCost >= BCRYPT_COST_MIN && settings.bcryptCost <= BCRYPT_COST_MAX,
    "a hash of bcrypt's costs enough, and can be verified",
  );
  assert(
    settings.quiesceAfterTicks === 0 || settings.quiesceAfterTicks > electionTicks,
    "quiet comes after an election timeout",
  );
  return settings;
}

export interface AutoCompactionOptions {
  /** "off": the default. */
  readonly mode: "off" | "periodic" | "revision";
  /** Milliseconds of history that stay, or revisions. */
  readonly retention: number;
  /** What an earlier life kept last, if the clock goes on over restarts. */
  readonly saved?: Uint8Array | undefined;
  readonly save?: (note: Uint8Array<ArrayBuffer>) => void;
}
