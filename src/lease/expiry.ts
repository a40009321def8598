/**
 * When leases expire, as the leader counts it. The other members know which leases exist, and nothing of their time.
 *
 * A new leader cannot know which deadlines its predecessor promised last. So it gives each lease its full TTL again (or
 * what was left at the last checkpoint), and an election timeout on top: a predecessor that did not know yet that it
 * was deposed renewed for less than that (member/background/lessor.ts). So a lease may expire late, and never early.
 *
 * Time is given in milliseconds of the leader's clock.
 */
import { assert } from "../base/assert.ts";
import type { Lease, LeaseCheckpoint } from "../protocol/api/lease.ts";
import { LeaseQueue } from "./lease-queue.ts";

/**
 * etcd's rates: at most this many leases expire per second. If more would expire at once, they are spread out to three
 * quarters of that rate.
 */
const REVOKES_PER_SECOND = 1_000;
const SPREAD_PER_SECOND = (REVOKES_PER_SECOND * 3) / 4;
const CHECKPOINT_EVERY_MS = 5 * 60 * 1_000;
const STALE_ENTRIES_MAX = 1_024;

interface Timed {
  readonly id: bigint;
  readonly ttl: number;
  /** As in the table, in seconds. 0: no checkpoint since the last renewal. */
  remainingTtl: number;
  endsMs: number;
  /** Its time in the queue of deadlines; never after `endsMs`. undefined: not queued. */
  queuedMs: number | undefined;
  checkpointQueued: boolean;
  /** A checkpoint was taken and is not applied yet. */
  isCheckpointing: boolean;
}

/** The deadline of each lease, kept from one leadership of a member to its next; see saved-expiry.ts. */
export type SavedDeadlines = ReadonlyMap<bigint, number>;

export class Expiry {
  readonly #leases: Map<bigint, Timed> = new Map();
  readonly #ends: LeaseQueue = new LeaseQueue();
  readonly #checkpoints: LeaseQueue = new LeaseQueue();

  get size(): number {
    return this.#leases.size;
  }

  /** Starts to count when this member becomes the leader. `known` are deadlines that are still valid. */
  start(leases: readonly Lease[], nowMs: number, extensionMs: number, known?: SavedDeadlines): void {
    this.stop();
    const timed = leases.map(({ id, ttl, remainingTtl }): Timed => {
      const endsMs = known?.get(id) ?? nowMs + (remainingTtl > 0 ? remainingTtl : ttl) * 1_000;
      return timedOf({ id, ttl, remainingTtl }, endsMs + extensionMs);
    });
    if (timed.length >= REVOKES_PER_SECOND) spread(timed);
    for (const lease of timed) {
      this.#leases.set(lease.id, lease);
      this.#queue(lease);
      this.#queueCheckpoint(lease, nowMs);
    }
  }

  stop(): void {
    this.#leases.clear();
    this.#ends.clear();
    this.#checkpoints.clear();
  }

  granted(granted: Lease, nowMs: number): void {
    const lease = timedOf(granted, nowMs + granted.ttl * 1_000);
    this.#leases.set(lease.id, lease);
    this.#queue(lease);
    this.#queueCheckpoint(lease, nowMs);
  }

  revoked(id: bigint): void {
    // Its queue items are skipped when they come up.
    this.#leases.delete(id);
  }

  checkpointed({ id, remainingTtl }: Lease, nowMs: number): void {
    const lease = this.#leases.get(id);
    if (lease === undefined) return;
    lease.remainingTtl = remainingTtl;
    lease.isCheckpointing = false;
    this.#queueCheckpoint(lease, nowMs);
  }

  has(id: bigint): boolean {
    return this.#leases.has(id);
  }

  hasEnded(id: bigint, nowMs: number): boolean {
    const lease = this.#leases.get(id);
    return lease !== undefined && lease.endsMs <= nowMs;
  }

  /** Returns whether the table has a checkpoint of the lease, or may get one. A renewal must clear that first. */
  isCheckpointed(id: bigint): boolean {
    const lease = this.#leases.get(id);
    return lease !== undefined && (lease.isCheckpointing || lease.remainingTtl > 0);
  }

  /** Renews a lease. Returns its TTL in seconds; undefined if there is no such lease. */
  renew(id: bigint, nowMs: number): number | undefined {
    const lease = this.#leases.get(id);
    if (lease === undefined) return undefined;
    assert(lease.endsMs > nowMs, "what has ended is not renewed");
    lease.endsMs = nowMs + lease.ttl * 1_000;
    // The deadline moves forward if this is the first renewal after a change of leaders.
    if (lease.queuedMs !== undefined && lease.endsMs < lease.queuedMs) this.#queue(lease);
    this.#queueCheckpoint(lease, nowMs);
    return lease.ttl;
  }

