/**
 * The caller's end of one multiplexed connection (protocol/mux-frame.ts): many streams over one WebSocket, the frames of
 * a turn in one message. It is closed when it had no stream for a while, so that an idle cluster can quiesce and an idle
 * process can exit. When it breaks, its streams fail with Unavailable; those of which nothing was sent, with
 * NotSentError.
 */
import { KEEP_ALIVE_PING } from "../../protocol/keep-alive.ts";
import { assert, unreachable } from "../../base/assert.ts";
import {
  CONNECTION_CREDIT_BYTES,
  MUX_PATH,
  MUX_QUERY,
  CLOSE_FINAL,
  decodeFrames,
  piecesOf,
} from "../../protocol/mux-frame.ts";
import type { MuxFrame } from "../../protocol/mux-frame.ts";
import { FrameBatch } from "../../protocol/mux-batch.ts";
import { EtcdError, GrpcCode, grpcCodeOf } from "../../protocol/errors.ts";
import { decode, encode } from "../../protocol/codec/proto-codec.ts";
import { rpcPath } from "../../protocol/api/rpc/rpc.ts";
import type { Rpc, RpcKind } from "../../protocol/api/rpc/rpc.ts";
import type { Source } from "../../member/api/source.ts";
import type { CallContext } from "../../member/api/services.ts";
import { canceledError, NotSentError, servedError, timeoutError } from "../common/transport-errors.ts";
import type { WebSocketConstructor, WebSocketLike } from "../common/web-socket-like.ts";
import { MuxPings } from "./mux-pings.ts";
import { MuxStream } from "./mux-stream.ts";

export interface MuxOptions {
  readonly endpoint: string;
  /** Limit for opening a connection, in milliseconds. */
  readonly timeoutMs: number;
  readonly WebSocket: WebSocketConstructor;
  /** Sent for streams that bring no token, and when a connection is opened. Default: none. */
  readonly token?: string;
  /** Interval of pings, in milliseconds. Default 2,000. */
  readonly pingEveryMs?: number;
  /** Milliseconds after which a connection without streams is closed. Default 30,000. */
  readonly closeAfterMs?: number;
  /**
   * Runs a function when all events that already wait were handled: Node's `setImmediate`. The frames of all of them then
   * share a message of the socket. Default: those of one event do.
   */
  readonly afterEvents?: ((run: () => void) => void) | undefined;
}

export interface MuxListener {
  readonly onOpen?: () => void;
  readonly onOver: () => void;
}

export interface CallLimit {
  /** Milliseconds that are left of `timeoutMs`; Infinity without a limit. */
  readonly leftMs: number;
  readonly timeoutMs: number;
}

export interface MuxCall<Request, Response> extends Source<Response> {
  request(message: Request): void;
}

export interface EncodedMuxCall<Request, Response> extends MuxCall<Request, Response> {
  /** Like `next`, without decoding the response: for who passes it on. */
  nextBytes(): Promise<Uint8Array | undefined>;
}

type AnyRpc<Request, Response> = Rpc<Request, Response, RpcKind>;

const STREAM_ID_MAX = 0xffff_ffff;
/** Buffered bytes above which calls should take another way. A large one must not delay all that follow. */
const BUFFERED_BYTES_MAX = 1024 * 1024;
const OPEN = 1;

export class MuxConnection {
  readonly #endpoint: string;
  readonly #socket: WebSocketLike;
  readonly #listener: MuxListener;
  readonly #closeAfterMs: number;
  readonly #token: string;
  readonly #streams: Map<number, MuxStream> = new Map();
  readonly #batch: FrameBatch;
  #lastId = 0;
  /** The last stream of which something was sent. Ids ascend. */
  #sentId = 0;
  #isOpen = false;
  /** Messages of the socket from before it was open. */
  #unsent: (string | Uint8Array)[] = [];
  #received = 0;
  /** Open streams of calls. The others are watches and keep-alives. */
  #calls = 0;
  readonly #pings: MuxPings;
  #isOver = false;
  #isClosing = false;
  #connecting: ReturnType<typeof setTimeout>;
  #idle: ReturnType<typeof setTimeout> | undefined;

