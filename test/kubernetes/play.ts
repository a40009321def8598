/**
 * The traffic of a Kubernetes cluster as its etcd sees it: apiservers watch every resource, objects come, change and go, are
 * listed in pages while they change, history is compacted, leases end. Every answer and every event is compared with an
 * account of what was done; what differs is thrown.
 */
import { utf8Decode } from "../../src/base/utf8.ts";
import type { KeyValue } from "../../src/protocol/api/kv.ts";
import { failure, RawClient } from "../grpc/support/raw-client.ts";
import { labelOf, Ledger, objectOf } from "./objects.ts";
import { KubernetesStorage } from "./storage.ts";
import { type Watched, WatchStreamOfServer } from "./watches.ts";

export interface PlayOptions {
  /** Of etcd's gRPC: `host:port`. */
  readonly address: string;
  readonly objects: number;
  readonly objectBytes: number;
  readonly watches: number;
  readonly resources: number;
  /** Each holds its part of the watches on a stream of its own. */
  readonly apiservers: number;
  /** Calls under way at once. */
  readonly inFlight: number;
  readonly pageLimit: number;
}

export interface Step {
  readonly name: string;
  readonly count: number;
  readonly tookMs: number;
}

const OUT_OF_RANGE = 11;
const LEASE_SECONDS = 2;
const EVENTS_LEASE_SECONDS = 3600;
/** How often an apiserver asks for progress while a read waits for it. */
const PROGRESS_EVERY_MS = 100;

export async function play(options: PlayOptions, received: (step: Step) => void): Promise<void> {
  const clients = Array.from({ length: options.apiservers }, () => new RawClient(options.address));
  try {
    await new Play(options, clients, received).run();
  } finally {
    for (const client of clients) client.close();
  }
}

class Play {
  readonly #options: PlayOptions;
  readonly #storages: readonly KubernetesStorage[];
  readonly #streams: readonly WatchStreamOfServer[];
  readonly #received: (step: Step) => void;
  readonly #ledger: Ledger = new Ledger();
  readonly #watched: Watched[] = [];
  /** Keys of other runs lie elsewhere. */
  readonly #root: string = `/registry/${Date.now().toString(36)}`;
  #start = 0;

  constructor(options: PlayOptions, clients: readonly RawClient[], received: (step: Step) => void) {
    this.#options = options;
    this.#storages = clients.map((client) => new KubernetesStorage(client));
    this.#streams = clients.map((client) => new WatchStreamOfServer(client));
    this.#received = received;
  }

  async run(): Promise<void> {
    const { objects, watches, resources } = this.#options;
    await this.#timed("watches created", watches, () => this.#watchAll());
    const masterLease = await this.#grantMasterLease();
    await this.#timed("objects created", objects, () => this.#createAll());
    await this.#timed("consistent reads (progress of each stream)", this.#streams.length, () => this.#progress());
    await this.#timed("objects listed in pages, changing", objects, () => this.#listWhileChanging());
    await this.#timed("objects updated, a third after a conflict", objects / 2, () => this.#updateHalf());
    await this.#progress();
    await this.#timed("objects streamed", objects, () => this.#streamAll());
    await this.#timed("objects deleted", Math.floor(objects / 5), () => this.#deleteSome());
    await this.#counts(resources);
    await this.#masterLeaseEnds(masterLease);
    const events = this.#expectedEvents();
    await this.#timed("events still on their way", events, () => this.#progress());
    this.#checkWatches();
    await this.#timed("compactions by the marker", 1, () => this.#compaction());
    for (const stream of this.#streams) stream.close();
  }

  async #timed(name: string, count: number, run: () => Promise<void>): Promise<void> {
    const startMs = performance.now();
    await run();
    this.#received({ name, count: Math.floor(count), tookMs: performance.now() - startMs });
  }

