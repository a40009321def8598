/** One watch: its keys and shape, and how far it has come. */
import { bytesToLatin1, EMPTY_BYTES, latin1ToBytes } from "../../base/bytes.ts";
import type { WatchCreateRequest, WatchFilter } from "../../protocol/api/watch.ts";
import { isFromKeyEnd } from "../range/key-range.ts";
import type { WatchQueue } from "./watch-queue.ts";

/** The end of a range of all keys from its start on. */
const FROM_KEY_END = Uint8Array.of(0);

/** The watched keys; `end` null means the one key `start`, undefined all keys from it on. */
export interface WatchKeys {
  readonly start: string;
  readonly end: string | undefined | null;
}

/** How events are transformed before they are delivered. Watchers of the same shape share one array of events. */
export interface WatchShape {
  readonly noPut: boolean;
  readonly noDelete: boolean;
  readonly prevKv: boolean;
}

export interface Watcher {
  readonly id: number;
  readonly queue: WatchQueue;
  readonly keys: WatchKeys;
  readonly shape: WatchShape;
  readonly fragment: boolean;
  readonly progressNotify: boolean;
  /** As the client requested. Until the store reaches it, the watcher has no progress to report. */
  readonly startRevision: number;
  /**
   * Events below it were delivered or are not wanted. Exact while the watcher is unsynced. While it is synced,
   * everything published counts as delivered too.
   */
  nextRevision: number;
  state: "synced" | "unsynced" | "removed";
  /** True if nothing was delivered since the last round of periodic progress. */
  idle: boolean;
  /** Called once, when the watch is removed and no longer counts. */
  readonly release: () => void;
}

/** Returns undefined for a range without keys. An empty key is the smallest one, as etcd reads it. */
export function watchKeys(request: WatchCreateRequest): WatchKeys | undefined {
  const start = request.key.length === 0 ? "\0" : bytesToLatin1(request.key);
  if (request.rangeEnd.length === 0) return { start, end: null };
  if (isFromKeyEnd(request.rangeEnd)) return { start, end: undefined };
  const end = bytesToLatin1(request.rangeEnd);
  return start < end ? { start, end } : undefined;
}

/** Returns a request for the same watch. */
export function watchRequestOf({
  id,
  keys,
  shape,
  startRevision,
  fragment,
  progressNotify,
}: Watcher): WatchCreateRequest {
  const filters: WatchFilter[] = [];
  if (shape.noPut) filters.push("NOPUT");
  if (shape.noDelete) filters.push("NODELETE");
  return {
    key: latin1ToBytes(keys.start),
    rangeEnd: keys.end === null ? EMPTY_BYTES : keys.end === undefined ? FROM_KEY_END : latin1ToBytes(keys.end),
    startRevision,
    progressNotify,
    filters,
    prevKv: shape.prevKv,
    watchId: id,
    fragment,
  };
}

export function watchShape(request: WatchCreateRequest): WatchShape {
  const has = (filter: WatchFilter): boolean => request.filters.includes(filter);
  return { noPut: has("NOPUT"), noDelete: has("NODELETE"), prevKv: request.prevKv };
}
