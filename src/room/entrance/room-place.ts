/** Where a room is: at its signalling server, and in this browser. */
import { isRoomName } from "../../transport/room-name.ts";
import { OpenRoomError } from "../common/errors.ts";

export interface RoomPlace {
  readonly name: string;
  /** The origin of the signalling server, and the path of its cluster: "https://host", "https://host/c/NAME". */
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
  const { origin, hostname, pathname } = serverOf(signalling ?? pageOrigin);
  const server = origin + pathname.replace(/\/$/, "");
  const key = server === pageOrigin ? name : `${name}@${server}`;
  return {
    name,
    signalling: server,
    key,
    database: `quorate/room/${key}`,
    lock: `quorate:room:${key}`,
    isLocal: LOCAL_HOST.test(hostname),
  };
}

/** The clusters of a server have rooms of their own. */
const SERVER_PATH = /^\/(?:c\/[A-Za-z0-9][A-Za-z0-9._-]{0,62}\/?)?$/;

function serverOf(signalling: string): URL {
  const url = URL.canParse(signalling) ? new URL(signalling) : undefined;
  const isServer =
    url !== undefined && SERVER_PATH.test(url.pathname) && url.search === "" && url.hash === "" && url.username === "";
  if (isServer && (url.protocol === "https:" || url.protocol === "http:")) return url;
  throw new OpenRoomError(
    "invalid",
    `"${signalling}" is not the address of a signalling server: https://host or https://host:port, without a path but /c/CLUSTER.`,
  );
}
