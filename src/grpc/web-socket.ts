/** Finds the WebSocket that carries streams to the endpoint: Node has its own from version 22 on. */
import { WebSocket as PackagedWebSocket } from "ws";
import type { CarrierSocketConstructor } from "./carrier.ts";

export function platformWebSocket(): CarrierSocketConstructor {
  const own = (globalThis as { readonly WebSocket?: CarrierSocketConstructor }).WebSocket;
  return own ?? (PackagedWebSocket as unknown as CarrierSocketConstructor);
}
