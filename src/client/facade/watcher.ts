/**
 * One watch for an application: an endless iteration that survives broken streams. Loaded with the first watch
 * (lazy-watcher.ts).
 *
 * It remembers the next revision to return events of. When a stream breaks, it opens another one from there, so that no
 * event is lost or returned twice, whichever member serves it. It pulls: at most one response is buffered here, all
 * others wait at the server, which bounds them.
 *
 * It ends without an error when the caller ends it (`return()`, leaving a `for await`, an aborted signal, a closed
 * client). It ends with an EtcdError when the server refuses to continue: CompactedError if the next revisions are
 * compacted.
 */
import type { WatchStream } from "../../member/api/services.ts";
import { EtcdError, errCompacted, errNoLeader, GrpcCode, grpcCodeOf } from "../../protocol/errors.ts";
import type { Event } from "../../protocol/api/kv.ts";
import { watchCreateRequest } from "../../protocol/api/watch.ts";
import type { WatchCreateRequest, WatchResponse as WireResponse } from "../../protocol/api/watch.ts";
import { count, headerOf, keyRange, keyValueOf, optionalKeyValueOf } from "../common/convert.ts";
import { backoffMs } from "../common/backoff.ts";
import type { BackoffTimer } from "../common/backoff.ts";
import { deferred } from "../common/deferred.ts";
import type { Deferred } from "../common/deferred.ts";
import type { Bytes, Header, WatchEvent, WatchOptions, WatchResponse } from "../common/types.ts";
import { CompactedError } from "./compacted-error.ts";
import type { Watcher } from "./lazy-watcher.ts";

const RECONNECT_LIMIT_MS = 3000;
/** Internal errors in a row after which a watch that was never created fails. etcd's own client goes on for ever. */
const FOREIGN_RESPONSES_MAX = 3;

/** Makes the watch that the caller's arguments describe. */
export function resumingWatcher(
  key: Bytes,
  options: WatchOptions,
  rest: Pick<WatcherOptions, "open" | "backoff" | "signal">,
): ResumingWatcher {
  const { createdNotify = false, onDisconnect, onConnect } = options;
  const request = watchCreateRequest({
    ...keyRange(key, options),
    startRevision: count("startRevision", options.startRevision),
    progressNotify: options.progressNotify === true,
    filters: options.filters ?? [],
    prevKv: options.prevKv === true,
    fragment: options.fragment === true,
  });
  return new ResumingWatcher({ ...rest, request, createdNotify, onDisconnect, onConnect });
}

export interface WatcherOptions {
  readonly open: () => WatchStream;
  readonly request: WatchCreateRequest;
  readonly backoff: BackoffTimer;
  readonly createdNotify: boolean;
  readonly signal: AbortSignal | undefined;
  readonly onDisconnect: ((error: Error) => void) | undefined;
  readonly onConnect?: (() => void) | undefined;
}

type Result = IteratorResult<WatchResponse, undefined>;

const DONE: Result = { done: true, value: undefined };

export class ResumingWatcher implements Watcher {
  readonly created: Promise<Header>;

  readonly #options: WatcherOptions;
  readonly #over: AbortController = new AbortController();
  readonly #abort: () => void = () => this.#end();
  readonly #created: Deferred<Header> = deferred();
  #stream: WatchStream | undefined;
  #nextRevision: number;
  #failures = 0;
  #isCreated = false;
  /** Events of a response that the server sends in fragments. */
  #pieces: Event[] = [];
  /** A response that was pulled before the caller requested it. */
  #ahead: Promise<Result> | undefined;
  #tail: Promise<unknown>;

  constructor(options: WatcherOptions) {
    this.#options = options;
    this.#nextRevision = options.request.startRevision;
    this.created = this.#created.promise;
    // next() reports both failures too, so callers need not handle these promises.
    this.created.catch(ignore);
    options.signal?.addEventListener("abort", this.#abort, { once: true });
    if (options.signal?.aborted === true) this.#end();
    this.#ahead = this.#pull();
    this.#tail = this.#ahead.catch(ignore);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<Result> {
    const result = this.#ahead ?? this.#tail.then(() => this.#pull());
    this.#ahead = undefined;
    this.#tail = result.catch(ignore);
    return result;
  }

  return(): Promise<Result> {
    this.#end();
    return Promise.resolve(DONE);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end();
  }

  requestProgress(): void {
    this.#stream?.request({ type: "progress", progress: {} });
  }

  async #pull(): Promise<Result> {
    while (!this.#over.signal.aborted) {
      const response = await this.#receive();
      const result = response === undefined ? undefined : this.#digest(response);
      if (result !== undefined && !this.#over.signal.aborted) return { done: false, value: result };
    }
    return DONE;
  }

  /** Returns the next response. Returns undefined after a broken stream was replaced. */
  async #receive(): Promise<WireResponse | undefined> {
    try {
      this.#stream ??= this.#connect();
      const response = await this.#stream.next();
      if (response !== undefined) return response;
      await this.#recover(new EtcdError(GrpcCode.Unavailable, "the watch stream ended"));
    } catch (error) {
      await this.#recover(error);
    }
    return undefined;
  }

