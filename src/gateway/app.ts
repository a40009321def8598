/**
 * etcd's JSON API as a Hono app, `Request → Response`, a thin layer over a member's services:
 *
 *     POST /v3/kv/put {"key":"Zm9v","value":"YmFy"} ─► decodeJson ─► services.kv.put ─► encodeJson
 *
 * The frequently used paths are plain routes with one handler and no middleware. Everything unusual (old prefixes,
 * other methods, unknown paths) is handled where no route matched.
 */
import { Hono } from "hono";
import { GrpcCode } from "../protocol/errors.ts";
import { PROBES } from "../member/api/services.ts";
import type { Services } from "../member/api/services.ts";
import { MAX_BODY_BYTES } from "./http/body.ts";
import { statusResponse } from "./http/errors.ts";
import { healthResponse, metricsResponse, probeResponse, inspectResponse, versionResponse } from "./http/info.ts";
import { noPage } from "./http/no-page.ts";
import { type AllowedOrigins, originPolicy } from "./http/origins.ts";
import { plainHandler } from "./plain/plain.ts";
import { type Handler, methodNotAllowed, type RpcRouteOptions, serveRpcs } from "./rpc-routes.ts";

export type { AcceptedWebSocket } from "./rpc-routes.ts";

export interface GatewayOptions extends RpcRouteOptions {
  /** Origins whose web pages may call, in addition to those of the endpoint itself. Default: all, as in etcd. */
  readonly allowedOrigins?: AllowedOrigins;
  /** Responds to a request that must not be served, before it is read. Default: all requests are served. */
  readonly admit?: (request: Request) => Response | undefined;
  /** See PlainOptions. In milliseconds; default 4,000. */
  readonly heartbeatMs?: number;
  /** Labels of every metric, after its own. Default: none, as in etcd, where whoever scrapes adds them. */
  readonly metricLabels?: Readonly<Record<string, string>>;
}

export function gatewayApp(services: Services, options: GatewayOptions = {}): Hono {
  const app = new Hono();
  const policy = originPolicy(options.allowedOrigins ?? "*");
  const known = new Set<string>();

  const guarded = async (request: Request, handler: Handler): Promise<Response> => {
    const origin = request.headers.get("origin");
    const refusal = policy.refusal(request) ?? options.admit?.(request);
    if (origin === null) return refusal ?? handler(request);
    return policy.stamp(refusal ?? (await handler(request)), origin);
  };
  const post = (path: string, handler: Handler): void => {
    known.add(path);
    app.post(path, (context) => guarded(context.req.raw, handler));
  };
  const get = (path: string, handler: Handler): void => {
    // Hono handles HEAD as a GET without a response body; etcd does not accept HEAD here.
    app.get(path, (context) => guarded(context.req.raw, context.req.method === "GET" ? handler : onlyGet));
    app.on(["POST", "PUT", "DELETE", "PATCH"], path, (context) => guarded(context.req.raw, onlyGet));
  };

  serveRpcs(
    services,
    { post, get: (path, handler) => app.get(path, (context) => guarded(context.req.raw, handler)) },
    options,
  );
  get("/health", (request) => healthResponse(services.health, request));
  for (const kind of ["livez", "readyz"] as const) {
    get(`/${kind}`, (request) => probeResponse(services.health, kind, request));
    for (const name of PROBES[kind]) {
      get(`/${kind}/${name}`, (request) => probeResponse(services.health, kind, request, name));
    }
  }
  get("/version", () => versionResponse(services.health));
  const metrics = (): Promise<Response> => metricsResponse(services.health, options.metricLabels ?? {});
  app.on(["GET", "POST", "PUT", "DELETE", "PATCH"], "/metrics", (context) => guarded(context.req.raw, metrics));
  get("/quorate/status", () => inspectResponse(services.inspect));
  const plain = plainHandler(services, {
    maxBodyBytes: options.maxBodyBytes ?? MAX_BODY_BYTES,
    heartbeatMs: options.heartbeatMs,
    callers: options.callers,
  });
  app.all("/kv/*", (context) => guarded(context.req.raw, plain));
  app.notFound((context) => guarded(context.req.raw, (request) => unrouted(app, known, request)));
  return app;
}

/** Returns etcd's responses to requests that match none of its methods. */
function unrouted(app: Hono, known: ReadonlySet<string>, request: Request): Response | Promise<Response> {
  // A CORS preflight, which a browser sends before a page's JSON request.
  if (request.method === "OPTIONS") return new Response(null);
  const url = new URL(request.url);
  const cleaned = url.pathname === "/v3" ? "/v3/" : url.pathname.replaceAll(/\/{2,}/g, "/");
  if (cleaned !== url.pathname) return redirected(request, `${cleaned}${url.search}`);
  if (url.pathname.startsWith("/v3beta/")) {
    url.pathname = `/v3/${url.pathname.slice("/v3beta/".length)}`;
    return app.fetch(new Request(url, request));
  }
  if (known.has(url.pathname)) return methodNotAllowed();
  return url.pathname.startsWith("/v3/") ? statusResponse(404, GrpcCode.NotFound, "Not Found") : noPage();
}

/** As Go's server does, with a link for human readers. */
function redirected(request: Request, location: string): Response {
  const headers = { location };
  if (request.method !== "GET" && request.method !== "HEAD") return new Response(null, { status: 307, headers });
  const shown = location.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&#34;");
  const page = request.method === "HEAD" ? null : `<a href="${shown}">Temporary Redirect</a>.\n\n`;
  return new Response(page, { status: 307, headers: { ...headers, "content-type": "text/html; charset=utf-8" } });
}

function onlyGet(): Response {
  const headers = { allow: "GET", "content-type": "text/plain; charset=utf-8" };
  return new Response("Method Not Allowed\n", { status: 405, headers });
}
