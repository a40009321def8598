/**
 * A replica: the copy in memory, what follows the cluster, and the store behind it.
 *
 *     store ── read at the start ──►  copy  ◄── lists and steps ── follower ◄── cluster
 *       ▲                              │ │
 *       └── changes, a little later ───┘ └──► ranges and watches of this page
 *
 * It is current while its watches are open and have told everything. Otherwise it says since when it may be old, and goes
 * on answering.
 */
import type { Connection } from "../client/app/connection.ts";
import type { BackoffTimer } from "../client/common/backoff.ts";
import { deferred } from "../client/common/deferred.ts";
import type { Deferred } from "../client/common/deferred.ts";
import { Store } from "../client/common/store.ts";
import { EtcdError, errPermissionDenied, GrpcCode } from "../protocol/errors.ts";
import type { RangeRequest, RangeResponse } from "../protocol/api/kv.ts";
import type { ResponseHeader } from "../protocol/api/header.ts";
import type { WatchCreateRequest } from "../protocol/api/watch.ts";
import type { WatchStream } from "../member/api/services.ts";
import { executeRange } from "../mvcc/range/range.ts";
import { checkRange } from "../mvcc/validate.ts";
import { LocalWatches } from "./copy/local-watches.ts";
import { isWithin, nameOf, startsWith } from "./copy/prefixes.ts";
import type { KeySpan } from "./copy/prefixes.ts";
import { ReplicaCopy } from "./copy/replica-copy.ts";
import type { Step } from "./copy/barrier.ts";
import type { ClusterList } from "./follow/cluster-list.ts";
import { ClusterFollower } from "./follow/cluster-follower.ts";
import type { Cluster } from "./follow/cluster-follower.ts";
import { meaningOf, ReplicaFullError } from "./follow/refusals.ts";
import { CopyWriter } from "./store/copy-writer.ts";
import type { ReplicaStore, StoredCopy } from "./store/replica-store.ts";
import type { ReplicaSnapshot } from "./replica-types.ts";

export interface LocalReplicaOptions {
  readonly cluster: Cluster;
  /** In order, none within another one. */
  readonly prefixes: readonly Uint8Array[];
  readonly sizeBytesMax: number;
  readonly openStore: () => Promise<ReplicaStore>;
  readonly connection: Connection;
  readonly backoff: BackoffTimer;
  readonly nowMs: () => number;
  readonly textOf: (prefix: Uint8Array) => string;
}

const CATCHING_UP = "This copy is being brought up to date.";
const DENIED = "The user may not read these keys.";

export class LocalReplica {
  readonly #options: LocalReplicaOptions;
  readonly #snapshots: Store<ReplicaSnapshot>;
  readonly #ready: Deferred<void> = deferred();
  readonly #over: AbortController = new AbortController();
  readonly #writer: CopyWriter;
  readonly #follower: ClusterFollower;
  #copy: ReplicaCopy | undefined;
  #watches: LocalWatches | undefined;
  #denied: ReadonlySet<string> = new Set();
  #isCurrent = false;
  /** When the copy was last known to be current. */
  #currentAtMs = 0;

