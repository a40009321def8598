/**
 * Where a replica keeps its copy, so that a page that is opened again reads at once and goes on from there. It is a cache:
 * losing it costs one list of the cluster, and nothing in it is believed before it was checked (stored-copy.ts).
 *
 * Tabs of one browser profile share it without a lock. What a copy holds follows from the cluster, the revision and the
 * prefixes that are denied (`CopyMark`). So a tab that finds a later revision of the same has nothing to write, and one that
 * finds an earlier one may write its changes over it. Each write checks that in its own transaction.
 */
import type { KeyValue } from "../../protocol/api/kv.ts";
import type { RevisionRow } from "../../mvcc/tables/tables.ts";

/** What a stored copy is a copy of. */
export interface CopyMark {
  readonly cluster: bigint;
  readonly revision: number;
  /** Prefixes of which nothing is held, because their user may not read them; as in `nameOf`. */
  readonly denied: readonly string[];
  /** Milliseconds since 1970 when it was last known to be the newest. */
  readonly currentAtMs: number;
}

export interface StoredCopy {
  readonly mark: CopyMark;
  /** In the order of their keys. */
  readonly pairs: readonly KeyValue[];
}

/** What may be read at most. */
export interface CopyLimits {
  readonly sizeBytesMax: number;
  /** Whether a key is one of the replica's. */
  readonly holds: (key: Uint8Array) => boolean;
}

/** All changes after `from`, up to that of the mark. The last row of each key that changed. */
export interface CopyChange {
  readonly from: number;
  readonly mark: CopyMark;
  readonly rows: readonly RevisionRow[];
}

/**
 * "written": the store holds the mark, or something later of the same. "behind": it holds less than `from`, or nothing.
 * "other": it holds a copy of another cluster, or of other prefixes.
 */
export type Written = "written" | "behind" | "other";

/**
 * Methods reject with StoreError. A write has happened as a whole or not at all, except where a browser's full disk leaves
 * a part of it; `read` finds that out.
 */
export interface ReplicaStore {
  /** Undefined: there is no copy, or none that can be believed. */
  read(limits: CopyLimits): Promise<StoredCopy | undefined>;
  write(change: CopyChange): Promise<Written>;
  /**
   * Replaces what there is, unless it is the same at the same revision or later and `isForced` is false. What there was is
   * gone, also if there is no room for the new copy.
   */
  replace(copy: StoredCopy, isForced: boolean): Promise<void>;
  /** Deletes the copy: nothing of it may stay. */
  erase(): Promise<void>;
  /** Deletes the copy and the store, for the other tabs too, and closes. */
  delete(): Promise<void>;
  close(): void;
  /** Called when the browser or another tab takes the store away. */
  onLost: ((reason: string) => void) | undefined;
}

/** The store cannot be used now. "full": there is no room. */
export class StoreError extends Error {
  readonly kind: "full" | "failed";

  constructor(kind: StoreError["kind"], message: string) {
    super(message);
    this.name = "StoreError";
    this.kind = kind;
  }
}

/** Whether two marks are of the same cluster and the same prefixes. */
export function isSameSource(one: CopyMark, other: CopyMark): boolean {
  const { denied } = other;
  return (
    one.cluster === other.cluster && one.denied.length === denied.length && one.denied.every((p) => denied.includes(p))
  );
}

/** What a store that holds `stored` does with a change. */
export function verdictOn(stored: CopyMark | undefined, { from, mark }: CopyChange): Written | "write" {
  if (stored === undefined) return "behind";
  if (!isSameSource(stored, mark)) return "other";
  if (stored.revision < from) return "behind";
  if (stored.revision > mark.revision) return "written";
  return stored.revision === mark.revision && stored.currentAtMs >= mark.currentAtMs ? "written" : "write";
}
