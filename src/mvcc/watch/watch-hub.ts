/**
 * Watches. The store publishes events one revision at a time, and the hub sends them to the watchers of their keys. A
 * watcher that starts in the past, or is too slow, is unsynced: the hub reads the missed events from the tables in
 * bounded steps, until the watcher is synced.
 *
 *     create ──▶ synced ◀───────── reached the newest revision ─────┐
 *        │         │ queue full, or the store was replaced          │
 *        │         ▼                                                │
 *        └──▶ unsynced ── syncUnsynced(): history, 1000 revisions a time
 *                  │
 *                  └─▶ removed: the events that it needs were compacted
 *
 * A response holds whole revisions. Queues are bounded by bytes, so a reader that stops costs a bounded amount: each of
 * its watchers keeps one number, its next revision.
 */
import { assert } from "../../base/assert.ts";
import { errCompacted, errRequestTooManyRequests } from "../../protocol/errors.ts";
import type { ResponseHeader } from "../../protocol/api/header.ts";
import type { Event } from "../../protocol/api/kv.ts";
import { watchResponse } from "../../protocol/api/watch.ts";
import type { WatchCreateRequest, WatchResponse } from "../../protocol/api/watch.ts";
import { rowToEvent } from "../tables/messages.ts";
import type { ReadView } from "../range/read-view.ts";
import { RESPONSE_BYTES, eventsBytes, fragments, shapedEvents } from "./watch-events.ts";
import { WatchIndex, type WatchParty, type WatchSpot } from "./watch-index.ts";
import { WatchQueue } from "./watch-queue.ts";
import { type Admit, WatchStream, type HubStream, type StreamHost } from "./watch-stream.ts";
import { type WatchKeys, watchKeys, watchShape, type Watcher } from "./watcher.ts";

export type { HubStream, StreamPosition } from "./watch-stream.ts";

export interface WatchHubOptions {
  /** Watchers of all streams. A further one receives a cancelled response. */
  readonly watchersMax: number;
  /** Bytes of a stream's responses that were not taken yet. Events beyond it wait in the tables. */
  readonly streamBytesMax: number;
  /**
   * Bytes. A response of this size or more is split for a watcher that asked for fragments. etcd: request limit + 512
   * KiB.
   */
  readonly fragmentBytes: number;
}

/** Bytes of history that one step reads. Past it, the step stops at the end of the revision. */
const STEP_BYTES = 1024 * 1024;
const NO_WATCH_ID = -1;

const REASON_EMPTY_RANGE = "mvcc: watcher range is empty";
const REASON_DUPLICATE_ID = "mvcc: duplicate watch ID provided on the WatchStream";

export class WatchHub implements StreamHost {
  #store: ReadView;
  readonly #header: (revision: number) => ResponseHeader;
  readonly #options: WatchHubOptions;
  readonly #synced: WatchIndex = new WatchIndex();
  readonly #unsynced: WatchIndex = new WatchIndex();
  readonly #notified: Set<Watcher> = new Set();
  /** Queues that were empty before. They are announced once the hub has finished its work. */
  readonly #readable: Set<WatchQueue> = new Set();
  /** The highest revision that was published. */
  #revision: number;
  #oldestFirst = true;

  constructor(store: ReadView, header: (revision: number) => ResponseHeader, options: WatchHubOptions) {
    this.#store = store;
    this.#header = header;
    this.#options = options;
    this.#revision = store.revision;
  }

  get watcherCount(): number {
    return this.#synced.size + this.#unsynced.size;
  }

  get slowWatcherCount(): number {
    return this.#unsynced.size;
  }

  /** True if syncUnsynced() would find something to do: a watcher is unsynced whose stream has room. */
  get hasUnsynced(): boolean {
    for (const watcher of this.#unsynced.watchers) {
      if (watcher.queue.hasRoom) return true;
    }
    return false;
  }

