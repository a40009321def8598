/**
 * The proxy's end of multiplexed connections (protocol/mux-frame.ts): all streams of all clients over as few WebSockets
 * to the endpoint as possible. A connection is opened for its first stream, and closed when it had none for a while, so
 * that an idle cluster can quiesce. When a connection breaks, its streams fail with Unavailable, and the next stream
 * opens another.
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
import { rpcPath } from "../protocol/api/rpc/rpc.ts";
import type { Rpc, RpcKind } from "../protocol/api/rpc/rpc.ts";
import type { Source } from "../member/api/source.ts";
import type { CallContext } from "../member/api/services.ts";
import { MuxStream } from "./mux-stream.ts";

/** The part of a WebSocket that is used here. */
export interface MuxSocket {
  binaryType: string;
  send(bytes: Uint8Array<ArrayBuffer>): void;
  close(): void;
  addEventListener(
    type: "open" | "close" | "error" | "message",
    listener: (event: { readonly data?: unknown }) => void,
  ): void;
}

export type MuxSocketConstructor = new (url: string, protocols?: string[]) => MuxSocket;

export interface MuxOptions {
  readonly endpoint: string;
  /** Limit for opening a connection, in milliseconds. */
  readonly timeoutMs: number;
  readonly WebSocket: MuxSocketConstructor;
  /** Sent for streams that bring no token, and when a connection is opened. Default: none. */
  readonly token?: string;
  /** Streams per connection. Default 512; the member accepts 1,024. */
  readonly maxStreams?: number;
  /** Interval of pings, in milliseconds. Default 2,000. */
  readonly pingEveryMs?: number;
  /** Milliseconds after which a connection without streams is closed. Default 30,000. */
  readonly closeAfterMs?: number;
}

export interface MuxCall<Request, Response> extends Source<Response> {
  request(message: Request): void;
}

const STREAM_ID_MAX = 0xffff_ffff;
/** A member may be busy for some seconds. Its callers lose more by a reconnect than by waiting. */
const UNANSWERED_PINGS_MAX = 10;

export class MuxPool {
  readonly #options: MuxOptions;
  readonly #maxStreams: number;
  readonly #connections: Set<MuxConnection> = new Set();

  constructor(options: MuxOptions) {
    this.#options = options;
    this.#maxStreams = options.maxStreams ?? 512;
  }

  /** Number of open connections. */
  get count(): number {
    return this.#connections.size;
  }

  open<Request, Response>(rpc: Rpc<Request, Response, RpcKind>, context: CallContext): MuxCall<Request, Response> {
    const connection = this.#withRoom();
    const { stream, id } = connection.open(rpcPath(rpc), context);
    const close = (): void => connection.cancel(id);
    context.signal?.addEventListener("abort", close, { once: true });
    if (context.signal?.aborted === true) close();
    return {
      request: (message) => connection.request(id, encode(rpc.request, message)),
      async next() {
        const bytes = await stream.next();
        return bytes === undefined ? undefined : decode(rpc.response, bytes);
      },
      close,
    };
  }

  /** Ends all streams and connections. An idle connection would keep the process alive for a while. */
  close(): void {
    for (const connection of this.#connections) connection.close();
  }

  #withRoom(): MuxConnection {
    for (const connection of this.#connections)
      if (connection.streams < this.#maxStreams && connection.canOpen) return connection;
    const connection = new MuxConnection(this.#options, () => this.#connections.delete(connection));
    this.#connections.add(connection);
    return connection;
  }
}

class MuxConnection {
  readonly #endpoint: string;
  readonly #socket: MuxSocket;
  readonly #onOver: () => void;
  readonly #closeAfterMs: number;
  readonly #token: string;
  readonly #streams: Map<number, MuxStream> = new Map();
  #lastId = 0;
  /** Frames sent before the connection was open; undefined once it is open. */
  #unsent: MuxFrame[] | undefined = [];
  #received = 0;
  #isHeard = true;
  /** Consecutive pings without a reply. */
  #unansweredPings = 0;
  #isOver = false;
  #connecting: ReturnType<typeof setTimeout>;
  #pings: ReturnType<typeof setInterval> | undefined;
  #idle: ReturnType<typeof setTimeout> | undefined;

  constructor(options: MuxOptions, onOver: () => void) {
    const { endpoint, timeoutMs, token = "", pingEveryMs = CARRIER_PING_EVERY_MS } = options;
    this.#token = token;
    this.#endpoint = endpoint;
    this.#onOver = onOver;
    this.#closeAfterMs = options.closeAfterMs ?? 30_000;
    const url = endpoint.replace(/^http/, "ws").replace(/\/$/, "") + MUX_PATH;
    this.#socket = token === "" ? new options.WebSocket(url) : new options.WebSocket(url, ["Bearer", token]);
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

  /** Stream ids are not reused. */
  get canOpen(): boolean {
    return !this.#isOver && this.#lastId < STREAM_ID_MAX;
  }

  open(method: string, { token, requireLeader }: CallContext): { readonly stream: MuxStream; readonly id: number } {
    assert(this.canOpen, "a closed connection opens no stream");
    clearTimeout(this.#idle);
    this.#lastId += 1;
    const id = this.#lastId;
    const stream = new MuxStream(id, (frame) => this.#send(frame));
    this.#streams.set(id, stream);
    this.#send({ type: "open", stream: id, method, token: token === "" ? this.#token : token, requireLeader });
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

  /** The member replies to each ping. */
  #ping(): void {
    this.#unansweredPings = this.#isHeard ? 0 : this.#unansweredPings + 1;
    if (this.#unansweredPings === UNANSWERED_PINGS_MAX) return this.#end(`${this.#endpoint} has gone silent`);
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

  /** All received data is buffered by its stream, within the stream's limits. */
  #arrived(bytes: number): void {
    this.#received += bytes;
    if (this.#received < CONNECTION_CREDIT_BYTES / 4) return;
    this.#send({ type: "credit", stream: 0, bytes: this.#received });
    this.#received = 0;
  }

  #forget(id: number): void {
    if (!this.#streams.delete(id) || this.#streams.size > 0) return;
    this.#idle = setTimeout(() => this.#end(""), this.#closeAfterMs);
    // An idle connection must not keep the process alive.
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
