/**
 * Watches that do not share the client's WebSocket. Each has a WebSocket of its own, as an etcd serves it. Where these are
 * refused, all share a streamed HTTP response.
 *
 * The first watch finds out which it is. Those that begin meanwhile wait for it: a browser opens one WebSocket to a host
 * after the other, so that fifty refusals of their own would take seconds.
 */
import type { WatchService } from "../../member/api/services.ts";
import type { WebSocketConstructor } from "../common/web-socket-like.ts";
import { type Deferred, deferred } from "../common/deferred.ts";
import type { HttpCaller } from "./http-call.ts";
import { SharedWatches } from "./shared-watches.ts";
import { type Attempted, WebSocketWatchStream } from "./websocket-watch.ts";

/** Time without another attempt after a WebSocket was refused. */
const REFUSED_MS = 60_000;

/** Returns what gives the service for the next watch, which must follow at once. It does not reject. */
export function unsharedWatches(
  caller: HttpCaller,
  WebSocket: WebSocketConstructor | undefined,
): () => Promise<WatchService> {
  const watches = new SharedWatches(caller);
  const shared: WatchService = { watch: (context) => watches.watch(context) };
  if (WebSocket === undefined) return () => Promise.resolve(shared);
  const { endpoint, timeoutMs } = caller;
  let notBeforeMs = -Infinity;
  let wasOpen = false;
  /** The watch whose outcome others wait for. */
  let attempt: Deferred<void> | undefined;
  const webSockets = (onAttempted: (outcome: Attempted) => void): WatchService => ({
    watch(context) {
      try {
        const token = caller.tokenOf(context);
        return new WebSocketWatchStream({ endpoint, timeoutMs, WebSocket, token, onAttempted });
      } catch (error) {
        onAttempted("closed");
        throw error;
      }
    },
  });
  const next = async (): Promise<WatchService> => {
    if (attempt !== undefined) {
      await attempt.promise;
      return next();
    }
    if (performance.now() < notBeforeMs) return shared;
    const own = wasOpen ? undefined : (attempt = deferred());
    return webSockets((outcome) => {
      if (outcome !== "closed") wasOpen = outcome === "open";
      if (outcome === "refused") notBeforeMs = performance.now() + REFUSED_MS;
      if (attempt === own) attempt = undefined;
      own?.resolve();
    });
  };
  return next;
}
