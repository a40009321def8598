/**
 * The member's end of a multiplexed connection (protocol/mux-frame.ts): many calls and streams over one WebSocket, of a
 * client or of a proxy that serves many. A response is pulled from the member when both the stream and the connection have credit. So
 * a slow reader delays only its own stream, and nothing accumulates here. A connection on which nothing arrives for a
 * while is closed, with its streams.
 */
import { unreachable } from "../../base/assert.ts";
import type { Share } from "../../member/limits/caller-budget.ts";
import type { CallContext, Services } from "../../member/api/services.ts";
import {
  CONNECTION_CREDIT_BYTES,
  CARRIER_SILENT_MAX_MS,
  decodeFrames,
  piecesOf,
  SOCKET_MESSAGE_BYTES_MAX,
  STREAM_CREDIT_BYTES,
  TOKEN_LENGTH_MAX,
} from "../../protocol/mux-frame.ts";
import type { MuxFrame } from "../../protocol/mux-frame.ts";
import { unreadableRequest } from "../../protocol/decode-error.ts";
import {
  errInvalidAuthToken,
  errRequestTooManyRequests,
  errStopped,
  EtcdError,
  GrpcCode,
} from "../../protocol/errors.ts";
import { decode, encode } from "../../protocol/codec/proto-codec.ts";
import type { CallerLimits } from "../http/caller-limits.ts";
import { muxMethods } from "./mux-methods.ts";
import type { MuxMethod } from "./mux-methods.ts";
import { MuxSender, type MuxSocket } from "./mux-sender.ts";
import { asEtcdError } from "../http/errors.ts";
import { type UnfinishedRequest, UnfinishedRequests } from "./unfinished-requests.ts";
import type { BidiStream } from "./websocket.ts";

export interface MuxLimits {
  /** Limit of a request, in bytes. */
  readonly maxMessageBytes: number;
  /** Maximum number of concurrent streams. Default 1,024. */
  readonly maxStreams?: number;
  /**
   * Silence in milliseconds after which the connection is closed. Default 9,000; the other side pings more than three
   * times as often (mux-frame.ts).
   */
  readonly silentAfterMs?: number;
  /** Milliseconds after which a connection without a stream is closed. Default 10,000 for the first stream. */
  readonly unusedAfterMs?: number;
}

const CLOSE_NORMAL = 1000;
const CLOSE_BAD_DATA = 1007;
const CLOSE_POLICY = 1008;
const CLOSE_TOO_BIG = 1009;
const CLOSE_TRY_AGAIN_LATER = 1013;
/** Number of checks per `silentAfterMs`. */
const LOOKS = 6;
/** A minute by default. A proxy closes an unused connection earlier. */
const UNUSED_LOOKS_MAX = 40;
/** The same limit as in the gRPC proxy's codec. */
const MESSAGES_MAX = 1 << 16;

export function serveMux(
  services: Services,
  socket: MuxSocket,
  limits: MuxLimits,
  peer: CallContext = { token: "", requireLeader: false },
  callers?: CallerLimits,
): void {
  let held: Held;
  try {
    held = { socket: callers?.take("sockets", peer), bytes: callers?.take("unfinished_bytes", peer, 0) };
  } catch {
    return socket.close(CLOSE_TRY_AGAIN_LATER, "too many requests");
  }
  const server = new MuxServer(muxMethods(services), socket, limits, peer.address, held);
  socket.addEventListener("message", ({ data }) => server.received(data));
  socket.addEventListener("close", () => server.close(CLOSE_NORMAL, ""));
  socket.addEventListener("error", () => server.close(CLOSE_NORMAL, ""));
}

/** Shares against which the connection counts; absent if nothing is counted. */
interface Held {
  readonly socket: Share | undefined;
  /** Bytes of incomplete requests, of all streams of the connection. */
  readonly bytes: Share | undefined;
}

interface ServerStream {
  readonly id: number;
  readonly method: MuxMethod;
  readonly context: CallContext;
  /** Absent for a method with one request and one response. */
  readonly stream: BidiStream<unknown, unknown> | undefined;
  /** Of a call that waits for others; aborted when its caller is gone. */
  abort: AbortController | undefined;
  isCalled: boolean;
  credit: number;
  isOver: boolean;
  readonly unfinished: UnfinishedRequest;
  /** Cost of the token, which is kept as long as the stream. */
  readonly tokenBytes: number;
  wake: () => void;
}

class MuxServer {
  readonly #methods: ReadonlyMap<string, MuxMethod>;
  readonly #socket: MuxSocket;
  readonly #unfinished: UnfinishedRequests;
  readonly #maxStreams: number;
  readonly #streams: Map<number, ServerStream> = new Map();
  readonly #watchdog: ReturnType<typeof setInterval>;
  readonly #address: string | undefined;
  readonly #share: Held;
  readonly #unused: ReturnType<typeof setTimeout>;
  readonly #sender: MuxSender;
  #credit: number = CONNECTION_CREDIT_BYTES;
  /** The latest. */
  #token = "";
  #isHeard = true;
  /** Whether a stream was opened since the last check. */
  #isUsed = false;
  /** Consecutive checks without a received frame. */
  #silentLooks = 0;
  #unusedLooks = 0;
  #isOver = false;

