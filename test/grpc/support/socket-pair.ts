/** Two ends of a WebSocket that need no network: what one sends arrives at the other a moment later, in order. */
type Listener = (event: { readonly data?: unknown; readonly code?: number; readonly reason?: string }) => void;

export class SocketEnd {
  binaryType = "blob";
  bufferedAmount = 0;
  /** Frames that this end was given to send. */
  sent = 0;
  isClosed = false;
  peer: SocketEnd | undefined;
  /** While set, nothing arrives here: a connection whose far end is stuck. */
  isStuck = false;
  readonly #listeners: Map<string, Listener[]> = new Map();
  #held: unknown[] = [];

  send(data: unknown): void {
    if (this.isClosed) return;
    this.sent += 1;
    const copy = data instanceof Uint8Array ? data.slice().buffer : data;
    const { peer } = this;
    queueMicrotask(() => peer?.arrive(copy));
  }

  close(code = 1000, reason = ""): void {
    if (this.isClosed) return;
    this.isClosed = true;
    const { peer } = this;
    queueMicrotask(() => {
      if (peer === undefined || peer.isClosed) return;
      peer.isClosed = true;
      peer.emit("close", undefined, code, reason);
    });
  }

  addEventListener(type: string, listener: Listener): void {
    this.#listeners.set(type, [...(this.#listeners.get(type) ?? []), listener]);
  }

  emit(type: string, data?: unknown, code = 1000, reason = ""): void {
    for (const listener of this.#listeners.get(type) ?? []) listener({ data, code, reason });
  }

  arrive(data: unknown): void {
    if (this.isClosed) return;
    if (this.isStuck) this.#held.push(data);
    else this.emit("message", data);
  }

  unstick(): void {
    this.isStuck = false;
    for (const data of this.#held.splice(0)) this.emit("message", data);
  }
}

/** A constructor for the near end; `accept` gets the far one. */
export function socketsTo(accept: (far: SocketEnd, url: string) => void): new (url: string) => SocketEnd {
  return class extends SocketEnd {
    constructor(url: string) {
      super();
      const far = new SocketEnd();
      this.peer = far;
      far.peer = this;
      accept(far, url);
      queueMicrotask(() => this.emit("open"));
    }
  };
}
