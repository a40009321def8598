/**
 * The front's end of carriers (protocol/mux-frame.ts): all streams of all clients over as few WebSockets to the
 * endpoint as hold them. A carrier is opened for the first stream and closed when there was none for a while, so that a
 * cluster at rest can sleep; when one breaks, its streams are Unavailable and the next stream opens another.
 */
import { assert, unreachable } from "../base/assert.ts";
import {
  CONNECTION_CREDIT_BYTES,
  MUX_PATH,
  CARRIER_PING_EVERY_MS,
  decodeFrame,
  encodeFrame,
  piecesOf,
} from "../protocol/mux-frame.ts";
import type { MuxFrame } from "../protocol/mux-frame.ts";
import { EtcdError, GrpcCode, grpcCodeOf } from "../protocol/errors.ts";
import { decode, encode } from "../protocol/codec/proto-codec.ts";
import { rpcPath } from "../protocol/api/rpc.ts";
import type { Rpc, RpcKind } from "../protocol/api/rpc.ts";
import type { Source } from "../member/api/source.ts";
import type { CallContext } from "../member/api/services.ts";
import { MuxStream } from "./mux-stream.ts";

/** What we use of a WebSocket. */
export interface MuxSocket {
  binaryType: string;
  send(bytes: Uint8Array<ArrayBuffer>): void;
  close(): void;
  addEventListener(
    type: "open" | "close" | "error" | "message",
    listener: (event: { readonly data?: unknown }) => void,
  ): void;
}

export type MuxSocketConstructor = new (url: string) => MuxSocket;

export interface MuxOptions {
  readonly endpoint: string;
  /** For a carrier to stand. */
  readonly timeoutMs: number;
  readonly WebSocket: MuxSocketConstructor;
  /** Over one carrier. Default 512: the member takes 1,024. */
  readonly maxStreams?: number;
  /** Default 2,000. */
  readonly pingEveryMs?: number;
  /** Default 30,000. */
  readonly closeAfterMs?: number;
}

export interface MuxCall<Request, Response> extends Source<Response> {
  request(message: Request): void;
}

const STREAM_ID_MAX = 0xffff_ffff;
/** A member may be busy for some seconds, and its callers lose more by a new start than by waiting. */
const SILENT_BEATS_MAX = 10;

export class MuxPool {
  readonly #options: MuxOptions;
  readonly #maxStreams: number;
  readonly #connections: Set<MuxConnection> = new Set();

  constructor(options: MuxOptions) {
    this.#options = options;
    this.#maxStreams = options.maxStreams ?? 512;
  }

  /** How many there are right now. */
  get count(): number {
    return this.#connections.size;
  }

  open<Request, Response>(rpc: Rpc<Request, Response, RpcKind>, context: CallContext): MuxCall<Request, Response> {
    const carrier = this.#withRoom();
    const { stream, id } = carrier.open(rpcPath(rpc), context);
    const close = (): void => carrier.cancel(id);
    context.signal?.addEventListener("abort", close, { once: true });
    if (context.signal?.aborted === true) close();
    return {
      request: (message) => carrier.request(id, encode(rpc.request, message)),
      async next() {
        const bytes = await stream.next();
        return bytes === undefined ? undefined : decode(rpc.response, bytes);
      },
      close,
    };
  }