  constructor(
    methods: ReadonlyMap<string, MuxMethod>,
    socket: MuxSocket,
    limits: MuxLimits,
    address: string | undefined,
    share: Held,
  ) {
    this.#methods = methods;
    this.#address = address;
    this.#share = share;
    this.#unused = setTimeout(() => this.close(CLOSE_POLICY, "no stream was opened"), limits.unusedAfterMs ?? 10_000);
    this.#socket = socket;
    this.#sender = new MuxSender(socket, (failure) =>
      failure === "unread" ? this.close(CLOSE_POLICY, "nothing is read") : this.close(CLOSE_NORMAL, ""),
    );
    this.#unfinished = new UnfinishedRequests(limits.maxMessageBytes, share.bytes);
    this.#maxStreams = limits.maxStreams ?? 1024;
    // Synchronous bytes: the newer default of workers is a Blob.
    socket.binaryType = "arraybuffer";
    this.#watchdog = setInterval(() => this.#look(), (limits.silentAfterMs ?? CARRIER_SILENT_MAX_MS) / LOOKS);
  }

  received(data: unknown): void {
    if (this.#isOver) return;
    this.#isHeard = true;
    if (data instanceof ArrayBuffer && data.byteLength > SOCKET_MESSAGE_BYTES_MAX) {
      return this.close(CLOSE_TOO_BIG, "the message is too large");
    }
    const received = data instanceof ArrayBuffer ? decodeFrames(new Uint8Array(data)) : undefined;
    if (received === undefined) return this.close(CLOSE_BAD_DATA, "not a carrier's frame");
    if (received.isBatch) this.#sender.batchReceived();
    for (const frame of received.frames) this.#frame(frame);
  }

  #frame(frame: MuxFrame): void {
    if (this.#isOver) return;
    switch (frame.type) {
      case "open":
        return this.#open(frame);
      case "piece":
        return this.#piece(frame);
      case "cancel": {
        const serverStream = this.#streams.get(frame.stream);
        if (serverStream !== undefined) this.#forget(serverStream);
        return;
      }
      case "credit":
        return this.#credited(frame.stream, frame.bytes);
      case "ping":
        return this.#send(frame);
      case "end":
        return this.close(CLOSE_BAD_DATA, "only a member ends a stream");
      default:
        return unreachable(frame);
    }
  }

  close(code: number, reason: string): void {
    if (this.#isOver) return;
    this.#sender.flush();
    this.#isOver = true;
    clearInterval(this.#watchdog);
    clearTimeout(this.#unused);
    for (const serverStream of this.#streams.values()) this.#forget(serverStream);
    try {
      this.#socket.close(code, reason);
    } catch {
      // The socket was already closing.
    }
    this.#share.socket?.release();
    this.#share.bytes?.release();
  }

  #look(): void {
    this.#silentLooks = this.#isHeard ? 0 : this.#silentLooks + 1;
    // The last frame arrived between two checks, so one check less already covers the allowed silence.
    if (this.#silentLooks >= LOOKS - 1) return this.close(CLOSE_POLICY, "nothing was heard");
    this.#unusedLooks = this.#streams.size > 0 || this.#isUsed ? 0 : this.#unusedLooks + 1;
    if (this.#unusedLooks >= UNUSED_LOOKS_MAX) return this.close(CLOSE_NORMAL, "no stream is open");
    this.#isHeard = false;
    this.#isUsed = false;
  }

  #open({ stream: id, method: path, token, requireLeader }: MuxFrame & { readonly type: "open" }): void {
    if (id === 0 || this.#streams.has(id)) return this.close(CLOSE_BAD_DATA, "a stream's number was used twice");
    const method = this.#methods.get(path);
    clearTimeout(this.#unused);
    this.#isUsed = true;
    try {
      if (method === undefined) throw new EtcdError(GrpcCode.Unimplemented, `unknown method ${path}`);
      if (this.#streams.size >= this.#maxStreams) {
        throw new EtcdError(GrpcCode.ResourceExhausted, "too many streams over one carrier");
      }
      const tokenBytes = this.#holdToken(token);
      const context = { token: this.#token, requireLeader, address: this.#address };
      const serverStream: ServerStream = {
        id,
        method,
        context,
        stream: method.open?.(context),
        abort: undefined,
        isCalled: false,
        credit: STREAM_CREDIT_BYTES,
        isOver: false,
        unfinished: this.#unfinished.open(),
        tokenBytes,
        wake: () => {},
      };
      this.#streams.set(id, serverStream);
      if (serverStream.stream !== undefined) void this.#respond(serverStream, serverStream.stream);
    } catch (error) {
      this.#sendEnd(id, error);
    }
  }

  /** Returns the cost. Streams one after the other with the same token share one copy, which costs nothing. */
  #holdToken(token: string): number {
    if (token === this.#token) return 0;
    if (token.length > TOKEN_LENGTH_MAX) throw errInvalidAuthToken;
    if (this.#share.bytes?.grow(token.length) === false) throw errRequestTooManyRequests;
    this.#token = token;
    return token.length;
  }

  #piece({ stream: id, bytes, isLast }: MuxFrame & { readonly type: "piece" }): void {
    const serverStream = this.#streams.get(id);
    // The stream has ended; the other side did not know it yet when it sent this.
    if (serverStream === undefined) return;
    try {
      const message = serverStream.unfinished.add(bytes, isLast);
      if (message === undefined) return;
      const request = decoded(serverStream.method, message);
      if (serverStream.stream === undefined) void this.#call(serverStream, request);
      else serverStream.stream.request(request);
    } catch (error) {
      this.#end(serverStream, error);
    }
  }

  /**
   * Never above the initial credit: a caller that returns credit for bytes it was not sent would fill the socket's
   * buffer.
   */
  #credited(id: number, bytes: number): void {
    if (id !== 0) {
      const serverStream = this.#streams.get(id);
      if (serverStream === undefined) return;
      serverStream.credit = Math.min(serverStream.credit + bytes, STREAM_CREDIT_BYTES);
      return serverStream.wake();
    }
    this.#credit = Math.min(this.#credit + bytes, CONNECTION_CREDIT_BYTES);
    for (const serverStream of this.#streams.values()) serverStream.wake();
  }

  async #call(serverStream: ServerStream, request: unknown): Promise<void> {
    const { method, context } = serverStream;
    // A second request on the stream of a single call is not read.
    if (serverStream.isCalled) return;
    serverStream.isCalled = true;
    if (method.rpc.isPatient === true) serverStream.abort = new AbortController();
    const signal = serverStream.abort?.signal;
    try {
      const response = await method.call?.(request, signal === undefined ? context : { ...context, signal });
      if (await this.#sendResponse(serverStream, response)) this.#end(serverStream, undefined);
    } catch (error) {
      this.#end(serverStream, error);
    }
  }

  async #respond(serverStream: ServerStream, stream: BidiStream<unknown, unknown>): Promise<void> {
    const { method } = serverStream;
    try {
      while (await this.#hasRoom(serverStream)) {
        const response = await stream.next();
        if (serverStream.isOver) return;
        // Neither side ended this watch: the client continues it on another member.
        if (response === undefined) return this.#end(serverStream, method.rpc.kind === "bidi" ? errStopped : undefined);
        if (!(await this.#sendResponse(serverStream, response))) return;
      }
    } catch (error) {
      this.#end(serverStream, error);
    }
  }

  /** Returns false if the stream has ended. */
  async #sendResponse(serverStream: ServerStream, response: unknown): Promise<boolean> {
    for (const piece of piecesOf(serverStream.id, encode(serverStream.method.rpc.response, response))) {
      if (serverStream.credit <= 0 || this.#credit <= 0) await this.#hasRoom(serverStream);
      if (serverStream.isOver) return false;
      serverStream.credit -= piece.bytes.length;
      this.#credit -= piece.bytes.length;
      this.#send(piece);
    }
    return !serverStream.isOver;
  }

  async #hasRoom(serverStream: ServerStream): Promise<boolean> {
    while (!serverStream.isOver && (serverStream.credit <= 0 || this.#credit <= 0)) {
      await new Promise<void>((resolve) => {
        serverStream.wake = resolve;
      });
    }
    return !serverStream.isOver;
  }

  #end(serverStream: ServerStream, thrown: unknown): void {
    if (serverStream.isOver) return;
    this.#forget(serverStream);
    this.#sendEnd(serverStream.id, thrown);
  }

  #sendEnd(stream: number, thrown: unknown): void {
    const error = thrown === undefined ? undefined : asEtcdError(thrown);
    this.#send({ type: "end", stream, code: error?.code ?? GrpcCode.OK, message: error?.message ?? "" });
  }

  #forget(serverStream: ServerStream): void {
    serverStream.isOver = true;
    this.#streams.delete(serverStream.id);
    serverStream.unfinished.drop();
    this.#share.bytes?.shrink(serverStream.tokenBytes);
    serverStream.stream?.close();
    serverStream.abort?.abort();
    serverStream.wake();
  }

  #send(frame: MuxFrame): void {
    if (!this.#isOver) this.#sender.send(frame);
  }
}

function decoded({ rpc }: MuxMethod, message: Uint8Array): unknown {
  try {
    return decode(rpc.request, message, { messagesMax: MESSAGES_MAX });
  } catch (error) {
    throw unreadableRequest(error);
  }
}
