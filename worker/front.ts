/** Routes each request to its handler, after the settings and the application's hook have admitted it. */
import { unreachable } from "../src/base/assert.ts";
import { errorResponse, statusResponse } from "../src/gateway/http/errors.ts";
import { badHost, hostRefusal } from "../src/gateway/http/hosts.ts";
import { noPage } from "../src/gateway/http/no-page.ts";
import { SERVICE_WORKER_POLICY, withSecurityHeaders } from "../src/gateway/http/security-headers.ts";
import { GrpcCode } from "../src/protocol/errors.ts";
import { CLOSE_FINAL } from "../src/protocol/mux-frame.ts";
import { backupResponse } from "./backup/backup-route.ts";
import { clusterMetrics } from "./calls/cluster-metrics.ts";
import type { CheckedOptions } from "./checked-options.ts";
import { type Cluster, type Clusters, clustersOf } from "./clusters/clusters.ts";
import { shapeResponse } from "./clusters/shape-route.ts";
import { type Address, addressed, addressOf, belowPrefix, withPath } from "./common/address.ts";
import { clusterPathOf } from "./common/cluster-path.ts";
import { badName } from "./common/cluster-record.ts";
import type { Env } from "./common/env.ts";
import { roomObjectNameOf } from "./common/identity.ts";
import { type PagePolicy, pagePolicyOf } from "./common/page-policy.ts";
import { DELETED } from "./common/refusal.ts";
import { REGISTRY_NAME } from "./common/registry-rpc.ts";
import { type Route, routeOf } from "./common/routes.ts";
import { restoreResponse } from "./member/restore-route.ts";
import { DECIDER } from "./member/restore.ts";
import type { Authorize, Quorate, RequestContext } from "./options.ts";
import { signallingRoute } from "./signalling/signalling-route.ts";

const SERVICE_WORKER = "/sw.js";
const NO_CLUSTER = "there is no such cluster";

/** A request with all that its handlers need. */
interface Visit {
  readonly request: Request;
  /** The address without the prefix and the cluster. */
  readonly address: Address;
  readonly route: Route;
  readonly cluster: Cluster;
  readonly ctx: RequestContext;
}

export function front<WorkerEnv extends object>({
  prefix,
  authorize,
  environment,
}: CheckedOptions<WorkerEnv>): Quorate<WorkerEnv>["fetch"] {
  return async (request, workerEnv, ctx) => {
    try {
      const env = environment(workerEnv);
      const policy = pagePolicyOf(env);
      const response = await checked(request, env, ctx, policy, prefix, (path) =>
        authorize === undefined ? undefined : denied(authorize, request, workerEnv, path, ctx),
      );
      return withSecurityHeaders(withPrefix(response, prefix), policy.headers);
    } catch (error) {
      return withSecurityHeaders(errorResponse(error));
    }
  };
}

/** Rejects requests that the settings do not admit, before anything else. */
async function checked(
  request: Request,
  env: Env,
  ctx: RequestContext,
  policy: PagePolicy,
  prefix: string,
  decide: (path: string) => Promise<Response | undefined> | undefined,
): Promise<Response> {
  const requested = addressOf(request);
  if (requested === undefined) return badHost();
  const misdirected = hostRefusal(request, policy.hosts);
  if (misdirected !== undefined) return misdirected;
  const address = belowPrefix(requested, prefix);
  if (address === undefined) return noPage();
  const place = clusterPathOf(address.path);
  const route: Route = place.type === "first" || place.type === "named" ? routeOf(place.path) : { type: "nowhere" };
  const refusal = policy.origins.refusal(request, route.type === "asset" ? "files" : "data");
  if (refusal !== undefined) return policy.origins.stamp(refusal, request.headers.get("origin"));
  const rejection = await decide(address.path);
  if (rejection !== undefined) return withOrigin(rejection, request, policy);
  const clusters = clustersOf(env);
  switch (place.type) {
    case "first":
      return stamped(await respond({ request, address, route, cluster: clusters.first, ctx }), route, request, policy);
    case "bad-name":
      return withOrigin(statusResponse(400, GrpcCode.InvalidArgument, badName(place.name)), request, policy);
    case "unfinished":
      return new Response(null, { status: 308, headers: { location: `${place.path}${address.search}` } });
    case "named": {
      const cluster = await clusters.find(place.name);
      if ("missing" in cluster) {
        if (isUpgrade(request)) return closedForGood(NO_CLUSTER);
        return withOrigin(statusResponse(404, GrpcCode.NotFound, cluster.missing), request, policy);
      }
      if (route.type === "clusters") return notFound();
      const visit = { request, address: withPath(address, place.path), route, cluster, ctx };
      const response = isUpgrade(request) ? await upgraded(visit, place.name, clusters) : await respond(visit);
      return withPrefix(stamped(response, route, request, policy), `${place.base}/`);
    }
  }
}

/**
 * Members say that their cluster was deleted before this isolate knows it. By then the name may be that of another cluster,
 * as of a room that was founded anew.
 */
async function upgraded(visit: Visit, name: string, clusters: Clusters): Promise<Response> {
  const response = await respond(visit);
  if (!(await isDeleted(response))) return response;
  const cluster = await clusters.find(name);
  if ("missing" in cluster || cluster === visit.cluster) return closedForGood(DELETED.text);
  const ofOther = await respond({ ...visit, cluster });
  return (await isDeleted(ofOther)) ? closedForGood(DELETED.text) : ofOther;
}

