/**
 * Which tab may bootstrap the cluster of a room. Two tabs that open a new room at the same moment must end in one
 * cluster, and there is no cluster yet to agree in. So the room's Durable Object, which is single-threaded, decides.
 *
 *     free ── claim ──► claimed ── confirm (the founder's storage is durable) ──► founded
 *       ▲                  │ 15 s without confirmation: the next claim succeeds    │
 *       └──────────────────┴──── forget (a user decides: its data is gone) ────────┘
 *
 * Access to these calls is checked before (room-access.ts).
 *
 * Every method is synchronous between reading and writing, and therefore atomic.
 */

export interface RoomClaim {
  /** Decimal ids. */
  readonly cluster: string;
  readonly member: string;
  readonly sinceMs: number;
  readonly confirmed: boolean;
  /** Of a room whose cluster has members that are objects: the cluster's key (room-cluster.ts). */
  readonly edgeKey?: string;
  /** Of such a room: the id of the restore that created the cluster as it is now (worker/member/restore.ts). */
  readonly restored?: string | undefined;
}

/** One entry in a Durable Object's storage. */
export interface RoomClaimSlot {
  get(): RoomClaim | undefined;
  put(founding: RoomClaim): void;
  delete(): void;
}

const CONFIRM_WITHIN_MS: number = 15_000;

/** Whether an unconfirmed claim still holds the room. */
export function isClaimFresh({ sinceMs }: RoomClaim, nowMs: number): boolean {
  return nowMs - sinceMs < CONFIRM_WITHIN_MS;
}

/** Returns the room after the call: the caller may bootstrap if the result names it. Idempotent. */
export function claim(slot: RoomClaimSlot, cluster: string, member: string, nowMs: number): RoomClaim {
  const current = slot.get();
  const ours = current !== undefined && current.cluster === cluster && current.member === member;
  if (current?.confirmed === true) return current;
  if (current !== undefined && !ours && isClaimFresh(current, nowMs)) return current;
  const founding = { cluster, member, sinceMs: nowMs, confirmed: false };
  slot.put(founding);
  return founding;
}

/** Returns false if the claim was lost to another tab: the caller must delete its cluster and join. */
export function confirm(slot: RoomClaimSlot, cluster: string, member: string): boolean {
  const current = slot.get();
  if (current === undefined || current.cluster !== cluster || current.member !== member) return false;
  if (!current.confirmed) slot.put({ ...current, confirmed: true });
  return true;
}

/** Forgets only the given cluster: a page that was open for days must not forget a later one. */
export function forget(slot: RoomClaimSlot, cluster: string): boolean {
  if (slot.get()?.cluster !== cluster) return false;
  slot.delete();
  return true;
}
