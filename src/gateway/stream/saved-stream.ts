/** The form in which the streams of a socket are saved (hibernation.ts). It contains no token and no other secret. */
import { EMPTY_BYTES } from "../../base/bytes.ts";
import type { CallContext, WatchPosition } from "../../member/api/services.ts";
import { watchCreateRequestSchema } from "../../protocol/api/schema/watch-schema.ts";
import type { WatchCreateRequest } from "../../protocol/api/watch.ts";
import { decode, encode } from "../../protocol/codec/proto-codec.ts";
import { always, bool, bytes, int, message, repeated, string, uint32 } from "../../protocol/codec/schema.ts";
import type { Schema } from "../../protocol/codec/schema.ts";
import type { SavedSocket } from "./hibernation.ts";

/** A change of the form changes it. A server of another version does not take the socket. */
const VERSION = 1;
/** What a token becomes. No member accepts it: to open a further watch, its caller authenticates again. */
const LOST_TOKEN = " ";

export interface SavedStreams {
  readonly version: number;
  /** The path of a socket with a stream of its own; empty for a multiplexed one. */
  readonly path: string;
  readonly address: string;
  readonly takesBatches: boolean;
  readonly takesMarks: boolean;
  readonly streams: readonly SavedStream[];
}

export interface SavedStream {
  readonly id: number;
  /** False: keep-alives of leases. */
  readonly isWatch: boolean;
  readonly requireLeader: boolean;
  readonly hadToken: boolean;
  /** The user for whom the stream counts; empty without one. */
  readonly username: string;
  readonly nextId: number;
  readonly watches: readonly WatchCreateRequest[];
  /** Of each watch. */
  readonly usernames: readonly string[];
}

export interface SavedProgress {
  /** The events of all watches up to it were sent. */
  readonly revision: number;
  readonly credit: number;
  /** Of each stream, four bytes each. */
  readonly credits: Uint8Array;
  /** Bytes since the last mark (unread-bytes.ts). */
  readonly unmarked: number;
}

const savedStreamSchema: Schema<SavedStream> = message(
  "quorate.SavedStream",
  (): SavedStream => ({
    id: 0,
    isWatch: false,
    requireLeader: false,
    hadToken: false,
    username: "",
    nextId: 0,
    watches: [],
    usernames: [],
  }),
  {
    id: uint32(1, "id"),
    isWatch: bool(2, "is_watch"),
    requireLeader: bool(3, "require_leader"),
    hadToken: bool(4, "had_token"),
    username: string(5, "username"),
    nextId: int(6, "next_id"),
    watches: repeated(always(7, "watches", () => watchCreateRequestSchema)),
    usernames: repeated(string(8, "usernames")),
  },
);

export const savedStreamsSchema: Schema<SavedStreams> = message(
  "quorate.SavedStreams",
  (): SavedStreams => ({ version: 0, path: "", address: "", takesBatches: false, takesMarks: false, streams: [] }),
  {
    version: int(1, "version"),
    path: string(2, "path"),
    address: string(3, "address"),
    takesBatches: bool(4, "takes_batches"),
    takesMarks: bool(5, "takes_marks"),
    streams: repeated(always(6, "streams", () => savedStreamSchema)),
  },
);

export const savedProgressSchema: Schema<SavedProgress> = message(
  "quorate.SavedProgress",
  (): SavedProgress => ({ revision: 0, credit: 0, credits: EMPTY_BYTES, unmarked: 0 }),
  {
    revision: int(1, "revision"),
    credit: uint32(2, "credit"),
    credits: bytes(3, "credits"),
    unmarked: uint32(4, "unmarked"),
  },
);

export interface RestoredSocket extends SavedStreams {
  readonly progress: SavedProgress;
}

export function encodeSaved(streams: Omit<SavedStreams, "version">, progress: SavedProgress): SavedSocket {
  return {
    streams: encode(savedStreamsSchema, { ...streams, version: VERSION }),
    progress: encode(savedProgressSchema, progress),
  };
}

/** Throws if another version has saved it. */
export function decodeSaved(saved: SavedSocket): RestoredSocket {
  const streams = decode(savedStreamsSchema, saved.streams);
  if (streams.version !== VERSION) throw new Error(`a socket was saved in form ${streams.version}`);
  return { ...streams, progress: decode(savedProgressSchema, saved.progress) };
}

export function savedWatch(id: number, context: CallContext, position: WatchPosition): SavedStream {
  const { nextId, watches, usernames } = position;
  const username = context.caller?.username ?? usernames.find((name) => name !== "") ?? "";
  return { ...streamOf(id, context), isWatch: true, username, nextId, watches, usernames };
}

export function savedKeepAlives(id: number, context: CallContext): SavedStream {
  return { ...streamOf(id, context), isWatch: false, username: "", nextId: 0, watches: [], usernames: [] };
}

function streamOf(
  id: number,
  { token, requireLeader }: CallContext,
): Pick<SavedStream, "id" | "requireLeader" | "hadToken"> {
  return { id, requireLeader, hadToken: token !== "" };
}

export function restoredContext({ requireLeader, hadToken, username }: SavedStream, address: string): CallContext {
  return {
    token: hadToken ? LOST_TOKEN : "",
    requireLeader,
    ...(address === "" ? {} : { address }),
    ...(username === "" ? {} : { caller: { username, revision: 0 } }),
  };
}

export function positionOf({ nextId, watches, usernames }: SavedStream, { revision }: SavedProgress): WatchPosition {
  return { revision, nextId, watches, usernames };
}
