/**
 * One watch for an application: an endless iteration that survives broken streams.
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
import { errorDocs, EtcdError, errCompacted, errNoLeader, GrpcCode, grpcCodeOf } from "../../protocol/errors.ts";
import type { Event } from "../../protocol/api/kv.ts";
import type { WatchCreateRequest, WatchResponse as WireResponse } from "../../protocol/api/watch.ts";
import { headerOf, keyValueOf, optionalKeyValueOf } from "../common/convert.ts";
import { backoffMs } from "../common/backoff.ts";
import type { BackoffTimer } from "../common/backoff.ts";
import type { Header, WatchEvent, WatchResponse } from "../common/types.ts";

const RECONNECT_LIMIT_MS = 3000;

/**
 * The watch cannot continue where it stopped, because that history is compacted. The caller reads the keys again and
 * watches from `compactRevision` or later. Code OutOfRange.
 */
export class CompactedError extends EtcdError {
  readonly compactRevision: number;

  constructor(compactRevision: number) {
    super(errCompacted.code, errCompacted.message);
    this.name = "CompactedError";
    this.compactRevision = compactRevision;
  }

  override get docs(): string {
    return errorDocs("Compacted");
  }
}

export interface WatcherOptions {
  readonly open: () => WatchStream;
  readonly request: WatchCreateRequest;
  readonly backoff: BackoffTimer;
  readonly createdNotify: boolean;
  readonly signal: AbortSignal | undefined;
  readonly onDisconnect: ((error: Error) => void) | undefined;
  readonly onConnect?: (() => void) | undefined;
  readonly onEnd: (watcher: Watcher) => void;
}

type Result = IteratorResult<WatchResponse, undefined>;

const DONE: Result = { done: true, value: undefined };

/** An endless iteration over the responses of a watch. It ends without an error when the caller ends it. */
export class Watcher implements AsyncIterableIterator<WatchResponse, undefined> {
  /** Header of the response with which the server first registered the watch. All later puts are returned as events. */
  readonly created: Promise<Header>;

  readonly #options: WatcherOptions;
  readonly #over: AbortController = new AbortController();
  readonly #abort: () => void = () => this.#end();
  readonly #settle: { readonly resolve: (header: Header) => void; readonly reject: (error: unknown) => void };
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
    const { promise, resolve, reject } = deferred<Header>();
    this.created = promise;
    this.#settle = { resolve, reject };
    // next() reports both failures too, so callers need not handle these promises.
    promise.catch(ignore);
    options.signal?.addEventListener("abort", this.#abort, { once: true });
    if (options.signal?.aborted === true) this.#end();
    this.#ahead = this.#pull();
    this.#tail = this.#ahead.catch(ignore);
  }

  get isOver(): boolean {
    return this.#over.signal.aborted;
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

  /** Requests the watch's progress from the server. It arrives as a response with `progress` set. */
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
    if (!mayResume(error)) throw this.#fail(error);
    this.#options.onDisconnect?.(error);
    const { backoff } = this.#options;
    await backoff.sleep(backoffMs(this.#failures++, RECONNECT_LIMIT_MS, backoff.random), this.#over.signal);
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
    this.#settle.resolve(header);
    return this.#options.createdNotify ? { header, events: [], created: true, progress: false } : undefined;
  }

  #fail(error: unknown): unknown {
    this.#settle.reject(error);
    this.#end();
    return error;
  }

  #end(): void {
    if (this.#over.signal.aborted) return;
    this.#over.abort();
    this.#options.signal?.removeEventListener("abort", this.#abort);
    this.#settle.reject(new EtcdError(GrpcCode.Canceled, "the watch was ended before the server had taken it"));
    this.#stream?.close();
    this.#options.onEnd(this);
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
function cancelError(response: WireResponse): EtcdError {
  const { compactRevision, cancelReason } = response;
  if (compactRevision !== 0 || cancelReason === errCompacted.message) return new CompactedError(compactRevision);
  const printed = /^rpc error: code = (\w+) desc = (.*)$/s.exec(cancelReason);
  if (printed === null) return new EtcdError(GrpcCode.Canceled, cancelReason || "the server ended the watch");
  const code = GrpcCode[printed[1] as keyof typeof GrpcCode];
  return new EtcdError(grpcCodeOf(code ?? GrpcCode.Unknown), printed[2] ?? "");
}

function ignore(): void {}

function deferred<Value>(): {
  readonly promise: Promise<Value>;
  readonly resolve: (value: Value) => void;
  readonly reject: (error: unknown) => void;
} {
  let resolve: (value: Value) => void = ignore;
  let reject: (error: unknown) => void = ignore;
  const promise = new Promise<Value>((onResolve, onReject) => {
    resolve = onResolve;
    reject = onReject;
  });
  return { promise, resolve, reject };
}
