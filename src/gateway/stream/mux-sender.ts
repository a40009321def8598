/** Sends the frames of a multiplexed connection: those of a turn as one message, to a caller that understands that. */
import { KEEP_ALIVE_PONG } from "../../protocol/keep-alive.ts";
import { FrameBatch } from "../../protocol/mux-batch.ts";
import { CONNECTION_CREDIT_BYTES, encodeFrame } from "../../protocol/mux-frame.ts";
import type { MuxFrame } from "../../protocol/mux-frame.ts";
import type { Hibernation } from "./hibernation.ts";
import type { UnreadBytes } from "./unread-bytes.ts";

/** The part of a WebSocket that is used here; it accepts bytes. */
export interface MuxSocket {
  /** Type in which binary frames are delivered. */
  binaryType?: string;
  /** Bytes passed to `send` that the network has not taken yet. */
  readonly bufferedAmount?: number;
  /** Present if the server of the socket may be evicted from memory. */
  readonly hibernation?: Hibernation | undefined;
  send(data: string | Uint8Array<ArrayBuffer>): void;
  close(code?: number, reason?: string): void;
  addEventListener(type: "message", listener: (event: { readonly data: unknown }) => void): void;
  addEventListener(type: "close" | "error", listener: () => void): void;
}

/** Limit of bytes buffered in the socket. Credit keeps them far below it. */
const BUFFERED_BYTES_MAX = 2 * CONNECTION_CREDIT_BYTES;

/** Why nothing more can be sent: the caller reads nothing, or the socket is closed. */
export type SendFailure = "unread" | "closed";

export class MuxSender {
  readonly #socket: MuxSocket;
  readonly #unread: UnreadBytes | undefined;
  readonly #onFailure: (failure: SendFailure) => void;
  readonly #batch: FrameBatch;
  /** The other side has sent a batch, so it understands them. */
  takesBatches = false;

  /** `unread` is absent where the socket tells what it has buffered. */
  constructor(socket: MuxSocket, unread: UnreadBytes | undefined, onFailure: (failure: SendFailure) => void) {
    this.#socket = socket;
    this.#unread = unread;
    this.#onFailure = onFailure;
    // A promise, because workerd's queueMicrotask costs many times as much.
    const defer = (look: () => void): void => void Promise.resolve().then(look);
    this.#batch = new FrameBatch({ send: (bytes) => this.#transmit(bytes), defer });
  }

  send(frame: MuxFrame): void {
    if (this.takesBatches) this.#batch.add(frame);
    else this.#transmit(encodeFrame(frame));
  }

  pong(): void {
    this.#transmit(KEEP_ALIVE_PONG);
  }

  flush(): void {
    this.#batch.flush();
  }

  #transmit(data: string | Uint8Array): void {
    // Frames that end a stream and replies to pings cost no credit. A caller that triggers many and reads none is
    // disconnected here.
    const isUnread =
      (this.#socket.bufferedAmount ?? 0) > BUFFERED_BYTES_MAX || this.#unread?.add(data.length) === false;
    if (isUnread) return this.#onFailure("unread");
    try {
      this.#socket.send(data as string | Uint8Array<ArrayBuffer>);
      const mark = this.#unread?.due();
      if (mark !== undefined) this.#socket.send(encodeFrame({ type: "mark", stream: mark }) as Uint8Array<ArrayBuffer>);
    } catch {
      this.#onFailure("closed");
    }
  }
}
