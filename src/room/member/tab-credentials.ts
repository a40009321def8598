/** What a tab shows to other tabs, and by what it seals what the server relays: by the room's secret, or as a guest. */
import { invitationOf } from "../../member/membership/invitations.ts";
import type { Invitations } from "../../protocol/peer/invitations-schema.ts";
import type { GreetingCredentials } from "../../transport/greeting/handshake.ts";
import type { SigningKey } from "../../transport/greeting/signing-key.ts";
import type { RelayKeys } from "../../transport/relay/relay-port.ts";
import { invitedRelayKey } from "../../transport/relay/relay-seal.ts";
import { credentialsOf, roomKeys } from "../../transport/room-secret.ts";
import type { TransportOptions } from "./open-transport.ts";

type Comes = Pick<TransportOptions, "place" | "secret" | "invitation">;

/**
 * Whoever was invited greets by its invitation until its log has the room's key. It has no admission key, ever. Members know
 * the key of an invitation that is over, too, and so can say that it is.
 */
export function credentialsIn(
  { place, secret, invitation }: Comes,
  member: SigningKey | undefined,
  invitations: Invitations,
): GreetingCredentials {
  const invitationKey = (id: Uint8Array): Uint8Array | undefined => invitationOf(invitations, id)?.greetingKey;
  if (invitation === undefined) return { ...credentialsOf(roomKeys(place.name, secret)), member, invitationKey };
  const roomKey = sharedKey(invitations.room.greeting);
  return roomKey === undefined ? { roomKey: invitation.key, member, invitation } : { roomKey, member, invitationKey };
}

/** Whoever was invited seals by its invitation until its log has the room's key. */
export function relayKeys({ place, secret, invitation }: Comes, invited: () => Invitations): RelayKeys {
  const keys = invitation === undefined ? roomKeys(place.name, secret) : undefined;
  const ofRoom = (): Uint8Array | undefined => keys?.relay ?? sharedKey(invited().room.relay);
  return {
    own: () => {
      const key = ofRoom();
      if (key !== undefined) return { key, invitation: undefined };
      return invitation && { key: invitedRelayKey(invitation.key), invitation: invitation.id };
    },
    of: (id) => {
      if (id === undefined) return ofRoom();
      const shared = invitationOf(invited(), id)?.greetingKey;
      return shared && invitedRelayKey(shared);
    },
  };
}

/** Undefined before the log has it. */
function sharedKey(key: Uint8Array): Uint8Array | undefined {
  return key.length === 0 ? undefined : key;
}
