/** Finds the WebSocket class for connections to the endpoint: Node has its own from version 22 on. */
import { WebSocket as PackagedWebSocket } from "ws";
import type { WebSocketConstructor } from "../client/common/web-socket-like.ts";

export function platformWebSocket(): WebSocketConstructor {
  const own = (globalThis as { readonly WebSocket?: WebSocketConstructor }).WebSocket;
  return own ?? (PackagedWebSocket as unknown as WebSocketConstructor);
}
