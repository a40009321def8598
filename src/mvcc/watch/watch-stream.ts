/** One client's stream of watches: the ids that it has, and the responses to its requests. */
import type { WatchCreateRequest, WatchResponse } from "../../protocol/api/watch.ts";
import type { WatchQueue } from "./watch-queue.ts";
import { watchRequestOf, type Watcher } from "./watcher.ts";

export interface HubStream {
  create(request: WatchCreateRequest): void;
  cancel(watchId: number): void;
  /** Responds to a create request that another part has rejected, in its place among the responses. */
  refuse(cancelReason: string): void;
  /** Requests the revision that all watches of the stream have reached. There is no response unless all are synced. */
  progress(): void;
  /** Returns responses in order. Afterwards the hub may have unsynced watchers to serve: see `hasUnsynced`. */
  take(maxResponses: number): readonly WatchResponse[];
  /** True if so much waits to be taken that requests should wait too. A stream whose client ignores it is closed. */
  readonly full: boolean;
  readonly closed: boolean;
  /** What another stream needs to go on here; undefined while a response was not taken, or a watch is unsynced. */
  position(): StreamPosition | undefined;
  /** Goes on with the watches of a former stream, without responses. */
  resume(position: StreamPosition): void;
  close(): void;
}

/** Where a stream is whose responses were all taken. It outlives the stream, and the memory of its hub. */
export interface StreamPosition {
  /** The events of all watches up to it were taken. */
  readonly revision: number;
  /** Id of the next watch that the client does not name. */
  readonly nextId: number;
  /** Requests for the watches, each with its id. */
  readonly watches: readonly WatchCreateRequest[];
}

/** Returns undefined if the caller may have no further watch; see `WatchHub.openStream`. */
export type Admit = () => (() => void) | undefined;

/** What a stream uses of the hub. */
export interface StreamHost {
  /** Returns undefined if the request was rejected; a response was sent either way. A taken id is checked last. */
  add(queue: WatchQueue, request: WatchCreateRequest, id: number | "taken", admit: Admit): Watcher | undefined;
  /** Adds a watch that goes on at a revision, without a response. Returns undefined if the caller has too many. */
  resume(queue: WatchQueue, request: WatchCreateRequest, nextRevision: number, admit: Admit): Watcher | undefined;
  /** The highest revision whose events were given to the queues of synced watches. */
  readonly revision: number;
  remove(watcher: Watcher): void;
  refuse(queue: WatchQueue, cancelReason: string): undefined;
  respond(queue: WatchQueue, set: Partial<WatchResponse>): void;
  progressOf(queue: WatchQueue, watchers: Iterable<Watcher>): void;
  announce(): void;
}

/** A stream with more watches forgets those that are over. */
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
    this.#hub.respond(this.#queue, { watchId, canceled: true });
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

  position(): StreamPosition | undefined {
    if (this.#queue.length > 0 || this.#queue.closed) return undefined;
    const { revision } = this.#hub;
    const watches: WatchCreateRequest[] = [];
    for (const watcher of this.#watchers.values()) {
      if (watcher.state === "unsynced") return undefined;
      if (watcher.state === "removed") continue;
      // A watch that was resumed may be ahead of the store, which applies the end of its log again.
      if (watcher.nextRevision > Math.max(revision + 1, watcher.startRevision)) return undefined;
      watches.push(watchRequestOf(watcher));
    }
    return { revision, nextId: this.#nextId, watches };
  }

  resume({ revision, nextId, watches }: StreamPosition): void {
    for (const request of watches) {
      const nextRevision = Math.max(request.startRevision, revision + 1);
      const watcher = this.#hub.resume(this.#queue, request, nextRevision, this.#admit);
      if (watcher !== undefined) this.#watchers.set(request.watchId, watcher);
    }
    this.#nextId = nextId;
    this.#hub.announce();
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
   * The hub cancels watches by itself if their history was compacted. As in etcd their ids stay taken until the client
   * cancels them too, but the number of such ids is bounded.
   */
  #forgetRemoved(): void {
    for (const { id, state } of this.#watchers.values()) if (state === "removed") this.#watchers.delete(id);
  }

  /**
   * Responses to requests must not be dropped, and cannot wait elsewhere. A client that requests without reading loses
   * its stream.
   */
  #refusesControl(): boolean {
    if (this.#queue.overrun) this.close();
    return this.#queue.closed;
  }
}
