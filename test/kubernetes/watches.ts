/**
 * Watches as an apiserver holds them: many on one stream, with `hasleader`, always with what was there before, and the
 * stream's progress asked for while a consistent read waits. Each keeps its events, one line each.
 */
import { utf8Decode, utf8Encode } from "../../src/base/utf8.ts";
import type { Event } from "../../src/protocol/api/kv.ts";
import { RPCS } from "../../src/protocol/api/rpc/rpc-table.ts";
import type { WatchRequest, WatchResponse } from "../../src/protocol/api/watch.ts";
import { watchCreateRequest } from "../../src/protocol/api/watch.ts";
import type { Duplex, RawClient } from "../grpc/support/raw-client.ts";
import { prefixEnd } from "./storage.ts";
import { labelOf } from "./objects.ts";

const ALL_WATCHES = -1;

export interface Watched {
  readonly prefix: string;
  readonly lines: string[];
  /** Of its end; empty while it goes on. */
  cancelReason: string;
  compactRevision: number;
}

export class WatchStreamOfServer {
  readonly watches: Watched[] = [];
  readonly #stream: Duplex<WatchRequest, WatchResponse>;
  readonly #byId: Map<number, Watched> = new Map();
  readonly #progress: ((revision: number) => void)[] = [];
  #created: { readonly watch: Watched; readonly done: () => void }[] = [];
  #failed: unknown;
  #onEvents: () => void = () => {};

  constructor(client: RawClient) {
    this.#stream = client.duplex(RPCS.watch.watch, { metadata: { hasleader: "true" } });
    this.#read().catch((error: unknown) => {
      this.#failed = error;
    });
  }

  watch(prefix: string, startRevision: number): Promise<Watched> {
    const watch: Watched = { prefix, lines: [], cancelReason: "", compactRevision: 0 };
    this.watches.push(watch);
    const key = utf8Encode(prefix);
    const rangeEnd = prefixEnd(prefix);
    const create = watchCreateRequest({ key, rangeEnd, startRevision, prevKv: true, progressNotify: true });
    return new Promise((resolve) => {
      this.#created.push({ watch, done: () => resolve(watch) });
      this.#stream.call.write({ type: "create", create });
    });
  }

  /** The revision up to which all watches of this stream have received everything. */
  async progress(everyMs: number, atLeast: number): Promise<number> {
    for (;;) {
      if (this.#failed !== undefined) throw this.#failed;
      const received = await new Promise<number>((resolve) => {
        const timer = setTimeout(() => resolve(0), everyMs);
        this.#progress.push((revision) => {
          clearTimeout(timer);
          resolve(revision);
        });
        this.#stream.call.write({ type: "progress", progress: {} });
      });
      if (received >= atLeast) return received;
    }
  }

  /** Resolves with the next response that has events, or ends a watch. */
  nextEvents(): Promise<void> {
    return new Promise((resolve) => {
      this.#onEvents = resolve;
    });
  }

  close(): void {
    this.#stream.cancel();
  }

  async #read(): Promise<void> {
    for (;;) this.#take(await this.#stream.next());
  }

  #take(response: WatchResponse): void {
    const { watchId, created, canceled, events, header } = response;
    if (created) {
      const [next, ...others] = this.#created;
      this.#created = others;
      if (next === undefined) throw new Error("a watch was created that nobody asked for");
      this.#byId.set(watchId, next.watch);
      next.done();
    }
    const watch = this.#byId.get(watchId);
    if (canceled && watch !== undefined) {
      watch.cancelReason = response.cancelReason === "" ? "canceled" : response.cancelReason;
      watch.compactRevision = response.compactRevision;
    }
    if (watch !== undefined) for (const event of events) watch.lines.push(lineOf(event));
    if (watchId === ALL_WATCHES) for (const received of this.#progress.splice(0)) received(header.revision);
    if (events.length > 0 || canceled) this.#onEvents();
  }
}

/** kube-apiserver takes a change without what was there before for an error. */
function lineOf({ type, kv, prevKv }: Event): string {
  if (kv === undefined) throw new Error("an event without a key");
  const isCreated = type === "PUT" && kv.createRevision === kv.modRevision;
  if (!isCreated && prevKv === undefined) throw new Error(`no prev_kv at revision ${kv.modRevision}`);
  const now = type === "PUT" ? labelOf(kv.value) : "-";
  const before = prevKv === undefined ? "-" : `${labelOf(prevKv.value)}@${prevKv.modRevision}`;
  return `${kv.modRevision} ${utf8Decode(kv.key)} ${now} ${before}`;
}
