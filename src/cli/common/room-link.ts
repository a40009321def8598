/**
 * A room's link as the address of its cluster: `--room https://host/?room=NAME#k=SECRET`. The secret stays on this machine;
 * what is sent is the key that follows from it.
 */
import { isRoomSecret, newRoomSecret, roomKeys } from "../../transport/room-secret.ts";
import { UsageError } from "./command.ts";
import type { Command, Input } from "./command.ts";
import type { Terminal } from "../output/terminal.ts";

export interface RoomTarget {
  readonly endpoint: string;
  readonly name: string;
  /** For `Authorization: Bearer`. */
  readonly key: string;
}

/** Throws UsageError for what is no link of a room, or one without its secret. */
export function roomTarget(link: string): RoomTarget {
  const url = URL.canParse(link) ? new URL(link) : undefined;
  const name = url?.searchParams.get("room");
  if (url === undefined || name === null || name === undefined || !url.protocol.startsWith("http")) {
    throw new UsageError("a room’s link is https://HOST/?room=NAME#k=SECRET, in quotes");
  }
  const secret = new URLSearchParams(url.hash.slice(1)).get("k") ?? "";
  if (!isRoomSecret(secret))
    throw new UsageError("this link has no whole secret behind #k=: copy all of it, in quotes");
  return { endpoint: url.origin, name, key: roomKeys(name, secret).registry ?? "" };
}

/** A secret for a new room, with what follows from it. */
export function newRoom(endpoint: string, name: string): RoomTarget & { readonly link: string } {
  const link = `${new URL(endpoint).origin}/?room=${encodeURIComponent(name)}#k=${newRoomSecret()}`;
  return { ...roomTarget(link), link };
}

/** The input with what `--room` says, for whatever is not said otherwise. */
export function withRoom(input: Input, { options }: Command, env: Terminal["env"]): Input {
  const link = input.text("room") ?? (env["QUORATE_ROOM"] || undefined);
  if (link === undefined) return input;
  const { endpoint, name, key } = roomTarget(link);
  const follows = {
    endpoint,
    cluster: name,
    token: key,
    ...(options["setup-token"] === undefined ? {} : { "setup-token": key }),
  };
  return Object.entries(follows).reduce(
    (known, [option, value]) => (known.text(option) === undefined ? known.with(option, value) : known),
    input,
  );
}