  remainingMs(id: bigint, nowMs: number): number | undefined {
    const lease = this.#leases.get(id);
    return lease === undefined ? undefined : lease.endsMs - nowMs;
  }

  /** Returns at most `max` expired leases. They are not returned again until `retry`. */
  takeEnded(nowMs: number, max: number): readonly bigint[] {
    const ended: bigint[] = [];
    for (let first = this.#firstEnd(); first !== undefined && first.endsMs <= nowMs && ended.length < max;) {
      this.#ends.removeFirst();
      first.queuedMs = undefined;
      ended.push(first.id);
      first = this.#firstEnd();
    }
    return ended;
  }

  /** Call if the lease's revocation failed. */
  retry(id: bigint): void {
    const lease = this.#leases.get(id);
    if (lease !== undefined && lease.queuedMs === undefined) this.#queue(lease);
  }

  /** Deadline of the lease that expires first, of those that `takeEnded` has not returned. */
  get nextEndMs(): number | undefined {
    return this.#firstEnd()?.endsMs;
  }

  /**
   * Returns the checkpoints of long leases that are due now. With them in the log, a new leader need not restart a
   * lease at its full TTL.
   */
  takeCheckpoints(nowMs: number, max: number): readonly LeaseCheckpoint[] {
    const taken: LeaseCheckpoint[] = [];
    for (let first = this.#checkpoints.first; first !== undefined && first.atMs <= nowMs && taken.length < max;) {
      this.#checkpoints.removeFirst();
      const lease = this.#leases.get(first.id);
      if (lease !== undefined) lease.checkpointQueued = false;
      if (lease !== undefined && lease.endsMs > nowMs) {
        const remainingTtl = Math.ceil((lease.endsMs - nowMs) / 1_000);
        const known = lease.remainingTtl > 0 ? lease.remainingTtl : lease.ttl;
        if (remainingTtl < known) {
          lease.isCheckpointing = true;
          taken.push({ id: lease.id, remainingTtl });
        } else this.#queueCheckpoint(lease, nowMs);
      }
      first = this.#checkpoints.first;
    }
    return taken;
  }

  /** Returns the ids in the order of their deadlines. */
  byEnd(): readonly bigint[] {
    return [...this.#leases.values()].sort((left, right) => left.endsMs - right.endsMs).map(({ id }) => id);
  }

  get ends(): SavedDeadlines {
    return new Map([...this.#leases.values()].map(({ id, endsMs }) => [id, endsMs]));
  }

  #firstEnd(): Timed | undefined {
    for (let first = this.#ends.first; first !== undefined; first = this.#ends.first) {
      const lease = this.#leases.get(first.id);
      if (lease?.queuedMs === first.atMs && lease.endsMs === first.atMs) return lease;
      this.#ends.removeFirst();
      // The lease was renewed since it was queued, was revoked, or was granted again under the same id.
      if (lease?.queuedMs === first.atMs) this.#queue(lease);
    }
    return undefined;
  }

  #queue(lease: Timed): void {
    lease.queuedMs = lease.endsMs;
    this.#ends.add(lease.id, lease.endsMs);
    if (this.#ends.size > 2 * this.#leases.size + STALE_ENTRIES_MAX) this.#tidy();
  }

  /** Drops queue items of leases that were revoked long before their deadline. */
  #tidy(): void {
    this.#ends.clear();
    for (const { id, queuedMs } of this.#leases.values()) if (queuedMs !== undefined) this.#ends.add(id, queuedMs);
  }

  #queueCheckpoint(lease: Timed, nowMs: number): void {
    if (lease.checkpointQueued || lease.endsMs - nowMs <= CHECKPOINT_EVERY_MS) return;
    lease.checkpointQueued = true;
    this.#checkpoints.add(lease.id, nowMs + CHECKPOINT_EVERY_MS);
  }
}

function timedOf({ id, ttl, remainingTtl }: Lease, endsMs: number): Timed {
  return { id, ttl, remainingTtl, endsMs, queuedMs: undefined, checkpointQueued: false, isCheckpointing: false };
}

/** After a change of leaders many leases would expire in the same second. Those beyond the rate get more time. */
function spread(leases: Timed[]): void {
  leases.sort((left, right) => left.endsMs - right.endsMs);
  let windowMs = -Infinity;
  let inWindow = 0;
  let nextWindowMs = -Infinity;
  for (const lease of leases) {
    if (lease.endsMs > nextWindowMs) {
      windowMs = lease.endsMs;
      nextWindowMs = windowMs + 1_000;
      inWindow = 0;
    }
    const delayMs = Math.floor(inWindow / SPREAD_PER_SECOND) * 1_000;
    inWindow += 1;
    if (delayMs > 0) {
      lease.endsMs = Math.max(lease.endsMs, windowMs + delayMs);
      nextWindowMs = Math.max(nextWindowMs, windowMs + delayMs);
    }
  }
}
