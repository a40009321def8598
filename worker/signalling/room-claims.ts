/**
 * Who may found the cluster of a room. Two tabs that open a new room at the same moment must end in one cluster, and
 * there is nobody among them yet to agree with; so the room's Durable Object, which does one thing at a time, decides.
 *
 *     free ── claim ──► claimed ── confirm (the founder's storage is durable) ──► founded
 *       ▲                  │ 15 s without confirmation: the next one who asks      │
 *       └──────────────────┴──── forget (a person decides: its data is gone) ──────┘
 *
 * Who may claim, confirm and forget at all is decided before (room-access.ts).
 *
 * Every method is synchronous from reading to writing, which is what makes it atomic.
 */

export interface RoomClaim {
  /** Decimal ids. */
  readonly cluster: string;
  readonly member: string;
  readonly sinceMs: number;
  readonly confirmed: boolean;
}

/** One place in a Durable Object's storage. */
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

/** Whoever asks gets the room as it is now: founded by itself if the answer names it. Asking again is harmless. */
export function claim(slot: RoomClaimSlot, cluster: string, member: string, nowMs: number): RoomClaim {
  const current = slot.get();
  const ours = current !== undefined && current.cluster === cluster && current.member === member;
  if (current?.confirmed === true) return current;
  if (current !== undefined && !ours && isClaimFresh(current, nowMs)) return current;
  const founding = { cluster, member, sinceMs: nowMs, confirmed: false };
  slot.put(founding);
  return founding;
}

/** False when the claim was lost to somebody else: the founder must throw its cluster away and join. */
export function confirm(slot: RoomClaimSlot, cluster: string, member: string): boolean {
  const current = slot.get();
  if (current === undefined || current.cluster !== cluster || current.member !== member) return false;
  if (!current.confirmed) slot.put({ ...current, confirmed: true });
  return true;
}

/** Only the cluster that is meant: a page that was open for days must not forget its successor. */
export function forget(slot: RoomClaimSlot, cluster: string): boolean {
  if (slot.get()?.cluster !== cluster) return false;
  slot.delete();
  return true;
}
