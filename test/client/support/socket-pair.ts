/** A WebSocket without a network: what the client sends arrives at the gateway's own WebSocket handler. */
import { watchOverWebSocket } from "../../../src/gateway/stream/websocket.ts";
import type { WatchService } from "../../../src/member/api/services.ts";
import type { WebSocketConstructor, WebSocketLike } from "../../../src/client/http/websocket-watch.ts";

type Listener = (event: { readonly data?: unknown }) => void;

class End implements WebSocketLike {
  readonly bufferedAmount: number = 0;
  readonly #listeners: Map<string, Listener[]> = new Map();
  other: End | undefined;
  #closed = false;

  addEventListener(type: string, listener: (event: { readonly data: unknown }) => void): void {
    this.#listeners.set(type, [...(this.#listeners.get(type) ?? []), listener as Listener]);
  }

  send(text: string): void {
    queueMicrotask(() => this.other?.emit("message", { data: text }));
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    queueMicrotask(() => {
      this.emit("close", {});
      this.other?.close();
    });
  }

  emit(type: string, event: { readonly data?: unknown }): void {
    for (const listener of this.#listeners.get(type) ?? []) listener(event);
  }
}

export function socketTo(service: WatchService): WebSocketConstructor {
  return class extends End {
    constructor() {
      super();
      const far = new End();
      far.other = this;
      this.other = far;
      queueMicrotask(() => {
        watchOverWebSocket(service, far, { token: "", requireLeader: false }, { maxMessageBytes: 1 << 20 });
        this.emit("open", {});
      });
    }
  };
}
