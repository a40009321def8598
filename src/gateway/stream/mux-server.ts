/**
 * The member's end of a carrier (protocol/mux-frame.ts): many streams over one WebSocket, for fronts that speak for
 * many clients. An answer is pulled from the member when the stream's reader and the carrier both have room for it, so
 * a slow reader holds up nobody, and nothing piles up here. A carrier on which nothing is heard for a while is closed,
 * and its streams with it.
 */
import { unreachable } from "../../base/assert.ts";
import { joined } from "../../base/bytes.ts";
import type { Share } from "../../member/limits/caller-budget.ts";
import type { CallContext, Services } from "../../member/api/services.ts";
import {
  CONNECTION_CREDIT_BYTES,
  CARRIER_SILENT_MAX_MS,
  decodeFrame,
  encodeFrame,
  piecesOf,
  STREAM_CREDIT_BYTES,
} from "../../protocol/mux-frame.ts";
import type { MuxFrame } from "../../protocol/mux-frame.ts";
import { unreadableRequest } from "../../protocol/decode-error.ts";
import { errRequestTooManyRequests, errStopped, EtcdError, GrpcCode } from "../../protocol/errors.ts";
import { decode, encode } from "../../protocol/codec/proto-codec.ts";
import type { CallerLimits } from "../http/caller-limits.ts";
import { muxMethods } from "./mux-methods.ts";
import type { MuxMethod } from "./mux-methods.ts";
import { asEtcdError } from "../http/errors.ts";
import type { BidiStream } from "./websocket.ts";

/** What we use of a WebSocket that takes bytes. */
export interface MuxSocket {
  /** As what binary frames come. */
  binaryType?: string;
  /** Bytes given to `send` that the network has not taken yet. */
  readonly bufferedAmount?: number;
  send(bytes: Uint8Array<ArrayBuffer>): void;
  close(code?: number, reason?: string): void;
  addEventListener(type: "message", listener: (event: { readonly data: unknown }) => void): void;
  addEventListener(type: "close" | "error", listener: () => void): void;
}

export interface MuxLimits {
  /** One request. */
  readonly maxMessageBytes: number;
  /** Default 1,024. */
  readonly maxStreams?: number;
  /** Default 9,000; the other side speaks more than three times as often (mux-frame.ts). */
  readonly silentAfterMs?: number;
  /** A socket that has opened no stream for so long is closed. Default 10,000 at first. */
  readonly unusedAfterMs?: number;
}

const CLOSE_NORMAL = 1000;
const CLOSE_BAD_DATA = 1007;
const CLOSE_POLICY = 1008;
const CLOSE_TRY_AGAIN_LATER = 1013;
/** In the time that the other side may be silent. */
const LOOKS = 6;
/** A minute by default; a front closes what it does not use earlier. */
const UNUSED_LOOKS_MAX = 40;
/** As the gRPC front's own codec. */
const MESSAGES_MAX = 1 << 16;
/** What a piece costs beside its bytes: a great many tiny ones must not hold more than they count for. */
const AROUND_PIECE_BYTES = 256;
/** In the socket; credit keeps it far below. */
const BUFFERED_BYTES_MAX = 2 * CONNECTION_CREDIT_BYTES;

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
  const carrier = new MuxServer(muxMethods(services), socket, limits, peer.address, held);
  socket.addEventListener("message", ({ data }) => carrier.received(data));
  socket.addEventListener("close", () => carrier.close(CLOSE_NORMAL, ""));
  socket.addEventListener("error", () => carrier.close(CLOSE_NORMAL, ""));
}

/** What the socket counts for; absent where nobody counts. */
interface Held {
  readonly socket: Share | undefined;
  /** Of requests that are not complete, of all its streams. */
  readonly bytes: Share | undefined;
}

interface ServerStream {
  readonly id: number;
  readonly method: MuxMethod;
  readonly stream: BidiStream<unknown, unknown>;
  credit: number;
  isOver: boolean;
  /** Of the request that is coming in pieces; `held` is what they cost. */
  pieces: Uint8Array[];
  bytes: number;
  held: number;
  wake: () => void;
}

