/**
 * Keeps a replica's copy the cluster's: asks whether the copy is still a part of the cluster's history, lists where it is
 * not, and watches from there on.
 *
 *     begin ── a copy? ── ask ──► still true ─────────────┐
 *       ▲        │ none     │ another cluster or history  ▼
 *       │        └──► list ◄┴── compacted             watch, from the next revision on
 *       │              │                                  │
 *       └── pause ◄────┴──────────── lost ────────────────┘
 *
 * All watches are of one stream, and the stream's progress says that the copy is current (barrier.ts).
 */
import type { WatchStream } from "../../member/api/services.ts";
import { cancelError } from "../../client/facade/watcher.ts";
import { backoffMs } from "../../client/common/backoff.ts";
import type { BackoffTimer } from "../../client/common/backoff.ts";
import { equalBytes } from "../../base/bytes.ts";
import { EtcdError, errFutureRev, GrpcCode } from "../../protocol/errors.ts";
import { rangeRequest } from "../../protocol/api/kv.ts";
import type { Event } from "../../protocol/api/kv.ts";
import { watchCreateRequest } from "../../protocol/api/watch.ts";
import type { WatchResponse } from "../../protocol/api/watch.ts";
import { Barrier } from "../copy/barrier.ts";
import type { Step } from "../copy/barrier.ts";
import { nameOf, spanOf, startsWith } from "../copy/prefixes.ts";
import type { ReplicaCopy } from "../copy/replica-copy.ts";
import { listCluster } from "./cluster-list.ts";
import type { ClusterList, Range } from "./cluster-list.ts";
import { meaningOf, ReplicaFullError } from "./refusals.ts";

export interface Cluster {
  readonly range: Range;
  /** Rejects with EtcdError if what opens streams cannot be loaded. */
  readonly watch: () => Promise<WatchStream>;
}

/** What the follower finds out, in order. */
export interface FollowerEvents {
  /** The cluster was listed. `isForeign`: what was held before is not a part of its history. */
  readonly onListed: (list: ClusterList, isForeign: boolean) => void;
  readonly onStep: (step: Step) => void;
  /** The copy is that of this revision, and the newest one. */
  readonly onCurrent: (revision: number) => void;
  /** These prefixes may not be read any more. */
  readonly onDenied: (prefixes: readonly Uint8Array[]) => void;
  /** The copy may be old from now on. */
  readonly onLost: (error: EtcdError) => void;
}

export interface FollowerOptions extends FollowerEvents {
  readonly cluster: Cluster;
  readonly prefixes: readonly Uint8Array[];
  readonly sizeBytesMax: number;
  readonly copy: () => ReplicaCopy | undefined;
  /** Of the prefixes: those that were denied. */
  readonly denied: () => ReadonlySet<string>;
  readonly backoff: BackoffTimer;
  readonly over: AbortSignal;
}

const RETRY_LIMIT_MS = 5_000;
/** A stream that has not caught up does not answer for its progress. */
const ASK_AGAIN_MS = 100;
const ASK_AGAIN_LIMIT_MS = 2_000;
/** Rights that are given back are noticed so late at the latest. Each attempt may wake a sleeping cluster. */
const DENIED_RETRY_MS = 60_000;
const DENIED_RETRY_LIMIT_MS = 60 * 60_000;

/** Where WebSockets are refused: sessions before the next attempt to have one, and watches that a browser has room for. */
const SESSIONS_APART = 20;
const APART_MAX = 3;
const TOO_MANY_APART = `more than ${APART_MAX} prefixes need a WebSocket, which is refused`;
/** Changes gather so long before they are listed. */
const GATHER_MS = 250;

export class ClusterFollower {
  readonly #options: FollowerOptions;
  #failures = 0;
  #denials = 0;
  #sessionsApart = 0;
  /** Lists, although the copy may be right: another tab knows better, or rights may have been given back. */
  #mustList = false;
  #session: AbortController = new AbortController();

  constructor(options: FollowerOptions) {
    this.#options = options;
  }

