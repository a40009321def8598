/**
 * One live map per namespace, shared by all components that read it. It opens with the first subscriber and closes a
 * moment after the last one has unsubscribed, so that a remount (React's StrictMode, a route change) finds it still
 * open.
 */
import type { Live } from "../client/app/live.ts";
import type { LiveSnapshot } from "../client/app/live-snapshot.ts";
import type { Namespace } from "../client/app/namespace.ts";
import type { List } from "../client/app/namespace-types.ts";

const CLOSE_AFTER_MS = 1_000;
/** A component that suspends has no effects yet, so nothing unsubscribes for it. */
const SUSPENDED_MS = 10_000;

export class SharedLive<Value> {
  readonly #namespace: Namespace<Value>;
  readonly #empty: LiveSnapshot<Value>;
  #live: Live<Value> | undefined;
  #subscribers = 0;
  #closing: ReturnType<typeof setTimeout> | undefined;
  #listed: Promise<void> | undefined;

  constructor(namespace: Namespace<Value>) {
    this.#namespace = namespace;
    this.#empty = emptySnapshot();
  }

  /** Returns the current snapshot. Before the first list it is `initial`, if given. */
  getSnapshot(initial: LiveSnapshot<Value> | undefined): LiveSnapshot<Value> {
    const snapshot = this.#live?.getSnapshot();
    if (snapshot === undefined || (snapshot.revision === 0 && snapshot.error === undefined)) {
      return initial ?? snapshot ?? this.#empty;
    }
    return snapshot;
  }

  /**
   * Opens the map for a component that suspends. Returns undefined once there is something to show: a list, or an error,
   * which is thrown.
   */
  suspending(): Promise<void> | undefined {
    const live = this.#opened();
    const { revision, error } = live.getSnapshot();
    if (revision > 0) return undefined;
    if (error !== undefined) throw error;
    if (this.#subscribers === 0) this.#closeAfter(SUSPENDED_MS);
    this.#listed ??= new Promise((resolve) => {
      const stop = live.subscribe(() => {
        stop();
        this.#listed = undefined;
        resolve();
      });
    });
    return this.#listed;
  }

  subscribe(listener: () => void): () => void {
    clearTimeout(this.#closing);
    this.#subscribers += 1;
    const stop = this.#opened().subscribe(listener);
    return () => {
      stop();
      this.#subscribers -= 1;
      if (this.#subscribers === 0) this.#closeAfter(CLOSE_AFTER_MS);
    };
  }

  #opened(): Live<Value> {
    this.#live ??= this.#namespace.live();
    return this.#live;
  }

  #closeAfter(delayMs: number): void {
    clearTimeout(this.#closing);
    this.#closing = setTimeout(() => this.#close(), delayMs);
  }

  #close(): void {
    this.#listed = undefined;
    this.#live?.close();
    this.#live = undefined;
  }
}

const shared: WeakMap<object, SharedLive<unknown>> = new WeakMap();

export function sharedLive<Value>(namespace: Namespace<Value>): SharedLive<Value> {
  const known = shared.get(namespace) as SharedLive<Value> | undefined;
  if (known !== undefined) return known;
  const made = new SharedLive(namespace);
  shared.set(namespace, made);
  return made;
}

/** Converts a list that a server rendered to a snapshot that may be stale. */
export function snapshotOf<Value>({ entries, invalid, revision }: List<Value>): LiveSnapshot<Value> {
  const byKey = new Map(entries.map((entry) => [entry.key, entry]));
  return { entries: byKey, invalid, revision, isStale: true, since: 0, error: undefined };
}

function emptySnapshot<Value>(): LiveSnapshot<Value> {
  return { entries: new Map(), invalid: new Map(), revision: 0, isStale: true, since: 0, error: undefined };
}
