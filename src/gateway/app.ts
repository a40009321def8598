/**
 * etcd's JSON API as a Hono app, `Request → Response`, thin over a member's services:
 *
 *     POST /v3/kv/put {"key":"Zm9v","value":"YmFy"} ─► decodeJson ─► services.kv.put ─► encodeJson
 *
 * The paths that carry the load are plain routes with one handler and nothing around it; everything unusual (old
 * prefixes, other methods, unknown paths) is sorted out where no route matched.
 */
import { Hono } from "hono";
import { EtcdError, GrpcCode } from "../protocol/errors.ts";
import { decodeJson } from "../protocol/json-decode.ts";
import { encodeJson } from "../protocol/json-encode.ts";
import { memberListRequestSchema, memberListResponseSchema } from "../protocol/cluster-schema.ts";
import {
  compactionRequestSchema,
  compactionResponseSchema,
  deleteRangeRequestSchema,
  deleteRangeResponseSchema,
  putRequestSchema,
  putResponseSchema,
  rangeRequestSchema,
  rangeResponseSchema,
  txnRequestSchema,
  txnResponseSchema,
} from "../protocol/kv-schema.ts";
import { statusRequestSchema, statusResponseSchema } from "../protocol/maintenance-schema.ts";
import type { CallContext, Services } from "../member/services.ts";
import { serveAuth } from "./auth-routes.ts";
import { MAX_BODY_BYTES, readBody } from "./body.ts";
import { callContext, chosenSubprotocol, webSocketContext } from "./context.ts";
import { errorResponse, JSON_TYPE, statusResponse } from "./errors.ts";
import { keepAliveOverHttp, keepAliveOverWebSocket } from "./lease-stream.ts";
import { serveLeases, serveLocksAndElections } from "./lease-routes.ts";
import { observeOverHttp, observeOverWebSocket } from "./observe-stream.ts";
import { healthAnswer, metricsAnswer, statusAnswer, versionAnswer } from "./info.ts";
import { type AllowedOrigins, originPolicy } from "./origins.ts";
import { plainFront } from "./plain.ts";
import type { ServeUnary } from "./unary.ts";
import { UNSERVED } from "./unserved.ts";
import { watchOverHttp, type WatchLimits } from "./watch-http.ts";
import { watchOverWebSocket, type WebSocketLike, type WebSocketLimits } from "./websocket.ts";

export interface GatewayOptions {
  /** Web pages of which origins may call, beside those of the endpoint itself. Default: all, as etcd's. */
  readonly allowedOrigins?: AllowedOrigins;
  /** Default: what etcd's gRPC server takes, with room for its JSON form. */
  readonly maxBodyBytes?: number;
  /** See WatchLimits. Default 60,000. */
  readonly probeAfterMs?: number;
  /** See PlainOptions. Default 30,000. */
  readonly heartbeatMs?: number;
  /** Accepts the WebSocket that a request asks for; absent where the platform has none. */
  readonly acceptWebSocket?: (request: Request, subprotocol: string | undefined) => AcceptedWebSocket;
  readonly webSocket?: Omit<WebSocketLimits, "maxMessageBytes">;
}

export interface AcceptedWebSocket {
  readonly socket: WebSocketLike;
  readonly response: Response;
}

type Handler = (request: Request) => Response | Promise<Response>;

const JSON_ANSWER = { headers: { "content-type": JSON_TYPE } } as const;

export function gatewayApp(services: Services, options: GatewayOptions = {}): Hono {
  const app = new Hono();
  const policy = originPolicy(options.allowedOrigins ?? "*");
  const known = new Set<string>(UNSERVED.keys());

  const guarded = async (request: Request, handler: Handler): Promise<Response> => {
    const origin = request.headers.get("origin");
    if (origin === null) return handler(request);
    return policy.stamp(policy.refusal(request, origin) ?? (await handler(request)), origin);
  };
  const post = (path: string, handler: Handler): void => {
    known.add(path);
    app.post(path, (context) => guarded(context.req.raw, handler));
  };
  const get = (path: string, handler: Handler): void => {
    app.get(path, (context) => guarded(context.req.raw, handler));
    app.on(["POST", "PUT", "DELETE", "PATCH"], path, (context) => guarded(context.req.raw, onlyGet));
  };

  const maxBodyBytes = options.maxBodyBytes ?? MAX_BODY_BYTES;
  serveUnary(services, maxBodyBytes, post);
  serveStreams(services, options, post, (path, handler) => {
    app.get(path, (context) => guarded(context.req.raw, handler));
  });
  get("/health", (request) => healthAnswer(services.health, request));
  get("/version", () => versionAnswer());
  get("/metrics", () => metricsAnswer(services.health));
  get("/quorate/status", () => statusAnswer(services.inspect));
  const plain = plainFront(services, { maxBodyBytes, heartbeatMs: options.heartbeatMs });
  app.all("/kv/*", (context) => guarded(context.req.raw, plain));
  app.notFound((context) => guarded(context.req.raw, (request) => unrouted(app, known, request)));
  return app;
}

