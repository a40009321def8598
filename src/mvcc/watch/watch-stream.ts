/** One client's stream of watches: which ids it has, and the answers to its requests. */
import type { WatchCreateRequest, WatchResponse } from "../../protocol/api/watch.ts";
import type { WatchQueue } from "./watch-queue.ts";
import type { Watcher } from "./watcher.ts";

export interface HubStream {
  create(request: WatchCreateRequest): void;
  cancel(watchId: number): void;
  /** Answers a request for a watch that somebody else has refused, in its place among the answers. */
  refuse(cancelReason: string): void;
  /** Asks for the revision that all watches of the stream have reached; no answer unless all are synced. */
  progress(): void;
  /** In order. Afterwards the hub may have catching up to do: see `hasUnsynced`. */
  take(maxResponses: number): readonly WatchResponse[];
  /** So much waits to be taken that requests should wait, too. A stream that is asked on and on regardless closes. */
  readonly full: boolean;
  readonly closed: boolean;
  close(): void;
}

/** Whether its caller may have one more; see `WatchHub.openStream`. */
export type Admit = () => (() => void) | undefined;

/** What a stream needs of the hub. */
export interface StreamHost {
  /** Undefined when the request was refused; it was answered either way. That the id is taken is the last reason. */
  add(queue: WatchQueue, request: WatchCreateRequest, id: number | "taken", admit: Admit): Watcher | undefined;
  remove(watcher: Watcher): void;
  refuse(queue: WatchQueue, cancelReason: string): undefined;
  answer(queue: WatchQueue, set: Partial<WatchResponse>): void;
  progressOf(queue: WatchQueue, watchers: Iterable<Watcher>): void;
  announce(): void;
}

/** A stream with so many watches forgets those that are over. */
const REMOVED_KEPT_MAX = 1_000;

export class WatchStream implements HubStream {
  readonly #hub: StreamHost;
  readonly #queue: WatchQueue;
  readonly #admit: Admit;
  readonly #watchers: Map<number, Watcher> = new Map();
  #nextId = 0;

  constructor(hub: StreamHost, queue: WatchQueue, admit: Admit) {
    this.#admit = admit;
    this.#hub = hub;
    this.#queue = queue;
  }

  get full(): boolean {
    return this.#queue.full;
  }

  get closed(): boolean {
    return this.#queue.closed;
  }

  create(request: WatchCreateRequest): void {
    if (this.#refusesControl()) return;
    if (this.#watchers.size >= REMOVED_KEPT_MAX) this.#forgetRemoved();
    const chosen = this.#watchers.has(request.watchId) ? "taken" : request.watchId;
    const id = request.watchId === 0 ? this.#freeId() : chosen;
    const watcher = this.#hub.add(this.#queue, request, id, this.#admit);
    if (watcher !== undefined && id !== "taken") {
      this.#watchers.set(id, watcher);
      if (request.watchId === 0) this.#nextId = id + 1;
    }
    this.#hub.announce();
  }

  cancel(watchId: number): void {
    const watcher = this.#watchers.get(watchId);
    if (watcher === undefined || this.#refusesControl()) return;
    this.#watchers.delete(watchId);
    this.#hub.remove(watcher);
    this.#hub.answer(this.#queue, { watchId, canceled: true });
    this.#hub.announce();
  }

  refuse(cancelReason: string): void {
    if (this.#refusesControl()) return;
    this.#hub.refuse(this.#queue, cancelReason);
    this.#hub.announce();
  }

  progress(): void {
    this.#hub.progressOf(
      this.#queue,
      [...this.#watchers.values()].filter(({ state }) => state !== "removed"),
    );
    this.#hub.announce();
  }

  take(maxResponses: number): readonly WatchResponse[] {
    return this.#queue.take(maxResponses);
  }

  close(): void {
    for (const watcher of this.#watchers.values()) this.#hub.remove(watcher);
    this.#watchers.clear();
    this.#queue.close();
  }

  #freeId(): number {
    let id = this.#nextId;
    while (this.#watchers.has(id)) id++;
    return id;
  }

  /**
   * The hub cancels watches by itself when their history was compacted. As in etcd they keep their ids until the client
   * cancels them too, but not without bound.
   */
  #forgetRemoved(): void {
    for (const { id, state } of this.#watchers.values()) if (state === "removed") this.#watchers.delete(id);
  }

  /** Answers to requests must not be dropped, and cannot wait elsewhere; a client that only asks loses its stream. */
  #refusesControl(): boolean {
    if (this.#queue.overrun) this.close();
    return this.#queue.closed;
  }
}
