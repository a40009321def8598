/** The invitations of a room, and who came by one, as they are stored and sent. */
import { EMPTY_BYTES } from "../../base/bytes.ts";
import { always, bool, bytes, closedEnum, message, repeated, uint } from "../codec/schema.ts";
import type { Schema } from "../codec/schema.ts";

/** "member": does what every member does, except letting others in. "reader": reads everything, and writes nothing. */
export type GuestRole = "member" | "reader";

export interface Invitation {
  /** The fingerprint of its public key. The private key is in the link only. */
  readonly id: Uint8Array;
  /** By which its holder and the members greet. It lets nobody in. */
  readonly greetingKey: Uint8Array;
  /** SHA-256 of what its holder shows to the room's registry. */
  readonly registryHash: Uint8Array;
  readonly role: GuestRole;
  /** How many browsers may still come in by it. */
  readonly usesLeft: number;
  /** Milliseconds since 1970. */
  readonly expiresMs: number;
  readonly isRevoked: boolean;
}

/** A browser that came by an invitation. */
export interface Guest {
  /** The fingerprint of its own key. */
  readonly key: Uint8Array;
  readonly role: GuestRole;
  /** The invitation's id. */
  readonly invitation: Uint8Array;
}

/** What members that do not know the room's secret need of it to meet the others. Neither lets anybody in. */
export interface SharedRoomKeys {
  readonly greeting: Uint8Array;
  readonly relay: Uint8Array;
}

export interface Invitations {
  readonly room: SharedRoomKeys;
  /** The latest last. */
  readonly made: readonly Invitation[];
  readonly guests: readonly Guest[];
}

/** A new invitation, as it is proposed. */
export interface Invite {
  readonly invitation: Invitation;
  readonly room: SharedRoomKeys;
  /** The clock of the member that proposes it, in milliseconds since 1970: what has expired by then makes room. */
  readonly nowMs: number;
}

const ROLES: readonly GuestRole[] = ["member", "reader"];

export const invitationSchema: Schema<Invitation> = message<Invitation>(
  "quorate.Invitation",
  () => ({
    ...{ id: EMPTY_BYTES, greetingKey: EMPTY_BYTES, registryHash: EMPTY_BYTES },
    ...{ role: "member", usesLeft: 0, expiresMs: 0, isRevoked: false },
  }),
  {
    id: bytes(1, "id"),
    greetingKey: bytes(2, "greeting_key"),
    registryHash: bytes(3, "registry_hash"),
    role: closedEnum<GuestRole>(4, "role", ROLES),
    usesLeft: uint(5, "uses_left"),
    expiresMs: uint(6, "expires_ms"),
    isRevoked: bool(7, "is_revoked"),
  },
);

export const guestSchema: Schema<Guest> = message<Guest>(
  "quorate.Guest",
  () => ({ key: EMPTY_BYTES, role: "member", invitation: EMPTY_BYTES }),
  {
    key: bytes(1, "key"),
    role: closedEnum<GuestRole>(2, "role", ROLES),
    invitation: bytes(3, "invitation"),
  },
);

export const sharedRoomKeysSchema: Schema<SharedRoomKeys> = message<SharedRoomKeys>(
  "quorate.SharedRoomKeys",
  () => ({ greeting: EMPTY_BYTES, relay: EMPTY_BYTES }),
  { greeting: bytes(1, "greeting"), relay: bytes(2, "relay") },
);

export const invitationsSchema: Schema<Invitations> = message<Invitations>(
  "quorate.Invitations",
  () => ({ room: sharedRoomKeysSchema.create(), made: [], guests: [] }),
  {
    room: always(1, "room", () => sharedRoomKeysSchema),
    made: repeated(always(2, "made", () => invitationSchema)),
    guests: repeated(always(3, "guests", () => guestSchema)),
  },
);

export const inviteSchema: Schema<Invite> = message<Invite>(
  "quorate.Invite",
  () => ({ invitation: invitationSchema.create(), room: sharedRoomKeysSchema.create(), nowMs: 0 }),
  {
    invitation: always(1, "invitation", () => invitationSchema),
    room: always(2, "room", () => sharedRoomKeysSchema),
    nowMs: uint(3, "now_ms"),
  },
);
