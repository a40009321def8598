/** What users of a replica see of it. */
import type { ApplicationClient } from "../client/app/application-client.ts";
import type { EtcdError } from "../protocol/errors.ts";

/** What a replica holds at one moment. The object is replaced, never changed. */
export interface ReplicaSnapshot {
  /** Revision of everything that is held; 0 before the first list. */
  readonly revision: number;
  /**
   * The prefixes that the user may not read, or not any more. Nothing of them is kept, neither in memory nor on disk, and
   * reads within them reject with PermissionDenied.
   */
  readonly denied: readonly string[];
  /**
   * Where the copy is kept: "indexeddb", where another page finds it; "memory", until the page ends, for the reason in
   * `storageReason`; "opening" until that is known.
   */
  readonly storage: "opening" | "indexeddb" | "memory";
  /** A message for users; empty unless the copy is kept in memory only. */
  readonly storageReason: string;
  /** Why the replica follows the cluster no more, such as a copy that would be too large. What it holds can be read. */
  readonly error: EtcdError | undefined;
}

/** The copy of a replica. `subscribe` and `getSnapshot` have the form that `useSyncExternalStore` expects. */
export interface Replica {
  readonly getSnapshot: () => ReplicaSnapshot;
  /** Calls the listener after each change. Returns a function that unsubscribes it. */
  readonly subscribe: (listener: () => void) => () => void;
  /**
   * Closes the client and deletes the copy from this browser, for all of its tabs: for a user who signs out. Does not
   * reject.
   */
  forget(): Promise<void>;
}

/** A client that reads from its own copy of some prefixes. */
export interface ReplicaClient extends ApplicationClient {
  /**
   * Resolves when there is a copy to read from: at once in a browser that has one, also without a network. Rejects with
   * EtcdError when there is none and will be none: PermissionDenied if the user may read none of the prefixes,
   * ResourceExhausted if they hold too much, Canceled if the client is closed first.
   */
  readonly ready: Promise<void>;
  readonly replica: Replica;
}
