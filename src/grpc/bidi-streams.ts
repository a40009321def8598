/** The two streams in which requests come as they like: watches, and the beats of leases. */
import type { Source } from "../member/api/source.ts";
import type { ServerDuplexStream } from "@grpc/grpc-js";
import { errWatchCanceled } from "../protocol/errors.ts";
import type { LeaseKeepAliveRequest, LeaseKeepAliveResponse } from "../protocol/api/lease.ts";
import type { WatchRequest, WatchResponse } from "../protocol/api/watch.ts";
import type { Services } from "../member/api/services.ts";
import { KeepAliveStream } from "./keep-alive-stream.ts";
import { callContext } from "./call-context.ts";
import { readable } from "./codec.ts";
import type { Unreadable } from "./codec.ts";
import type { ProxiedServices } from "./proxied-services.ts";

type WatchCall = ServerDuplexStream<WatchRequest | Unreadable, WatchResponse>;
type KeepAliveCall = ServerDuplexStream<LeaseKeepAliveRequest | Unreadable, LeaseKeepAliveResponse>;

/** A client that will send no more requests still hears of its watches. */
export function watchSource({ watch }: Services, call: WatchCall): Source<WatchResponse> {
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

/** Beats without an answer; a client that sends more is not read from until they have theirs. */
const WAITING_MAX = 256;

/** One answer for one beat, in order, until the beats end. */
class KeepAliveRequests implements Source<LeaseKeepAliveResponse> {
  readonly #call: KeepAliveCall;
  readonly #keepAlives: KeepAliveStream;
  readonly #abort: AbortController;
  #waiting = 0;
  #isLast = false;
  /** Of what comes after all that wait. */
  #refusal: unknown;
  #wake: (() => void) | undefined;

  constructor(call: KeepAliveCall, beats: KeepAliveStream, abort: AbortController) {
    this.#call = call;
    this.#keepAlives = beats;
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
    const answer = await this.#keepAlives.next();
    this.#waiting -= 1;
    if (this.#call.isPaused() && this.#waiting < WAITING_MAX / 2) this.#call.resume();
    return answer;
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
