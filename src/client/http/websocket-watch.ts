/**
 * Watches over a WebSocket to the same path, full duplex: one JSON request per frame out, one response per frame in.
 *
 * A WebSocket has no flow control. Responses that arrive faster than they are read are buffered here up to a limit.
 * Beyond it the connection is closed, and the watch continues over a new one from the last revision that was read.
 */
import type { WatchStream } from "../../member/api/services.ts";
import { EtcdError, GrpcCode } from "../../protocol/errors.ts";
import type { WatchRequest, WatchResponse } from "../../protocol/api/watch.ts";
import type { WebSocketConstructor, WebSocketLike } from "../common/web-socket-like.ts";
import { watchRequestText, watchResponseOf } from "./watch-messages.ts";

/** It is open, or it has ended without having been open, "closed" by its caller. */
export type Attempted = "open" | "refused" | "closed";

export interface WebSocketWatchOptions {
  readonly endpoint: string;
  readonly token: string;
  readonly timeoutMs: number;
  readonly WebSocket: WebSocketConstructor;
  /** Limit of the buffered frames in UTF-16 units. Default 16 Mi. */
  readonly maxWaiting?: number;
  /** Called once. */
  readonly onAttempted?: (outcome: Attempted) => void;
}

export class WebSocketWatchStream implements WatchStream {
  readonly #endpoint: string;
  readonly #socket: WebSocketLike;
  readonly #maxWaiting: number;
  readonly #timer: ReturnType<typeof setTimeout>;
  /** Requests made before the connection was open; undefined once it is open. */
  #unsent: WatchRequest[] | undefined = [];
  #frames: string[] = [];
  #waiting = 0;
  #isOver = false;
  readonly #onAttempted: WebSocketWatchOptions["onAttempted"];
  #error: EtcdError | undefined;
  #wake: (() => void) | undefined;

  constructor(options: WebSocketWatchOptions) {
    const { endpoint, token, timeoutMs } = options;
    this.#endpoint = endpoint;
    this.#onAttempted = options.onAttempted;
    this.#maxWaiting = options.maxWaiting ?? 16 * 1024 * 1024;
    const url = `${endpoint.replace(/^http/, "ws")}/v3/watch`;
    this.#socket = token === "" ? new options.WebSocket(url) : new options.WebSocket(url, ["Bearer", token]);
    this.#timer = setTimeout(() => this.#end(`no connection to ${endpoint} within ${timeoutMs} ms`), timeoutMs);
    this.#socket.addEventListener("open", () => this.#opened());
    this.#socket.addEventListener("message", ({ data }) => this.#received(data));
    // An "error" event has no details for a page. The "close" event that follows it reports the same.
    this.#socket.addEventListener("error", () => this.#closed());
    this.#socket.addEventListener("close", () => this.#closed());
  }

  request(request: WatchRequest): void {
    if (this.#unsent !== undefined) this.#unsent.push(request);
    else if (!this.#isOver) this.#socket.send(watchRequestText(request));
  }

  async next(): Promise<WatchResponse | undefined> {
    while (this.#frames.length === 0 && !this.#isOver) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const frame = this.#frames.shift();
    if (frame !== undefined) {
      this.#waiting -= frame.length;
      return watchResponseOf(this.#endpoint, frame);
    }
    if (this.#error !== undefined) throw this.#error;
    return undefined;
  }

  close(): void {
    this.#frames = [];
    this.#end(undefined);
  }

  #opened(): void {
    if (this.#isOver) return;
    clearTimeout(this.#timer);
    const requests = this.#unsent ?? [];
    this.#unsent = undefined;
    this.#onAttempted?.("open");
    for (const request of requests) this.request(request);
  }

  #received(data: unknown): void {
    if (this.#isOver) return;
    if (typeof data !== "string") return this.#end(`${this.#endpoint} sent a watch frame that is not text`);
    this.#frames.push(data);
    this.#waiting += data.length;
    if (this.#waiting > this.#maxWaiting) this.#end("the watch was read more slowly than the server told it");
    this.#wake?.();
  }

  #closed(): void {
    const how = this.#unsent === undefined ? "lost the connection" : "no connection";
    this.#end(`${how} to ${this.#endpoint}`);
  }

  #end(reason: string | undefined): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearTimeout(this.#timer);
    if (this.#unsent !== undefined) this.#onAttempted?.(reason === undefined ? "closed" : "refused");
    if (reason !== undefined) this.#error = new EtcdError(GrpcCode.Unavailable, reason);
    this.#socket.close();
    this.#wake?.();
  }
}
