/** The platform's WebSocket as a constructor, to the edge cluster of these tests. */
import type { WebSocketLike } from "../../../src/client/common/web-socket-like.ts";
import { edge } from "./edge-kit.ts";

interface AnyEvent {
  readonly data: unknown;
  readonly code: number;
  readonly reason: string;
}

type Listener = (event: AnyEvent) => void;

export class EdgeWebSocket implements WebSocketLike {
  binaryType = "blob";
  readyState = 0;
  readonly bufferedAmount: number = 0;
  readonly #listeners: [string, Listener][] = [];
  #socket: WebSocket | undefined;

  constructor(url: string, protocols: readonly string[] = []) {
    void this.#open(url, protocols);
  }

  send(data: string | Uint8Array<ArrayBuffer>): void {
    this.#socket?.send(data);
  }

  close(code?: number, reason?: string): void {
    this.readyState = 3;
    this.#socket?.close(code, reason);
  }

  addEventListener(type: string, listener: Listener): void {
    this.#listeners.push([type, listener]);
  }

  async #open(url: string, protocols: readonly string[]): Promise<void> {
    const headers: Record<string, string> = { upgrade: "websocket" };
    if (protocols.length > 0) headers["sec-websocket-protocol"] = protocols.join(", ");
    const { pathname, search } = new URL(url);
    const { webSocket } = await edge(`${pathname}${search}`, { headers });
    if (webSocket === null) return this.#tell("close", {});
    this.#socket = webSocket;
    webSocket.binaryType = "arraybuffer";
    webSocket.addEventListener("message", ({ data }) => this.#tell("message", { data }));
    webSocket.addEventListener("close", ({ code, reason }) => {
      this.readyState = 3;
      this.#tell("close", { code, reason });
    });
    webSocket.accept();
    this.readyState = 1;
    this.#tell("open", {});
  }

  #tell(type: string, event: Partial<AnyEvent>): void {
    const whole = { data: undefined, code: 1006, reason: "", ...event };
    for (const [heard, listener] of this.#listeners) if (heard === type) listener(whole);
  }
}
