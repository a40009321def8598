/**
 * The leader's part in leases: keeps their deadlines, renews them, and proposes to revoke expired ones. Lease entries
 * of the log are applied by every member (state-machine.ts); the lessor only listens.
 *
 *     own first entry applied ──► promote ──► every 500 ms: revoke expired leases, checkpoint long ones
 *     leadership lost ──► demote
 *     the cluster quiesces ──► hibernate: to be woken when the next lease expires
 */
import { Expiry } from "../../lease/expiry.ts";
import type { SavedDeadlines } from "../../lease/expiry.ts";
import type { LeaseListener, LeaseTable } from "../../lease/lease-table.ts";
import { SAVED_LEASES_MAX, decodeSavedExpiry, encodeSavedExpiry } from "../../lease/saved-expiry.ts";
import { DecodeError } from "../../protocol/decode-error.ts";
import { EtcdError, GrpcCode, errLeaseNotFound, errNotLeader } from "../../protocol/errors.ts";
import type { InternalRequest } from "../../protocol/peer/internal.ts";
import { leaseKeepAliveRequestSchema, leaseKeepAliveResponseSchema } from "../../protocol/api/schema/lease-schema.ts";
import { leaseKeepAliveRequest, leaseKeepAliveResponse } from "../../protocol/api/lease.ts";
import type { Lease } from "../../protocol/api/lease.ts";
import { decode, encode } from "../../protocol/codec/proto-codec.ts";
import type { Clock } from "../clock.ts";
import { errReadOnlyMember } from "../../protocol/invitation-errors.ts";
import type { Wakeup } from "../options.ts";
import type { Outcome } from "../outcome.ts";
import type { Rpc, RpcCallback } from "../peer/rpc.ts";

/** As etcd: checks twice a second, and revokes at most 1,000 leases a second. */
const CHECK_INTERVAL_MS = 500;
const REVOKES_PER_CHECK = 500;
const CHECKPOINTS_PER_CHECK = 1_000;
/** Hibernating for less than this is not worth it. */
const HIBERNATION_MS_MIN = 2_000;
/**
 * The longest delay of platform timers; a longer one would fire at once. A lessor that is woken early hibernates again.
 */
const HIBERNATION_MS_MAX = 2 ** 31 - 1;
/** Earliest wake-up to request while active: the cluster cannot quiesce sooner. */
const ALARM_MS_MIN = 5_000;

/** A quorum's confirmation of this leader counts for this part of the extension; see `#isConfirmed`. */
const CONFIRMED_SHARE = 0.5;

const RENEW = "lease/renew";
const REMAINING = "lease/remaining";

/** Remaining TTL in seconds; undefined if the lease does not exist. */
export type TtlCallback = (outcome: Outcome<number | undefined>) => void;

export interface LessorHost {
  readonly clock: Clock;
  readonly rpc: Rpc;
  readonly table: () => LeaseTable;
  readonly write: (request: InternalRequest, done: (outcome: Outcome<unknown>) => void) => void;
  readonly linearizable: (read: () => void, fail: (error: EtcdError) => void) => void;
  readonly logTerm: (index: number) => number | undefined;
  /** The newest entry, when all members have it. */
  readonly newest: () => { readonly term: number; readonly index: number };
  /** What a new leader adds to each TTL: an election timeout. */
  readonly extensionMs: number;
  readonly wakeup: Wakeup | undefined;
  /** Ends quiescence. */
  readonly wake: () => void;
  /** True for a member that was invited to read only. Default: false. */
  readonly isReader?: () => boolean;
  /** False while leases cannot be revoked, because an alarm is active. Default: true. */
  readonly mayRevoke?: () => boolean;
}

