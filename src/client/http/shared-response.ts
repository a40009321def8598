/** One response that watches share (shared-watches.ts). It is opened anew whenever they change, and when they take turns. */
import { EtcdError, GrpcCode } from "../../protocol/errors.ts";
import type { WatchCreateRequest } from "../../protocol/api/watch.ts";
import type { HttpCaller } from "./http-call.ts";
import { HttpNdjson } from "./http-ndjson.ts";
import type { HttpWatch } from "./http-watch.ts";
import { watchRequestText, watchResponseOf } from "./watch-messages.ts";

export interface ResponsePool {
  /** Watches that a response may have at once. Others of it take turns with them. */
  readonly watchesMax: number;
  /** The server does not begin several watches of one request. These are to have other responses. */
  oneEach(watches: readonly HttpWatch[]): void;
  remove(watch: HttpWatch): void;
  /** A response broke off. The next server may be another one. */
  failed(): void;
}

/** Watches that are added within this time of each other begin together. */
const GATHER_MS = 2;
/** A server that has begun one watch and not the others within this time has not read their requests. */
const BEGIN_WITHIN_MS = 2_000;
/** How long watches follow while others wait for their turn. */
const TURN_MS = 1_000;
/** Progress of all watches of a stream. A refused one has no id of its own, either. */
const NO_WATCH_ID = -1;

export class SharedResponse {
  readonly #caller: HttpCaller;
  readonly #pool: ResponsePool;
  /** The next ones to have their turn first. */
  readonly #watches: Map<number, HttpWatch> = new Map();
  #lastId = 0;
  #lines: HttpNdjson | undefined;
  /** Watches of the open response that the server has not answered yet. It answers in order. */
  #unanswered: HttpWatch[] = [];
  #timers: ReturnType<typeof setTimeout>[] = [];
  /** The open response is to be replaced. */
  #isStale = false;
  #isRunning = false;
  #onChange: (() => void) | undefined;

  constructor(caller: HttpCaller, pool: ResponsePool) {
    this.#caller = caller;
    this.#pool = pool;
  }

  get size(): number {
    return this.#watches.size;
  }

  add(watch: HttpWatch): void {
    this.#lastId += 1;
    this.#watches.set(this.#lastId, watch);
    this.changed();
    if (!this.#isRunning) void this.#run();
  }

  /** Not before the open response has begun all its watches: else they might never begin. */
  changed(): void {
    this.#isStale = true;
    this.#onChange?.();
    if (this.#unanswered.length === 0) this.#lines?.close();
  }

  /** The open response may go on to have it, until something comes for it. */
  remove(watch: HttpWatch): void {
    for (const [id, each] of this.#watches) if (each === watch) this.#watches.delete(id);
    if (this.#watches.size > 0) return;
    this.#lines?.close();
    this.#onChange?.();
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    while (this.#watches.size > 0) {
      await new Promise((resolve) => setTimeout(resolve, GATHER_MS));
      this.#isStale = false;
      const asked = this.#next();
      if (asked.size > 0) await this.#follow([...asked.keys()], [...asked.values()]);
      // All are set aside, and wait for their readers.
      else await this.#change();
    }
    this.#isRunning = false;
  }

  /** Returns the requests of the watches whose turn it is, and lets the others be next. */
  #next(): ReadonlyMap<HttpWatch, WatchCreateRequest> {
    const asked = new Map<HttpWatch, WatchCreateRequest>();
    for (const [id, watch] of [...this.#watches]) {
      const create = asked.size < this.#pool.watchesMax ? watch.begin(id) : undefined;
      if (create === undefined) continue;
      asked.set(watch, create);
      this.#watches.delete(id);
      this.#watches.set(id, watch);
    }
    return asked;
  }

  /** Opens the response, and reads it until it ends or is to be replaced. */
  async #follow(asked: readonly HttpWatch[], creates: readonly WatchCreateRequest[]): Promise<void> {
    const context = asked.at(-1)?.context;
    if (context === undefined) return;
    this.#unanswered = [...asked];
    const body = creates.map((create) => watchRequestText({ type: "create", create })).join("\n");
    const lines = new HttpNdjson(this.#caller, { path: "/v3/watch", body, context, what: "the watch" });
    this.#lines = lines;
    this.#later(this.#caller.timeoutMs, () => this.#unanswered.length > 0 && lines.close());
    let error: unknown;
    try {
      for (let line = await lines.next(); line !== undefined; line = await lines.next()) {
        if (this.#timers.length === 1) this.#begun(asked);
        const watch = this.#received(line);
        if (watch?.isFull === true) await watch.room();
      }
    } catch (thrown) {
      error = thrown;
    }
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers = [];
    lines.close();
    this.#lines = undefined;
    for (const watch of asked) watch.pause();
    if (error === undefined && this.#isStale && this.#unanswered.length === 0) return;
    this.#unanswered = [];
    if (this.#watches.size === 0) return;
    this.#pool.failed();
    for (const watch of asked) {
      watch.ended(error);
      this.#pool.remove(watch);
    }
  }

  /** The first line is here. */
  #begun(asked: readonly HttpWatch[]): void {
    this.#later(Math.min(BEGIN_WITHIN_MS, this.#caller.timeoutMs / 2), () => {
      if (this.#unanswered.length === 0) return;
      this.#unanswered = [];
      this.#pool.oneEach([...this.#watches.values()].filter((watch) => watch !== asked[0]));
      this.changed();
    });
    if (this.#watches.size > asked.length) this.#later(TURN_MS, () => this.changed());
  }

  #later(delayMs: number, run: () => void): void {
    this.#timers.push(setTimeout(run, delayMs));
  }

  async #change(): Promise<void> {
    if (this.#isStale || this.#watches.size === 0) return;
    await new Promise<void>((resolve) => {
      this.#onChange = resolve;
    });
    this.#onChange = undefined;
  }

  /** Returns the watch whose response it is. */
  #received(line: string): HttpWatch | undefined {
    const response = watchResponseOf(this.#caller.endpoint, line);
    const watch = response.created ? this.#unanswered.shift() : this.#watches.get(response.watchId);
    if (watch !== undefined) watch.received(response, line.length);
    else if (response.created) throw new EtcdError(GrpcCode.Internal, "a watch was created that nobody asked for");
    else if (response.watchId !== NO_WATCH_ID) this.changed();
    else for (const each of this.#watches.values()) each.progressed(response);
    if (this.#isStale && this.#unanswered.length === 0) this.#lines?.close();
    return watch;
  }
}
