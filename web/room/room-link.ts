/** A room's link, and what the page says to whoever it does not let in. */
import { OpenRoomError } from "../../src/room/errors.ts";
import { PageRefusal } from "../page-refusal.ts";

/** A room without a secret is asked for in words. */
export function roomLink(
  origin: string,
  room: string,
  given: Readonly<Record<string, string>>,
  secret: string | undefined,
): string {
  const address = `${origin}/?${new URLSearchParams({ room, ...given })}`;
  return secret === undefined ? `${address}&open` : `${address}#k=${secret}`;
}

/** The error in words for people, with the way in where there is one. Other errors are returned as they are. */
export function refusalOf(error: unknown, room: string): unknown {
  if (!(error instanceof OpenRoomError)) return error;
  const isOpen = error.reason === "room-open" || error.reason === "secret-unknown";
  const open = { href: `/?room=${encodeURIComponent(room)}&open`, text: "Open it as an open room" };
  return isOpen ? new PageRefusal(error.message, open) : new PageRefusal(error.message);
}
