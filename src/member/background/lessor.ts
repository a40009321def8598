/**
 * The leader's part in leases: it keeps their time, renews them, and proposes the end of those whose time is over. What
 * the log says about leases every member applies (state-machine.ts); the keeper only listens.
 *
 *     own first entry applied ──► start ──► every 500 ms: revoke what has ended, checkpoint what lasts long
 *     leads no more ──► stop
 *     the cluster goes quiet ──► sleep: to be woken when the next lease ends
 */
import { Expiry } from "../../lease/expiry.ts";
import type { SavedDeadlines } from "../../lease/expiry.ts";
import type { LeaseListener, LeaseTable } from "../../lease/lease-table.ts";
import { SAVED_LEASES_MAX, decodeSavedExpiry, encodeSavedExpiry } from "../../lease/saved-expiry.ts";
import { DecodeError } from "../../protocol/decode-error.ts";
import { EtcdError, GrpcCode, errLeaseNotFound, errNotLeader } from "../../protocol/errors.ts";
import type { InternalRequest } from "../../protocol/peer/internal.ts";
import { leaseKeepAliveRequestSchema, leaseKeepAliveResponseSchema } from "../../protocol/api/lease-schema.ts";
import { leaseKeepAliveRequest, leaseKeepAliveResponse } from "../../protocol/api/lease.ts";
import type { Lease } from "../../protocol/api/lease.ts";
import { decode, encode } from "../../protocol/codec/proto-codec.ts";
import type { Clock } from "../clock.ts";
import type { Wakeup } from "../options.ts";
import type { Outcome } from "../outcome.ts";
import type { Rpc, RpcCallback } from "../peer/rpc.ts";

/** etcd's: it looks twice a second, and ends 1,000 leases a second at the most. */
const LOOK_EVERY_MS = 500;
const REVOKES_PER_LOOK = 500;
const CHECKPOINTS_PER_LOOK = 1_000;
/** It is not worth going to sleep for less. */
const HIBERNATION_MS_MIN = 2_000;
/** The longest that a platform's timer takes; a longer one would fire at once. Whoever is woken early sleeps again. */
const HIBERNATION_MS_MAX = 2 ** 31 - 1;
/** Of the wish to be woken while awake: not before it would be quiet at the earliest. */
const ALARM_MS_MIN = 5_000;

const RENEW = "lease/renew";
const REMAINING = "lease/remaining";

/** Seconds; undefined: there is no such lease. */
export type TtlCallback = (outcome: Outcome<number | undefined>) => void;

export interface LessorHost {
  readonly clock: Clock;
  readonly rpc: Rpc;
  readonly table: () => LeaseTable;
  readonly write: (request: InternalRequest, done: (outcome: Outcome<unknown>) => void) => void;
  readonly linearizable: (read: () => void, fail: (error: EtcdError) => void) => void;
  readonly logTerm: (index: number) => number | undefined;
  /** The newest entry, when all have it. */
  readonly newest: () => { readonly term: number; readonly index: number };
  /** What a new leader adds to the time of each lease: an election timeout. */
  readonly extensionMs: number;
  readonly wakeup: Wakeup | undefined;
  /** Ends the quiet. */
  readonly wake: () => void;
  /** Whether a lease can be revoked at all, which an alarm may forbid. Default: yes. */
  readonly mayRevoke?: () => boolean;
}

export class Lessor implements LeaseListener {
  readonly #host: LessorHost;
  readonly #expiry: Expiry = new Expiry();
  /** Of the leadership; 0 while another member leads. */
  #term = 0;
  #revoking = 0;
  #lookedMs = -Infinity;
  #cancelWake: (() => void) | undefined;
  #alarmMs = -Infinity;
  #hasSavedExpiry: boolean;
  /** Renewals of leases that have ended and are not revoked yet. */
  readonly #waiting: Map<bigint, TtlCallback[]> = new Map();
  readonly #whenRevoked: Map<bigint, () => void> = new Map();

