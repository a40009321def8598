/** WebSockets as the client uses them. */
/** The part of a WebSocket that the client uses. */
export interface WebSocketLike {
  /** Type in which binary frames are delivered. */
  binaryType?: string;
  /** 1 while it is open. */
  readonly readyState?: number;
  /** Bytes passed to `send` that the network has not taken yet. */
  readonly bufferedAmount?: number;
  send(data: string | Uint8Array<ArrayBuffer>): void;
  close(): void;
  addEventListener(
    type: "open" | "close" | "error" | "message",
    listener: (event: { readonly data?: unknown; readonly code?: number; readonly reason?: string }) => void,
  ): void;
}

/** A class of WebSockets, such as `globalThis.WebSocket` or that of the package `ws`. */
export type WebSocketConstructor = new (url: string, protocols?: string[]) => WebSocketLike;
