/**
 * Methods of services as calls to an endpoint, derived from the method table. Calls and watches share one WebSocket to a
 * Quorate (mux/); while that is not to be had, and with a real etcd, calls are etcd's JSON API over HTTP. Reads are
 * retried while the server is unavailable; writes only if they surely were not sent.
 */
import { iterableSource } from "../common/iterable-source.ts";
import type { WebSocketConstructor } from "../common/web-socket-like.ts";
import type { MuxOptions } from "../mux/mux-connection.ts";
import type { CallContext, Services } from "../../member/api/services.ts";
import { EtcdError } from "../../protocol/errors.ts";
import type { RpcTable } from "../../protocol/api/rpc/rpc-table.ts";
import type { Rpc, RpcKind } from "../../protocol/api/rpc/rpc.ts";
import { HttpCaller } from "./http-call.ts";
import type { HttpOptions } from "./http-call.ts";
import type { streamedOverHttp } from "./http-streams.ts";
import { lineOf, requestText, responseOf } from "./json-messages.ts";
import { LazySocket } from "./lazy-socket.ts";

export interface HttpServicesOptions extends HttpOptions {
  /** For the shared WebSocket. Without it, calls are HTTP requests and each watch a streamed HTTP response. */
  readonly WebSocket?: WebSocketConstructor;
  /** As in MuxOptions, for the shared WebSocket. */
  readonly afterEvents?: MuxOptions["afterEvents"];
  /** Called with the outcome of each call over the shared WebSocket. */
  readonly onOutcome?: (error: EtcdError | undefined) => void;
}

/** How calls reach the endpoint. */
export interface Transport {
  readonly caller: HttpCaller;
  readonly socket: LazySocket | undefined;
  readonly WebSocket: WebSocketConstructor | undefined;
  readonly onOutcome: (error: EtcdError | undefined) => void;
}

type AnyRpc = Rpc<unknown, unknown, RpcKind>;
type AnyMethod = (message: unknown, context: CallContext) => unknown;
type StreamedOverHttp = typeof streamedOverHttp;

export const NO_CONTEXT: CallContext = { token: "", requireLeader: false };

export function transportOf(options: HttpServicesOptions): Transport {
  const caller = new HttpCaller(options);
  const { endpoint } = caller;
  const { WebSocket, afterEvents } = options;
  const token = caller.tokenOf(NO_CONTEXT);
  const socket = WebSocket === undefined ? undefined : new LazySocket({ endpoint, token, WebSocket, afterEvents });
  return { caller, socket, WebSocket, onOutcome: options.onOutcome ?? (() => {}) };
}

/** The compiler compares the table with the services in member/api/table-services.ts. */
export function served<Name extends keyof RpcTable>(
  transport: Transport,
  _name: Name,
  rpcs: RpcTable[Name],
  stream?: StreamedOverHttp,
): Services[Name] {
  const methods = Object.entries(rpcs as object as Readonly<Record<string, AnyRpc>>);
  return Object.fromEntries(
    methods.map(([name, rpc]) => [
      name,
      rpc.kind === "serverStream" ? streamed(transport, rpc, stream) : called(transport, rpc),
    ]),
  ) as object as Services[Name];
}

function streamed({ caller, socket }: Transport, rpc: AnyRpc, overHttp: StreamedOverHttp | undefined): AnyMethod {
  return (message, context) => {
    const stream = socket?.forCall(rpc.isPatient === true)?.open(rpc, named(caller, context));
    if (stream === undefined) return overHttp?.(caller, rpc, message, context);
    stream.request(message);
    return iterableSource(
      () => stream.next(),
      () => stream.close(),
    );
  };
}

function called({ caller, socket, onOutcome }: Transport, rpc: AnyRpc): AnyMethod {
  const { request, response, isRead = false, isPatient = false } = rpc;
  const [path = ""] = rpc.paths;
  // The bidirectional stream of keep-alives is used for single ones: the response is the first line of a stream.
  const read = rpc.kind === "bidi" ? lineOf : responseOf;
  return (message, context) =>
    caller.retried({ context, isRead, isPatient }, async (limit) => {
      const connection = socket?.forCall(isPatient);
      if (connection !== undefined) {
        return observed(connection.call(rpc, message, named(caller, context), limit), onOutcome);
      }
      const body = requestText(request, message);
      const call = { method: "POST", path, body, context, isRead, isPatient } as const;
      return read(response, caller.endpoint, await caller.attempt(call, limit));
    });
}

async function observed<Result>(call: Promise<Result>, onOutcome: Transport["onOutcome"]): Promise<Result> {
  try {
    const result = await call;
    onOutcome(undefined);
    return result;
  } catch (error) {
    if (error instanceof EtcdError) onOutcome(error);
    throw error;
  }
}

export function named(caller: HttpCaller, context: CallContext): CallContext {
  return { ...context, token: caller.tokenOf(context) };
}
