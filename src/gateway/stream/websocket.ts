/**
 * Watch, and etcd's other streams, over a WebSocket, a browser's only full-duplex transport. Each text frame in is one
 * JSON request, each frame out one line of the stream, as in the WebSocket proxy in front of etcd's gateway.
 *
 * `WebSocket.send` buffers without limit and has no drain event. While more than `maxBufferedBytes` are buffered
 * (polled every `lookEveryMs`) no response is pulled from the member. A client that drains nothing for `stalledAfterMs`
 * is disconnected; it can resume from its last revision.
 */
import { decodeJson } from "../../protocol/codec/json-decode.ts";
import type { Schema } from "../../protocol/codec/schema.ts";
import { watchRequestSchema } from "../../protocol/api/schema/watch-schema.ts";
import type { CallContext, WatchService, WatchStream } from "../../member/api/services.ts";
import { tooLarge } from "../http/body.ts";
import { streamErrorLine } from "../http/errors.ts";
import { IdleProbe } from "./idle-probe.ts";
import { watchLine } from "./watch-http.ts";

/** The part of a WebSocket that is used here, in browsers and in workers. */
export interface WebSocketLike {
  /** Bytes passed to `send` that the network has not taken yet. */
  readonly bufferedAmount: number;
  send(text: string): void;
  close(code?: number, reason?: string): void;
  addEventListener(type: "message", listener: (event: { readonly data: unknown }) => void): void;
  addEventListener(type: "close" | "error", listener: () => void): void;
}

export interface WebSocketLimits {
  /** Limit of a request, in bytes. */
  readonly maxMessageBytes: number;
  /** Buffered bytes above which nothing is added. Default 256 KiB. */
  readonly maxBufferedBytes?: number;
  /** Milliseconds after which a socket whose buffered bytes do not decrease is closed. Default 60,000. */
  readonly stalledAfterMs?: number;
  /** Interval of checks of the buffer, in milliseconds. Default 50. */
  readonly lookEveryMs?: number;
  /**
   * Silence of a watch in milliseconds after which the stream checks whether the reader is still connected. Default
   * 60,000.
   */
  readonly probeAfterMs?: number;
}

const CLOSE_NORMAL = 1000;
const CLOSE_UNSUPPORTED = 1003;
const CLOSE_BAD_DATA = 1007;
const CLOSE_POLICY = 1008;
const CLOSE_TOO_BIG = 1009;
const CLOSE_BROKEN = 1011;

export function watchOverWebSocket(
  service: WatchService,
  socket: WebSocketLike,
  context: CallContext,
  limits: WebSocketLimits,
): void {
  const { probeAfterMs = 60_000 } = limits;
  const open = (): WatchStream => new IdleProbe(service.watch(context), probeAfterMs);
  overWebSocket(open, watchRequestSchema, watchLine, socket, limits);
}

/** Accepts requests; `next` returns one response at a time, and undefined once the stream has ended. */
export interface BidiStream<Request, Response> {
  request(request: Request): void;
  next(): Promise<Response | undefined>;
  close(): void;
}

export function overWebSocket<Request, Response>(
  open: () => BidiStream<Request, Response>,
  schema: Schema<Request>,
  lineOf: (response: Response) => string,
  socket: WebSocketLike,
  limits: WebSocketLimits,
): void {
  let stream: BidiStream<Request, Response>;
  try {
    stream = open();
  } catch (error) {
    socket.send(frameOf(streamErrorLine(error)));
    socket.close(CLOSE_NORMAL);
    return;
  }
  const call = new WebSocketCall(stream, schema, lineOf, socket, limits);
  socket.addEventListener("message", (event) => call.received(event.data));
  socket.addEventListener("close", () => call.gone());
  socket.addEventListener("error", () => call.gone());
  void call.send();
}

/** Frames need no line break. */
function frameOf(line: string): string {
  return line.slice(0, -1);
}

class WebSocketCall<Request, Response> {
  readonly #stream: BidiStream<Request, Response>;
  readonly #schema: Schema<Request>;
  readonly #lineOf: (response: Response) => string;
  readonly #socket: WebSocketLike;
  readonly #maxMessageBytes: number;
  readonly #maxBufferedBytes: number;
  readonly #stalledAfterMs: number;
  readonly #lookEveryMs: number;
  #over = false;

  constructor(
    stream: BidiStream<Request, Response>,
    schema: Schema<Request>,
    lineOf: (response: Response) => string,
    socket: WebSocketLike,
    limits: WebSocketLimits,
  ) {
    this.#stream = stream;
    this.#schema = schema;
    this.#lineOf = lineOf;
    this.#socket = socket;
    this.#maxMessageBytes = limits.maxMessageBytes;
    this.#maxBufferedBytes = limits.maxBufferedBytes ?? 256 * 1024;
    this.#stalledAfterMs = limits.stalledAfterMs ?? 60_000;
    this.#lookEveryMs = limits.lookEveryMs ?? 50;
  }

  received(data: unknown): void {
    if (this.#over) return;
    if (typeof data !== "string") return this.#end(CLOSE_UNSUPPORTED, "requests are text frames");
    if (data.length > this.#maxMessageBytes) {
      return this.#end(
        CLOSE_TOO_BIG,
        "request is too large",
        streamErrorLine(tooLarge(data.length, this.#maxMessageBytes)),
      );
    }
    try {
      this.#stream.request(decodeJson(this.#schema, data));
    } catch (error) {
      this.#end(CLOSE_BAD_DATA, "bad request", streamErrorLine(error));
    }
  }

  gone(): void {
    if (this.#over) return;
    this.#over = true;
    this.#stream.close();
    // Replies to the other side's close, on platforms that leave that to the application.
    this.#socket.close(CLOSE_NORMAL);
  }

  async send(): Promise<void> {
    try {
      while (await this.#hasRoom()) {
        const response = await this.#stream.next();
        if (this.#over) return;
        if (response === undefined) return this.#end(CLOSE_NORMAL, "");
        this.#socket.send(frameOf(this.#lineOf(response)));
      }
    } catch (error) {
      this.#end(CLOSE_BROKEN, "", streamErrorLine(error));
    }
  }

  /** Waits until the network has taken enough. Returns false if the socket is closed or stalled. */
  async #hasRoom(): Promise<boolean> {
    let least = this.#socket.bufferedAmount;
    let stalledMs = 0;
    while (!this.#over && this.#socket.bufferedAmount > this.#maxBufferedBytes) {
      if (stalledMs >= this.#stalledAfterMs) {
        this.#end(CLOSE_POLICY, "too slow");
        return false;
      }
      await new Promise((resolve) => setTimeout(resolve, this.#lookEveryMs));
      stalledMs = this.#socket.bufferedAmount < least ? 0 : stalledMs + this.#lookEveryMs;
      least = Math.min(least, this.#socket.bufferedAmount);
    }
    return !this.#over;
  }

  #end(code: number, reason: string, lastWords?: string): void {
    if (this.#over) return;
    this.#over = true;
    this.#stream.close();
    try {
      if (lastWords !== undefined) this.#socket.send(frameOf(lastWords));
      this.#socket.close(code, reason);
    } catch {
      // The socket was already closing.
    }
  }
}
