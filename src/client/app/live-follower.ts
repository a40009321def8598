/**
 * Keeps a live map up to date. It lists once and then watches from that revision on. Each snapshot is of one revision. A
 * broken stream is resumed where it stopped. If the history in between was compacted, the namespace is listed again.
 * Loaded with the first live map.
 */
import { EtcdError, GrpcCode } from "../../protocol/errors.ts";
import { backoffMs } from "../common/backoff.ts";
import type { Store } from "../common/store.ts";
import type { WatchEvent } from "../common/types.ts";
import { type Entry, entryOf } from "./entry.ts";
import { InvalidValueError, isRetryable } from "./errors.ts";
import { changed, type LiveHost, type LiveSnapshot } from "./live-snapshot.ts";
import { pagesOf } from "./pages.ts";
import { keyText, type ValueFormat } from "./schema.ts";

export interface LiveTask<Value> {
  readonly host: LiveHost;
  readonly prefix: string;
  readonly format: ValueFormat<Value>;
  readonly store: Store<LiveSnapshot<Value>>;
  /** Aborted when the map or the client is closed. */
  readonly over: AbortSignal;
  /** Called after each list. */
  readonly isReady: () => void;
}

const PAGE = 1_000;
const RETRY_LIMIT_MS = 2_000;

/** Resolves when the task is over. Rejects when the server refuses to go on. */
export function follow<Value>(task: LiveTask<Value>): Promise<void> {
  return new LiveFollower(task).follow();
}

class LiveFollower<Value> {
  readonly #task: LiveTask<Value>;
  #isWatching = false;

  constructor(task: LiveTask<Value>) {
    this.#task = task;
  }

  async follow(): Promise<void> {
    const { over, isReady } = this.#task;
    const stop = this.#task.host.local?.subscribe(() => this.#isWatching && this.#setStale(this.#isBehind));
    over.addEventListener("abort", () => stop?.(), { once: true });
    let failures = 0;
    while (!over.aborted) {
      try {
        await this.#task.host.local?.ready;
        const from = await this.#list();
        failures = 0;
        isReady();
        await this.#watch(from + 1, over);
      } catch (error) {
        if (over.aborted) break;
        this.#setStale(true);
        if (!isCompacted(error) && !isRetryable(error)) throw error;
        await this.#task.host.backoff.sleep(
          backoffMs(failures++, RETRY_LIMIT_MS, this.#task.host.backoff.random),
          over,
        );
      }
    }
    this.#setStale(true);
  }

  async #list(): Promise<number> {
    const entries = new Map<string, Entry<Value>>();
    const invalid = new Map<string, InvalidValueError>();
    let revision = 0;
    const serializable = this.#task.host.local !== undefined;
    for await (const page of pagesOf(this.#task.host.range, this.#task.prefix, { limit: PAGE, serializable })) {
      ({ revision } = page);
      for (const kv of page.kvs) await this.#read(kv, entries, invalid);
    }
    this.#set({ entries, invalid, revision, isStale: this.#isBehind });
    return revision;
  }

  async #watch(startRevision: number, signal: AbortSignal): Promise<void> {
    const watcher = this.#task.host.watch(this.#task.prefix, {
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
        this.#set({
          revision: Math.max(this.#task.store.getSnapshot().revision, header.revision),
          isStale: this.#isBehind,
        });
      else await this.#apply(events);
    }
  }

  /** Applies whole revisions: a response never splits one. Its header's revision may be newer than its events. */
  async #apply(events: readonly WatchEvent[]): Promise<void> {
    const { entries: before, invalid: refused } = this.#task.store.getSnapshot();
    const entries = new Map(before);
    const invalid = new Map(refused);
    for (const { type, kv } of events) {
      const key = keyText(kv.key, this.#task.prefix);
      invalid.delete(key);
      if (type === "PUT") await this.#read(kv, entries, invalid);
      else entries.delete(key);
    }
    this.#set({
      entries: inOrder(entries),
      invalid,
      revision: events.at(-1)?.kv.modRevision ?? this.#task.store.getSnapshot().revision,
      isStale: this.#isBehind,
    });
  }

  async #read(
    kv: WatchEvent["kv"],
    entries: Map<string, Entry<Value>>,
    invalid: Map<string, InvalidValueError>,
  ): Promise<void> {
    try {
      const entry = await entryOf(kv, this.#task.prefix, this.#task.format);
      entries.set(entry.key, entry);
    } catch (error) {
      if (!(error instanceof InvalidValueError)) throw error;
      entries.delete(error.key);
      invalid.set(error.key, error);
    }
  }

  get #isBehind(): boolean {
    return this.#task.host.local?.isBehind() ?? false;
  }

  #setStale(isStale: boolean): void {
    this.#set({ isStale });
  }

  #set(changes: Partial<LiveSnapshot<Value>>): void {
    const { store } = this.#task;
    store.set(changed(store.getSnapshot(), changes));
  }
}

/** The history of the watch, or of the pages of the list, is gone. */
function isCompacted(error: unknown): boolean {
  return error instanceof EtcdError && error.code === GrpcCode.OutOfRange;
}

/** A changed entry keeps its place in a Map, but a new one stands behind all others. */
function inOrder<Value>(entries: ReadonlyMap<string, Entry<Value>>): ReadonlyMap<string, Entry<Value>> {
  const keys = [...entries.keys()];
  if (keys.every((key, at) => at === 0 || (keys[at - 1] as string) < key)) return entries;
  return new Map([...entries].sort(([one], [other]) => (one < other ? -1 : 1)));
}
