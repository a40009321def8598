/**
 * The invitations of a room, and who came by one: part of the replicated state. Pure: returns a new value for each change.
 * A room that nobody was invited to stores nothing of it.
 *
 *     invite ──► open ──┬── the last use ──► used up
 *                       ├── revoke ────────► revoked        all three are remembered for a while, so that whoever comes
 *                       └── its time ──────► expired        by one is told why it is over
 *
 * Uses are counted when an admission is applied: of two that are admitted by the last use at once, the second one has no
 * effect. Time is judged by the member that admits, because a log has no clock.
 *
 * What a guest may do belongs to its key. So it stays the same when its browser loses its store, or when its member is
 * cleared away and comes back. It ends when the member is removed.
 */
import { equalBytes } from "../../base/bytes.ts";
import { EtcdError, GrpcCode } from "../../protocol/errors.ts";
import { JOIN_REFUSALS } from "../../protocol/peer/join-refusal.ts";
import type { JoinRefusal } from "../../protocol/peer/join-refusal.ts";
import type { Guest, Invitation, Invitations, Invite } from "../../protocol/peer/invitations-schema.ts";

/** Invitations that are remembered. One that is over makes room for a new one. */
export const INVITATIONS_MAX = 128;
export const INVITATION_USES_MAX = 1_000;
/** Guests that are remembered, those included that were cleared away. The oldest of these is forgotten. */
export const GUESTS_MAX = 1_024;
export const NO_INVITATIONS: Invitations = {
  room: { greeting: new Uint8Array(0), relay: new Uint8Array(0) },
  made: [],
  guests: [],
};

const HASH_BYTES = 32;

export function invitationOf({ made }: Invitations, id: Uint8Array): Invitation | undefined {
  return made.find((one) => equalBytes(one.id, id));
}

export function guestWithKey({ guests }: Invitations, key: Uint8Array): Guest | undefined {
  return guests.find((one) => equalBytes(one.key, key));
}

/** Returns why nobody comes in by this invitation; undefined while somebody may. */
export function whyOver(invitation: Invitation | undefined, nowMs: number): JoinRefusal | undefined {
  if (invitation === undefined) return JOIN_REFUSALS.invitationUnknown;
  if (invitation.isRevoked) return JOIN_REFUSALS.invitationRevoked;
  if (invitation.usesLeft === 0) return JOIN_REFUSALS.invitationUsed;
  return invitation.expiresMs <= nowMs ? JOIN_REFUSALS.invitationExpired : undefined;
}

/** Returns why an invitation is not made; undefined if it is. */
export function inviteRefusal(known: Invitations, { invitation, room, nowMs }: Invite): EtcdError | undefined {
  const { id, greetingKey, registryHash, usesLeft, expiresMs, isRevoked } = invitation;
  const isWhole = [id, greetingKey, registryHash, room.greeting, room.relay].every(
    ({ length }) => length === HASH_BYTES,
  );
  const isOpen = usesLeft >= 1 && usesLeft <= INVITATION_USES_MAX && expiresMs > nowMs && !isRevoked;
  if (!isWhole || !isOpen) return new EtcdError(GrpcCode.InvalidArgument, "quorate: not an invitation that is open");
  if (invitationOf(known, id) !== undefined) {
    return new EtcdError(GrpcCode.AlreadyExists, "quorate: there is this invitation already");
  }
  const kept = known.made.filter((one) => !isForgettable(known, one, nowMs));
  if (kept.length < INVITATIONS_MAX) return undefined;
  const text = `quorate: a room has at most ${INVITATIONS_MAX} invitations that are open or have guests`;
  return new EtcdError(GrpcCode.ResourceExhausted, text);
}

export function invite(known: Invitations, { invitation, room, nowMs }: Invite): Invitations {
  const excess = known.made.length + 1 - INVITATIONS_MAX;
  const over = known.made.filter((one) => isForgettable(known, one, nowMs)).slice(0, Math.max(0, excess));
  return { ...known, room, made: [...known.made.filter((one) => !over.includes(one)), invitation] };
}

/** Those who came by it come back by it. */
function isForgettable({ guests }: Invitations, one: Invitation, nowMs: number): boolean {
  return whyOver(one, nowMs) !== undefined && !guests.some((guest) => equalBytes(guest.invitation, one.id));
}

/**
 * Ends an invitation. Members that came by it stay. One that was cleared away meanwhile does not come back: `isMember` says
 * whether a key has a member.
 */
export function revoke(known: Invitations, id: Uint8Array, isMember: (key: Uint8Array) => boolean): Invitations {
  const made = known.made.map((one) => (equalBytes(one.id, id) ? { ...one, isRevoked: true } : one));
  return { ...known, made, guests: known.guests.filter((one) => !equalBytes(one.invitation, id) || isMember(one.key)) };
}

/** Returns whether the log lets this key in by this invitation. It knows no time. */
export function mayEnter(known: Invitations, key: Uint8Array, id: Uint8Array): boolean {
  return key.length > 0 && whyOver(invitationOf(known, id), -Infinity) === undefined;
}

/** Counts a use. `isMember` says whether a key has a member. */
export function enterBy(
  known: Invitations,
  key: Uint8Array,
  id: Uint8Array,
  isMember: (key: Uint8Array) => boolean,
): Invitations {
  const invitation = invitationOf(known, id);
  if (invitation === undefined) return known;
  const made = known.made.map((one) => (one === invitation ? { ...one, usesLeft: one.usesLeft - 1 } : one));
  const others = known.guests.filter((guest) => !equalBytes(guest.key, key));
  const absent = others.length < GUESTS_MAX ? undefined : others.find((guest) => !isMember(guest.key));
  const guests = [...others.filter((guest) => guest !== absent), { key, role: invitation.role, invitation: id }];
  return { ...known, made, guests };
}

/** Forgets a guest: it was removed, or is one no longer. */
export function withoutGuest(known: Invitations, key: Uint8Array): Invitations {
  if (guestWithKey(known, key) === undefined) return known;
  return { ...known, guests: known.guests.filter((guest) => !equalBytes(guest.key, key)) };
}
