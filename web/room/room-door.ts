/**
 * With which secret a tab comes to its room, or why it does not come in at all:
 *
 *     ?room=NAME#k=SECRET   with that one, if the room has it; whoever opens the link first claims the room with it
 *     ?room=NAME            with the one that this browser knows; if it knows none and the room is free, with a new one
 *     ?room=NAME&open       without any: the room is open to everybody who knows its name
 *
 * A secret that this browser has used before is not asked about again, so a member comes in without a server. Nothing of
 * the room is opened before this is decided.
 */
import { isRoomSecret, newRoomSecret } from "../../src/transport/room-secret.ts";
import { RoomRefusal } from "../../src/transport/room.ts";
import type { RoomInfo, RoomRefusalCode } from "../../src/transport/room.ts";
import { PageRefusal } from "../page-refusal.ts";

export interface DoorOptions {
  readonly room: string;
  readonly search: string;
  /** The address's fragment. */
  readonly hash: string;
  readonly secrets: KnownSecrets;
  /** Asks the registry with that secret, or with none. */
  readonly ask: (secret: string | undefined) => Promise<RoomInfo>;
  /** Whether this browser has stored a room of this name. */
  readonly hasStore: () => Promise<boolean>;
}

/** What this browser profile remembers. */
export interface KnownSecrets {
  get(): string | undefined;
  /** Returns the one that is known from now on. */
  set(secret: string): string;
  forget(): void;
}

/** Undefined: for an open room. Rejects with PageRefusal. */
export async function secretAtDoor(options: DoorOptions): Promise<string | undefined> {
  const { room, search, hash, secrets } = options;
  const given = secretIn(hash);
  if (new URLSearchParams(search).has("open")) {
    if (given === undefined) return undefined;
    throw new PageRefusal("This link asks for an open room and carries a secret. A room has the one or the other.");
  }
  const known = secrets.get();
  if (given === undefined) return known ?? secretOfNewRoom(options);
  if (given === known) return known;
  await asked(room, options.ask(given));
  secrets.forget();
  return secrets.set(given);
}

/** For the room's link; a room without a secret is asked for in words. */
export function roomLink(
  origin: string,
  room: string,
  given: Readonly<Record<string, string>>,
  secret: string | undefined,
): string {
  const address = `${origin}/?${new URLSearchParams({ room, ...given })}`;
  return secret === undefined ? `${address}&open` : `${address}#k=${secret}`;
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
  }
}

/** Undefined where the address has none. Throws for one that is cut. */
function secretIn(hash: string): string | undefined {
  const given = new URLSearchParams(hash.replace(/^#/, "").replaceAll("+", "%2B")).get("k");
  if (given === null || isRoomSecret(given)) return given ?? undefined;
  throw new PageRefusal(
    `This link is not whole: the secret behind #k= has 43 letters, digits, - and _, and what is here (${given.length} of ` +
      "them) is none. Ask for the link again, and copy all of it.",
  );
}

async function secretOfNewRoom({ room, ask, hasStore, secrets }: DoorOptions): Promise<string> {
  const { access } = await asked(room, ask(undefined));
  if (access === "open") throw openRefusal(room);
  if (await hasStore()) {
    throw new PageRefusal(
      "This browser has stored a room of this name, but no secret of it, and the server does not know the room any more. " +
        "If you have the room’s link with its secret, open that. If the room was founded by an older version of Quorate, " +
        "it is open to everybody who knows its name.",
      { href: openHref(room), text: "Open it as an open room" },
    );
  }
  return secrets.set(newRoomSecret());
}

async function asked(room: string, answer: Promise<RoomInfo>): Promise<RoomInfo> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof RoomRefusal && error.code === "room-open") throw openRefusal(room);
    if (error instanceof RoomRefusal) throw new PageRefusal(refusalText(error.code));
    const why = error instanceof Error ? error.message : String(error);
    throw new PageRefusal(
      `Nobody can say whose room this is, because the server does not answer: ${why}. Reload the page to ask again.`,
    );
  }
}

function openRefusal(room: string): PageRefusal {
  return new PageRefusal(refusalText("room-open"), { href: openHref(room), text: "Open it as an open room" });
}

function openHref(room: string): string {
  return `/?room=${encodeURIComponent(room)}&open`;
}
