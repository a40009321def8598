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
import type { CallContext, MemberWatchService, WatchService, WatchStream } from "../../member/api/services.ts";
import { EMPTY_BYTES } from "../../base/bytes.ts";
import { tooLarge } from "../http/body.ts";
import { streamErrorLine } from "../http/errors.ts";
import type { CallerLimits } from "../http/caller-limits.ts";
import type { Hibernation, SavedSocket } from "./hibernation.ts";
import { IdleProbe } from "./idle-probe.ts";
import { encodeSaved, positionOf, restoredContext, type RestoredSocket, savedWatch } from "./saved-stream.ts";
import { UnreadBytes } from "./unread-bytes.ts";
import { watchLine } from "./watch-http.ts";

/** The part of a WebSocket that is used here, in browsers and in workers. */
export interface WebSocketLike {
  /** Bytes passed to `send` that the network has not taken yet; absent where the platform does not tell. */
  readonly bufferedAmount?: number;
  /** Present if the server of the socket may be evicted from memory. */
  readonly hibernation?: Hibernation | undefined;
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
const CLOSE_TRY_AGAIN_LATER = 1013;
const UNREAD = "too much was sent without a sign that it was read; resume from the last revision";
const WATCH_PATH = "/v3/watch";

export function watchOverWebSocket(
  service: WatchService,
  socket: WebSocketLike,
  context: CallContext,
  limits: WebSocketLimits,
  callers?: CallerLimits,
): void {
  overWebSocket(() => opened(service.watch(context), socket, limits), watchRequestSchema, watchLine, socket, limits, {
    unread: unreadOf(socket, context, callers),
    save: (stream, unmarked) => savedWatchSocket(stream, context, unmarked),
  });
}

/** Goes on with a watch that a former server has saved. Throws if it cannot. */
export function resumeWatchOverWebSocket(
  service: MemberWatchService,
  socket: WebSocketLike,
  { address, streams: [saved], progress }: RestoredSocket,
  limits: WebSocketLimits,
  callers?: CallerLimits,
): void {
  if (saved === undefined) throw new Error("a watch was saved without its stream");
  const context = restoredContext(saved, address);
  const stream = service.resume({ context, position: positionOf(saved, progress) });
  overWebSocket(() => stream, watchRequestSchema, watchLine, socket, limits, {
    unread: unreadOf(socket, context, callers, progress.unmarked),
    save: (one, unmarked) => savedWatchSocket(one, context, unmarked),
  });
}

/** A timer would keep the server in memory. There the platform reports a reader that is gone. */
function opened(stream: WatchStream, { hibernation }: WebSocketLike, limits: WebSocketLimits): WatchStream {
  return hibernation === undefined ? new IdleProbe(stream, limits.probeAfterMs ?? 60_000) : stream;
}

function unreadOf(
  { hibernation }: WebSocketLike,
  context: CallContext,
  callers: CallerLimits | undefined,
  unread = 0,
): UnreadBytes | undefined {
  if (hibernation === undefined) return undefined;
  return new UnreadBytes(callers?.take("unread_bytes", context, 0), false, unread);
}

function savedWatchSocket(
  stream: BidiStream<never, unknown>,
  context: CallContext,
  unmarked: number,
): SavedSocket | undefined {
  const position = (stream as Partial<WatchStream>).position?.();
  if (position === undefined) return undefined;
  const streams = [savedWatch(0, context, position)];
  return encodeSaved(
    { path: WATCH_PATH, address: context.address ?? "", takesBatches: false, takesMarks: false, streams },
    { revision: position.revision, credit: 0, credits: EMPTY_BYTES, unmarked },
  );
}

/** Of a socket whose server may be evicted. */
interface Keeping<Stream> {
  readonly unread: UnreadBytes | undefined;
  readonly save: (stream: Stream, unmarked: number) => SavedSocket | undefined;
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
  keeping?: Keeping<BidiStream<Request, Response>>,
): void {
  let stream: BidiStream<Request, Response>;
  try {
    stream = open();
  } catch (error) {
    socket.send(frameOf(streamErrorLine(error)));
    socket.close(CLOSE_NORMAL);
    return;
  }
  const call = new WebSocketCall(stream, schema, lineOf, socket, limits, keeping);
  socket.hibernation?.onQuiet(() => call.save());
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
  readonly #keeping: Keeping<BidiStream<Request, Response>> | undefined;
  #over = false;

  constructor(
    stream: BidiStream<Request, Response>,
    schema: Schema<Request>,
    lineOf: (response: Response) => string,
    socket: WebSocketLike,
    limits: WebSocketLimits,
    keeping: Keeping<BidiStream<Request, Response>> | undefined,
  ) {
    this.#keeping = keeping;
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

  save(): SavedSocket | undefined {
    return this.#over ? undefined : this.#keeping?.save(this.#stream, this.#keeping.unread?.unmarked ?? 0);
  }

  gone(): void {
    if (this.#over) return;
    this.#over = true;
    this.#stream.close();
    this.#keeping?.unread?.release();
    // Replies to the other side's close, on platforms that leave that to the application.
    this.#socket.close(CLOSE_NORMAL);
  }

  async send(): Promise<void> {
    try {
      while (await this.#hasRoom()) {
        const response = await this.#stream.next();
        if (this.#over) return;
        if (response === undefined) return this.#end(CLOSE_NORMAL, "");
        const frame = frameOf(this.#lineOf(response));
        // Nothing shows here what was read. A client that reads resumes from its last revision.
        if (this.#keeping?.unread?.add(frame.length) === false) return this.#end(CLOSE_TRY_AGAIN_LATER, UNREAD);
        this.#socket.send(frame);
      }
    } catch (error) {
      this.#end(CLOSE_BROKEN, "", streamErrorLine(error));
    }
  }

  /** Waits until the network has taken enough. Returns false if the socket is closed or stalled. */
  async #hasRoom(): Promise<boolean> {
    let least = this.#socket.bufferedAmount ?? 0;
    let stalledMs = 0;
    while (!this.#over && (this.#socket.bufferedAmount ?? 0) > this.#maxBufferedBytes) {
      if (stalledMs >= this.#stalledAfterMs) {
        this.#end(CLOSE_POLICY, "too slow");
        return false;
      }
      await new Promise((resolve) => setTimeout(resolve, this.#lookEveryMs));
      const buffered = this.#socket.bufferedAmount ?? 0;
      stalledMs = buffered < least ? 0 : stalledMs + this.#lookEveryMs;
      least = Math.min(least, buffered);
    }
    return !this.#over;
  }

  #end(code: number, reason: string, lastWords?: string): void {
    if (this.#over) return;
    this.#over = true;
    this.#stream.close();
    this.#keeping?.unread?.release();
    try {
      if (lastWords !== undefined) this.#socket.send(frameOf(lastWords));
      this.#socket.close(code, reason);
    } catch {
      // The socket was already closing.
    }
  }
}