  /** Ends all streams and connections; an idle one would keep the program for a while. */
  close(): void {
    for (const carrier of this.#connections) carrier.close();
  }

  #withRoom(): MuxConnection {
    for (const carrier of this.#connections) if (carrier.streams < this.#maxStreams && carrier.canOpen) return carrier;
    const carrier = new MuxConnection(this.#options, () => this.#connections.delete(carrier));
    this.#connections.add(carrier);
    return carrier;
  }
}

class MuxConnection {
  readonly #endpoint: string;
  readonly #socket: MuxSocket;
  readonly #onOver: () => void;
  readonly #closeAfterMs: number;
  readonly #streams: Map<number, MuxStream> = new Map();
  #lastId = 0;
  /** Frames from before the connection stood; undefined once it does. */
  #unsent: MuxFrame[] | undefined = [];
  #received = 0;
  #isHeard = true;
  /** Sent without an answer, in a row. */
  #silentBeats = 0;
  #isOver = false;
  #connecting: ReturnType<typeof setTimeout>;
  #pings: ReturnType<typeof setInterval> | undefined;
  #idle: ReturnType<typeof setTimeout> | undefined;

  constructor(options: MuxOptions, onOver: () => void) {
    const { endpoint, timeoutMs, pingEveryMs = CARRIER_PING_EVERY_MS } = options;
    this.#endpoint = endpoint;
    this.#onOver = onOver;
    this.#closeAfterMs = options.closeAfterMs ?? 30_000;
    this.#socket = new options.WebSocket(endpoint.replace(/^http/, "ws").replace(/\/$/, "") + MUX_PATH);
    this.#socket.binaryType = "arraybuffer";
    this.#connecting = setTimeout(() => this.#end(`no connection to ${endpoint} within ${timeoutMs} ms`), timeoutMs);
    this.#socket.addEventListener("open", () => this.#opened(pingEveryMs));
    this.#socket.addEventListener("message", ({ data }) => this.#message(data));
    this.#socket.addEventListener("error", () => this.#closed());
    this.#socket.addEventListener("close", () => this.#closed());
  }

  get streams(): number {
    return this.#streams.size;
  }

  /** Numbers are not used again. */
  get canOpen(): boolean {
    return !this.#isOver && this.#lastId < STREAM_ID_MAX;
  }

  open(method: string, { token, requireLeader }: CallContext): { readonly stream: MuxStream; readonly id: number } {
    assert(this.canOpen, "a carrier that is over carries nothing");
    clearTimeout(this.#idle);
    this.#lastId += 1;
    const id = this.#lastId;
    const stream = new MuxStream(id, (frame) => this.#send(frame));
    this.#streams.set(id, stream);
    this.#send({ type: "open", stream: id, method, token, requireLeader });
    return { stream, id };
  }

  request(id: number, message: Uint8Array): void {
    if (!this.#streams.has(id)) return;
    for (const piece of piecesOf(id, message)) this.#send(piece);
  }

  cancel(id: number): void {
    const stream = this.#streams.get(id);
    if (stream === undefined) return;
    this.#send({ type: "cancel", stream: id });
    this.#forget(id);
    stream.drop();
  }

  close(): void {
    this.#end("the front has stopped");
  }

  #opened(pingEveryMs: number): void {
    clearTimeout(this.#connecting);
    const frames = this.#unsent ?? [];
    this.#unsent = undefined;
    for (const frame of frames) this.#send(frame);
    this.#pings = setInterval(() => this.#ping(), pingEveryMs);
  }

  /** Each is answered. */
  #ping(): void {
    this.#silentBeats = this.#isHeard ? 0 : this.#silentBeats + 1;
    if (this.#silentBeats === SILENT_BEATS_MAX) return this.#end(`${this.#endpoint} has gone silent`);
    this.#isHeard = false;
    this.#send({ type: "ping", stream: 0 });
  }

  #message(data: unknown): void {
    if (this.#isOver) return;
    this.#isHeard = true;
    const frame = data instanceof ArrayBuffer ? decodeFrame(new Uint8Array(data)) : undefined;
    if (frame === undefined) return this.#end(`${this.#endpoint} sent what is not a carrier's frame`);
    switch (frame.type) {
      case "piece":
        this.#arrived(frame.bytes.length);
        return this.#streams.get(frame.stream)?.received(frame.bytes, frame.isLast);
      case "end": {
        const { stream: id, code, message } = frame;
        const error = code === GrpcCode.OK ? undefined : new EtcdError(grpcCodeOf(code), message);
        this.#streams.get(id)?.ended({ error });
        return this.#forget(id);
      }
      case "ping":
        return;
      case "open":
      case "cancel":
      case "credit":
        return this.#end(`${this.#endpoint} sent what only a front sends`);
      default:
        return unreachable(frame);
    }
  }

  /** Whatever arrives is kept by its stream, within the stream's own bounds. */
  #arrived(bytes: number): void {
    this.#received += bytes;
    if (this.#received < CONNECTION_CREDIT_BYTES / 4) return;
    this.#send({ type: "credit", stream: 0, bytes: this.#received });
    this.#received = 0;
  }

  #forget(id: number): void {
    if (!this.#streams.delete(id) || this.#streams.size > 0) return;
    this.#idle = setTimeout(() => this.#end(""), this.#closeAfterMs);
    // Nobody waits for it: the program may end.
    this.#idle.unref();
  }

  #send(frame: MuxFrame): void {
    if (this.#isOver) return;
    if (this.#unsent !== undefined) this.#unsent.push(frame);
    else this.#socket.send(encodeFrame(frame) as Uint8Array<ArrayBuffer>);
  }

  #closed(): void {
    const how = this.#unsent === undefined ? "lost the connection" : "no connection";
    this.#end(`${how} to ${this.#endpoint}`);
  }

  #end(reason: string): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearTimeout(this.#connecting);
    clearTimeout(this.#idle);
    clearInterval(this.#pings);
    this.#onOver();
    for (const stream of this.#streams.values()) stream.ended({ error: new EtcdError(GrpcCode.Unavailable, reason) });
    this.#streams.clear();
    this.#socket.close();
  }
}
