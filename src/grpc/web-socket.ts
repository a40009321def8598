/** Finds the WebSocket class for connections to the endpoint: Node has its own from version 22 on. */
import { WebSocket as PackagedWebSocket } from "ws";
import type { MuxSocketConstructor } from "./mux-client.ts";

export function platformWebSocket(): MuxSocketConstructor {
  const own = (globalThis as { readonly WebSocket?: MuxSocketConstructor }).WebSocket;
  return own ?? (PackagedWebSocket as unknown as MuxSocketConstructor);
}
