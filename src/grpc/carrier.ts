/**
 * The front's end of carriers (protocol/carrier-frame.ts): all streams of all clients over as few WebSockets to the
 * endpoint as hold them. A carrier is opened for the first stream and closed when there was none for a while, so that a
 * cluster at rest can sleep; when one breaks, its streams are Unavailable and the next stream opens another.
 */
import { assert, unreachable } from "../base/assert.ts";
import {
  CARRIER_CREDIT_BYTES,
  CARRIER_PATH,
  CARRIER_PING_EVERY_MS,
  decodeFrame,
  encodeFrame,
  piecesOf,
} from "../protocol/carrier-frame.ts";
import type { CarrierFrame } from "../protocol/carrier-frame.ts";
import { EtcdError, GrpcCode, grpcCodeOf } from "../protocol/errors.ts";
import { decode, encode } from "../protocol/codec/proto-codec.ts";
import { rpcPath } from "../protocol/api/rpc.ts";
import type { Rpc, RpcKind } from "../protocol/api/rpc.ts";
import type { Pulled } from "../member/api/pulled.ts";
import type { CallContext } from "../member/api/services.ts";
import { CarrierStream } from "./carrier-stream.ts";

/** What we use of a WebSocket. */
export interface CarrierSocket {
  binaryType: string;
  send(bytes: Uint8Array<ArrayBuffer>): void;
  close(): void;
  addEventListener(
    type: "open" | "close" | "error" | "message",
    listener: (event: { readonly data?: unknown }) => void,
  ): void;
}

export type CarrierSocketConstructor = new (url: string) => CarrierSocket;

export interface CarrierOptions {
  readonly endpoint: string;
  /** For a carrier to stand. */
  readonly timeoutMs: number;
  readonly WebSocket: CarrierSocketConstructor;
  /** Over one carrier. Default 512: the member takes 1,024. */
  readonly maxStreams?: number;
  /** Default 2,000. */
  readonly beatEveryMs?: number;
  /** Default 30,000. */
  readonly closeAfterMs?: number;
}

export interface CarriedStream<Request, Response> extends Pulled<Response> {
  request(message: Request): void;
}

const STREAM_ID_MAX = 0xffff_ffff;
/** A member may be busy for some seconds, and its callers lose more by a new start than by waiting. */
const SILENT_BEATS_MAX = 10;

export class Carriers {
  readonly #options: CarrierOptions;
  readonly #maxStreams: number;
  readonly #carriers: Set<Carrier> = new Set();

  constructor(options: CarrierOptions) {
    this.#options = options;
    this.#maxStreams = options.maxStreams ?? 512;
  }

  /** How many there are right now. */
  get count(): number {
    return this.#carriers.size;
  }

  open<Request, Response>(
    rpc: Rpc<Request, Response, RpcKind>,
    context: CallContext,
  ): CarriedStream<Request, Response> {
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
    for (const carrier of this.#carriers) carrier.close();
  }

  #withRoom(): Carrier {
    for (const carrier of this.#carriers) if (carrier.streams < this.#maxStreams && carrier.isFresh) return carrier;
    const carrier = new Carrier(this.#options, () => this.#carriers.delete(carrier));
    this.#carriers.add(carrier);
    return carrier;
  }
}

class Carrier {
  readonly #endpoint: string;
  readonly #socket: CarrierSocket;
  readonly #onOver: () => void;
  readonly #closeAfterMs: number;
  readonly #streams: Map<number, CarrierStream> = new Map();
  #lastId = 0;
  /** Frames from before the connection stood; undefined once it does. */
  #unsent: CarrierFrame[] | undefined = [];
  #received = 0;
  #isHeard = true;
  /** Sent without an answer, in a row. */
  #silentBeats = 0;
  #isOver = false;
  #connecting: ReturnType<typeof setTimeout>;
  #beats: ReturnType<typeof setInterval> | undefined;
  #idle: ReturnType<typeof setTimeout> | undefined;

  constructor(options: CarrierOptions, onOver: () => void) {
    const { endpoint, timeoutMs, beatEveryMs = CARRIER_PING_EVERY_MS } = options;
    this.#endpoint = endpoint;
    this.#onOver = onOver;
    this.#closeAfterMs = options.closeAfterMs ?? 30_000;
    this.#socket = new options.WebSocket(endpoint.replace(/^http/, "ws").replace(/\/$/, "") + CARRIER_PATH);
    this.#socket.binaryType = "arraybuffer";
    this.#connecting = setTimeout(() => this.#end(`no connection to ${endpoint} within ${timeoutMs} ms`), timeoutMs);
    this.#socket.addEventListener("open", () => this.#opened(beatEveryMs));
    this.#socket.addEventListener("message", ({ data }) => this.#message(data));
    this.#socket.addEventListener("error", () => this.#closed());
    this.#socket.addEventListener("close", () => this.#closed());
  }

  get streams(): number {
    return this.#streams.size;
  }

  /** Numbers are not used again. */
  get isFresh(): boolean {
    return !this.#isOver && this.#lastId < STREAM_ID_MAX;
  }

  open(method: string, { token, requireLeader }: CallContext): { readonly stream: CarrierStream; readonly id: number } {
    assert(this.isFresh, "a carrier that is over carries nothing");
    clearTimeout(this.#idle);
    this.#lastId += 1;
    const id = this.#lastId;
    const stream = new CarrierStream(id, (frame) => this.#send(frame));
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

  #opened(beatEveryMs: number): void {
    clearTimeout(this.#connecting);
    const frames = this.#unsent ?? [];
    this.#unsent = undefined;
    for (const frame of frames) this.#send(frame);
    this.#beats = setInterval(() => this.#beat(), beatEveryMs);
  }

  /** Each is answered. */
  #beat(): void {
    this.#silentBeats = this.#isHeard ? 0 : this.#silentBeats + 1;
    if (this.#silentBeats === SILENT_BEATS_MAX) return this.#end(`${this.#endpoint} has gone silent`);
    this.#isHeard = false;
    this.#send({ type: "beat", stream: 0 });
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
      case "beat":
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
    if (this.#received < CARRIER_CREDIT_BYTES / 4) return;
    this.#send({ type: "credit", stream: 0, bytes: this.#received });
    this.#received = 0;
  }

  #forget(id: number): void {
    if (!this.#streams.delete(id) || this.#streams.size > 0) return;
    this.#idle = setTimeout(() => this.#end(""), this.#closeAfterMs);
    // Nobody waits for it: the program may end.
    this.#idle.unref();
  }

  #send(frame: CarrierFrame): void {
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
    clearInterval(this.#beats);
    this.#onOver();
    for (const stream of this.#streams.values()) stream.ended({ error: new EtcdError(GrpcCode.Unavailable, reason) });
    this.#streams.clear();
    this.#socket.close();
  }
}
