/**
 * One call or stream of a multiplexed connection: its requests in, its responses out. A response is pulled from the
 * member when both the stream and the connection have credit.
 */
import type { CallContext } from "../../member/api/services.ts";
import { decode, encode } from "../../protocol/codec/proto-codec.ts";
import { unreadableRequest } from "../../protocol/decode-error.ts";
import { errStopped, GrpcCode } from "../../protocol/errors.ts";
import { piecesOf, STREAM_CREDIT_BYTES } from "../../protocol/mux-frame.ts";
import type { MuxFrame } from "../../protocol/mux-frame.ts";
import { asEtcdError } from "../http/errors.ts";
import type { MuxMethod } from "./mux-methods.ts";
import { savedStream, type StreamToSave } from "./mux-saving.ts";
import type { UnfinishedRequest } from "./unfinished-requests.ts";
import type { BidiStream } from "./websocket.ts";

/** The same limit as in the gRPC proxy's codec. */
const MESSAGES_MAX = 1 << 16;

/** The connection, as its streams see it. */
export interface MuxConnection {
  /** What all streams of the connection may still send, in bytes. */
  credit: number;
  send(frame: MuxFrame): void;
  /** Called once, when the stream is over. */
  forget(stream: MuxStream): void;
}

export interface MuxStreamParts {
  readonly id: number;
  readonly method: MuxMethod;
  readonly context: CallContext;
  /** Absent for a method with one request and one response. */
  readonly stream: BidiStream<unknown, unknown> | undefined;
  readonly credit: number;
  readonly unfinished: UnfinishedRequest;
  /** Cost of the token, which is kept as long as the stream. */
  readonly tokenBytes: number;
}

export class MuxStream {
  readonly id: number;
  readonly method: MuxMethod;
  readonly tokenBytes: number;
  readonly #context: CallContext;
  readonly #stream: BidiStream<unknown, unknown> | undefined;
  readonly #unfinished: UnfinishedRequest;
  readonly #connection: MuxConnection;
  /** Of a call that waits for others; aborted when its caller is gone. */
  #abort: AbortController | undefined;
  #isCalled = false;
  #credit: number;
  #isOver = false;
  #wake: () => void = () => {};

  constructor(connection: MuxConnection, parts: MuxStreamParts) {
    this.id = parts.id;
    this.method = parts.method;
    this.tokenBytes = parts.tokenBytes;
    this.#context = parts.context;
    this.#stream = parts.stream;
    this.#credit = parts.credit;
    this.#unfinished = parts.unfinished;
    this.#connection = connection;
  }

  /** Sends its responses from now on, if it is a stream of them. */
  start(): void {
    if (this.#stream !== undefined) void this.#respond(this.#stream);
  }

  /** Takes a piece of a request. */
  received(bytes: Uint8Array, isLast: boolean): void {
    try {
      const message = this.#unfinished.add(bytes, isLast);
      if (message === undefined) return;
      const request = decoded(this.method, message);
      if (this.#stream === undefined) void this.#call(request);
      else this.#stream.request(request);
    } catch (error) {
      this.#end(error);
    }
  }

  get credit(): number {
    return this.#credit;
  }

  /**
   * Never above the initial credit: a caller that returns credit for bytes it was not sent would fill the socket's
   * buffer.
   */
  credited(bytes: number): void {
    this.#credit = Math.min(this.#credit + bytes, STREAM_CREDIT_BYTES);
    this.wake();
  }

  /** Looks again whether it may send. */
  wake(): void {
    this.#wake();
  }

  /** Returns undefined while the stream cannot be saved. */
  saved(): StreamToSave | undefined {
    if (this.#credit <= 0 || !this.#unfinished.isEmpty) return undefined;
    return savedStream(this.id, this.#context, this.#stream);
  }

  /** Ends without a frame: the caller has cancelled it, or is gone. */
  close(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#connection.forget(this);
    this.#unfinished.drop();
    this.#stream?.close();
    this.#abort?.abort();
    this.#wake();
  }

  async #call(request: unknown): Promise<void> {
    // A second request on the stream of a single call is not read.
    if (this.#isCalled) return;
    this.#isCalled = true;
    if (this.method.rpc.isPatient === true) this.#abort = new AbortController();
    const signal = this.#abort?.signal;
    try {
      const context = signal === undefined ? this.#context : { ...this.#context, signal };
      const response = await this.method.call?.(request, context);
      if (await this.#sendResponse(response)) this.#end(undefined);
    } catch (error) {
      this.#end(error);
    }
  }

  async #respond(stream: BidiStream<unknown, unknown>): Promise<void> {
    try {
      while (await this.#hasRoom()) {
        const response = await stream.next();
        if (this.#isOver) return;
        // Neither side ended this watch: the client continues it on another member.
        if (response === undefined) return this.#end(this.method.rpc.kind === "bidi" ? errStopped : undefined);
        if (!(await this.#sendResponse(response))) return;
      }
    } catch (error) {
      this.#end(error);
    }
  }

  /** Returns false if the stream has ended. */
  async #sendResponse(response: unknown): Promise<boolean> {
    for (const piece of piecesOf(this.id, encode(this.method.rpc.response, response))) {
      if (!this.#mayPass) await this.#hasRoom();
      if (this.#isOver) return false;
      this.#credit -= piece.bytes.length;
      this.#connection.credit -= piece.bytes.length;
      this.#connection.send(piece);
    }
    return !this.#isOver;
  }

  async #hasRoom(): Promise<boolean> {
    while (!this.#isOver && !this.#mayPass) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return !this.#isOver;
  }

  get #mayPass(): boolean {
    return this.#credit > 0 && this.#connection.credit > 0;
  }

  #end(thrown: unknown): void {
    if (this.#isOver) return;
    this.close();
    this.#connection.send(endOf(this.id, thrown));
  }
}

/** The frame that ends a stream, with the error if there is one. */
export function endOf(stream: number, thrown: unknown): MuxFrame {
  const error = thrown === undefined ? undefined : asEtcdError(thrown);
  return { type: "end", stream, code: error?.code ?? GrpcCode.OK, message: error?.message ?? "" };
}

function decoded({ rpc }: MuxMethod, message: Uint8Array): unknown {
  try {
    return decode(rpc.request, message, { messagesMax: MESSAGES_MAX });
  } catch (error) {
    throw unreadableRequest(error);
  }
}