/** A room sets CORS for every page; the settings decide here which pages get a response. */
function stamped(response: Response, { type }: Route, request: Request, policy: PagePolicy): Response {
  return type === "signalling" || type === "script" ? withOrigin(response, request, policy) : response;
}

/**
 * Returns the response to a request that the hook does not admit. The hook gets no body, so it cannot consume that of
 * the request.
 */
async function denied<WorkerEnv extends object>(
  authorize: Authorize<WorkerEnv>,
  request: Request,
  env: WorkerEnv,
  path: string,
  ctx: RequestContext,
): Promise<Response | undefined> {
  const { method, headers, cf } = request;
  const head = new Request(request.url, { method, headers, ...(cf === undefined ? {} : { cf }) });
  const decision = await authorize(head, { env, path, waitUntil: (promise) => ctx.waitUntil(promise) });
  if (decision === true) return undefined;
  if (decision instanceof Response) return decision;
  return statusResponse(403, GrpcCode.PermissionDenied, "this worker does not let the request in");
}

/** Handlers get a request with the normalised address, and cannot arrive at another one. */
async function respond({ request, address, route, cluster, ctx }: Visit): Promise<Response> {
  const { env, balancer } = cluster;
  switch (route.type) {
    case "any-member":
      return balancer.forwardToAny(addressed(request, address), address.path, ctx);
    case "member":
      return (await balancer.forwardTo(addressed(request, withPath(address, route.path)), route.number)) ?? notFound();
    case "metrics":
      // A preflight of CORS is a member's.
      return request.method === "GET" || request.method === "HEAD"
        ? clusterMetrics(balancer, addressed(request, address), env.CLUSTER_NAME)
        : balancer.forwardToAny(addressed(request, address), address.path, ctx);
    case "restore":
      return restoreResponse(
        route.step,
        new URLSearchParams(address.search),
        request,
        balancer.member(DECIDER),
        balancer.unfinished,
      );
    case "backups":
      return backupResponse(route.step, new URLSearchParams(address.search).get("name") ?? "", request, cluster);
    case "shape":
      return shapeResponse(addressed(request, address), cluster);
    case "clusters":
      return registry(addressed(request, address), env);
    case "signalling":
      return signalling(addressed(request, address), cluster);
    case "script":
    case "asset":
      return asset(addressed(request, address), env);
    case "nowhere":
      return notFound();
    default:
      return unreachable(route);
  }
}

async function registry(request: Request, { CLUSTER_REGISTRY }: Env): Promise<Response> {
  if (CLUSTER_REGISTRY === undefined) return notFound();
  return CLUSTER_REGISTRY.get(CLUSTER_REGISTRY.idFromName(REGISTRY_NAME)).fetch(request);
}

async function signalling(request: Request, { env, balancer }: Cluster): Promise<Response> {
  const { ROOMS, CLUSTER_NAME } = env;
  const route = signallingRoute(new URL(request.url));
  if (route === undefined || ROOMS === undefined) return notFound();
  const refusal = await balancer.refusalOf(request);
  if (refusal !== undefined) return refusal;
  return ROOMS.get(ROOMS.idFromName(roomObjectNameOf(CLUSTER_NAME, route.room))).fetch(request);
}

function withOrigin(response: Response, request: Request, { origins }: PagePolicy): Response {
  if (response.status === 101) return response;
  return origins.stamp(new Response(response.body, response), request.headers.get("origin"));
}

async function asset(request: Request, { ASSETS }: Env): Promise<Response> {
  if (ASSETS === undefined || (request.method !== "GET" && request.method !== "HEAD")) return noPage();
  const response = await ASSETS.fetch(request);
  if (response.status === 404) return noPage();
  return new URL(request.url).pathname === SERVICE_WORKER ? withServiceWorkerPolicy(response) : response;
}

function withServiceWorkerPolicy(response: Response): Response {
  const script = new Response(response.body, response);
  script.headers.set("content-security-policy", SERVICE_WORKER_POLICY);
  // A browser looks for a new version, whatever a cache on the way has.
  script.headers.set("cache-control", "no-cache");
  return script;
}

/** Members do not know the prefix. It is added to the location of their redirects. */
function withPrefix(response: Response, prefix: string): Response {
  if (prefix === "/") return response;
  const location = response.headers.get("location");
  if (location === null || !location.startsWith("/")) return response;
  // Without the body, which links to the location without the prefix.
  const moved = new Response(null, response);
  moved.headers.delete("content-type");
  moved.headers.set("location", `${prefix.slice(0, -1)}${location}`);
  return moved;
}

function isUpgrade({ headers }: Request): boolean {
  return headers.get("upgrade")?.toLowerCase() === "websocket";
}

async function isDeleted(response: Response): Promise<boolean> {
  if (response.status !== 404) return false;
  const { message }: { readonly message?: string } = await response.clone().json();
  return message === DELETED.text;
}

/** A browser does not tell a page why a WebSocket was not opened, so the page would try for ever. */
function closedForGood(reason: string): Response {
  const { 0: client, 1: server } = new WebSocketPair();
  server.accept();
  server.close(CLOSE_FINAL + GrpcCode.NotFound, reason);
  return new Response(null, { status: 101, webSocket: client });
}

/** etcd's response below /v3/. */
function notFound(): Response {
  return Response.json({ code: 5, message: "Not Found" }, { status: 404 });
}
