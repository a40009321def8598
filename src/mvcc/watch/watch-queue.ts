/**
 * The responses of one stream that its reader has not taken, in the order in which they will be sent. Bounded by bytes:
 * events that do not fit are not queued, and their watchers read them from the tables later.
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
  #controlBytes = 0;
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

  /** True if the stream should accept no further requests until responses were taken from it. */
  get full(): boolean {
    return this.#bytes >= this.#bytesMax;
  }

  /** True if the client ignored `full`: the control responses alone, without any events, have reached the bound. */
  get overrun(): boolean {
    return this.#controlBytes >= this.#bytesMax;
  }

  /**
   * Returns whether live events fit. A single response fits into an empty queue however large it is, or it could never
   * be sent.
   */
  fits(bytes: number): boolean {
    return this.length === 0 || this.#bytes + bytes <= this.#bytesMax;
  }

  /**
   * Returns whether events from the tables may be queued. One response of any size may come, but only after the reader
   * has taken half. So an unsynced watcher waits for the reader, and is not tried in vain in between.
   */
  get hasRoom(): boolean {
    return this.#bytes * 2 < this.#bytesMax;
  }

  push(response: WatchResponse, bytes: number): void {
    if (this.#closed) return;
    this.#queued.push({ response, bytes });
    this.#bytes += bytes;
    if (response.events.length === 0) this.#controlBytes += bytes;
  }

  take(maxResponses: number): readonly WatchResponse[] {
    const responses: WatchResponse[] = [];
    while (responses.length < maxResponses && this.#taken < this.#queued.length) {
      const { response, bytes } = this.#queued[this.#taken++] as Queued;
      this.#bytes -= bytes;
      if (response.events.length === 0) this.#controlBytes -= bytes;
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
    this.#controlBytes = 0;
  }

  announce(): void {
    if (this.length > 0) this.#onReadable();
  }
}