  /** Resolves when it is over. Rejects with an EtcdError when nothing that is tried again would help. */
  async follow(): Promise<void> {
    const { over, backoff, onLost } = this.#options;
    while (!over.aborted) {
      this.#session = new AbortController();
      try {
        await this.#followOnce(AbortSignal.any([over, this.#session.signal]));
      } catch (error) {
        if (over.aborted) return;
        if (this.#session.signal.aborted) continue;
        const meaning = meaningOf(error);
        if (meaning === "over" || !(error instanceof EtcdError)) throw error;
        onLost(error);
        if (meaning === "stranger") await this.#waitAsStranger(over);
        else await backoff.sleep(backoffMs(this.#failures++, RETRY_LIMIT_MS, backoff.random), over);
      }
    }
  }

  /** Lists the cluster again, soon. */
  listAgain(): void {
    this.#mustList = true;
    this.#session.abort();
  }

  /** The cluster does not know the user, or not any more. */
  async #waitAsStranger(over: AbortSignal): Promise<void> {
    const { backoff, onDenied, prefixes } = this.#options;
    onDenied(prefixes);
    this.#mustList = true;
    await backoff.sleep(this.#deniedRetryMs(), over);
  }

  async #followOnce(signal: AbortSignal): Promise<void> {
    const isForeign = await this.#isForeign();
    signal.throwIfAborted();
    if (isForeign !== false || this.#mustList) await this.#list(isForeign === true);
    if (this.#granted.length === 0) return this.#waitForRights(signal);
    const retry = this.#retryDenied(signal);
    try {
      if (this.#sessionsApart === 0) await this.#watch(signal);
      else await this.#watchApart(signal);
    } catch (error) {
      if (!isHalfDuplex(error)) throw error;
      // WebSockets are refused, at least for now.
      this.#sessionsApart = SESSIONS_APART;
    } finally {
      retry();
    }
  }

  /**
   * Where a stream carries one watch and tells no progress, each prefix is watched for itself, and whatever changes, all are
   * listed again: so all are of one revision.
   */
  async #watchApart(signal: AbortSignal): Promise<void> {
    this.#sessionsApart--;
    await this.#list(false);
    const [granted, copy] = [this.#granted, this.#options.copy()];
    if (copy === undefined || granted.length === 0) return;
    if (granted.length > APART_MAX) throw new EtcdError(GrpcCode.Unavailable, TOO_MANY_APART);
    const changed = new AbortController();
    const over = AbortSignal.any([signal, changed.signal]);
    let created = 0;
    const onCreated = (): void => {
      if (++created < granted.length) return;
      this.#failures = 0;
      this.#options.onCurrent(copy.revision);
    };
    try {
      await Promise.race(granted.map((prefix) => this.#untilChange(prefix, copy, over, onCreated)));
      await this.#options.backoff.sleep(GATHER_MS, signal);
    } finally {
      changed.abort();
    }
  }

  /** Resolves with the first event under the prefix. */
  async #untilChange(
    prefix: Uint8Array,
    { cluster, revision }: ReplicaCopy,
    over: AbortSignal,
    onCreated: () => void,
  ): Promise<void> {
    const stream = await this.#options.cluster.watch();
    const close = (): void => stream.close();
    if (over.aborted) return close();
    over.addEventListener("abort", close, { once: true });
    try {
      const create = watchCreateRequest({ ...spanOf(prefix), startRevision: revision + 1 });
      stream.request({ type: "create", create });
      for (;;) {
        const response = await stream.next();
        if (response === undefined) throw new EtcdError(GrpcCode.Unavailable, "the watch stream ended");
        checkCluster(response, cluster);
        if (response.canceled) {
          const error = cancelError(response);
          if (meaningOf(error) === "denied") this.#options.onDenied([prefix]);
          throw error;
        }
        if (response.created) onCreated();
        else if (response.events.length > 0) return;
      }
    } finally {
      over.removeEventListener("abort", close);
      close();
    }
  }

  /** Undefined: there is no copy, or nobody knows any more. */
  async #isForeign(): Promise<boolean | undefined> {
    const copy = this.#options.copy();
    const [first] = this.#granted;
    if (copy === undefined || first === undefined) return undefined;
    const newest = copy.newest();
    const key = newest?.key ?? spanOf(first).key;
    try {
      const { header, kvs } = await this.#options.cluster.range(rangeRequest({ key, revision: copy.revision }));
      const [found] = kvs;
      const isSame =
        found?.modRevision === newest?.modRevision &&
        found?.version === newest?.version &&
        (found === undefined || newest === undefined || equalBytes(found.value, newest.value));
      return header.clusterId !== copy.cluster || !isSame;
    } catch (error) {
      if (error instanceof EtcdError && error.message === errFutureRev.message) return true;
      const meaning = meaningOf(error);
      // What is compacted cannot be compared.
      if (meaning === "compacted") return undefined;
      if (meaning === "denied") this.#options.onDenied(this.#granted.filter((prefix) => startsWith(key, prefix)));
      throw error;
    }
  }

  async #list(isForeign: boolean): Promise<void> {
    const { cluster, prefixes, sizeBytesMax, copy, onListed } = this.#options;
    const former = copy();
    const list = await listCluster(cluster.range, prefixes, sizeBytesMax);
    const isOther = former !== undefined && (former.cluster !== list.cluster || former.revision > list.revision);
    this.#mustList = false;
    onListed(list, isForeign || isOther);
  }

  get #granted(): readonly Uint8Array[] {
    const denied = this.#options.denied();
    return this.#options.prefixes.filter((prefix) => !denied.has(nameOf(prefix)));
  }

  async #waitForRights(signal: AbortSignal): Promise<void> {
    const { backoff } = this.#options;
    this.#mustList = true;
    await backoff.sleep(this.#deniedRetryMs(), signal);
  }

  /** Asks for the denied prefixes now and then. Returns a function that ends it. */
  #retryDenied(session: AbortSignal): () => void {
    const denied = this.#options.denied();
    const over = new AbortController();
    if (denied.size === 0) this.#denials = 0;
    else void this.#untilGranted(AbortSignal.any([session, over.signal]));
    return () => over.abort();
  }

  async #untilGranted(signal: AbortSignal): Promise<void> {
    const { backoff, cluster, denied, prefixes } = this.#options;
    while (!signal.aborted) {
      await backoff.sleep(this.#deniedRetryMs(), signal);
      for (const prefix of prefixes) {
        if (signal.aborted || !denied().has(nameOf(prefix))) continue;
        const answer = cluster.range(rangeRequest({ ...spanOf(prefix), countOnly: true }));
        if (
          await answer.then(
            () => true,
            () => false,
          )
        )
          return this.listAgain();
      }
    }
  }

  #deniedRetryMs(): number {
    return Math.min(DENIED_RETRY_LIMIT_MS, DENIED_RETRY_MS * 2 ** Math.min(this.#denials++, 10));
  }

  async #watch(signal: AbortSignal): Promise<void> {
    const copy = this.#options.copy();
    if (copy === undefined) return;
    const stream = await this.#options.cluster.watch();
    const close = (): void => stream.close();
    if (signal.aborted) return close();
    signal.addEventListener("abort", close, { once: true });
    try {
      await new Watching(this.#options, stream, this.#granted, copy).run(() => {
        this.#failures = 0;
      });
    } finally {
      signal.removeEventListener("abort", close);
      close();
    }
  }
}

/** One stream of watches. */
class Watching {
  readonly #options: FollowerOptions;
  readonly #stream: WatchStream;
  readonly #prefixes: readonly Uint8Array[];
  readonly #barrier: Barrier;
  readonly #over: AbortController = new AbortController();
  readonly #cluster: bigint;
  #revision: number;
  /** How many watches the server has registered, in the order in which they were asked for. */
  #created = 0;
  #isAsking = false;
  #wasCurrent = false;
  #failure: unknown;