  constructor(options: LocalReplicaOptions) {
    this.#options = options;
    this.#snapshots = new Store<ReplicaSnapshot>({
      revision: 0,
      denied: [],
      storage: "opening",
      storageReason: "",
      error: undefined,
    });
    // The connection tells what goes wrong, too, so callers need not handle this promise.
    this.#ready.promise.catch(() => {});
    this.#writer = new CopyWriter({
      open: options.openStore,
      limits: { sizeBytesMax: options.sizeBytesMax, holds: (key) => options.prefixes.some((p) => startsWith(key, p)) },
      copy: () => this.#copy,
      mark: (copy) => ({
        cluster: copy.cluster,
        revision: copy.revision,
        denied: [...this.#denied],
        currentAtMs: this.#isCurrent ? options.nowMs() : this.#currentAtMs,
      }),
      onState: (storage, storageReason) => this.#show({ storage, storageReason }),
      onOther: () => this.#follower.listAgain(),
      backoff: options.backoff,
    });
    this.#follower = new ClusterFollower({
      ...options,
      copy: () => this.#copy,
      denied: () => this.#denied,
      over: this.#over.signal,
      onListed: (list, isForeign) => this.#listed(list, isForeign),
      onStep: (step) => this.#step(step),
      onCurrent: (revision) => this.#current(revision),
      onDenied: (prefixes) => this.#deny(prefixes),
      onLost: (error) => this.#lost(error),
    });
  }

  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  get getSnapshot(): () => ReplicaSnapshot {
    return this.#snapshots.getSnapshot;
  }

  get subscribe(): (listener: () => void) => () => void {
    return this.#snapshots.subscribe;
  }

  /** Resolves when it is over. Does not reject. */
  async run(): Promise<void> {
    this.#options.connection.set("joining", "Looking for a copy in this browser.");
    const stored = await this.#writer.open();
    if (this.#over.signal.aborted) return;
    if (stored !== undefined) this.#restore(stored);
    else this.#options.connection.set("joining", "Reading the cluster for the first time.");
    try {
      await this.#follower.follow();
    } catch (error) {
      this.#failed(error);
    }
  }

  /** Whether a read of these keys is answered here. Throws EtcdError if the user may not read them. */
  answers(span: KeySpan): boolean {
    const prefix = this.#options.prefixes.find((one) => isWithin(span, one));
    if (prefix === undefined) return false;
    if (this.#denied.has(nameOf(prefix))) throw errPermissionDenied;
    return this.#copy !== undefined;
  }

  /** Whether the history that a watch needs is here. */
  reaches(startRevision: number): boolean {
    return this.#copy !== undefined && (startRevision === 0 || startRevision >= this.#copy.compactRevision);
  }

  /** Throws EtcdError. */
  range(request: RangeRequest): RangeResponse {
    const copy = this.#copyThere();
    checkRange(request);
    const response = executeRange(copy, request);
    return { ...response, header: this.#header(copy.revision) };
  }

  watch(request: WatchCreateRequest): WatchStream {
    this.#copyThere();
    this.#watches ??= new LocalWatches(this.#copyThere(), (revision) => this.#header(revision));
    return this.#watches.open(request);
  }

  /** The page may end soon. Resolves when the copy is stored, as far as it can be. */
  flush(): Promise<void> {
    return this.#writer.flush();
  }

  async close(): Promise<void> {
    if (this.#over.signal.aborted) return;
    this.#leave();
    await this.#writer.close();
  }

  async forget(): Promise<void> {
    this.#leave();
    await this.#writer.delete();
    this.#copy = undefined;
  }

  #leave(): void {
    if (this.#isCurrent) this.#currentAtMs = this.#options.nowMs();
    this.#isCurrent = false;
    this.#over.abort();
    this.#watches?.close();
    this.#ready.reject(new EtcdError(GrpcCode.Canceled, "the client is closed"));
  }

  #copyThere(): ReplicaCopy {
    if (this.#copy === undefined) throw new EtcdError(GrpcCode.Unavailable, "the replica has no copy yet");
    return this.#copy;
  }

  /** No member answers, so none is named. */
  #header(revision: number): ResponseHeader {
    return { clusterId: this.#copy?.cluster ?? 0n, memberId: 0n, revision, raftTerm: 0 };
  }

  #restore({ mark, pairs }: StoredCopy): void {
    this.#denied = new Set(mark.denied);
    this.#copy = new ReplicaCopy(mark.cluster, mark.revision, pairs);
    this.#currentAtMs = mark.currentAtMs;
    this.#show({ revision: mark.revision, denied: this.#deniedTexts });
    this.#options.connection.set("catching-up", CATCHING_UP, this.#currentAtMs);
    this.#ready.resolve();
  }

  #listed({ cluster, revision, pairs, denied }: ClusterList, isForeign: boolean): void {
    const { prefixes } = this.#options;
    const isReadable = denied.length < prefixes.length;
    this.#setDenied(denied);
    // A list at the revision of the copy is the copy, unless one of them is of another history, or of other prefixes.
    this.#copy = isReadable ? new ReplicaCopy(cluster, revision, pairs) : undefined;
    if (this.#copy === undefined) {
      this.#watches?.close();
      this.#watches = undefined;
      this.#ready.reject(errPermissionDenied);
      this.#options.connection.set("unavailable", DENIED);
      void this.#writer.erase();
      return this.#show({ revision: 0 });
    }
    if (isForeign) this.#watches?.restart(this.#copy);
    else this.#watches?.replace(this.#copy);
    this.#writer.replaced(isForeign);
    this.#show({ revision });
    this.#ready.resolve();
  }

  #step({ revision, events }: Step): void {
    const copy = this.#copyThere();
    const kept = copy.apply(revision, events);
    this.#watches?.publish(revision, kept);
    copy.forgetOld(this.#writer.storedRevision);
    this.#checkSize(copy);
    this.#writer.changed();
    this.#show({ revision });
  }

  /** The past goes first; what of it is not stored yet is then stored with all the rest. */
  #checkSize(copy: ReplicaCopy): void {
    const { sizeBytesMax } = this.#options;
    if (copy.sizeBytes <= sizeBytesMax) return;
    copy.forgetPast(this.#writer.storedRevision);
    if (copy.sizeBytes <= sizeBytesMax) return;
    this.#writer.replaced(false);
    copy.forgetPast(Infinity);
    if (copy.sizeBytes > sizeBytesMax) throw new ReplicaFullError(sizeBytesMax);
  }

  #current(revision: number): void {
    const copy = this.#copyThere();
    copy.advance(revision);
    this.#isCurrent = true;
    this.#options.connection.set("connected", "");
    this.#show({ revision: copy.revision });
  }

  #deny(prefixes: readonly Uint8Array[]): void {
    const added = prefixes.filter((prefix) => !this.#denied.has(nameOf(prefix)));
    const copy = this.#copy;
    if (added.length === 0) return;
    this.#setDenied(this.#options.prefixes.filter((p) => this.#denied.has(nameOf(p)) || added.includes(p)));
    this.#watches?.deny(added);
    if (this.#denied.size === this.#options.prefixes.length) {
      this.#copy = undefined;
      this.#watches?.close();
      this.#watches = undefined;
      this.#ready.reject(errPermissionDenied);
      void this.#writer.erase();
      return this.#show({ revision: 0 });
    }
    if (copy === undefined) return;
    this.#copy = copy.without(added);
    this.#watches?.replace(this.#copy);
    this.#writer.replaced(false);
  }

  #setDenied(prefixes: readonly Uint8Array[]): void {
    this.#denied = new Set(prefixes.map(nameOf));
    this.#show({ denied: this.#deniedTexts });
  }

  get #deniedTexts(): readonly string[] {
    const { prefixes, textOf } = this.#options;
    return prefixes.filter((prefix) => this.#denied.has(nameOf(prefix))).map(textOf);
  }

  #lost(error: EtcdError): void {
    const { connection, nowMs } = this.#options;
    if (this.#isCurrent) this.#currentAtMs = nowMs();
    this.#isCurrent = false;
    if (this.#copy === undefined) {
      const isDenied = this.#denied.size > 0;
      return connection.set(isDenied ? "unavailable" : "joining", isDenied ? DENIED : error.message);
    }
    // Listed, and not yet known to be current for a moment.
    const since = this.#currentAtMs === 0 ? undefined : this.#currentAtMs;
    if (meaningOf(error) === "compacted") return connection.set("catching-up", CATCHING_UP, since);
    connection.set("disconnected", error.message, since);
  }

  #failed(error: unknown): void {
    const known = error instanceof EtcdError ? error : new EtcdError(GrpcCode.Internal, String(error));
    if (this.#isCurrent) this.#currentAtMs = this.#options.nowMs();
    this.#isCurrent = false;
    this.#options.connection.set("stopped", known.message);
    this.#ready.reject(known);
    this.#show({ error: known });
  }

  #show(changes: Partial<ReplicaSnapshot>): void {
    const before = this.#snapshots.getSnapshot();
    const names = Object.keys(changes) as (keyof ReplicaSnapshot)[];
    const isSame = names.every((name) => name !== "denied" && before[name] === changes[name]);
    const isSameDenied = changes.denied === undefined || changes.denied.join("\0") === before.denied.join("\0");
    if (isSame && isSameDenied) return;
    this.#snapshots.set({ ...before, ...changes });
  }
}
