/**
 * The beats of one client's leases, on their way to the member. Beats that come in quick succession go over a carrier,
 * where each is one frame there and one back, and none waits for the answer to another; those that come now and then
 * are calls, so that nothing stays open and the member can sleep in between. A beat may be repeated: what a carrier
 * loses is called for, and the answer to that is the answer.
 */
import type { CallContext, LeaseService } from "../member/api/services.ts";
import { EtcdError, GrpcCode } from "../protocol/errors.ts";
import type { LeaseKeepAliveRequest, LeaseKeepAliveResponse } from "../protocol/api/lease.ts";
import type { MuxCall } from "./mux-client.ts";

type OpenStream = (context: CallContext) => MuxCall<LeaseKeepAliveRequest, LeaseKeepAliveResponse>;

/** What comes within it of the last one comes quickly; what takes longer to be answered is lost. */
const QUICK_MS = 5_000;
/** After one was lost. */
const NO_CONNECTION_MS = 30_000;

/** Calls wait where there is much to do, and for a leader. */
const PASSING: ReadonlySet<GrpcCode> = new Set([GrpcCode.Unavailable, GrpcCode.ResourceExhausted]);

/** The carriers for the beats of all clients, which count together. */
export class KeepAliveConnection {
  readonly #open: OpenStream;
  #lastMs: number = Number.NEGATIVE_INFINITY;
  #notBeforeMs: number = Number.NEGATIVE_INFINITY;

  constructor(open: OpenStream) {
    this.#open = open;
  }

  /** With a beat that is to be sent; undefined if it had better be a call. */
  openFor(context: CallContext): ReturnType<OpenStream> | undefined {
    const nowMs = performance.now();
    const isQuick = nowMs - this.#lastMs < QUICK_MS;
    this.#lastMs = nowMs;
    // Who asks closes it; a signal would collect a listener for each that was open for a while.
    return isQuick && nowMs >= this.#notBeforeMs ? this.#open({ ...context, signal: undefined }) : undefined;
  }

  lost(): void {
    this.#notBeforeMs = performance.now() + NO_CONNECTION_MS;
  }
}

/** One answer for one beat, in order. */
export class KeepAliveStream {
  readonly #lease: LeaseService;
  readonly #context: CallContext;
  readonly #connection: KeepAliveConnection | undefined;
  #unsent: LeaseKeepAliveRequest[] = [];
  /** Over the stream. */
  #unanswered: LeaseKeepAliveRequest[] = [];
  #stream: ReturnType<OpenStream> | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isClosed = false;

  constructor(lease: LeaseService, context: CallContext, carrier: KeepAliveConnection | undefined) {
    this.#lease = lease;
    this.#context = context;
    this.#connection = carrier;
  }

  request(beat: LeaseKeepAliveRequest): void {
    this.#unsent.push(beat);
    if (this.#stream !== undefined) this.#sendAll(this.#stream);
  }

  /** For each request one, and one at a time. */
  async next(): Promise<LeaseKeepAliveResponse | undefined> {
    const stream = this.#stream ?? this.#opened();
    if (stream !== undefined) {
      this.#sendAll(stream);
      const answer = await this.#overConnection(stream);
      if (answer !== undefined) return answer;
    }
    const beat = this.#unsent.shift();
    return beat === undefined ? undefined : this.#lease.keepAlive(beat, this.#context);
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
    if (this.#unanswered.length === 0) this.#timer?.refresh();
    for (const beat of this.#unsent) stream.request(beat);
    this.#unanswered.push(...this.#unsent);
    this.#unsent = [];
  }

  /** undefined if the stream is lost. */
  async #overConnection(stream: ReturnType<OpenStream>): Promise<LeaseKeepAliveResponse | undefined> {
    try {
      const answer = await stream.next();
      if (answer !== undefined) {
        this.#unanswered.shift();
        this.#timer?.refresh();
        return answer;
      }
    } catch (error) {
      if (!(error instanceof EtcdError) || !PASSING.has(error.code)) throw error;
    }
    if (!this.#isClosed) this.#connection?.lost();
    this.#drop();
    return undefined;
  }

  /** What it owes is unsent again; a wait for it ends. */
  #drop(): void {
    clearTimeout(this.#timer);
    this.#unsent = [...this.#unanswered, ...this.#unsent];
    this.#unanswered = [];
    this.#stream?.close();
    this.#stream = undefined;
  }
}
