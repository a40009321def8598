/**
 * Sends one client's keep-alives to the member. Keep-alives less than 5 s apart (over all clients) share a multiplexed
 * connection, pipelined, one frame each way. Rarer ones are unary calls, so that no connection stays open and the
 * member can hibernate. They are idempotent: after a loss, unanswered ones are sent again as calls, and no connection
 * is opened for 30 s.
 */
import type { CallContext, LeaseService } from "../member/api/services.ts";
import { EtcdError, GrpcCode } from "../protocol/errors.ts";
import type { LeaseKeepAliveRequest, LeaseKeepAliveResponse } from "../protocol/api/lease.ts";
import type { MuxCall } from "../client/mux/mux-connection.ts";

type OpenStream = (context: CallContext) => MuxCall<LeaseKeepAliveRequest, LeaseKeepAliveResponse>;

/** A keep-alive within this time of the last one is frequent. One without a response for this long is lost. */
const QUICK_MS = 5_000;
/** Time without a connection after a loss. */
const NO_CONNECTION_MS = 30_000;

/** After these codes the keep-alives are sent as calls, which wait for a leader and for an overloaded server. */
const PASSING: ReadonlySet<GrpcCode> = new Set([GrpcCode.Unavailable, GrpcCode.ResourceExhausted]);

/** The multiplexed connections for the keep-alives of all clients, whose rate counts in total. */
export class KeepAliveConnection {
  readonly #open: OpenStream;
  #lastMs: number = Number.NEGATIVE_INFINITY;
  #notBeforeMs: number = Number.NEGATIVE_INFINITY;

  constructor(open: OpenStream) {
    this.#open = open;
  }

  /** Called for a keep-alive to send. Returns undefined if it should be a unary call. */
  openFor(context: CallContext): ReturnType<OpenStream> | undefined {
    const nowMs = performance.now();
    const isQuick = nowMs - this.#lastMs < QUICK_MS;
    this.#lastMs = nowMs;
    // The caller closes the stream. A signal would collect a listener for each stream.
    return isQuick && nowMs >= this.#notBeforeMs ? this.#open({ ...context, signal: undefined }) : undefined;
  }

  lost(): void {
    this.#notBeforeMs = performance.now() + NO_CONNECTION_MS;
  }
}

/** One response per keep-alive, in order. */
export class KeepAliveStream {
  readonly #lease: LeaseService;
  readonly #context: CallContext;
  readonly #connection: KeepAliveConnection | undefined;
  #unsent: LeaseKeepAliveRequest[] = [];
  /** Sent over the stream. */
  #inFlight: LeaseKeepAliveRequest[] = [];
  #stream: ReturnType<OpenStream> | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isClosed = false;

  constructor(lease: LeaseService, context: CallContext, connection: KeepAliveConnection | undefined) {
    this.#lease = lease;
    this.#context = context;
    this.#connection = connection;
  }

  request(keepAlive: LeaseKeepAliveRequest): void {
    this.#unsent.push(keepAlive);
    if (this.#stream !== undefined) this.#sendAll(this.#stream);
  }

  /** Returns one response per request. Must not be called concurrently. */
  async next(): Promise<LeaseKeepAliveResponse | undefined> {
    const stream = this.#stream ?? this.#opened();
    if (stream !== undefined) {
      this.#sendAll(stream);
      const response = await this.#overConnection(stream);
      if (response !== undefined) return response;
    }
    const keepAlive = this.#unsent.shift();
    return keepAlive === undefined ? undefined : this.#lease.keepAlive(keepAlive, this.#context);
  }

  close(): void {
    this.#isClosed = true;
    this.#drop();
    this.#unsent = [];
  }

  #opened(): ReturnType<OpenStream> | undefined {
    this.#stream = this.#connection?.openFor(this.#context);
    if (this.#stream !== undefined) this.#timer = setTimeout(() => this.#drop(), QUICK_MS);
    return this.#stream;
  }

  #sendAll(stream: ReturnType<OpenStream>): void {
    if (this.#inFlight.length === 0) this.#timer?.refresh();
    for (const keepAlive of this.#unsent) stream.request(keepAlive);
    this.#inFlight.push(...this.#unsent);
    this.#unsent = [];
  }

  /** Returns undefined if the stream is lost. */
  async #overConnection(stream: ReturnType<OpenStream>): Promise<LeaseKeepAliveResponse | undefined> {
    try {
      const response = await stream.next();
      if (response !== undefined) {
        this.#inFlight.shift();
        this.#timer?.refresh();
        return response;
      }
    } catch (error) {
      if (!(error instanceof EtcdError) || !PASSING.has(error.code)) throw error;
    }
    if (!this.#isClosed) this.#connection?.lost();
    this.#drop();
    return undefined;
  }

  /** Requests without a response are unsent again. A pending `next` ends. */
  #drop(): void {
    clearTimeout(this.#timer);
    this.#unsent = [...this.#inFlight, ...this.#unsent];
    this.#inFlight = [];
    this.#stream?.close();
    this.#stream = undefined;
  }
}
