/**
 * Collects the frames that one side of a multiplexed connection sends in a turn of the event loop, and sends them as one
 * message of the socket. Messages cost far more than frames: each is a system call here and an event there.
 */
import { BATCH_BYTES, BATCH_FRAMES_MAX, encodeBatch, encodeFrame } from "./mux-frame.ts";
import type { MuxFrame } from "./mux-frame.ts";

export interface FrameBatchHost {
  /** Sends a message of the socket. */
  readonly send: (bytes: Uint8Array) => void;
  /** Runs `flush` at the end of this turn, after what is already due in it. */
  readonly defer: (flush: () => void) => void;
}

export class FrameBatch {
  readonly #host: FrameBatchHost;
  #frames: Uint8Array[] = [];
  #bytes = 0;
  #isDeferred = false;

  constructor(host: FrameBatchHost) {
    this.#host = host;
  }

  add(frame: MuxFrame): void {
    const encoded = encodeFrame(frame);
    this.#frames.push(encoded);
    this.#bytes += encoded.length;
    if (this.#bytes >= BATCH_BYTES || this.#frames.length === BATCH_FRAMES_MAX) return this.flush();
    if (this.#isDeferred) return;
    this.#isDeferred = true;
    this.#host.defer(() => {
      this.#isDeferred = false;
      this.flush();
    });
  }

  flush(): void {
    const frames = this.#frames;
    if (frames.length === 0) return;
    this.#frames = [];
    this.#bytes = 0;
    this.#host.send(encodeBatch(frames));
  }
}
