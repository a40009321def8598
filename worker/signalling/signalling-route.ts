/**
 * Paths of signalling: `/peerjs/` is the room of plain PeerJS clients, `/peerjs/room/NAME/` one of the named rooms. A
 * PeerJS client reaches it with its options `host`, `port`, `path: "/peerjs/room/NAME"`.
 */

export interface SignallingRoute {
  /** Empty for the default room. Each room is a Durable Object. */
  readonly room: string;
  /** The path after the room's base: "", "peerjs", "peerjs/id", "found" … */
  readonly rest: string;
}

const ROOM_NAME = /^[A-Za-z0-9][A-Za-z0-9_.~-]{0,63}$/;

/** Returns undefined if the URL is not one of signalling, or its room's name is invalid. */
export function signallingRoute(url: URL): SignallingRoute | undefined {
  const { pathname } = url;
  if (pathname === "/peerjs") return { room: "", rest: "" };
  if (!pathname.startsWith("/peerjs/")) return undefined;
  const rest = pathname.slice("/peerjs/".length);
  if (!rest.startsWith("room/")) return { room: "", rest };
  const named = rest.slice("room/".length);
  const slash = named.indexOf("/");
  const room = slash === -1 ? named : named.slice(0, slash);
  if (!ROOM_NAME.test(room)) return undefined;
  return { room, rest: slash === -1 ? "" : named.slice(slash + 1) };
}
