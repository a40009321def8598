/**
 * With which secret a tab comes to its room, or why it does not come in at all:
 *
 *     secret given   with that one, if the room has it; whoever comes first claims the room with it
 *     nothing given  with the one that this browser knows; if it knows none and the room is free, with a new one
 *     open           without any: the room is open to everybody who knows its name
 *     invited        with the invitation of a link, or the one that this browser knows, if it knows no secret
 *
 * A secret that this browser has used before is not asked about again, so a member comes in without a server. Nothing of
 * the room is opened before this is decided.
 */
import { isInvitationCode } from "../../transport/invitation-text.ts";
import { isRoomSecret, newRoomSecret } from "../../transport/room-secret.ts";
import { RoomRefusal } from "../../transport/room.ts";
import type { RoomInfo, RoomRefusalCode } from "../../transport/room.ts";
import { OpenRoomError } from "../common/errors.ts";

export interface DoorOptions {
  /** Undefined: none was given. */
  readonly given: GivenKey | undefined;
  /** An open room is wanted. */
  readonly open: boolean;
  readonly secrets: KnownKeys;
  readonly invitations: KnownKeys;
  /** Asks the registry with that key, or with none. */
  readonly ask: (key: GivenKey | undefined) => Promise<RoomInfo>;
  /** Whether this browser has stored a room of this name. */
  readonly hasStore: () => Promise<boolean>;
}

/** What somebody brings: the room's secret, or the code of an invitation. */
export type GivenKey = { readonly secret: string } | { readonly invitation: string };

/** What this browser profile remembers. */
export interface KnownKeys {
  get(): string | undefined;
  /** Returns the one that is known from now on. */
  set(key: string): string;
  forget(): void;
}

/** Undefined: for an open room. Rejects with OpenRoomError. */
export async function keyAtDoor(options: DoorOptions): Promise<GivenKey | undefined> {
  const { open, given, secrets, invitations } = options;
  if (open) {
    if (given === undefined) return undefined;
    throw new OpenRoomError(
      "invalid",
      "This link asks for an open room and carries a secret or an invitation. A room has the one or the other.",
    );
  }
  const known = secrets.get();
  // Whoever knows the secret needs no invitation.
  if (known !== undefined && (given === undefined || "invitation" in given)) return { secret: known };
  if (given === undefined) {
    const invitation = invitations.get();
    return invitation === undefined ? { secret: await secretOfNewRoom(options) } : { invitation };
  }
  if ("invitation" in given) return invitedBy(given.invitation, options);
  if (given.secret === known) return given;
  await asked(options.ask(given));
  secrets.forget();
  invitations.forget();
  return { secret: secrets.set(given.secret) };
}

async function invitedBy(invitation: string, { invitations, ask }: DoorOptions): Promise<GivenKey> {
  if (invitation === invitations.get()) return { invitation };
  await asked(ask({ invitation }));
  invitations.forget();
  return { invitation: invitations.set(invitation) };
}

export function refusalText(code: RoomRefusalCode): string {
  switch (code) {
    case "key-needed":
      return (
        "This room is closed: only who has its whole link comes in, the one that ends with #k= and the room’s secret. " +
        "Ask somebody who is in the room for it."
      );
    case "key-wrong":
      return (
        "This link’s secret is not the secret of this room, so nothing of the room is shown. Either the link was " +
        "changed on its way, or somebody else has taken the room’s name."
      );
    case "room-open":
      return (
        "This room is open and has no secret: anybody who knows its name can join it and change everything in it. " +
        "Rooms that were founded by older versions of Quorate are open, too. To have a closed one, found a room of " +
        "another name, and put into it what you save from this one."
      );
    case "invitation-unknown":
      return (
        "This invitation is none of this room, so nothing of the room is shown. Either the link was changed on its way, or " +
        "the invitation ended long ago. Ask whoever sent it for a new one."
      );
    case "invitation-expired":
      return "This invitation has expired, so nothing of the room is shown. Ask whoever sent it for a new one.";
    case "invitation-used":
      return (
        "This invitation is used up: as many browsers as it was for have come in by it. Nothing of the room is shown. Ask " +
        "whoever sent it for a new one."
      );
    case "invitation-revoked":
      return "This invitation was revoked by a member of the room, so nothing of the room is shown.";
  }
}

/**
 * What a text brings: a secret, a link or fragment whose `k` it is, or one whose `i` is an invitation. Undefined where there
 * is none.
 *
 * Throws OpenRoomError for one that is cut.
 */
export function keyIn(text: string): GivenKey | undefined {
  const hash = text.indexOf("#");
  if (hash === -1) return text === "" ? undefined : { secret: wholeSecret(text) };
  const parameters = new URLSearchParams(text.slice(hash + 1).replaceAll("+", "%2B"));
  const [secret, invitation] = [parameters.get("k"), parameters.get("i")];
  if (secret !== null) return { secret: wholeSecret(secret) };
  return invitation === null ? undefined : { invitation: wholeInvitation(invitation) };
}

function wholeSecret(text: string): string {
  if (isRoomSecret(text)) return text;
  throw new OpenRoomError(
    "invalid",
    `This link is not whole: the secret behind #k= has 43 letters, digits, - and _, and what is here (${text.length} of ` +
      "them) is none. Ask for the link again, and copy all of it.",
  );
}

function wholeInvitation(text: string): string {
  if (isInvitationCode(text)) return text;
  throw new OpenRoomError(
    "invalid",
    `This link is not whole: the invitation behind #i= has 128 letters, digits, - and _, and what is here (${text.length} ` +
      "of them) is none. Ask for the link again, and copy all of it.",
  );
}

async function secretOfNewRoom({ ask, hasStore, secrets }: DoorOptions): Promise<string> {
  const { access } = await asked(ask(undefined));
  if (access === "open") throw new OpenRoomError("room-open", refusalText("room-open"));
  if (await hasStore()) {
    throw new OpenRoomError(
      "secret-unknown",
      "This browser has stored a room of this name, but no secret of it, and the server does not know the room any more. " +
        "If you have the room’s link with its secret, open that. If the room was founded by an older version of Quorate, " +
        "it is open to everybody who knows its name.",
    );
  }
  return secrets.set(newRoomSecret());
}

async function asked(answer: Promise<RoomInfo>): Promise<RoomInfo> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof RoomRefusal) throw new OpenRoomError(error.code, refusalText(error.code));
    const why = error instanceof Error ? error.message : String(error);
    throw new OpenRoomError(
      "unreachable",
      `Nobody can say whose room this is, because the server does not answer: ${why}. Reload the page to ask again.`,
    );
  }
}
