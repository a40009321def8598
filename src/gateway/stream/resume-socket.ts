/** Goes on with a socket whose former server was evicted from memory: see hibernation.ts. */
import type { Services } from "../../member/api/services.ts";
import type { CallerLimits } from "../http/caller-limits.ts";
import type { SavedSocket } from "./hibernation.ts";
import { resumable } from "./mux-saving.ts";
import type { MuxSocket } from "./mux-sender.ts";
import { type MuxLimits, resumeMux } from "./mux-server.ts";
import { decodeSaved } from "./saved-stream.ts";
import { resumeWatchOverWebSocket, type WebSocketLike } from "./websocket.ts";

/** Throws if it cannot: then the socket is to be closed, and its client resumes. */
export function resumeSocket(
  services: Services,
  socket: WebSocketLike & MuxSocket,
  saved: SavedSocket,
  limits: Pick<MuxLimits, "maxMessageBytes">,
  callers?: CallerLimits,
): void {
  const restored = decodeSaved(saved);
  if (restored.path === "") resumeMux(services, socket, restored, { ...limits, countsUnread: true }, callers);
  else resumeWatchOverWebSocket(resumable(services.watch), socket, restored, limits, callers);
}
