/** What the page is, by its address: the edge cluster's client, or a member of the room that `?room=NAME` names. */

export type PageMode =
  | { readonly type: "edge" }
  | { readonly type: "room"; readonly room: string }
  | { readonly type: "bad-room"; readonly room: string };

/** The signalling server's rule (worker/signalling/signalling-route.ts): a name that is good in a path, a lock and a database. */
const ROOM_NAME = /^[A-Za-z0-9][A-Za-z0-9_.~-]{0,63}$/;

export function pageMode(search: string): PageMode {
  const room = new URLSearchParams(search).get("room");
  if (room === null) return { type: "edge" };
  return { type: isRoomName(room) ? "room" : "bad-room", room };
}

export function isRoomName(name: string): boolean {
  return ROOM_NAME.test(name);
}
