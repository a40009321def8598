/**
 * Routes for the paths of etcd's gateway, derived from the method table: it alone decides which methods of a member's
 * services are served. Only the two bidirectional streams depend on their messages (watch-http.ts, lease-stream.ts).
 */
import { unreachable } from "../base/assert.ts";
import type { CallContext, Services } from "../member/api/services.ts";
import type { Source } from "../member/api/source.ts";
import { servedRpcs } from "../member/api/table-services.ts";
import type { AnyRpc, ServedRpc } from "../member/api/table-services.ts";
import { EtcdError, GrpcCode } from "../protocol/errors.ts";
import { MUX_PATH, MUX_QUERY } from "../protocol/mux-frame.ts";
import { decodeJson } from "../protocol/codec/json-decode.ts";
import { encodeJson } from "../protocol/codec/json-encode.ts";
import { encode } from "../protocol/codec/proto-codec.ts";
import { RPCS } from "../protocol/api/rpc/rpc-table.ts";
import { MAX_BODY_BYTES, readBody, tooLarge } from "./http/body.ts";
import { type CallerLimits, unfinishedBytes } from "./http/caller-limits.ts";
import { serveMux } from "./stream/mux-server.ts";
import { callContext, chosenSubprotocol, webSocketContext } from "./http/context.ts";
import { errorResponse, JSON_TYPE, statusResponse } from "./http/errors.ts";
import { delayedResponse, type DelayedResponseTimes, type Waiter } from "./http/delayed-response.ts";
import { keepAliveOverHttp, keepAliveOverWebSocket } from "./stream/lease-stream.ts";
import { PROBE_AFTER_MS } from "./http/presence.ts";
import { streamOverHttp, streamOverWebSocket } from "./stream/server-stream.ts";
import { timeoutMsOf, within } from "./http/timeout.ts";
import { watchOverHttp, type WatchLimits } from "./stream/watch-http.ts";
import { watchOverWebSocket, type WebSocketLike, type WebSocketLimits } from "./stream/websocket.ts";

export interface RpcRouteOptions {
  /** In bytes. Default: the limit of etcd's gRPC server, with room for the JSON form. */
  readonly maxBodyBytes?: number;
  /** See WatchLimits. In milliseconds; default 4,000. */
  readonly probeAfterMs?: number;
  /** For calls that may wait for other clients. */
  readonly delayedResponse?: DelayedResponseTimes;
  /** Accepts the WebSocket that a request asks for; absent if the platform has none. */
  readonly acceptWebSocket?: (request: Request, subprotocol: string | undefined) => AcceptedWebSocket;
  readonly webSocket?: Omit<WebSocketLimits, "maxMessageBytes">;
  /** Limits each caller's sockets and unfinished requests. Default: unlimited. */
  readonly callers?: CallerLimits;
}

export interface AcceptedWebSocket {
  readonly socket: WebSocketLike;
  readonly response: Response;
}

export type Handler = (request: Request) => Response | Promise<Response>;

export interface Router {
  post(path: string, handler: Handler): void;
  get(path: string, handler: Handler): void;
}

interface Limits extends WatchLimits {
  readonly webSocket: WebSocketLimits;
}

/** A stream in both of its forms. */
interface Stream {
  overHttp(request: Request, context: CallContext): Promise<Response>;
  overWebSocket(socket: WebSocketLike, context: CallContext): void;
}

const JSON_RESPONSE = { headers: { "content-type": JSON_TYPE } } as const;

export function serveRpcs(services: Services, router: Router, options: RpcRouteOptions): void {
  const maxMessageBytes = options.maxBodyBytes ?? MAX_BODY_BYTES;
  const limits: Limits = {
    maxMessageBytes,
    probeAfterMs: options.probeAfterMs ?? PROBE_AFTER_MS,
    callers: options.callers,
    webSocket: { ...options.webSocket, maxMessageBytes },
  };
  for (const { rpc, method } of servedRpcs(services)) {
    const stream = streamOf(services, rpc, method, limits);
    for (const path of rpc.paths) {
      if (stream === undefined) router.post(path, unaryHandler(rpc, method, limits, options.delayedResponse));
      else serveStream(path, stream, router, options);
    }
  }
  router.get(MUX_PATH, (request) =>
    upgraded(request, options, (socket) => {
      // The WebSockets of all platforms accept bytes too.
      const peer = { ...callContext(request), isCurrent: new URL(request.url).search === MUX_QUERY };
      const muxLimits = { maxMessageBytes, countsUnread: true };
      serveMux(services, socket, muxLimits, peer, options.callers);
    }),
  );
}

