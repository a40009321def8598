/** Where a room is: at its signalling server, and in this browser. */
import { isRoomName } from "../transport/room-name.ts";
import { OpenRoomError } from "./errors.ts";

export interface RoomPlace {
  readonly name: string;
  /** The origin of the signalling server. */
  readonly signalling: string;
  /** Of this browser: rooms of one name at two servers are two rooms. */
  readonly key: string;
  readonly database: string;
  readonly lock: string;
  /** The signalling server is this very machine, which needs nobody's help to find itself. */
  readonly isLocal: boolean;
}

const LOCAL_HOST = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/;

/** `signalling` undefined: the page's own origin. Throws OpenRoomError (invalid). */
export function roomPlace(name: string, signalling: string | undefined, pageOrigin: string): RoomPlace {
  if (!isRoomName(name)) {
    throw new OpenRoomError(
      "invalid",
      `“${name}” cannot be a room’s name: 1 to 64 letters, digits and . _ ~ - are, beginning with a letter or digit.`,
    );
  }
  const { origin, hostname } = originOf(signalling ?? pageOrigin);
  const key = origin === pageOrigin ? name : `${name}@${origin}`;
  return {
    name,
    signalling: origin,
    key,
    database: `quorate/room/${key}`,
    lock: `quorate:room:${key}`,
    isLocal: LOCAL_HOST.test(hostname),
  };
}

function originOf(signalling: string): URL {
  const url = URL.canParse(signalling) ? new URL(signalling) : undefined;
  const isOrigin = url?.pathname === "/" && url.search === "" && url.hash === "" && url.username === "";
  if (url !== undefined && isOrigin && (url.protocol === "https:" || url.protocol === "http:")) return url;
  throw new OpenRoomError(
    "invalid",
    `"${signalling}" is not the address of a signalling server: https://host or https://host:port, without a path.`,
  );
}