  /**
   * Opens a stream. `onReadable` is called when responses came to an empty queue, after the call that made them has
   * finished. `admit` is called for each watch of the stream. It returns undefined if the caller has too many;
   * otherwise the function that it returns is called once, when the watch is over.
   */
  openStream(onReadable: () => void, admit: Admit = () => () => {}): HubStream {
    return new WatchStream(this, new WatchQueue(this.#options.streamBytesMax, onReadable), admit);
  }

  /** Publishes the events of a revision. Call it after every write that made events, in order. */
  publish(revision: number, events: readonly Event[]): void {
    assert(revision > this.#revision, "revisions are published in order");
    this.#revision = revision;
    if (this.#synced.size === 0) return;
    const touched = matchAll(this.#synced, events);
    const header = this.#header(revision);
    for (const spot of touched) {
      for (const party of spot.parties.slice()) this.#deliverLive(header, spot, party);
      spot.matched = [];
    }
    this.announce();
  }

  /**
   * Runs a step of at most `maxRevisions` revisions for unsynced watchers. Returns whether another step would find more
   * to do: it would not while all of them have full queues.
   */
  syncUnsynced(maxRevisions: number): boolean {
    assert(maxRevisions > 0, "a step makes progress");
    const ready = this.#readyToSync();
    if (ready.length > 0) this.#sync(ready, maxRevisions);
    this.announce();
    return this.hasUnsynced;
  }

  /**
   * Sends the periodic progress: to every synced watcher that requested it and received nothing since the last round.
   */
  progressAll(): void {
    const header = this.#header(this.#store.revision);
    for (const watcher of this.#notified) {
      if (watcher.idle && this.#hasProgress(watcher)) this.#pushProgress(watcher.queue, header, watcher.id);
      watcher.idle = true;
    }
    this.announce();
  }

  /** Replaces the store after a snapshot. All watchers continue from where they were, or end as compacted. */
  replaceStore(store: ReadView): void {
    for (const watcher of this.#synced.watchers) this.#fallBehind(watcher, this.#revision + 1);
    this.#store = store;
    this.#revision = store.revision;
  }

  // The following methods serve the streams, which are part of the hub. They are separate because each has its own
  // watches.

  add(queue: WatchQueue, request: WatchCreateRequest, id: number | "taken", admit: Admit): Watcher | undefined {
    const keys = watchKeys(request);
    if (request.startRevision < 0) return this.refuse(queue, errCompacted.message);
    if (keys === undefined) return this.refuse(queue, REASON_EMPTY_RANGE);
    if (id === "taken") return this.refuse(queue, REASON_DUPLICATE_ID);
    const release = this.watcherCount >= this.#options.watchersMax ? undefined : admit();
    if (release === undefined) return this.refuse(queue, errRequestTooManyRequests.message);
    const { startRevision } = request;
    const nextRevision = startRevision === 0 ? this.#revision + 1 : startRevision;
    const watcher = this.#added(queue, request, id, keys, nextRevision, release);
    this.respond(queue, { watchId: id, created: true });
    return watcher;
  }

  get revision(): number {
    return this.#revision;
  }

  resume(queue: WatchQueue, request: WatchCreateRequest, nextRevision: number, admit: Admit): Watcher | undefined {
    const { watchId } = request;
    const keys = watchKeys(request);
    assert(keys !== undefined, "a watch that was resumed had keys");
    const release = this.watcherCount >= this.#options.watchersMax ? undefined : admit();
    if (release !== undefined) return this.#added(queue, request, watchId, keys, nextRevision, release);
    this.respond(queue, { watchId, canceled: true, cancelReason: errRequestTooManyRequests.message });
    return undefined;
  }

  remove(watcher: Watcher): void {
    if (watcher.state === "removed") return;
    watcher.release();
    this.#synced.delete(watcher);
    this.#unsynced.delete(watcher);
    this.#notified.delete(watcher);
    watcher.state = "removed";
  }

  /** Sends progress with etcd's id -1, on behalf of all watches of a stream. */
  progressOf(queue: WatchQueue, watchers: Iterable<Watcher>): void {
    let any = false;
    for (const watcher of watchers) {
      if (!this.#hasProgress(watcher)) return;
      any = true;
    }
    if (any) this.#pushProgress(queue, this.#header(this.#store.revision), NO_WATCH_ID);
  }

  respond(queue: WatchQueue, set: Partial<WatchResponse>): void {
    this.#push(queue, watchResponse({ header: this.#header(this.#store.revision), ...set }), RESPONSE_BYTES);
  }

  refuse(queue: WatchQueue, cancelReason: string): undefined {
    this.respond(queue, { watchId: NO_WATCH_ID, created: true, canceled: true, cancelReason });
  }

  #added(
    queue: WatchQueue,
    request: WatchCreateRequest,
    id: number,
    keys: WatchKeys,
    nextRevision: number,
    release: () => void,
  ): Watcher {
    const synced = nextRevision > this.#revision;
    const watcher: Watcher = {
      id,
      queue,
      keys,
      shape: watchShape(request),
      fragment: request.fragment,
      progressNotify: request.progressNotify,
      startRevision: request.startRevision,
      nextRevision,
      state: synced ? "synced" : "unsynced",
      idle: true,
      release,
    };
    (synced ? this.#synced : this.#unsynced).add(watcher);
    if (watcher.progressNotify) this.#notified.add(watcher);
    return watcher;
  }

  #deliverLive(header: ResponseHeader, spot: WatchSpot, party: WatchParty): void {
    const events = shapedEvents(this.#store, spot.matched, party.shape);
    if (events.length === 0) return;
    const bytes = RESPONSE_BYTES + eventsBytes(events);
    for (const watcher of party.watchers) {
      if (watcher.nextRevision > this.#revision) continue;
      if (watcher.queue.fits(bytes)) this.#deliver(watcher, header, events, bytes);
      else this.#fallBehind(watcher, this.#revision);
    }
  }

  #deliver(watcher: Watcher, header: ResponseHeader, events: readonly Event[], bytes: number): void {
    const response: WatchResponse = {
      header,
      watchId: watcher.id,
      created: false,
      canceled: false,
      compactRevision: 0,
      cancelReason: "",
      fragment: false,
      events,
    };
    watcher.idle = false;
    if (!watcher.fragment || bytes < this.#options.fragmentBytes) return this.#push(watcher.queue, response, bytes);
    for (const part of fragments(response, this.#options.fragmentBytes)) {
      this.#push(watcher.queue, part, RESPONSE_BYTES + eventsBytes(part.events));
    }
  }

  #fallBehind(watcher: Watcher, nextRevision: number): void {
    this.#synced.delete(watcher);
    watcher.nextRevision = Math.max(watcher.nextRevision, nextRevision);
    watcher.state = "unsynced";
    this.#unsynced.add(watcher);
  }

  #join(watcher: Watcher): void {
    this.#unsynced.delete(watcher);
    watcher.state = "synced";
    this.#synced.add(watcher);
  }

  /**
   * Returns the unsynced watchers whose streams have room. Cancels those whose history was compacted, and moves those
   * that have reached the newest revision to the synced ones.
   */
  #readyToSync(): Watcher[] {
    const ready: Watcher[] = [];
    for (const watcher of this.#unsynced.watchers) {
      if (!watcher.queue.hasRoom) continue;
      if (watcher.nextRevision < this.#store.compactRevision) this.#cancelCompacted(watcher);
      else if (watcher.nextRevision > this.#revision) this.#join(watcher);
      else ready.push(watcher);
    }
    return ready;
  }

  #cancelCompacted(watcher: Watcher): void {
    const { queue, id } = watcher;
    this.remove(watcher);
    const compactRevision = this.#store.compactRevision;
    const header = this.#header(0);
    this.#push(queue, watchResponse({ header, watchId: id, canceled: true, compactRevision }), RESPONSE_BYTES);
  }

  /**
   * Reads one window of history and delivers it to all watchers that need part of it. The windows start alternately at
   * the watcher furthest behind and at the one nearest to the end. The first lets most watchers share a window. The
   * second keeps a slow watcher from delaying all others.
   */
  #sync(ready: readonly Watcher[], maxRevisions: number): void {
    const starts = ready.map((watcher) => watcher.nextRevision);
    const from = this.#oldestFirst ? minimum(starts) : maximum(starts);
    this.#oldestFirst = !this.#oldestFirst;
    const { events, to } = this.#readHistory(from, maxRevisions);
    const touched = matchAll(this.#unsynced, events);
    const header = this.#header(this.#store.revision);
    const served = new Set(ready.filter((watcher) => watcher.nextRevision >= from && watcher.nextRevision <= to));
    for (const spot of touched) {
      for (const party of spot.parties.slice()) {
        const slices = new Map<number, Delivery>();
        for (const watcher of party.watchers) {
          if (!served.delete(watcher)) continue;
          const delivery = this.#sliceFrom(slices, spot, party, watcher.nextRevision);
          if (this.#deliverHistory(watcher, header, delivery)) this.#advance(watcher, to);
        }
      }
      spot.matched = [];
    }
    // The remaining watchers had no event in the window.
    for (const watcher of served) this.#advance(watcher, to);
  }

  #sliceFrom(slices: Map<number, Delivery>, spot: WatchSpot, party: WatchParty, from: number): Delivery {
    const known = slices.get(from);
    if (known !== undefined) return known;
    const wanted = spot.matched.filter((event) => (event.kv?.modRevision ?? 0) >= from);
    const events = shapedEvents(this.#store, wanted, party.shape);
    const delivery = { events, bytes: RESPONSE_BYTES + eventsBytes(events) };
    slices.set(from, delivery);
    return delivery;
  }

  #deliverHistory(watcher: Watcher, header: ResponseHeader, { events, bytes }: Delivery): boolean {
    if (events.length === 0) return true;
    // Other watchers of the same stream may have filled the queue in this step.
    if (!watcher.queue.hasRoom) return false;
    this.#deliver(watcher, header, events, bytes);
    return true;
  }

  #advance(watcher: Watcher, to: number): void {
    watcher.nextRevision = to + 1;
    if (to >= this.#revision) this.#join(watcher);
  }

  /** Reads whole revisions from `from` on. `to` is the last one that was read completely. */
  #readHistory(from: number, maxRevisions: number): { readonly events: Event[]; readonly to: number } {
    const last = Math.min(this.#revision, from + maxRevisions - 1);
    const events: Event[] = [];
    let to = last;
    let bytes = 0;
    let reading = from;
    this.#store.keys.history(from, last, (row) => {
      if (row.main !== reading && bytes >= STEP_BYTES) {
        to = row.main - 1;
        return false;
      }
      reading = row.main;
      bytes += row.key.length + row.value.length;
      events.push(rowToEvent(row));
      return true;
    });
    return { events, to };
  }

  /** A watch that was resumed may be ahead of a store that applies the end of its log again, and must not go back. */
  #hasProgress({ state, startRevision, nextRevision }: Watcher): boolean {
    return state === "synced" && this.#store.revision >= Math.max(startRevision, nextRevision - 1);
  }

  /** Drops a progress response that does not fit: its revision would be old by the time it is read. */
  #pushProgress(queue: WatchQueue, header: ResponseHeader, watchId: number): void {
    if (!queue.full) this.#push(queue, watchResponse({ header, watchId }), RESPONSE_BYTES);
  }

  #push(queue: WatchQueue, response: WatchResponse, bytes: number): void {
    if (queue.length === 0) this.#readable.add(queue);
    queue.push(response, bytes);
  }

  /** Notifies readers when the hub has finished its work, because they may call back into it. */
  announce(): void {
    for (const queue of this.#readable) {
      this.#readable.delete(queue);
      queue.announce();
    }
  }
}

interface Delivery {
  readonly events: readonly Event[];
  readonly bytes: number;
}

function matchAll(index: WatchIndex, events: readonly Event[]): WatchSpot[] {
  const touched: WatchSpot[] = [];
  for (const event of events) {
    if (event.kv !== undefined) index.match(event, event.kv.key, touched);
  }
  return touched;
}

function minimum(numbers: readonly number[]): number {
  return numbers.reduce((least, number) => Math.min(least, number), Number.POSITIVE_INFINITY);
}

function maximum(numbers: readonly number[]): number {
  return numbers.reduce((most, number) => Math.max(most, number), 0);
}
