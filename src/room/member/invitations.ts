/** Makes, lists and ends the invitations of a room, and tells the room's registry who is invited. */
import { equalBytes, latin1ToBytes } from "../../base/bytes.ts";
import { Sha256 } from "../../base/sha256.ts";
import { toHex } from "../../base/text-codes.ts";
import { INVITATION_USES_MAX, whyOver } from "../../member/membership/invitations.ts";
import { memberWithKey } from "../../member/membership/member-keys.ts";
import type { Member } from "../../member/node/member.ts";
import { EtcdError, GrpcCode } from "../../protocol/errors.ts";
import { JOIN_REFUSALS } from "../../protocol/peer/join-refusal.ts";
import type { GuestRole } from "../../protocol/peer/invitations-schema.ts";
import { heldInvitation, newInvitationCode } from "../../transport/invitation-code.ts";
import { roomKeys } from "../../transport/room-secret.ts";
import { tellGuests } from "../entrance/guest-list.ts";
import type { RoomRegistry } from "../../transport/room.ts";

/** Options of `room.invite()`. All may be left out. */
export interface InviteOptions {
  /**
   * "reader": reads everything in the room, and changes nothing. "member": reads, writes and votes like other members, but
   * lets nobody else in. Default "reader".
   */
  readonly role?: GuestRole;
  /** How many browser profiles may come in by it, from 1 to 1,000. Default 1. */
  readonly uses?: number;
  /** Until when newcomers may come in by it. Who came in stays. Default: in seven days. */
  readonly expires?: Date;
}

/** An invitation to a room. */
export interface RoomInvitation {
  /** 64 hexadecimal digits. */
  readonly id: string;
  readonly role: GuestRole;
  readonly usesLeft: number;
  readonly expires: Date;
  /** "open": somebody may still come in by it. Otherwise why nobody does any more. */
  readonly state: "open" | "expired" | "used" | "revoked";
  /** Ids of the members that came in by it. */
  readonly members: readonly string[];
}

/** An invitation that was just made. */
export interface NewRoomInvitation extends RoomInvitation {
  /** This page's address with the invitation in its fragment. It is not stored: nobody can show it again. */
  readonly link: string;
}

const WEEK_MS = 7 * 24 * 3_600_000;
const HASH_HEX = /^[0-9a-f]{64}$/;

export interface InvitationHost {
  readonly room: string;
  /** Of the room; undefined: this member was invited, or the room is open. */
  readonly secret: string | undefined;
  readonly member: Member;
  readonly registry: RoomRegistry;
  readonly nowMs: number;
}

/** Returns the invitation's id, and its code for a link. Rejects with EtcdError. */
export async function makeInvitation(
  host: InvitationHost,
  { role = "reader", uses = 1, expires = new Date(host.nowMs + WEEK_MS) }: InviteOptions,
): Promise<{ readonly id: string; readonly code: string }> {
  const { room, member, nowMs } = host;
  const keys = roomKeys(room, secretOf(host));
  const expiresMs = expires.getTime();
  if (role !== "reader" && role !== "member") throw invalid(`“${String(role)}” is no role of an invitation`);
  if (!Number.isInteger(uses) || uses < 1 || uses > INVITATION_USES_MAX) throw invalid("uses is from 1 to 1,000");
  if (!(expiresMs > nowMs)) throw invalid("expires is a time to come");
  const code = await newInvitationCode();
  const { id, key, registry } = await heldInvitation(room, code);
  const registryHash = new Sha256().update(latin1ToBytes(registry)).digest();
  const invitation = { id, greetingKey: key, registryHash, role, usesLeft: uses, expiresMs, isRevoked: false };
  const shared = { greeting: keys.greeting, relay: keys.relay };
  await changed((done) => member.changes.invite({ invitation, room: shared, nowMs }, done));
  await tellRegistry(host);
  return { id: toHex(id), code };
}

/** The latest first. */
export function listInvitations({ machine: { membership } }: Pick<Member, "machine">, nowMs: number): RoomInvitation[] {
  const { made, guests } = membership.invitations;
  return made.toReversed().map((one) => ({
    id: toHex(one.id),
    role: one.role,
    usesLeft: one.usesLeft,
    expires: new Date(one.expiresMs),
    state: stateOf(whyOver(one, nowMs)),
    members: guests
      .filter((guest) => equalBytes(guest.invitation, one.id))
      .flatMap((guest) => memberWithKey(membership.keys, guest.key)?.toString() ?? []),
  }));
}

/** Rejects with EtcdError. */
export async function revokeInvitation(host: InvitationHost, id: string): Promise<void> {
  secretOf(host);
  if (!HASH_HEX.test(id)) throw invalid("an invitation's id has 64 hexadecimal digits");
  const bytes = host.member.machine.membership.invitations.made.find((one) => toHex(one.id) === id)?.id;
  if (bytes === undefined) throw new EtcdError(GrpcCode.NotFound, "quorate: the room has no such invitation");
  await changed((done) => host.member.changes.revokeInvitation(bytes, done));
  await tellRegistry(host);
}

/** If it does not answer, it is told later (registry-watch.ts). */
async function tellRegistry({ member, registry }: InvitationHost): Promise<void> {
  await tellGuests(member, registry).catch(() => {});
}

function secretOf({ secret, member }: InvitationHost): string {
  if (secret !== undefined) return secret;
  const guest = member.machine.membership.guest(member.id);
  const text =
    guest === undefined ? "an open room invites nobody: everybody may come in" : "whoever was invited invites nobody";
  throw new EtcdError(GrpcCode.FailedPrecondition, `quorate: ${text}`);
}

function stateOf(why: ReturnType<typeof whyOver>): RoomInvitation["state"] {
  if (why === undefined) return "open";
  if (why === JOIN_REFUSALS.invitationRevoked) return "revoked";
  return why === JOIN_REFUSALS.invitationUsed ? "used" : "expired";
}

function changed(change: (done: Parameters<Member["changes"]["invite"]>[1]) => void): Promise<void> {
  return new Promise((resolve, reject: (error: EtcdError) => void) => {
    change((outcome) => {
      if (outcome.ok) resolve();
      else reject(outcome.error);
    });
  });
}

function invalid(text: string): EtcdError {
  return new EtcdError(GrpcCode.InvalidArgument, `quorate: ${text}`);
}