export class Lessor implements LeaseListener {
  readonly #host: LessorHost;
  readonly #expiry: Expiry = new Expiry();
  /** Term of the own leadership; 0 while another member leads. */
  #term = 0;
  /** When the last confirmation by a quorum was asked for. */
  #confirmedMs = -Infinity;
  #revoking = 0;
  #checkedMs = -Infinity;
  #cancelWake: (() => void) | undefined;
  #alarmMs = -Infinity;
  /** The saved deadlines, as long as they hold. */
  #saved: Uint8Array | undefined;
  /** Renewals of leases that have expired and are not revoked yet. */
  readonly #waiting: Map<bigint, TtlCallback[]> = new Map();
  readonly #whenRevoked: Map<bigint, () => void> = new Map();

  constructor(host: LessorHost) {
    this.#host = host;
    this.#saved = host.wakeup?.saved;
    host.rpc.handle(RENEW, (payload, done) =>
      this.#serve(payload, done, this.#isConfirmed, (id, then) => this.#renew(id, then)),
    );
    host.rpc.handle(REMAINING, (payload, done) =>
      this.#serve(payload, done, false, (id, then) => this.#remaining(id, then)),
    );
  }

  // ── called on any member, served by the leader ─────────────────────────────────────────────────────────────────────

  renew(id: bigint, done: TtlCallback): void {
    // The leader would drop it unread.
    if (this.#host.isReader?.() === true) return done({ ok: false, error: errReadOnlyMember });
    if (!this.#isConfirmed) return this.#callLeader(RENEW, id, done);
    this.#host.wake();
    this.#renew(id, done);
  }

  remaining(id: bigint, done: TtlCallback): void {
    this.#callLeader(REMAINING, id, done);
  }

  /** Ids of the leases that this member knows. The leader, which keeps the deadlines, orders them by deadline. */
  ids(): readonly bigint[] {
    if (this.#leading) return this.#expiry.byEnd();
    const ids: bigint[] = [];
    this.#host.table().scan(({ id }) => ids.push(id) > 0);
    return ids;
  }

  /** Calls `done` once, when the lease is revoked; at once if it does not exist. One callback per lease. */
  whenRevoked(id: bigint, done: () => void): void {
    if (this.#host.table().exists(id)) this.#whenRevoked.set(id, done);
    else done();
  }

  /** Call when a snapshot has replaced the table. Leases missing in the new table were revoked on other members. */
  tableReplaced(): void {
    for (const [id, done] of this.#whenRevoked) {
      if (this.#host.table().exists(id)) continue;
      this.#whenRevoked.delete(id);
      done();
    }
  }

  // ── the log ────────────────────────────────────────────────────────────────────────────────────────────────────────

  granted(lease: Lease): void {
    if (this.#leading) this.#expiry.granted(lease, this.#host.clock.nowMs());
  }

  revoked(id: bigint): void {
    this.#expiry.revoked(id);
    this.#whenRevoked.get(id)?.();
    this.#whenRevoked.delete(id);
    const waiting = this.#waiting.get(id) ?? [];
    this.#waiting.delete(id);
    for (const done of waiting) done({ ok: true, value: undefined });
  }

  checkpointed(lease: Lease): void {
    if (this.#leading) this.#expiry.checkpointed(lease, this.#host.clock.nowMs());
  }

  // ── leading ────────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Term in which this member keeps the deadlines; 0 while another member does. */
  get term(): number {
    return this.#term;
  }

  /**
   * Takes over the deadlines. `inheritedIndex` is the last entry of the log when this member began to lead. It is
   * applied, and so is all that was committed before. So no renewal since then can have escaped this leader.
   */
  promote(term: number, inheritedIndex: number): void {
    this.demote();
    this.#confirmedMs = -Infinity;
    this.#term = term;
    const leases: Lease[] = [];
    this.#host.table().scan((lease) => leases.push(lease) > 0);
    const known = leases.length === 0 ? undefined : this.#savedDeadlines(inheritedIndex);
    this.#expiry.start(leases, this.#host.clock.nowMs(), this.#host.extensionMs, known);
  }

  demote(): void {
    if (!this.#leading) return;
    this.#term = 0;
    this.#cancelWake?.();
    this.#cancelWake = undefined;
    this.#expiry.stop();
    const waiting = [...this.#waiting.values()].flat();
    this.#waiting.clear();
    for (const done of waiting) done({ ok: false, error: errNotLeader });
  }

  tick(): void {
    if (!this.#leading) return;
    this.#cancelWake?.();
    this.#cancelWake = undefined;
    const nowMs = this.#host.clock.nowMs();
    if (nowMs - this.#checkedMs < CHECK_INTERVAL_MS) return;
    this.#checkedMs = nowMs;
    // Proposals that are rejected again and again would only fill the log, and the cluster could not quiesce.
    if (!this.#mayRevoke()) return;
    for (const id of this.#expiry.takeEnded(nowMs, REVOKES_PER_CHECK - this.#revoking)) this.#revoke(id);
    const checkpoints = this.#expiry.takeCheckpoints(nowMs, CHECKPOINTS_PER_CHECK);
    if (checkpoints.length > 0) {
      this.#host.write({ type: "leaseCheckpoint", leaseCheckpoint: { checkpoints } }, () => {});
    }
    this.#keepAlarm(nowMs);
  }

  // ── quiescence ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /** True if a lease expires now, or too soon to hibernate. */
  get isBusy(): boolean {
    if (!this.#leading) return false;
    if (this.#revoking > 0) return true;
    if (!this.#mayRevoke()) return false;
    if (this.#host.wakeup !== undefined && this.#expiry.size > SAVED_LEASES_MAX) return true;
    const next = this.#expiry.nextEndMs;
    return next !== undefined && next - this.#host.clock.nowMs() < HIBERNATION_MS_MIN;
  }

  /** Called when the leader quiesces: requests a wake-up, and saves the deadlines. */
  hibernate(): void {
    const next = this.#expiry.nextEndMs;
    if (!this.#leading || next === undefined || !this.#mayRevoke()) return;
    const nowMs = this.#host.clock.nowMs();
    const { wakeup } = this.#host;
    if (wakeup === undefined) {
      this.#cancelWake?.();
      this.#cancelWake = this.#host.clock.setTimer(Math.min(next - nowMs, HIBERNATION_MS_MAX), () => this.#host.wake());
    } else {
      const saved = encodeSavedExpiry({ ...this.#host.newest(), writtenMs: nowMs, ends: this.#expiry.ends });
      this.#saved = saved;
      wakeup.save(saved);
      this.#wakeAt(Math.min(next, nowMs + HIBERNATION_MS_MAX), nowMs);
    }
  }

  /** All members may crash while active, at a deployment for example. A wake-up must be due then, too. */
  #keepAlarm(nowMs: number): void {
    const next = this.#expiry.nextEndMs;
    if (next === undefined || (this.#alarmMs > nowMs && this.#alarmMs <= next)) return;
    const atMs = Math.min(Math.max(next, nowMs + ALARM_MS_MIN), nowMs + HIBERNATION_MS_MAX);
    if (this.#alarmMs <= nowMs || atMs < this.#alarmMs) this.#wakeAt(atMs, nowMs);
  }

  #wakeAt(atMs: number, nowMs: number): void {
    this.#alarmMs = atMs;
    this.#host.wakeup?.wakeAfter(atMs - nowMs);
  }

  #savedDeadlines(inheritedIndex: number): SavedDeadlines | undefined {
    const record = this.#saved === undefined ? undefined : decodeSavedExpiry(this.#saved);
    if (record === undefined || record.index !== inheritedIndex) return undefined;
    const holds = record.term === this.#host.logTerm(record.index) && record.writtenMs <= this.#host.clock.nowMs();
    return holds ? record.ends : undefined;
  }

  #mayRevoke(): boolean {
    return this.#host.mayRevoke?.() ?? true;
  }

  get #leading(): boolean {
    return this.#term !== 0;
  }

  /**
   * True if a quorum has confirmed this leader so recently that it renews without asking again. A successor was elected
   * after the quorum was asked, and gives each lease its TTL and the extension. So a renewal within the extension ends
   * no later than that, even if this leader is deposed and does not know it.
   */
  get #isConfirmed(): boolean {
    return this.#leading && this.#host.clock.nowMs() - this.#confirmedMs < CONFIRMED_SHARE * this.#host.extensionMs;
  }

  // ── helpers ────────────────────────────────────────────────────────────────────────────────────────────────────────

  #revoke(id: bigint): void {
    this.#revoking += 1;
    this.#host.write({ type: "leaseRevoke", leaseRevoke: { id } }, () => {
      this.#revoking -= 1;
      // If the revocation was lost, the lease still exists.
      this.#expiry.retry(id);
    });
  }

  #renew(id: bigint, done: TtlCallback): void {
    if (!this.#leading) return done({ ok: false, error: errNotLeader });
    const nowMs = this.#host.clock.nowMs();
    if (!this.#expiry.has(id)) return done({ ok: true, value: undefined });
    if (this.#expiry.hasEnded(id, nowMs)) {
      // Its revocation may be in flight already. An expired lease is not renewed.
      this.#waiting.set(id, [...(this.#waiting.get(id) ?? []), done]);
      return;
    }
    if (this.#expiry.isCheckpointed(id)) return this.#renewCheckpointed(id, done);
    if (this.#saved !== undefined) {
      this.#saved = undefined;
      this.#host.wakeup?.save(undefined);
    }
    done({ ok: true, value: this.#expiry.renew(id, nowMs) });
  }

  /** The next leader would use the checkpoint, so it is reset first. */
  #renewCheckpointed(id: bigint, done: TtlCallback): void {
    const checkpoints = [{ id, remainingTtl: 0 }];
    this.#host.write({ type: "leaseCheckpoint", leaseCheckpoint: { checkpoints } }, (outcome) => {
      if (outcome.ok) this.#renew(id, done);
      else done(outcome);
    });
  }

  #remaining(id: bigint, done: TtlCallback): void {
    if (!this.#leading) return done({ ok: false, error: errNotLeader });
    const leftMs = this.#expiry.remainingMs(id, this.#host.clock.nowMs());
    // A lease that has just expired has 0 seconds left, not -0.
    done({ ok: true, value: leftMs === undefined ? undefined : Math.trunc(leftMs / 1_000) + 0 });
  }

  #callLeader(method: string, id: bigint, done: TtlCallback): void {
    const payload = encode(leaseKeepAliveRequestSchema, leaseKeepAliveRequest({ id }));
    this.#host.rpc.callLeader(method, payload, (outcome) => {
      if (outcome.ok) return done(secondsOf(outcome.value));
      done(outcome.error.message === errLeaseNotFound.message ? { ok: true, value: undefined } : outcome);
    });
    this.#host.wake();
  }

  #serve(
    payload: Uint8Array,
    done: RpcCallback,
    isConfirmed: boolean,
    respond: (id: bigint, then: TtlCallback) => void,
  ): void {
    let id: bigint;
    try {
      ({ id } = decode(leaseKeepAliveRequestSchema, payload));
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      return done({ ok: false, error: new EtcdError(GrpcCode.Internal, error.message) });
    }
    const then: TtlCallback = (outcome) => {
      if (!outcome.ok) return done(outcome);
      if (outcome.value === undefined) return done({ ok: false, error: errLeaseNotFound });
      done({
        ok: true,
        value: encode(leaseKeepAliveResponseSchema, leaseKeepAliveResponse({ id, ttl: outcome.value })),
      });
    };
    if (!this.#leading) return then({ ok: false, error: errNotLeader });
    if (isConfirmed) return respond(id, then);
    // A deposed leader must not respond: no other member would know of its renewal.
    const askedMs = this.#host.clock.nowMs();
    this.#host.linearizable(
      () => {
        this.#confirmedMs = Math.max(this.#confirmedMs, askedMs);
        respond(id, then);
      },
      (error) => then({ ok: false, error }),
    );
  }
}

function secondsOf(payload: Uint8Array): Outcome<number | undefined> {
  try {
    return { ok: true, value: decode(leaseKeepAliveResponseSchema, payload).ttl };
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    return { ok: false, error: new EtcdError(GrpcCode.Internal, error.message) };
  }
}