class MuxServer {
  readonly #methods: ReadonlyMap<string, MuxMethod>;
  readonly #socket: MuxSocket;
  readonly #maxMessageBytes: number;
  readonly #maxStreams: number;
  readonly #streams: Map<number, ServerStream> = new Map();
  readonly #watchdog: ReturnType<typeof setInterval>;
  readonly #address: string | undefined;
  readonly #share: Held;
  readonly #unused: ReturnType<typeof setTimeout>;
  #credit: number = CONNECTION_CREDIT_BYTES;
  /** By requests that are not complete, of all streams. */
  #held = 0;
  #isHeard = true;
  /** A stream was opened since the last look. */
  #isUsed = false;
  /** In a row. */
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
    this.#maxMessageBytes = limits.maxMessageBytes;
    this.#maxStreams = limits.maxStreams ?? 1024;
    // Bytes, and at once: the newer default of workers is a Blob.
    socket.binaryType = "arraybuffer";
    this.#watchdog = setInterval(() => this.#look(), (limits.silentAfterMs ?? CARRIER_SILENT_MAX_MS) / LOOKS);
  }

  received(data: unknown): void {
    if (this.#isOver) return;
    this.#isHeard = true;
    const frame = data instanceof ArrayBuffer ? decodeFrame(new Uint8Array(data)) : undefined;
    if (frame === undefined) return this.close(CLOSE_BAD_DATA, "not a carrier's frame");
    switch (frame.type) {
      case "open":
        return this.#open(frame);
      case "piece":
        return this.#piece(frame);
      case "cancel": {
        const carried = this.#streams.get(frame.stream);
        if (carried !== undefined) this.#forget(carried);
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
    this.#isOver = true;
    clearInterval(this.#watchdog);
    clearTimeout(this.#unused);
    for (const carried of this.#streams.values()) this.#forget(carried);
    try {
      this.#socket.close(code, reason);
    } catch {
      // It was closing already.
    }
    this.#share.socket?.release();
    this.#share.bytes?.release();
  }

  #look(): void {
    this.#silentLooks = this.#isHeard ? 0 : this.#silentLooks + 1;
    // It was heard between two looks, so one look less is as long as it may be silent.
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
      const stream = method.open({ token, requireLeader, address: this.#address });
      const carried: ServerStream = {
        id,
        method,
        stream,
        credit: STREAM_CREDIT_BYTES,
        isOver: false,
        pieces: [],
        bytes: 0,
        held: 0,
        wake: () => {},
      };
      this.#streams.set(id, carried);
      void this.#respond(carried);
    } catch (error) {
      this.#tellEnd(id, error);
    }
  }

  #piece({ stream: id, bytes, isLast }: MuxFrame & { readonly type: "piece" }): void {
    const carried = this.#streams.get(id);
    // Over already, which the other side did not know yet.
    if (carried === undefined) return;
    carried.bytes += bytes.length;
    if (carried.bytes > this.#maxMessageBytes) {
      const text = `grpc: received message larger than max (${carried.bytes} vs. ${this.#maxMessageBytes})`;
      return this.#end(carried, new EtcdError(GrpcCode.ResourceExhausted, text));
    }
    carried.pieces.push(bytes);
    if (!isLast) return this.#hold(carried, bytes.length + AROUND_PIECE_BYTES);
    const message = joined(carried.pieces);
    this.#drop(carried);
    try {
      carried.stream.request(decoded(carried.method, message));
    } catch (error) {
      this.#end(carried, error);
    }
  }

  /** A front sends a request in one go, so hardly more than one is ever incomplete. */
  #hold(carried: ServerStream, bytes: number): void {
    if (this.#share.bytes?.grow(bytes) === false) return this.#end(carried, errRequestTooManyRequests);
    carried.held += bytes;
    this.#held += bytes;
    if (this.#held <= 2 * this.#maxMessageBytes) return;
    this.#end(carried, new EtcdError(GrpcCode.ResourceExhausted, "too many incomplete requests over one carrier"));
  }

  #drop(carried: ServerStream): void {
    this.#held -= carried.held;
    this.#share.bytes?.shrink(carried.held);
    carried.held = 0;
    carried.bytes = 0;
    carried.pieces = [];
  }

  /** Never more than at the beginning: who gives back what it was not sent would make bytes pile up in the socket. */
  #credited(id: number, bytes: number): void {
    if (id !== 0) {
      const carried = this.#streams.get(id);
      if (carried === undefined) return;
      carried.credit = Math.min(carried.credit + bytes, STREAM_CREDIT_BYTES);
      return carried.wake();
    }
    this.#credit = Math.min(this.#credit + bytes, CONNECTION_CREDIT_BYTES);
    for (const carried of this.#streams.values()) carried.wake();
  }

  async #respond(carried: ServerStream): Promise<void> {
    const { stream, method } = carried;
    try {
      while (await this.#hasRoom(carried)) {
        const response = await stream.next();
        if (carried.isOver) return;
        // A watch that nobody ended is one that goes on elsewhere.
        if (response === undefined) return this.#end(carried, method.rpc.kind === "bidi" ? errStopped : undefined);
        for (const piece of piecesOf(carried.id, encode(method.rpc.response, response))) {
          if (!(await this.#hasRoom(carried))) return;
          carried.credit -= piece.bytes.length;
          this.#credit -= piece.bytes.length;
          this.#send(piece);
        }
      }
    } catch (error) {
      this.#end(carried, error);
    }
  }

  async #hasRoom(carried: ServerStream): Promise<boolean> {
    while (!carried.isOver && (carried.credit <= 0 || this.#credit <= 0)) {
      await new Promise<void>((resolve) => {
        carried.wake = resolve;
      });
    }
    return !carried.isOver;
  }

  #end(carried: ServerStream, thrown: unknown): void {
    if (carried.isOver) return;
    this.#forget(carried);
    this.#tellEnd(carried.id, thrown);
  }

  #tellEnd(stream: number, thrown: unknown): void {
    const error = thrown === undefined ? undefined : asEtcdError(thrown);
    this.#send({ type: "end", stream, code: error?.code ?? GrpcCode.OK, message: error?.message ?? "" });
  }

  #forget(carried: ServerStream): void {
    carried.isOver = true;
    this.#streams.delete(carried.id);
    this.#drop(carried);
    carried.stream.close();
    carried.wake();
  }

  #send(frame: MuxFrame): void {
    if (this.#isOver) return;
    // What ends a stream and what answers a beat costs no credit, so whoever asks for these and reads nothing is stopped here.
    if ((this.#socket.bufferedAmount ?? 0) > BUFFERED_BYTES_MAX) return this.close(CLOSE_POLICY, "nothing is read");
    try {
      this.#socket.send(encodeFrame(frame) as Uint8Array<ArrayBuffer>);
    } catch {
      this.close(CLOSE_NORMAL, "");
    }
  }
}

function decoded({ rpc }: MuxMethod, message: Uint8Array): unknown {
  try {
    return decode(rpc.request, message, { messagesMax: MESSAGES_MAX });
  } catch (error) {
    throw unreadableRequest(error);
  }
}