  async #watchAll(): Promise<void> {
    const { watches, resources } = this.#options;
    this.#start = (await this.#storage(0).currentRevision(`${this.#root}/`)) + 1;
    const created = Array.from({ length: watches }, (_, at) =>
      this.#stream(at).watch(this.#prefix(Math.floor(at / this.#streams.length) % resources), this.#start),
    );
    this.#watched.push(...(await Promise.all(created)));
  }

  /** Each apiserver tells by a key that it is there, and lets go of it by doing nothing. */
  async #grantMasterLease(): Promise<bigint> {
    const lease = await this.#storage(0).grant(LEASE_SECONDS);
    const outcome = await this.#storage(0).create(this.#masterKey(), objectOf("master", 64), lease);
    if (outcome.type !== "written") throw new Error("the master lease's key is there already");
    return lease;
  }

  /** Events hang on a lease that many of them share. */
  async #createAll(): Promise<void> {
    const lease = await this.#storage(0).grant(EVENTS_LEASE_SECONDS);
    await this.#each(this.#options.objects, async (at, storage) => {
      const key = this.#key(at);
      const label = `o${at}v1`;
      const outcome = await storage.create(key, this.#object(label), at % 10 === 0 ? lease : 0n);
      if (outcome.type !== "written") throw new Error(`${key} was there before it was created`);
      this.#ledger.written(key, label, outcome.revision);
      if (at % 50 !== 0) return;
      const again = await storage.create(key, this.#object("again"));
      if (again.type !== "conflict" || again.current !== undefined) throw new Error(`${key} was created twice`);
    });
  }

  /** A read from the cache is consistent once the watch has reached the revision that etcd is at. */
  async #progress(): Promise<void> {
    const current = await this.#storage(0).currentRevision(`${this.#root}/`);
    await Promise.all(this.#streams.map((stream) => stream.progress(PROGRESS_EVERY_MS, current)));
  }

  async #listWhileChanging(): Promise<void> {
    const { resources, pageLimit } = this.#options;
    let changed = 0;
    const change = async (): Promise<void> => this.#update(changed++ * 7, "changed", this.#storage(0));
    let listed = 0;
    for (let resource = 0; resource < resources; resource++) {
      const prefix = this.#prefix(resource);
      const { kvs, revision } = await this.#storage(resource).list(prefix, pageLimit, change);
      this.#compare(`the list of ${prefix}`, kvs.map(shown), this.#ledger.at(prefix, revision));
      listed += kvs.length;
    }
    if (listed !== this.#options.objects) throw new Error(`${listed} of ${this.#options.objects} objects were listed`);
    // All at once, as a cache is filled at the start.
    const whole = await this.#storage(1).list(`${this.#root}/`, 10_000);
    this.#compare("the whole list", whole.kvs.filter(isObject).map(shown), this.#objectsAt(whole.revision));
  }

  async #updateHalf(): Promise<void> {
    await this.#each(this.#options.objects / 2, async (half, storage) => {
      const at = half * 2;
      if (half % 3 === 0) await this.#conflict(at, storage);
      await this.#update(at, `o${at}v2`, storage);
    });
  }

  async #conflict(at: number, storage: KubernetesStorage): Promise<void> {
    const key = this.#key(at);
    const seen = this.#ledger.current(key);
    const outcome = await storage.update(key, (seen?.revision ?? 0) - 1, this.#object("too late"));
    const { current } = outcome.type === "conflict" ? outcome : { current: undefined };
    if (current === undefined || shown(current) !== `${key} ${seen?.label}@${seen?.revision}`) {
      throw new Error(`an update of ${key} with an old revision was not answered with what is there`);
    }
  }

  async #update(at: number, label: string, storage: KubernetesStorage): Promise<void> {
    const key = this.#key(at % this.#options.objects);
    const before = this.#ledger.current(key);
    const outcome = await storage.update(key, before?.revision ?? 0, this.#object(label));
    if (outcome.type !== "written") throw new Error(`${key} had changed though nobody else writes it`);
    this.#ledger.written(key, label, outcome.revision);
  }

  async #streamAll(): Promise<void> {
    const { kvs, revision } = await this.#storage(0).stream(`${this.#root}/`);
    this.#compare("the streamed range", kvs.filter(isObject).map(shown), this.#objectsAt(revision));
  }

  async #deleteSome(): Promise<void> {
    await this.#each(this.#options.objects / 5, async (fifth, storage) => {
      const key = this.#key(fifth * 5 + 1);
      const revision = this.#ledger.current(key)?.revision ?? 0;
      const late = await storage.delete(key, revision + 1);
      if (late.type !== "conflict" || late.current?.modRevision !== revision) throw new Error(`${key} went too early`);
      const outcome = await storage.delete(key, revision);
      if (outcome.type !== "written") throw new Error(`${key} could not be deleted`);
      this.#ledger.written(key, undefined, outcome.revision);
    });
  }

  async #counts(resources: number): Promise<void> {
    for (let resource = 0; resource < resources; resource++) {
      const prefix = this.#prefix(resource);
      const expected = this.#ledger.at(prefix, Number.MAX_SAFE_INTEGER).length;
      const count = await this.#storage(resource).count(prefix);
      if (count !== expected) throw new Error(`${prefix} counts ${count}, not ${expected}`);
    }
  }

  async #masterLeaseEnds(lease: bigint): Promise<void> {
    const deadlineMs = performance.now() + 60_000;
    while ((await this.#storage(0).get(this.#masterKey())) !== undefined) {
      if (performance.now() > deadlineMs) throw new Error(`lease ${lease} does not end`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  #expectedEvents(): number {
    return this.#watched.reduce((sum, { prefix }) => sum + this.#ledger.received(prefix, this.#start).length, 0);
  }

  #checkWatches(): void {
    for (const { prefix, lines, cancelReason } of this.#watched) {
      if (cancelReason !== "") throw new Error(`the watch of ${prefix} ended: ${cancelReason}`);
      this.#compare(`the events of ${prefix}`, lines, this.#ledger.received(prefix, this.#start));
    }
  }

  /** Two apiservers want it at the same time; what lies before is gone then, and says so. */
  async #compaction(): Promise<void> {
    const first = await this.#storage(0).compact(-1, 0);
    if (first.isMine) throw new Error("the marker has a version below zero");
    const revision = this.#ledger.revision;
    const both = await Promise.all([0, 1].map((at) => this.#storage(at).compact(first.version, revision)));
    if (both.filter(({ isMine }) => isMine).length !== 1) throw new Error("not one of two compacted");
    if (both.some(({ version }) => version !== first.version + 1)) throw new Error("the marker was moved twice");
    await this.#refused(revision - 1, "etcdserver: mvcc: required revision has been compacted");
    await this.#refused(revision + 1_000_000, "etcdserver: mvcc: required revision is a future revision");
    const stream = this.#stream(0);
    const ended = stream.nextEvents();
    const watch = await stream.watch(this.#prefix(0), this.#start);
    await ended;
    if (watch.compactRevision !== revision) throw new Error(`a watch of the past ended with ${watch.compactRevision}`);
  }

  async #refused(revision: number, text: string): Promise<void> {
    const { code, details } = await failure(this.#storage(0).list(this.#prefix(0), 10, undefined, revision));
    if (code !== OUT_OF_RANGE || details !== text) throw new Error(`a list at ${revision} failed with "${details}"`);
  }

  async #each(count: number, run: (at: number, storage: KubernetesStorage) => Promise<void>): Promise<void> {
    let next = 0;
    const worker = async (_: unknown, of: number): Promise<void> => {
      while (next < Math.floor(count)) await run(next++, this.#storage(of));
    };
    await Promise.all(Array.from({ length: this.#options.inFlight }, worker));
  }

  #objectsAt(revision: number): readonly string[] {
    return this.#ledger.at(`${this.#root}/`, revision);
  }

  #compare(what: string, seen: readonly string[], expected: readonly string[]): void {
    const at = expected.findIndex((text, index) => seen[index] !== text);
    if (at === -1 && seen.length === expected.length) return;
    const where = at === -1 ? expected.length : at;
    throw new Error(
      `${what}: ${seen.length} of ${expected.length}, and at ${where} "${seen[where]}" instead of "${expected[where]}"`,
    );
  }

  #object(label: string): Uint8Array {
    return objectOf(label, this.#options.objectBytes);
  }

  #key(at: number): string {
    return `${this.#prefix(at % this.#options.resources)}ns${at % 7}/${String(at).padStart(6, "0")}`;
  }

  #prefix(resource: number): string {
    return `${this.#root}/resource${String(resource).padStart(3, "0")}/`;
  }

  #masterKey(): string {
    return `${this.#root}/masterleases/10.0.0.1`;
  }

  #storage(at: number): KubernetesStorage {
    return this.#storages[at % this.#storages.length] as KubernetesStorage;
  }

  #stream(at: number): WatchStreamOfServer {
    return this.#streams[at % this.#streams.length] as WatchStreamOfServer;
  }
}

function shown({ key, value, modRevision }: KeyValue): string {
  return `${utf8Decode(key)} ${labelOf(value)}@${modRevision}`;
}

function isObject({ key }: KeyValue): boolean {
  return !utf8Decode(key).includes("/masterleases/");
}
