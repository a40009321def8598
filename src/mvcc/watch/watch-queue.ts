/**
 * The responses of one stream that nobody has taken yet, in the order in which they will be sent. Bounded by bytes:
 * events that do not fit are not queued at all, and their watchers read them from the tables later.
 */
import type { WatchResponse } from "../../protocol/api/watch.ts";

export interface Queued {
  readonly response: WatchResponse;
  readonly bytes: number;
}

export class WatchQueue {
  readonly #bytesMax: number;
  readonly #onReadable: () => void;
  #queued: Queued[] = [];
  #taken = 0;
  #bytes = 0;
  #answerBytes = 0;
  #closed = false;

  constructor(bytesMax: number, onReadable: () => void) {
    this.#bytesMax = bytesMax;
    this.#onReadable = onReadable;
  }

  get length(): number {
    return this.#queued.length - this.#taken;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Nothing more should be asked of this stream before something was taken from it. */
  get full(): boolean {
    return this.#bytes >= this.#bytesMax;
  }

  /** Asked on regardless: the answers alone, without any events, have come to the bound. */
  get overrun(): boolean {
    return this.#answerBytes >= this.#bytesMax;
  }

  /** For events as they come. One response fits into an empty queue however large it is, or it would never leave. */
  fits(bytes: number): boolean {
    return this.length === 0 || this.#bytes + bytes <= this.#bytesMax;
  }

  /**
   * For events out of the tables: any one response may come, but not before the reader has taken half. So whoever is
   * refused has to wait for the reader, and nobody asks in vain in between.
   */
  get hasRoom(): boolean {
    return this.#bytes * 2 < this.#bytesMax;
  }

  push(response: WatchResponse, bytes: number): void {
    if (this.#closed) return;
    this.#queued.push({ response, bytes });
    this.#bytes += bytes;
    if (response.events.length === 0) this.#answerBytes += bytes;
  }

  take(maxResponses: number): readonly WatchResponse[] {
    const responses: WatchResponse[] = [];
    while (responses.length < maxResponses && this.#taken < this.#queued.length) {
      const { response, bytes } = this.#queued[this.#taken++] as Queued;
      this.#bytes -= bytes;
      if (response.events.length === 0) this.#answerBytes -= bytes;
      responses.push(response);
    }
    if (this.#taken === this.#queued.length) {
      this.#queued = [];
      this.#taken = 0;
    } else if (this.#taken > 64 && this.#taken * 2 > this.#queued.length) {
      this.#queued = this.#queued.slice(this.#taken);
      this.#taken = 0;
    }
    return responses;
  }

  close(): void {
    this.#closed = true;
    this.#queued = [];
    this.#taken = 0;
    this.#bytes = 0;
    this.#answerBytes = 0;
  }

  announce(): void {
    if (this.length > 0) this.#onReadable();
  }
}