  constructor(host: LessorHost) {
    this.#host = host;
    this.#hasSavedExpiry = host.wakeup?.saved !== undefined;
    host.rpc.handle(RENEW, (payload, done) => this.#serve(payload, done, (id, then) => this.#renew(id, then)));
    host.rpc.handle(REMAINING, (payload, done) => this.#serve(payload, done, (id, then) => this.#remaining(id, then)));
  }

  // ── asked anywhere, answered by the leader ────────────────────────────────────────────────────────────────────

  renew(id: bigint, done: TtlCallback): void {
    this.#ask(RENEW, id, done);
  }

  remaining(id: bigint, done: TtlCallback): void {
    this.#ask(REMAINING, id, done);
  }

  /** As this member knows them; the leader, who knows their time, by that. */
  ids(): readonly bigint[] {
    if (this.#leading) return this.#expiry.byEnd();
    const ids: bigint[] = [];
    this.#host.table().scan(({ id }) => ids.push(id) > 0);
    return ids;
  }

  /** Calls `done` once, when the lease is gone; at once if it is by now. One of a lease. */
  whenRevoked(id: bigint, done: () => void): void {
    if (this.#host.table().exists(id)) this.#whenRevoked.set(id, done);
    else done();
  }

  /** A snapshot took the place of the table: what is gone with it was revoked elsewhere. */
  tableReplaced(): void {
    for (const [id, done] of this.#whenRevoked) {
      if (this.#host.table().exists(id)) continue;
      this.#whenRevoked.delete(id);
      done();
    }
  }

  // ── the log ───────────────────────────────────────────────────────────────────────────────────────────────────

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

  // ── leading ───────────────────────────────────────────────────────────────────────────────────────────────────

  /** The term whose leader keeps time here; 0 while another member does. */
  get term(): number {
    return this.#term;
  }

  /** `firstIndex`: this leader's first entry, which is applied: so nobody can have renewed since without its knowing. */
  promote(term: number, firstIndex: number): void {
    this.demote();
    this.#term = term;
    const leases: Lease[] = [];
    this.#host.table().scan((lease) => leases.push(lease) > 0);
    const known = leases.length === 0 ? undefined : this.#savedDeadlines(firstIndex);
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
    if (nowMs - this.#lookedMs < LOOK_EVERY_MS) return;
    this.#lookedMs = nowMs;
    // To be refused again and again would only fill the log, and nobody could go to sleep.
    if (!this.#mayRevoke()) return;
    for (const id of this.#expiry.takeEnded(nowMs, REVOKES_PER_LOOK - this.#revoking)) this.#revoke(id);
    const checkpoints = this.#expiry.takeCheckpoints(nowMs, CHECKPOINTS_PER_LOOK);
    if (checkpoints.length > 0) {
      this.#host.write({ type: "leaseCheckpoint", leaseCheckpoint: { checkpoints } }, () => {});
    }
    this.#keepAlarm(nowMs);
  }

  // ── quiet ─────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Something ends now or so soon that it is not worth going to sleep. */
  get isBusy(): boolean {
    if (!this.#leading) return false;
    if (this.#revoking > 0) return true;
    if (!this.#mayRevoke()) return false;
    if (this.#host.wakeup !== undefined && this.#expiry.size > SAVED_LEASES_MAX) return true;
    const next = this.#expiry.nextEndMs;
    return next !== undefined && next - this.#host.clock.nowMs() < HIBERNATION_MS_MIN;
  }

  /** The leader stops its clock. */
  hibernate(): void {
    const next = this.#expiry.nextEndMs;
    if (!this.#leading || next === undefined || !this.#mayRevoke()) return;
    const nowMs = this.#host.clock.nowMs();
    const { wakeup } = this.#host;
    if (wakeup === undefined) {
      this.#cancelWake?.();
      this.#cancelWake = this.#host.clock.setTimer(Math.min(next - nowMs, HIBERNATION_MS_MAX), () => this.#host.wake());
    } else {
      wakeup.save(encodeSavedExpiry({ ...this.#host.newest(), writtenMs: nowMs, ends: this.#expiry.ends }));
      this.#hasSavedExpiry = true;
      this.#wakeAt(Math.min(next, nowMs + HIBERNATION_MS_MAX), nowMs);
    }
  }

  /** All members may crash while they are awake, at a deployment for example; then somebody must wake up, too. */
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

  #savedDeadlines(firstIndex: number): SavedDeadlines | undefined {
    const bytes = this.#host.wakeup?.saved;
    const note = bytes === undefined ? undefined : decodeSavedExpiry(bytes);
    if (note === undefined || note.index !== firstIndex - 1) return undefined;
    const holds = note.term === this.#host.logTerm(note.index) && note.writtenMs <= this.#host.clock.nowMs();
    return holds ? note.ends : undefined;
  }

  #mayRevoke(): boolean {
    return this.#host.mayRevoke?.() ?? true;
  }

  get #leading(): boolean {
    return this.#term !== 0;
  }

  // ── helpers ───────────────────────────────────────────────────────────────────────────────────────────────────

  #revoke(id: bigint): void {
    this.#revoking += 1;
    this.#host.write({ type: "leaseRevoke", leaseRevoke: { id } }, () => {
      this.#revoking -= 1;
      // If the revocation was lost, the lease is still there.
      this.#expiry.retry(id);
    });
  }

  #renew(id: bigint, done: TtlCallback): void {
    if (!this.#leading) return done({ ok: false, error: errNotLeader });
    const nowMs = this.#host.clock.nowMs();
    if (!this.#expiry.has(id)) return done({ ok: true, value: undefined });
    if (this.#expiry.hasEnded(id, nowMs)) {
      // Its end may be on the way already; it does not come back to life.
      this.#waiting.set(id, [...(this.#waiting.get(id) ?? []), done]);
      return;
    }
    if (this.#expiry.isCheckpointed(id)) return this.#renewCheckpointed(id, done);
    if (this.#hasSavedExpiry) {
      this.#hasSavedExpiry = false;
      this.#host.wakeup?.save(undefined);
    }
    done({ ok: true, value: this.#expiry.renew(id, nowMs) });
  }

  /** The next leader would go by the checkpoint, so it is taken back first. */
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
    // What has ended a moment ago has 0 seconds left, not minus 0.
    done({ ok: true, value: leftMs === undefined ? undefined : Math.trunc(leftMs / 1_000) + 0 });
  }

  #ask(method: string, id: bigint, done: TtlCallback): void {
    const payload = encode(leaseKeepAliveRequestSchema, leaseKeepAliveRequest({ id }));
    this.#host.rpc.callLeader(method, payload, (outcome) => {
      if (outcome.ok) return done(secondsOf(outcome.value));
      done(outcome.error.message === errLeaseNotFound.message ? { ok: true, value: undefined } : outcome);
    });
    this.#host.wake();
  }

  #serve(payload: Uint8Array, done: RpcCallback, answer: (id: bigint, then: TtlCallback) => void): void {
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
    // A leader of former days must not answer: what it renews, nobody else knows of.
    this.#host.linearizable(
      () => answer(id, then),
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