  #connect(): WatchStream {
    const stream = this.#options.open();
    stream.request({ type: "create", create: { ...this.#options.request, startRevision: this.#nextRevision } });
    return stream;
  }

  async #recover(error: unknown): Promise<void> {
    if (this.#over.signal.aborted) return;
    this.#pieces = [];
    this.#stream?.close();
    this.#stream = undefined;
    if (!mayResume(error) || this.#isHopeless(error)) throw this.#fail(error);
    this.#options.onDisconnect?.(error);
    const { backoff } = this.#options;
    await backoff.sleep(backoffMs(this.#failures++, RECONNECT_LIMIT_MS, backoff.random), this.#over.signal);
  }

  /** What is at the endpoint does not speak etcd's API: a web page, for example. */
  #isHopeless({ code }: EtcdError): boolean {
    return code === GrpcCode.Internal && !this.#isCreated && this.#failures >= FOREIGN_RESPONSES_MAX;
  }

  /** Returns what the caller sees of a response, if anything. */
  #digest(response: WireResponse): WatchResponse | undefined {
    this.#failures = 0;
    const header = headerOf(response.header);
    if (response.canceled) throw this.#fail(cancelError(response));
    if (response.created) return this.#digestCreated(header);
    this.#pieces.push(...response.events);
    if (response.fragment) return undefined;
    const events = this.#pieces;
    this.#pieces = [];
    const lastRevision = events.at(-1)?.kv?.modRevision ?? header.revision;
    this.#nextRevision = Math.max(this.#nextRevision, lastRevision + 1);
    return { header, events: events.map(eventOf), created: false, progress: events.length === 0 };
  }

  #digestCreated(header: Header): WatchResponse | undefined {
    this.#options.onConnect?.();
    if (this.#nextRevision === 0) this.#nextRevision = header.revision + 1;
    if (this.#isCreated) return undefined;
    this.#isCreated = true;
    this.#created.resolve(header);
    return this.#options.createdNotify ? { header, events: [], created: true, progress: false } : undefined;
  }

  #fail(error: unknown): unknown {
    this.#created.reject(error);
    this.#end();
    return error;
  }

  #end(): void {
    if (this.#over.signal.aborted) return;
    this.#over.abort();
    this.#options.signal?.removeEventListener("abort", this.#abort);
    this.#created.reject(new EtcdError(GrpcCode.Canceled, "the watch was ended before the server had taken it"));
    this.#stream?.close();
  }
}

function eventOf({ type, kv, prevKv }: Event): WatchEvent {
  if (kv === undefined) throw new EtcdError(GrpcCode.Internal, "a watch event came without its key");
  return { type, kv: keyValueOf(kv), prevKv: optionalKeyValueOf(prevKv) };
}

/** As in etcd's own client: a lost connection is retried, a rejection is not. */
function mayResume(error: unknown): error is EtcdError {
  if (!(error instanceof EtcdError) || error.message === errNoLeader.message) return false;
  return error.code === GrpcCode.Unavailable || error.code === GrpcCode.Internal;
}

/** On the wire the reason has no code of its own, only Go's printed form of an error. */
export function cancelError(response: WireResponse): EtcdError {
  const { compactRevision, cancelReason } = response;
  if (compactRevision !== 0 || cancelReason === errCompacted.message) return new CompactedError(compactRevision);
  const printed = /^rpc error: code = (\w+) desc = (.*)$/s.exec(cancelReason);
  if (printed === null) return new EtcdError(GrpcCode.Canceled, cancelReason || "the server ended the watch");
  const code = GrpcCode[printed[1] as keyof typeof GrpcCode];
  return new EtcdError(grpcCodeOf(code ?? GrpcCode.Unknown), printed[2] ?? "");
}

function ignore(): void {}
