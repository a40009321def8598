/** Makes a room's link, and the page's text for somebody who is not admitted. */
import { OpenRoomError } from "../../src/room/common/errors.ts";
import type { Room } from "../../src/entry/room.ts";
import { PageRefusal } from "../page-refusal.ts";

/** The parameter that asks for a room without a secret. */
export function roomLink(
  server: string,
  room: string,
  given: Readonly<Record<string, string>>,
  { isOpen, secret }: Pick<Room, "isOpen" | "secret">,
): string {
  const address = `${server}/?${new URLSearchParams({ room, ...given })}`;
  // An invitation stays in this browser: who gets the address needs one of his own.
  if (secret === undefined && !isOpen) return address;
  return secret === undefined ? `${address}&open` : `${address}#k=${secret}`;
}

/** Explains the error to people, with a link that works where there is one. Other errors are returned as they are. */
export function refusalOf(error: unknown, room: string): unknown {
  if (!(error instanceof OpenRoomError)) return error;
  const isOpen = error.reason === "room-open" || error.reason === "secret-unknown";
  const open = { href: `?room=${encodeURIComponent(room)}&open`, text: "Open it as an open room" };
  return isOpen ? new PageRefusal(error.message, open) : new PageRefusal(error.message);
}
