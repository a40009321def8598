/** Reads from the address whether the page is a client of the edge cluster, or a member of the room `?room=NAME`. */
import { isRoomName } from "../src/transport/room-name.ts";

export type PageMode =
  | { readonly type: "edge" }
  | { readonly type: "room"; readonly room: string }
  | { readonly type: "bad-room"; readonly room: string };

export function pageMode(search: string): PageMode {
  const room = new URLSearchParams(search).get("room");
  if (room === null) return { type: "edge" };
  return { type: isRoomName(room) ? "room" : "bad-room", room };
}

/** The path of the page's cluster: "" for the first one of the server, "/c/NAME" for another. */
export function clusterBase(pathname: string): string {
  return /^\/c\/[^/]+/.exec(pathname)?.[0] ?? "";
}
