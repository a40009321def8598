/** What a live map shows, and what it needs of its client. */
import type { Watcher } from "../facade/lazy-watcher.ts";
import type { EtcdError } from "../../protocol/etcd-error.ts";
import type { BackoffTimer } from "../common/backoff.ts";
import type { Bytes, RangeOptions, RangeResult, WatchOptions } from "../common/types.ts";
import type { Entry } from "./entry.ts";
import type { InvalidValueError } from "./errors.ts";

/** A namespace at one revision, and whether there may be a newer one. The object is replaced, never changed. */
export interface LiveSnapshot<Value> {
  /** In the order of their keys. */
  readonly entries: ReadonlyMap<string, Entry<Value>>;
  /** Keys whose stored value the schema rejects. The other keys are not affected. */
  readonly invalid: ReadonlyMap<string, InvalidValueError>;
  /** Revision of all entries; 0 before the first list. */
  readonly revision: number;
  /** True if there may be newer data that this client cannot read now. */
  readonly isStale: boolean;
  /** Milliseconds since 1970 when `isStale` last changed. */
  readonly since: number;
  /** With `pending`: keys of known entries that a queued write deletes. They are not in `entries`. */
  readonly pendingDeletes?: ReadonlySet<string>;
  /** Why no update will come any more, such as a revoked permission. */
  readonly error: EtcdError | undefined;
}

/** A member's own copy in this tab, which answers without a network and may be behind. */
export interface LocalCopy {
  /** Resolves when there is something to read. Rejects if there never will be. */
  readonly ready: Promise<void>;
  readonly isBehind: () => boolean;
  /** Calls the listener when `isBehind` may have changed. */
  readonly subscribe: (listener: () => void) => () => void;
}

export interface LiveHost {
  /** Undefined: the cluster is elsewhere, and is asked. */
  readonly local?: LocalCopy | undefined;
  readonly range: (key: Bytes, options: RangeOptions) => Promise<RangeResult>;
  readonly watch: (key: string, options: WatchOptions) => Watcher;
  readonly backoff: BackoffTimer;
  /** Aborted when the client is closed. */
  readonly closed: AbortSignal;
}

/** Returns the next snapshot, or the same if nothing changes. */
export function changed<Value>(
  before: LiveSnapshot<Value>,
  changes: Partial<LiveSnapshot<Value>>,
): LiveSnapshot<Value> {
  const isChanged = changes.isStale !== undefined && changes.isStale !== before.isStale;
  if (!isChanged && Object.keys(changes).every((name) => name === "isStale")) return before;
  return { ...before, ...changes, since: isChanged ? Date.now() : before.since };
}
