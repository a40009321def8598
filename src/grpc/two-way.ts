/** The two streams in which requests come as they like: watches, and the beats of leases. */
import type { Pulled } from "../member/pulled.ts";
import type { ServerDuplexStream } from "@grpc/grpc-js";
import { errWatchCanceled } from "../protocol/errors.ts";
import type { LeaseKeepAliveRequest, LeaseKeepAliveResponse } from "../protocol/lease.ts";
import type { WatchRequest, WatchResponse } from "../protocol/watch.ts";
import type { CallContext, LeaseService, Services } from "../member/services.ts";
import { callContext } from "./call-context.ts";
import { readable } from "./codec.ts";
import type { Unreadable } from "./codec.ts";

type WatchCall = ServerDuplexStream<WatchRequest | Unreadable, WatchResponse>;
type BeatCall = ServerDuplexStream<LeaseKeepAliveRequest | Unreadable, LeaseKeepAliveResponse>;

/** A client that will send no more requests still hears of its watches. */
export function watchSource({ watch }: Services, call: WatchCall): Pulled<WatchResponse> {
  const stream = watch.watch(callContext(call.metadata));
  let refusal: unknown;
  call.on("data", (request: WatchRequest | Unreadable) => {
    try {
      stream.request(readable(request));
    } catch (error) {
      refusal ??= error;
      stream.close();
    }
  });
  return {
    async next() {
      const response = await stream.next();
      if (refusal !== undefined) throw refusal;
      if (response === undefined) throw errWatchCanceled;
      return response;
    },
    close: () => stream.close(),
  };
}

export function beatSource({ lease }: Services, call: BeatCall): Pulled<LeaseKeepAliveResponse> {
  const abort = new AbortController();
  return new Beats(lease, call, callContext(call.metadata, abort.signal), abort);
}

/** Beats that wait to be passed on; a client that sends more is not read from until they are. */
const WAITING_MAX = 256;

/** One answer for one beat, in order, until the beats end. */
class Beats implements Pulled<LeaseKeepAliveResponse> {
  readonly #lease: LeaseService;
  readonly #call: BeatCall;
  readonly #context: CallContext;
  readonly #abort: AbortController;
  #waiting: (LeaseKeepAliveRequest | Unreadable)[] = [];
  #isLast = false;
  #wake: (() => void) | undefined;

  constructor(lease: LeaseService, call: BeatCall, context: CallContext, abort: AbortController) {
    this.#lease = lease;
    this.#call = call;
    this.#context = context;
    this.#abort = abort;
    call.on("data", (request: LeaseKeepAliveRequest | Unreadable) => this.#received(request));
    call.on("end", () => this.#ended());
  }

  async next(): Promise<LeaseKeepAliveResponse | undefined> {
    while (this.#waiting.length === 0 && !this.#isLast) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const beat = this.#waiting.shift();
    if (this.#call.isPaused() && this.#waiting.length < WAITING_MAX / 2) this.#call.resume();
    return beat === undefined ? undefined : this.#lease.keepAlive(readable(beat), this.#context);
  }

  close(): void {
    this.#waiting = [];
    this.#abort.abort();
    this.#ended();
  }

  #received(request: LeaseKeepAliveRequest | Unreadable): void {
    this.#waiting.push(request);
    if (this.#waiting.length >= WAITING_MAX) this.#call.pause();
    this.#wake?.();
  }

  #ended(): void {
    this.#isLast = true;
    this.#wake?.();
  }
}