/** etcd's gRPC server rejects an oversized message before any other check. */
function checkSize({ request }: AnyRpc, message: unknown, bodyLength: number, maxBodyBytes: number): void {
  // A body may be twice as large as its message (body.ts).
  if (bodyLength <= maxBodyBytes / 2) return;
  const { length } = encode(request, message);
  if (length > maxBodyBytes / 2) throw tooLarge(length, maxBodyBytes);
}

function unaryHandler(
  rpc: AnyRpc,
  method: ServedRpc["method"],
  limits: Limits,
  times: DelayedResponseTimes | undefined,
): Handler {
  const { request, response, isPatient = false } = rpc;
  const { maxMessageBytes: maxBodyBytes, callers } = limits;
  return async (raw) => {
    try {
      const timeoutMs = timeoutMsOf(raw.headers);
      const context = callContext(raw);
      const body = await readBody(raw, maxBodyBytes, unfinishedBytes(callers, context));
      const message = decodeJson(request, body);
      checkSize(rpc, message, body.length, maxBodyBytes);
      const respond = async (named: CallContext): Promise<string> => encodeJson(response, await method(message, named));
      if (isPatient) {
        const call = (waiter: Waiter): Promise<string> =>
          inTime(timeoutMs, waiter.signal, (signal) => respond({ ...context, ...waiter, signal }));
        return await delayedResponse(raw.signal, call, times);
      }
      return new Response(await inTime(timeoutMs, raw.signal, () => respond(context)), JSON_RESPONSE);
    } catch (error) {
      return errorResponse(error);
    }
  };
}

function inTime<R>(
  timeoutMs: number | undefined,
  signal: AbortSignal,
  call: (signal: AbortSignal) => Promise<R>,
): Promise<R> {
  return timeoutMs === undefined ? call(signal) : within(timeoutMs, signal, call);
}

function streamOf(services: Services, rpc: AnyRpc, method: ServedRpc["method"], limits: Limits): Stream | undefined {
  switch (rpc.kind) {
    case "unary":
      return undefined;
    case "serverStream": {
      const open = method as (message: unknown, context: CallContext) => AsyncIterable<unknown> | Source<unknown>;
      return {
        overHttp: (request, context) => streamOverHttp(rpc, open, request, context, limits),
        overWebSocket: (socket, context) => streamOverWebSocket(rpc, open, socket, context, limits.webSocket),
      };
    }
    case "bidi":
      return bidiOf(services, rpc, limits);
    default:
      return unreachable(rpc.kind);
  }
}

function bidiOf(services: Services, rpc: AnyRpc, limits: Limits): Stream {
  const { watch, lease } = services;
  if (rpc === (RPCS.watch.watch as AnyRpc)) {
    return {
      overHttp: (request, context) => watchOverHttp(watch, request, context, limits),
      overWebSocket: (socket, context) => watchOverWebSocket(watch, socket, context, limits.webSocket, limits.callers),
    };
  }
  return {
    overHttp: (request, context) => keepAliveOverHttp(lease, request, context, limits),
    overWebSocket: (socket, context) => keepAliveOverWebSocket(lease, socket, context, limits.webSocket),
  };
}

function serveStream(path: string, stream: Stream, router: Router, options: RpcRouteOptions): void {
  router.post(path, (request) => stream.overHttp(request, callContext(request)));
  router.get(path, (request) =>
    upgraded(request, options, (socket) => stream.overWebSocket(socket, webSocketContext(request))),
  );
}

function upgraded(
  request: Request,
  { acceptWebSocket }: RpcRouteOptions,
  serve: (socket: WebSocketLike) => void,
): Response {
  if (request.headers.get("upgrade")?.toLowerCase() !== "websocket") return methodNotAllowed();
  if (acceptWebSocket === undefined) {
    return errorResponse(new EtcdError(GrpcCode.Unimplemented, "WebSockets are not served here"));
  }
  const { socket, response } = acceptWebSocket(request, chosenSubprotocol(request.headers));
  serve(socket);
  return response;
}

export function methodNotAllowed(): Response {
  return statusResponse(501, GrpcCode.Unimplemented, "Method Not Allowed");
}
