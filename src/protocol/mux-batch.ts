/**
 * Collects the frames that one side of a multiplexed connection sends in a turn of the event loop, and sends them as one
 * message of the socket. Messages cost far more than frames: each is a system call here and an event there.
 */
import { BATCH_BYTES, BATCH_FRAMES_MAX, encodeBatch, encodeFrame } from "./mux-frame.ts";
import type { MuxFrame } from "./mux-frame.ts";

export interface FrameBatchHost {
  /** Sends a message of the socket. */
  readonly send: (bytes: Uint8Array) => void;
  /** Runs `look` in this turn of the event loop, after what is already due in it: a microtask. */
  readonly defer: (look: () => void) => void;
  /** Looks that find no new frame before the batch is sent. Default 8. */
  readonly quietLooks?: number;
}

/**
 * A stream with more to send adds its next frame some microtasks after the last one, and a batch that did not wait for it
 * would have one frame per stream.
 */
const QUIET_LOOKS = 8;

export class FrameBatch {
  readonly #host: FrameBatchHost;
  readonly #quietLooksMin: number;
  #frames: Uint8Array[] = [];
  #bytes = 0;
  #isDeferred = false;
  /** Frames at the last look, and looks since there were fewer. */
  #seen = 0;
  #quietLooks = 0;

  constructor(host: FrameBatchHost) {
    this.#host = host;
    this.#quietLooksMin = host.quietLooks ?? QUIET_LOOKS;
  }

  add(frame: MuxFrame): void {
    const encoded = encodeFrame(frame);
    this.#frames.push(encoded);
    this.#bytes += encoded.length;
    if (this.#bytes >= BATCH_BYTES || this.#frames.length === BATCH_FRAMES_MAX) return this.flush();
    if (this.#isDeferred) return;
    this.#isDeferred = true;
    this.#quietLooks = 0;
    this.#seen = this.#frames.length;
    this.#host.defer(() => this.#look());
  }

  #look(): void {
    this.#quietLooks = this.#frames.length === this.#seen ? this.#quietLooks + 1 : 0;
    this.#seen = this.#frames.length;
    if (this.#frames.length > 0 && this.#quietLooks < this.#quietLooksMin) return this.#host.defer(() => this.#look());
    this.#isDeferred = false;
    this.flush();
  }

  flush(): void {
    const frames = this.#frames;
    if (frames.length === 0) return;
    this.#frames = [];
    this.#bytes = 0;
    this.#host.send(encodeBatch(frames));
  }
}
