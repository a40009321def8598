/** Whom the room's registry lets ask without the room's key, as the log of the room says. */
import { equalBytes } from "../../base/bytes.ts";
import { Sha256 } from "../../base/sha256.ts";
import { toHex } from "../../base/text-codes.ts";
import { utf8Encode } from "../../base/utf8.ts";
import type { Member } from "../../member/node/member.ts";
import type { Invitations } from "../../protocol/peer/invitations-schema.ts";
import type { RoomGuest, RoomInfo, RoomRegistry } from "../../transport/room.ts";

/** Does nothing if the registry has the list already. Rejects with RoomError. */
export async function tellGuests(
  { machine }: Pick<Member, "machine">,
  registry: RoomRegistry,
  room?: Pick<RoomInfo, "guests">,
): Promise<void> {
  const { version, guests } = guestListOf(machine.membership.invitations);
  if (room?.guests !== version) await registry.setGuests(version, guests);
}

/** `version` identifies the list. */
export function guestListOf(invitations: Invitations): {
  readonly version: string;
  readonly guests: readonly RoomGuest[];
} {
  const guests = guestsOf(invitations);
  return { version: toHex(new Sha256().update(utf8Encode(JSON.stringify(guests))).digest()), guests };
}

export function guestsOf({ made, guests }: Invitations): readonly RoomGuest[] {
  return made.map((one) => {
    const hash = toHex(one.registryHash);
    // Whoever came by it comes back by it.
    if (guests.some(({ invitation }) => equalBytes(invitation, one.id))) return { hash };
    if (one.isRevoked) return { hash, over: "revoked" };
    return one.usesLeft === 0 ? { hash, over: "used" } : { hash, untilMs: one.expiresMs };
  });
}
