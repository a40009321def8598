/** One watch: what it wants, and how far it has come. */
import { bytesToLatin1 } from "../../base/bytes.ts";
import type { WatchCreateRequest, WatchFilter } from "../../protocol/api/watch.ts";
import { isFromKeyEnd } from "../range/key-range.ts";
import type { WatchQueue } from "./watch-queue.ts";

/** Which keys; `end` null means the one key `start`, undefined everything from it on. */
export interface WatchKeys {
  readonly start: string;
  readonly end: string | undefined | null;
}

/** What is done to the events before they are delivered; watchers that agree in it share one array of events. */
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
  /** As the client asked; until the store has come there, the watcher makes no progress that could be told. */
  readonly startRevision: number;
  /**
   * Events below it were delivered or are not wanted. Exact while the watcher catches up; while it is synced everything
   * published counts as delivered, too.
   */
  nextRevision: number;
  state: "synced" | "catching-up" | "removed";
  /** Nothing was delivered since the last round of periodic progress. */
  idle: boolean;
  /** Called once, when it is removed: it counts no more. */
  readonly release: () => void;
}

/** Undefined for a range without keys. An empty key is the smallest one, as etcd reads it. */
export function watchKeys(request: WatchCreateRequest): WatchKeys | undefined {
  const start = request.key.length === 0 ? "\0" : bytesToLatin1(request.key);
  if (request.rangeEnd.length === 0) return { start, end: null };
  if (isFromKeyEnd(request.rangeEnd)) return { start, end: undefined };
  const end = bytesToLatin1(request.rangeEnd);
  return start < end ? { start, end } : undefined;
}

export function watchShape(request: WatchCreateRequest): WatchShape {
  const has = (filter: WatchFilter): boolean => request.filters.includes(filter);
  return { noPut: has("NOPUT"), noDelete: has("NODELETE"), prevKv: request.prevKv };
}
