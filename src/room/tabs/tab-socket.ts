/**
 * A channel between two tabs of a browser profile: the tab that is served, and the one that serves it. It has the form
 * of a WebSocket, so the connection with many streams runs over it as over any other (protocol/mux-frame.ts). What is
 * no ArrayBuffer is passed on beside it (room-news.ts).
 *
 * It is a BroadcastChannel with a name of its own, because a MessagePort can be handed to another tab by a worker only,
 * which an application would have to serve from its own origin. Neither tells of an end that is gone; locks do.
 */

/** A batch of frames has at most a fifth of it. */
const MESSAGE_BYTES_MAX = 1024 * 1024;
const OPEN = "open";
const CLOSE = "close";

type Listener = (event: { readonly data: unknown }) => void;
type EventType = "open" | "message" | "close" | "error";

export class TabSocket {
  binaryType: string = "arraybuffer";
  /** As a WebSocket's: 0 until the other end is open, 1, and 3 when it is closed. */
  readyState: number = 0;
  readonly #channel: BroadcastChannel;
  readonly #listeners: { readonly type: EventType; readonly listener: Listener }[] = [];

  constructor(name: string, onOther: (data: unknown) => void) {
    this.#channel = new BroadcastChannel(name);
    this.#channel.addEventListener("message", ({ data }: MessageEvent<unknown>) => {
      if (data instanceof ArrayBuffer) {
        if (data.byteLength > MESSAGE_BYTES_MAX) return this.close();
        this.#emit("message", data);
      } else if (data === OPEN) {
        this.readyState = 1;
        this.#emit("open");
      } else if (data === CLOSE) this.#end();
      else onOther(data);
    });
  }

  addEventListener(type: EventType, listener: Listener): void {
    this.#listeners.push({ type, listener });
  }

  /** By the end that serves, when it can take calls. */
  open(): void {
    this.readyState = 1;
    this.tell(OPEN);
  }

  /** A view is copied: a clone would take its whole buffer along. */
  send(bytes: Uint8Array<ArrayBuffer>): void {
    this.tell(bytes.byteLength === bytes.buffer.byteLength ? bytes.buffer : bytes.slice().buffer);
  }

  tell(data: unknown): void {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a BroadcastChannel has none
    if (this.readyState !== 3) this.#channel.postMessage(data);
  }

  close(): void {
    if (this.readyState === 3) return;
    this.tell(CLOSE);
    this.#end();
  }

  #end(): void {
    if (this.readyState === 3) return;
    this.readyState = 3;
    this.#channel.close();
    this.#emit("close");
  }

  #emit(type: EventType, data?: unknown): void {
    for (const each of this.#listeners) if (each.type === type) each.listener({ data });
  }
}
