/** The page's source with `?room=NAME`: a room, opened as any application opens one. */
import { openRoom } from "../../src/entry/room.ts";
import type { RoomClient, RoomShape } from "../../src/entry/room.ts";
import type { PageSource } from "../model/page-source.ts";
import { clusterBase } from "../page-mode.ts";
import { PageRefusal } from "../page-refusal.ts";
import { refusalOf, roomLink } from "./room-link.ts";
import type { roomSettings } from "./room-settings.ts";
import { RoomSource } from "./room-source.ts";

/** Opens the room. Rejects with a text for people that says what is wrong in the address. */
export async function startRoom(room: string, location: Location): Promise<PageSource> {
  const flags = await settingsOf(location.search);
  const shape = shapeIn(location.search);
  const client = await admittedTo(room, flags, shape, location);
  const given = { ...(shape === undefined ? {} : { shape }), ...flags };
  const link = roomLink(`${location.origin}${clusterBase(location.pathname)}`, room, given, client.room);
  history.replaceState(history.state, "", link);
  // Another secret is another room, so the page is loaded anew.
  addEventListener("hashchange", () => location.reload());
  return new RoomSource(client, link);
}

type Settings = ReturnType<typeof roomSettings>;

async function admittedTo(
  room: string,
  flags: Settings,
  shape: RoomShape | undefined,
  { hash, search, origin, pathname }: Location,
): Promise<RoomClient> {
  try {
    const client = openRoom(room, {
      signalling: `${origin}${clusterBase(pathname)}`,
      secret: hash,
      open: new URLSearchParams(search).has("open"),
      flags,
      ...(shape === undefined ? {} : { shape }),
    });
    await client.room.admitted;
    return client;
  } catch (error) {
    throw refusalOf(error, room);
  }
}

/** Throws a text for people. */
function shapeIn(search: string): RoomShape | undefined {
  const text = new URLSearchParams(search).get("shape");
  if (text === null || text === "tabs" || text === "edge" || text === "mixed") return text ?? undefined;
  throw new PageRefusal(`“${text}” is no shape of a room: “tabs”, “edge” and “mixed” are.`);
}

/** Loads the parser of settings only for a room that has some; most have none. */
async function settingsOf(search: string): Promise<Settings> {
  const names = [...new URLSearchParams(search).keys()];
  if (names.every((name) => ["room", "open", "shape"].includes(name))) return {};
  return (await import("./room-settings.ts")).roomSettings(search);
}
