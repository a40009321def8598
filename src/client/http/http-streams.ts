/** Streams and watches that do not share the client's WebSocket. Loaded with the first of them. */
import type { CallContext, WatchService } from "../../member/api/services.ts";
import type { Source } from "../../member/api/source.ts";
import type { Rpc, RpcKind } from "../../protocol/api/rpc/rpc.ts";
import { iterableSource } from "../common/iterable-source.ts";
import type { WebSocketConstructor } from "../common/web-socket-like.ts";
import type { HttpCaller } from "./http-call.ts";
import { HttpNdjson } from "./http-ndjson.ts";
import { lineOf, requestText } from "./json-messages.ts";
import { SharedWatches } from "./shared-watches.ts";
import { WebSocketWatchStream } from "./websocket-watch.ts";

/** Time without another attempt after a WebSocket was refused. */
const REFUSED_MS = 60_000;

/** Each watch has a WebSocket of its own, as an etcd serves it. Where these are refused, all share a streamed response. */
export function watchesWithoutSharing(caller: HttpCaller, WebSocket: WebSocketConstructor | undefined): WatchService {
  const { endpoint, timeoutMs } = caller;
  const shared = new SharedWatches(caller);
  let notBeforeMs = -Infinity;
  return {
    watch(context) {
      if (WebSocket === undefined || performance.now() < notBeforeMs) return shared.watch(context);
      const onRefused = (): void => {
        notBeforeMs = performance.now() + REFUSED_MS;
      };
      return new WebSocketWatchStream({ endpoint, timeoutMs, WebSocket, token: caller.tokenOf(context), onRefused });
    },
  };
}

/** The request is sent at once. The response is read as fast as the caller reads. */
export function streamedOverHttp(
  caller: HttpCaller,
  rpc: Rpc<unknown, unknown, RpcKind>,
  message: unknown,
  context: CallContext,
): AsyncIterable<unknown> & Source<unknown> {
  const { request, response, isPatient = false } = rpc;
  const [path = ""] = rpc.paths;
  const lines = new HttpNdjson(caller, { path, body: requestText(request, message), context, what: path, isPatient });
  const close = (): void => lines.close();
  context.signal?.addEventListener("abort", close, { once: true });
  const next = async (): Promise<unknown> => {
    const line = await lines.next();
    return line === undefined ? undefined : lineOf(response, caller.endpoint, line);
  };
  return iterableSource(next, close);
}
