/** A map that follows a namespace, as its readers see it. live-follower.ts keeps it up to date, and is loaded for it. */
import { EtcdError } from "../../protocol/etcd-error.ts";
import { backoffMs } from "../common/backoff.ts";
import { canceledError } from "../common/transport-errors.ts";
import { Store } from "../common/store.ts";
import type { Entry } from "./entry.ts";
import { changed } from "./live-snapshot.ts";
import type { LiveHost, LiveSnapshot } from "./live-snapshot.ts";
import type { LiveTask } from "./live-follower.ts";
import type { LazyFormat } from "./schema.ts";

/** What keeps a live map up to date, once it is loaded. */
export interface LiveParts {
  readonly parts: () => Promise<{ follow<Value>(task: LiveTask<Value>): Promise<void> }>;
}

/** Keeps `shown` up to date, from what is known and from what it knows itself, until `over` aborts. */
export type Overlay<Value> = (
  known: Store<LiveSnapshot<Value>>,
  shown: Store<LiveSnapshot<Value>>,
  over: AbortSignal,
) => void;

const RETRY_LIMIT_MS = 2_000;

/**
 * A map that follows a namespace until closed. `subscribe` and `getSnapshot` have the form that `useSyncExternalStore`
 * expects.
 */
export class Live<Value> implements AsyncDisposable {
  readonly #store: Store<LiveSnapshot<Value>>;
  readonly #over: AbortController = new AbortController();
  /** Resolves after the first list. Rejects if there will be none, with Canceled if the map or the client is closed. */
  readonly ready: Promise<void>;
  readonly getSnapshot: () => LiveSnapshot<Value>;
  readonly subscribe: (listener: () => void) => () => void;

  /** `overlay` shows something else than what is known: queued writes over it. */
  constructor(host: LiveHost & LiveParts, prefix: string, format: LazyFormat<Value>, overlay?: Overlay<Value>) {
    this.#store = new Store<LiveSnapshot<Value>>({
      entries: new Map(),
      invalid: new Map(),
      revision: 0,
      isStale: true,
      since: Date.now(),
      error: undefined,
    });
    const shown = overlay === undefined ? this.#store : new Store(this.#store.getSnapshot());
    this.getSnapshot = shown.getSnapshot;
    this.subscribe = shown.subscribe;
    overlay?.(this.#store, shown, AbortSignal.any([this.#over.signal, host.closed]));
    this.ready = new Promise((resolve, reject) => {
      this.#follow(host, prefix, format, resolve).then(
        () => reject(canceledError()),
        (error: unknown) => {
          if (error instanceof EtcdError) this.#store.set(changed(this.#store.getSnapshot(), { error, isStale: true }));
          reject(error);
        },
      );
    });
    // The snapshot reports the error too, so callers need not handle this promise.
    this.ready.catch(() => {});
  }

  get entries(): ReadonlyMap<string, Entry<Value>> {
    return this.getSnapshot().entries;
  }

  get revision(): number {
    return this.getSnapshot().revision;
  }

  get isStale(): boolean {
    return this.getSnapshot().isStale;
  }

  get since(): number {
    return this.getSnapshot().since;
  }

  get(key: string): Entry<Value> | undefined {
    return this.entries.get(key);
  }

  /** Stops following. The last snapshot remains, marked as stale. */
  close(): void {
    if (this.#over.signal.aborted) return;
    this.#over.abort();
    this.#store.set(changed(this.#store.getSnapshot(), { isStale: true }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }

  async #follow(
    host: LiveHost & LiveParts,
    prefix: string,
    format: LazyFormat<Value>,
    isReady: () => void,
  ): Promise<void> {
    const over = AbortSignal.any([this.#over.signal, host.closed]);
    for (let failures = 0; !over.aborted;) {
      const parts = await host.parts().catch(() => undefined);
      if (parts !== undefined) {
        return parts.follow({ host, prefix, format: await format(), store: this.#store, over, isReady });
      }
      await host.backoff.sleep(backoffMs(failures++, RETRY_LIMIT_MS, host.backoff.random), over);
    }
  }
}