function serveUnary(services: Services, maxBodyBytes: number, post: (path: string, handler: Handler) => void): void {
  const unary: ServeUnary = (path, request, response, call) => {
    post(path, async (raw) => {
      try {
        const message = decodeJson(request, await readBody(raw, maxBodyBytes));
        return new Response(
          encodeJson(response, await call(message, callContext(raw.headers), raw.signal)),
          JSON_ANSWER,
        );
      } catch (error) {
        return errorResponse(error);
      }
    });
  };
  serveLeases(services, unary);
  serveAuth(services, unary);
  serveLocksAndElections(services, unary);
  const { kv, cluster, maintenance } = services;
  unary("/v3/kv/range", rangeRequestSchema, rangeResponseSchema, (message, context) => kv.range(message, context));
  unary("/v3/kv/put", putRequestSchema, putResponseSchema, (message, context) => kv.put(message, context));
  unary("/v3/kv/deleterange", deleteRangeRequestSchema, deleteRangeResponseSchema, (message, context) =>
    kv.deleteRange(message, context),
  );
  unary("/v3/kv/txn", txnRequestSchema, txnResponseSchema, (message, context) => kv.txn(message, context));
  unary("/v3/kv/compaction", compactionRequestSchema, compactionResponseSchema, (message, context) =>
    kv.compact(message, context),
  );
  unary("/v3/maintenance/status", statusRequestSchema, statusResponseSchema, (message, context) =>
    maintenance.status(message, context),
  );
  unary("/v3/cluster/member/list", memberListRequestSchema, memberListResponseSchema, (message, context) =>
    cluster.memberList(message, context),
  );
}

/** Each under one path: over HTTP, and over a WebSocket both ways at once. */
function serveStreams(
  services: Services,
  options: GatewayOptions,
  post: (path: string, handler: Handler) => void,
  get: (path: string, handler: Handler) => void,
): void {
  const { watch, lease, election } = services;
  const maxMessageBytes = options.maxBodyBytes ?? MAX_BODY_BYTES;
  const limits: WatchLimits = { maxMessageBytes, probeAfterMs: options.probeAfterMs ?? 60_000 };
  const socketLimits: WebSocketLimits = { ...options.webSocket, maxMessageBytes };
  const serve = (
    path: string,
    overHttp: (request: Request, context: CallContext) => Promise<Response>,
    overWebSocket: (socket: WebSocketLike, context: CallContext) => void,
  ): void => {
    post(path, (request) => overHttp(request, callContext(request.headers)));
    get(path, (request) => {
      const { acceptWebSocket } = options;
      if (request.headers.get("upgrade")?.toLowerCase() !== "websocket") return methodNotAllowed();
      if (acceptWebSocket === undefined) {
        return errorResponse(new EtcdError(GrpcCode.Unimplemented, "WebSockets are not served here"));
      }
      const { socket, response } = acceptWebSocket(request, chosenSubprotocol(request.headers));
      overWebSocket(socket, webSocketContext(request.headers));
      return response;
    });
  };
  serve(
    "/v3/watch",
    (request, context) => watchOverHttp(watch, request, context, limits),
    (socket, context) => watchOverWebSocket(watch, socket, context, socketLimits),
  );
  serve(
    "/v3/lease/keepalive",
    (request, context) => keepAliveOverHttp(lease, request, context, maxMessageBytes),
    (socket, context) => keepAliveOverWebSocket(lease, socket, context, socketLimits),
  );
  serve(
    "/v3/election/observe",
    (request, context) => observeOverHttp(election, request, context, maxMessageBytes),
    (socket, context) => observeOverWebSocket(election, socket, context, socketLimits),
  );
}

/** What etcd says to requests that are none of its methods. */
function unrouted(app: Hono, known: ReadonlySet<string>, request: Request): Response | Promise<Response> {
  // CORS asks before it lets a page send JSON.
  if (request.method === "OPTIONS") return new Response(null);
  const url = new URL(request.url);
  if (url.pathname.startsWith("/v3beta/")) {
    url.pathname = `/v3/${url.pathname.slice("/v3beta/".length)}`;
    return app.fetch(new Request(url, request));
  }
  if (!known.has(url.pathname)) return statusResponse(404, GrpcCode.NotFound, "Not Found");
  const unserved = UNSERVED.get(url.pathname);
  if (request.method !== "POST" || unserved === undefined) return methodNotAllowed();
  return statusResponse(501, GrpcCode.Unimplemented, unserved);
}

function methodNotAllowed(): Response {
  return statusResponse(501, GrpcCode.Unimplemented, "Method Not Allowed");
}

function onlyGet(): Response {
  return new Response("Method Not Allowed\n", { status: 405, headers: { allow: "GET" } });
}
