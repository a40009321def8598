/** How the calls of a client reach its endpoint: by HTTP, and by the shared WebSocket. */
import type { CallContext } from "../../member/api/services.ts";
import type { EtcdError } from "../../protocol/etcd-error.ts";
import type { WebSocketConstructor } from "../common/web-socket-like.ts";
import type { MuxOptions } from "../mux/mux-connection.ts";
import { HttpCaller } from "./http-call.ts";
import type { HttpOptions } from "./http-call.ts";
import { LazySocket } from "./lazy-socket.ts";

export interface HttpServicesOptions extends HttpOptions {
  /** For the shared WebSocket. Without it, calls are HTTP requests and all watches share a streamed HTTP response. */
  readonly WebSocket?: WebSocketConstructor;
  /** As in MuxOptions, for the shared WebSocket. */
  readonly afterEvents?: MuxOptions["afterEvents"];
  /** Called with the outcome of each call over the shared WebSocket. */
  readonly onOutcome?: (error: EtcdError | undefined) => void;
}

export interface Transport {
  readonly caller: HttpCaller;
  readonly socket: LazySocket | undefined;
  readonly WebSocket: WebSocketConstructor | undefined;
  readonly onOutcome: (error: EtcdError | undefined) => void;
}

export const NO_CONTEXT: CallContext = { token: "", requireLeader: false };

export function transportOf(options: HttpServicesOptions): Transport {
  const caller = new HttpCaller(options);
  const { endpoint } = caller;
  const { WebSocket, afterEvents } = options;
  const token = caller.tokenOf(NO_CONTEXT);
  const socket = WebSocket === undefined ? undefined : new LazySocket({ endpoint, token, WebSocket, afterEvents });
  return { caller, socket, WebSocket, onOutcome: options.onOutcome ?? (() => {}) };
}
