/** The two bidirectional streams: watches, and keep-alives of leases. */
import type { Source } from "../member/api/source.ts";
import type { ServerDuplexStream } from "@grpc/grpc-js";
import { errWatchCanceled } from "../protocol/errors.ts";
import type { LeaseKeepAliveRequest, LeaseKeepAliveResponse } from "../protocol/api/lease.ts";
import type { WatchRequest, WatchResponse } from "../protocol/api/watch.ts";
import type { Services, WatchStream } from "../member/api/services.ts";
import type { EncodedMuxCall } from "../client/mux/mux-connection.ts";
import { KeepAliveStream } from "./keep-alive-stream.ts";
import { callContext } from "./call-context.ts";
import { readable } from "./codec.ts";
import type { Encoded, Unreadable } from "./codec.ts";
import type { ProxiedServices } from "./proxied-services.ts";

type WatchCall = ServerDuplexStream<WatchRequest | Unreadable, WatchResponse | Encoded>;
/** What comes over a multiplexed connection need not be decoded: one event may go to thousands of watches. */
type Passed = WatchStream & Partial<EncodedMuxCall<WatchRequest, WatchResponse>>;
type KeepAliveCall = ServerDuplexStream<LeaseKeepAliveRequest | Unreadable, LeaseKeepAliveResponse>;

/** A client that has ended its requests still receives the events of its watches. */
export function watchSource({ watch }: Services, call: WatchCall): Source<WatchResponse | Encoded> {
  const stream: Passed = watch.watch(callContext(call.metadata));
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
      const response = await (stream.nextBytes?.() ?? stream.next());
      if (refusal !== undefined) throw refusal;
      if (response === undefined) throw errWatchCanceled;
      return response;
    },
    close: () => stream.close(),
  };
}

export function keepAliveSource(
  { lease, keepAlives }: ProxiedServices,
  call: KeepAliveCall,
): Source<LeaseKeepAliveResponse> {
  const abort = new AbortController();
  return new KeepAliveRequests(
    call,
    new KeepAliveStream(lease, callContext(call.metadata, abort.signal), keepAlives),
    abort,
  );
}

/** Keep-alives without a response. The stream of a client that sends more is paused until they have theirs. */
const WAITING_MAX = 256;

/** One response per keep-alive, in order, until the requests end. */
class KeepAliveRequests implements Source<LeaseKeepAliveResponse> {
  readonly #call: KeepAliveCall;
  readonly #keepAlives: KeepAliveStream;
  readonly #abort: AbortController;
  #waiting = 0;
  #isLast = false;
  /** Why a request was rejected; reported after the responses to all earlier ones. */
  #refusal: unknown;
  #wake: (() => void) | undefined;

  constructor(call: KeepAliveCall, keepAlives: KeepAliveStream, abort: AbortController) {
    this.#call = call;
    this.#keepAlives = keepAlives;
    this.#abort = abort;
    call.on("data", (request: LeaseKeepAliveRequest | Unreadable) => this.#received(request));
    call.on("end", () => this.#ended());
  }

  async next(): Promise<LeaseKeepAliveResponse | undefined> {
    while (this.#waiting === 0 && !this.#isLast) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    if (this.#waiting === 0) {
      if (this.#refusal !== undefined) throw this.#refusal;
      return undefined;
    }
    const response = await this.#keepAlives.next();
    this.#waiting -= 1;
    if (this.#call.isPaused() && this.#waiting < WAITING_MAX / 2) this.#call.resume();
    return response;
  }

  close(): void {
    this.#ended();
    this.#abort.abort();
    this.#keepAlives.close();
  }

  #received(request: LeaseKeepAliveRequest | Unreadable): void {
    if (this.#isLast) return;
    try {
      this.#keepAlives.request(readable(request));
    } catch (error) {
      this.#refusal = error;
      return this.#ended();
    }
    this.#waiting += 1;
    if (this.#waiting >= WAITING_MAX) this.#call.pause();
    this.#wake?.();
  }

  #ended(): void {
    this.#isLast = true;
    this.#wake?.();
  }
}