  constructor(options: MuxOptions, listener: MuxListener) {
    const { endpoint, timeoutMs, token = "" } = options;
    this.#endpoint = endpoint;
    this.#token = token;
    this.#listener = listener;
    this.#closeAfterMs = options.closeAfterMs ?? 30_000;
    this.#batch = new FrameBatch({
      send: (bytes) => this.#transmit(bytes),
      // A promise, because a worker's queueMicrotask costs many times as much.
      defer: options.afterEvents ?? ((look) => void Promise.resolve().then(look)),
      ...(options.afterEvents === undefined ? {} : { quietLooks: 0 }),
    });
    this.#pings = new MuxPings(
      {
        ping: (asText) => (asText ? this.#transmit(KEEP_ALIVE_PING) : this.#send({ type: "ping", stream: 0 })),
        isQuiet: () => this.#calls === 0,
        onSilent: () => this.#end(`${endpoint} has gone silent`),
      },
      options.pingEveryMs,
    );
    const url = endpoint.replace(/^http/, "ws").replace(/\/$/, "") + MUX_PATH + MUX_QUERY;
    this.#socket = token === "" ? new options.WebSocket(url) : new options.WebSocket(url, ["Bearer", token]);
    this.#socket.binaryType = "arraybuffer";
    this.#connecting = setTimeout(() => this.#end(`no connection to ${endpoint} within ${timeoutMs} ms`), timeoutMs);
    this.#socket.addEventListener("open", () => this.#opened());
    this.#socket.addEventListener("message", ({ data }) => this.#message(data));
    this.#socket.addEventListener("error", () => this.#closed());
    this.#socket.addEventListener("close", ({ code, reason }) => this.#closed(code, reason));
  }

  get streams(): number {
    return this.#streams.size;
  }

  /** Stream ids are not reused. */
  get canOpen(): boolean {
    return !this.#isOver && !this.#isClosing && this.#lastId < STREAM_ID_MAX;
  }

  /** True if a call over it starts at once. */
  get isFree(): boolean {
    return this.#isOpen && this.canOpen && (this.#socket.bufferedAmount ?? 0) < BUFFERED_BYTES_MAX;
  }

  /** Opens a stream, which ends with `close` or `context.signal`. */
  open<Request, Response>(rpc: AnyRpc<Request, Response>, context: CallContext): EncodedMuxCall<Request, Response> {
    const { id, stream } = this.#openStream(rpcPath(rpc), rpc.kind === "bidi", context);
    const close = (): void => this.#cancel(id);
    context.signal?.addEventListener("abort", close, { once: true });
    if (context.signal?.aborted === true) close();
    return {
      request: (message) => this.#request(id, encode(rpc.request, message)),
      async next() {
        const bytes = await stream.next();
        return bytes === undefined ? undefined : decode(rpc.response, bytes);
      },
      nextBytes: () => stream.next(),
      close,
    };
  }

  /** Makes one call, until its deadline. Rejects with EtcdError. */
  async call<Request, Response>(
    rpc: AnyRpc<Request, Response>,
    message: Request,
    context: CallContext,
    { leftMs, timeoutMs }: CallLimit,
  ): Promise<Response> {
    const { signal } = context;
    if (signal?.aborted === true) throw canceledError();
    const request = encode(rpc.request, message);
    const { id, stream } = this.#openStream(rpcPath(rpc), rpc.kind === "bidi", context);
    let failure: EtcdError | undefined;
    const giveUp = (error: EtcdError): void => {
      failure ??= error;
      this.#cancel(id);
    };
    const onAbort = (): void => giveUp(canceledError());
    const timer =
      leftMs === Infinity ? undefined : setTimeout(() => giveUp(timeoutError(this.#endpoint, timeoutMs)), leftMs);
    signal?.addEventListener("abort", onAbort, { once: true });
    try {
      this.#request(id, request);
      const bytes = await stream.next();
      if (bytes === undefined) throw failure ?? new EtcdError(GrpcCode.Unavailable, `${this.#endpoint} did not answer`);
      return decode(rpc.response, bytes);
    } finally {
      if (timer !== undefined) clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
      // The stream of a bidirectional method does not end by itself.
      if (rpc.kind === "bidi") this.#cancel(id);
    }
  }

  /** Ends all streams. */
  close(reason = "the connection was closed"): void {
    this.#end(reason);
  }

  /** Opens no further stream, and ends when the last one has. */
  closeWhenIdle(): void {
    this.#isClosing = true;
    if (this.#streams.size === 0) this.#endWhenIdle();
  }

  #openStream(
    method: string,
    isLasting: boolean,
    context: CallContext,
  ): { readonly id: number; readonly stream: MuxStream } {
    assert(this.canOpen, "a closed connection opens no stream");
    const { requireLeader } = context;
    const token = context.token === "" ? this.#token : context.token;
    if (this.#idle !== undefined) clearTimeout(this.#idle);
    this.#lastId += 1;
    const id = this.#lastId;
    const stream = new MuxStream(id, isLasting, (frame) => this.#send(frame));
    this.#streams.set(id, stream);
    this.#send({ type: "open", stream: id, method, token, requireLeader });
    if (!stream.isLasting && this.#calls++ === 0 && this.#isOpen) this.#pings.reconsider();
    return { id, stream };
  }

  #request(id: number, message: Uint8Array): void {
    if (!this.#streams.has(id)) return;
    for (const piece of piecesOf(id, message)) this.#send(piece);
  }

  #cancel(id: number): void {
    const stream = this.#streams.get(id);
    if (stream === undefined) return;
    this.#send({ type: "cancel", stream: id });
    stream.drop();
    this.#forget(id);
  }

  #opened(): void {
    if (this.#isOver) return;
    clearTimeout(this.#connecting);
    this.#isOpen = true;
    for (const bytes of this.#unsent) this.#transmit(bytes);
    this.#unsent = [];
    this.#pings.start();
    if (this.#streams.size === 0) this.#endWhenIdle();
    this.#listener.onOpen?.();
  }

  #message(data: unknown): void {
    if (this.#isOver) return;
    if (this.#pings.heard(data)) return;
    const received = data instanceof ArrayBuffer ? decodeFrames(new Uint8Array(data)) : undefined;
    if (received === undefined) return this.#end(`${this.#endpoint} sent what is not a frame`);
    for (const frame of received.frames) this.#frame(frame);
  }

  #frame(frame: MuxFrame): void {
    switch (frame.type) {
      case "piece":
        this.#arrived(frame.bytes.length);
        return this.#streams.get(frame.stream)?.received(frame.bytes, frame.isLast);
      case "end": {
        const { stream: id, code, message } = frame;
        const error = code === GrpcCode.OK ? undefined : servedError(new EtcdError(grpcCodeOf(code), message));
        this.#streams.get(id)?.ended({ error });
        return this.#forget(id);
      }
      case "ping":
        return;
      case "mark":
        // Everything that was sent before it is here.
        return this.#send(frame);
      case "open":
      case "cancel":
      case "credit":
        return this.#end(`${this.#endpoint} sent what only a caller sends`);
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
    const stream = this.#streams.get(id);
    if (stream === undefined) return;
    this.#streams.delete(id);
    if (!stream.isLasting) this.#calls -= 1;
    if (this.#streams.size === 0) this.#endWhenIdle();
  }

  #endWhenIdle(): void {
    if (this.#isClosing) {
      // Frames of the last stream may still wait for the end of the turn.
      queueMicrotask(() => this.#streams.size === 0 && this.close());
      return;
    }
    if (this.#idle !== undefined) clearTimeout(this.#idle);
    this.#idle = setTimeout(() => this.#end(""), this.#closeAfterMs);
    // In Node an idle connection must not keep the process alive.
    (this.#idle as { readonly unref?: () => void }).unref?.();
  }

  #send(frame: MuxFrame): void {
    if (!this.#isOver) this.#batch.add(frame);
  }

  #transmit(data: string | Uint8Array): void {
    if (this.#isOver) return;
    if (!this.#isOpen) return void this.#unsent.push(data);
    // A socket that closes discards what it is given, and says nothing.
    if ((this.#socket.readyState ?? OPEN) !== OPEN) return this.#closed();
    this.#socket.send(data as string | Uint8Array<ArrayBuffer>);
    this.#sentId = this.#lastId;
  }

  #closed(closeCode = 0, closeReason = ""): void {
    // The member says that it is for good.
    const code = closeCode > CLOSE_FINAL ? grpcCodeOf(closeCode - CLOSE_FINAL) : GrpcCode.Unknown;
    if (code !== GrpcCode.Unknown) return this.#end(closeReason, new EtcdError(code, closeReason));
    const how = this.#isOpen ? "lost the connection" : "no connection";
    this.#end(`${how} to ${this.#endpoint}`);
  }

  #end(reason: string, final?: EtcdError): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearTimeout(this.#connecting);
    if (this.#idle !== undefined) clearTimeout(this.#idle);
    this.#pings.stop();
    this.#listener.onOver();
    const lost = final ?? new EtcdError(GrpcCode.Unavailable, reason);
    for (const [id, stream] of this.#streams) {
      stream.ended({ error: id > this.#sentId && final === undefined ? new NotSentError(reason) : lost });
    }
    this.#streams.clear();
    this.#socket.close();
  }
}
