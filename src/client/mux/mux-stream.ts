/**
 * One stream of a multiplexed connection, at the caller's end. Received messages are buffered here until they are read,
 * and credit is returned as they are read. So a slow reader holds a bounded number of bytes, and delays only its own
 * stream.
 */
import { joined } from "../../base/bytes.ts";
import { STREAM_CREDIT_BYTES } from "../../protocol/mux-frame.ts";
import type { MuxFrame } from "../../protocol/mux-frame.ts";
import type { EtcdError } from "../../protocol/errors.ts";

interface Message {
  readonly bytes: Uint8Array;
  /** Bytes for which no credit was returned yet. */
  readonly owed: number;
}

export interface StreamEnd {
  /** Undefined if the stream ended without an error. */
  readonly error: EtcdError | undefined;
}

export class MuxStream {
  readonly isLasting: boolean;
  readonly #id: number;
  readonly #send: (frame: MuxFrame) => void;
  /** Complete messages, in order. */
  #messages: Message[] = [];
  /** Fragments of the incomplete message. */
  #pieces: Uint8Array[] = [];
  #pieceBytes = 0;
  /** Bytes that were read and not yet credited. */
  #owed = 0;
  #end: StreamEnd | undefined;
  #wake: (() => void) | undefined;

  /** `isLasting`: it may be silent for long, as a watch is. */
  constructor(id: number, isLasting: boolean, send: (frame: MuxFrame) => void) {
    this.#id = id;
    this.isLasting = isLasting;
    this.#send = send;
  }

  get isOver(): boolean {
    return this.#end !== undefined;
  }

  /** Returns the next message; undefined at the end. Throws the stream's error after all messages are read. */
  async next(): Promise<Uint8Array | undefined> {
    while (this.#messages.length === 0 && this.#end === undefined) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const message = this.#messages.shift();
    if (message === undefined) {
      if (this.#end?.error !== undefined) throw this.#end.error;
      return undefined;
    }
    this.#taken(message.owed);
    // Only fragments of a message are left, which must be complete before it can be read.
    if (this.#messages.length === 0) this.#takePieces();
    return message.bytes;
  }

  received(bytes: Uint8Array, isLast: boolean): void {
    if (this.#end !== undefined) return;
    this.#pieces.push(bytes);
    this.#pieceBytes += bytes.length;
    if (!isLast) {
      if (this.#messages.length === 0) this.#takePieces();
      return;
    }
    this.#messages.push({ bytes: joined(this.#pieces), owed: this.#pieceBytes });
    this.#pieces = [];
    this.#pieceBytes = 0;
    this.#wake?.();
  }

  ended(end: StreamEnd): void {
    this.#end ??= end;
    this.#wake?.();
  }

  /** The reader is gone. */
  drop(): void {
    this.#messages = [];
    this.#pieces = [];
    this.ended({ error: undefined });
  }

  #takePieces(): void {
    const bytes = this.#pieceBytes;
    this.#pieceBytes = 0;
    this.#taken(bytes);
  }

  #taken(bytes: number): void {
    this.#owed += bytes;
    if (this.#end !== undefined || this.#owed < STREAM_CREDIT_BYTES / 2) return;
    this.#send({ type: "credit", stream: this.#id, bytes: this.#owed });
    this.#owed = 0;
  }
}
