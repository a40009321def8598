/**
 * A map that follows a namespace. It lists once and then watches from that revision on. Each snapshot is of one
 * revision. A broken stream is resumed where it stopped. If the history in between was compacted, the namespace is
 * listed again.
 */
import { CompactedError, type Watcher } from "../facade/watcher.ts";
import { EtcdError } from "../../protocol/errors.ts";
import { backoffMs, type BackoffTimer } from "../common/backoff.ts";
import type { Bytes, RangeOptions, RangeResult, WatchEvent, WatchOptions } from "../common/types.ts";
import { type Entry, entryOf } from "./entry.ts";
import { InvalidValueError, isRetryable } from "./errors.ts";
import { pagesOf } from "./pages.ts";
import { keyText, type ValueFormat } from "./schema.ts";
import { Store } from "../common/store.ts";

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

/** Keeps `shown` up to date, from what is known and from what it knows itself, until `over` aborts. */
export type Overlay<Value> = (
  known: Store<LiveSnapshot<Value>>,
  shown: Store<LiveSnapshot<Value>>,
  over: AbortSignal,
) => void;

const PAGE = 1_000;
const RETRY_LIMIT_MS = 2_000;

/**
 * A map that follows a namespace until closed. `subscribe` and `getSnapshot` have the form that `useSyncExternalStore`
 * expects.
 */
export class Live<Value> implements AsyncDisposable {
  readonly #host: LiveHost;
  readonly #prefix: string;
  readonly #format: ValueFormat<Value>;
  readonly #store: Store<LiveSnapshot<Value>>;
  readonly #over: AbortController = new AbortController();
  #isWatching = false;
  /** Resolves after the first list. Rejects if there will be none. */
  readonly ready: Promise<void>;
  readonly getSnapshot: () => LiveSnapshot<Value>;
  readonly subscribe: (listener: () => void) => () => void;

  /** `overlay` shows something else than what is known: queued writes over it. */
  constructor(host: LiveHost, prefix: string, format: ValueFormat<Value>, overlay?: Overlay<Value>) {
    this.#host = host;
    this.#prefix = prefix;
    this.#format = format;
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
      this.#follow(resolve).catch((error: unknown) => {
        this.#end(error);
        reject(error);
      });
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
    this.#setStale(true);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }

  async #follow(isReady: () => void): Promise<void> {
    const over = AbortSignal.any([this.#over.signal, this.#host.closed]);
    const stop = this.#host.local?.subscribe(() => this.#isWatching && this.#setStale(this.#isBehind));
    over.addEventListener("abort", () => stop?.(), { once: true });
    let failures = 0;
    while (!over.aborted) {
      try {
        await this.#host.local?.ready;
        const from = await this.#list();
        failures = 0;
        isReady();
        await this.#watch(from + 1, over);
      } catch (error) {
        if (over.aborted) break;
        this.#setStale(true);
        if (!(error instanceof CompactedError) && !isRetryable(error)) throw error;
        await this.#host.backoff.sleep(backoffMs(failures++, RETRY_LIMIT_MS, this.#host.backoff.random), over);
      }
    }
    this.#setStale(true);
  }

  async #list(): Promise<number> {
    const entries = new Map<string, Entry<Value>>();
    const invalid = new Map<string, InvalidValueError>();
    let revision = 0;
    const serializable = this.#host.local !== undefined;
    for await (const page of pagesOf(this.#host.range, this.#prefix, { limit: PAGE, serializable })) {
      ({ revision } = page);
      for (const kv of page.kvs) await this.#read(kv, entries, invalid);
    }
    this.#set({ entries, invalid, revision, isStale: this.#isBehind });
    return revision;
  }

  async #watch(startRevision: number, signal: AbortSignal): Promise<void> {
    const watcher = this.#host.watch(this.#prefix, {
      prefix: true,
      startRevision,
      signal,
      onDisconnect: () => {
        this.#isWatching = false;
        this.#setStale(true);
      },
      onConnect: () => {
        this.#isWatching = true;
        this.#setStale(this.#isBehind);
      },
    });
    for await (const { header, events, progress } of watcher) {
      // A response without events: nothing happened up to this revision.
      if (progress)
        this.#set({ revision: Math.max(this.#store.getSnapshot().revision, header.revision), isStale: this.#isBehind });
      else await this.#apply(events);
    }
  }

  /** Applies whole revisions: a response never splits one. Its header's revision may be newer than its events. */
  async #apply(events: readonly WatchEvent[]): Promise<void> {
    const { entries: before, invalid: refused } = this.#store.getSnapshot();
    const entries = new Map(before);
    const invalid = new Map(refused);
    for (const { type, kv } of events) {
      const key = keyText(kv.key, this.#prefix);
      invalid.delete(key);
      if (type === "PUT") await this.#read(kv, entries, invalid);
      else entries.delete(key);
    }
    this.#set({
      entries: inOrder(entries),
      invalid,
      revision: events.at(-1)?.kv.modRevision ?? this.#store.getSnapshot().revision,
      isStale: false,
    });
  }

  async #read(
    kv: WatchEvent["kv"],
    entries: Map<string, Entry<Value>>,
    invalid: Map<string, InvalidValueError>,
  ): Promise<void> {
    try {
      const entry = await entryOf(kv, this.#prefix, this.#format);
      entries.set(entry.key, entry);
    } catch (error) {
      if (!(error instanceof InvalidValueError)) throw error;
      entries.delete(error.key);
      invalid.set(error.key, error);
    }
  }

  get #isBehind(): boolean {
    return this.#host.local?.isBehind() ?? false;
  }

  #setStale(isStale: boolean): void {
    if (this.#store.getSnapshot().isStale !== isStale) this.#set({ isStale });
  }

  #set(changes: Partial<LiveSnapshot<Value>>): void {
    const before = this.#store.getSnapshot();
    const isChanged = changes.isStale !== undefined && changes.isStale !== before.isStale;
    this.#store.set({ ...before, ...changes, since: isChanged ? Date.now() : before.since });
  }

  #end(error: unknown): void {
    if (error instanceof EtcdError) this.#set({ error, isStale: true });
  }
}

/** A changed entry keeps its place in a Map, but a new one stands behind all others. */
function inOrder<Value>(entries: ReadonlyMap<string, Entry<Value>>): ReadonlyMap<string, Entry<Value>> {
  const keys = [...entries.keys()];
  if (keys.every((key, at) => at === 0 || (keys[at - 1] as string) < key)) return entries;
  return new Map([...entries].sort(([one], [other]) => (one < other ? -1 : 1)));
}