  constructor(options: FollowerOptions, stream: WatchStream, prefixes: readonly Uint8Array[], copy: ReplicaCopy) {
    this.#options = options;
    this.#stream = stream;
    this.#prefixes = prefixes;
    this.#barrier = new Barrier(prefixes.length);
    this.#cluster = copy.cluster;
    this.#revision = copy.revision;
  }

  /** Resolves when the stream was closed here. Rejects with EtcdError. `onCurrent` is called once. */
  async run(onCurrent: () => void): Promise<void> {
    for (const [at, prefix] of this.#prefixes.entries()) {
      // From the copy's own revision on: a watch of the future has no progress to tell before it has come.
      const create = watchCreateRequest({ ...spanOf(prefix), startRevision: this.#revision, watchId: at + 1 });
      this.#stream.request({ type: "create", create });
    }
    try {
      for (;;) {
        const response = await this.#stream.next();
        if (response === undefined)
          throw this.#failure ?? new EtcdError(GrpcCode.Unavailable, "the watch stream ended");
        this.#received(response);
        if (this.#wasCurrent) onCurrent();
      }
    } finally {
      this.#over.abort();
    }
  }

  #received(response: WatchResponse): void {
    checkCluster(response, this.#cluster);
    if (response.canceled) return this.#canceled(response);
    if (response.created) {
      this.#created++;
      if (this.#created === this.#prefixes.length) this.#ask();
      return;
    }
    if (response.events.length === 0) return this.#progressed(response);
    this.#take(response.events);
  }

  /** One that is not registered is answered with created and canceled, in its turn. */
  #canceled(response: WatchResponse): never {
    const error = cancelError(response);
    const at = response.created ? this.#created : response.watchId - 1;
    const prefix = this.#prefixes[at];
    // What a user may read may end while the watch waits. The next session goes on with the others.
    if (meaningOf(error) === "denied") this.#options.onDenied(prefix === undefined ? this.#prefixes : [prefix]);
    throw error;
  }

  #take(events: readonly Event[]): void {
    this.#checkEvents(events);
    const known = this.#revision;
    this.#apply(this.#barrier.received(events.filter(({ kv }) => kv !== undefined && kv.modRevision > known)));
    if (this.#barrier.sizeBytes > this.#options.sizeBytesMax) throw new ReplicaFullError(this.#options.sizeBytesMax);
    if (this.#barrier.isWaiting) this.#ask();
  }

  #checkEvents(events: readonly Event[]): void {
    for (const { kv } of events) {
      if (kv === undefined || !this.#prefixes.some((prefix) => startsWith(kv.key, prefix))) {
        throw new EtcdError(GrpcCode.Internal, "the cluster sent an event that was not asked for");
      }
    }
  }

  /** Only the whole stream's counts; a watch's own says nothing of the others. */
  #progressed({ watchId, header }: WatchResponse): void {
    if (watchId !== -1 && this.#prefixes.length > 1) return;
    if (this.#created < this.#prefixes.length) return;
    this.#isAsking = false;
    this.#apply(this.#barrier.reached(header.revision));
    this.#revision = Math.max(this.#revision, header.revision);
    this.#wasCurrent = true;
    this.#options.onCurrent(this.#revision);
    if (this.#barrier.isWaiting) this.#ask();
  }

  #apply(steps: readonly Step[]): void {
    for (const step of steps) {
      this.#revision = step.revision;
      this.#options.onStep(step);
    }
  }

  /** Asks for the stream's progress until it is told. */
  #ask(): void {
    if (this.#isAsking) return;
    this.#isAsking = true;
    void this.#askAgain();
  }

  async #askAgain(): Promise<void> {
    const { signal } = this.#over;
    for (
      let waitMs = ASK_AGAIN_MS;
      this.#isAsking && !signal.aborted;
      waitMs = Math.min(waitMs * 2, ASK_AGAIN_LIMIT_MS)
    ) {
      try {
        this.#stream.request({ type: "progress", progress: {} });
      } catch (error) {
        this.#failure = error;
        return this.#stream.close();
      }
      await this.#options.backoff.sleep(waitMs, signal);
    }
  }
}

function checkCluster({ header }: WatchResponse, cluster: bigint): void {
  if (header.clusterId === 0n || header.clusterId === cluster) return;
  throw new EtcdError(GrpcCode.Unavailable, "another cluster answers at this address");
}

/** As streams over plain HTTP are. */
function isHalfDuplex(error: unknown): boolean {
  return error instanceof EtcdError && error.code === GrpcCode.Unimplemented;
}
