/** The worker: sends each request to where it is answered. */
import { unreachable } from "../src/base/assert.ts";
import { errorResponse } from "../src/gateway/http/errors.ts";
import { badHost, hostRefusal } from "../src/gateway/http/hosts.ts";
import { noPage } from "../src/gateway/http/no-page.ts";
import { withSecurityHeaders } from "../src/gateway/http/security-headers.ts";
import { type Address, addressed, addressOf, withPath } from "./common/address.ts";
import type { Env } from "./common/env.ts";
import { forwardToAny, forwardTo, memberStub, refusalOf } from "./calls/balancer.ts";
import { type PagePolicy, pagePolicyOf } from "./common/page-policy.ts";
import { DECIDER } from "./member/restore.ts";
import { restoreAnswer } from "./member/restore-route.ts";
import { type Route, routeOf } from "./common/routes.ts";
import { signallingRoute } from "./signalling/signalling-route.ts";

export { EdgeMember } from "./member/member-object.ts";
export { RoomSignalling } from "./signalling/signalling.ts";

const worker: ExportedHandler<Env> = {
  async fetch(request, env, ctx): Promise<Response> {
    try {
      const policy = pagePolicyOf(env);
      return withSecurityHeaders(await judged(request, env, ctx, policy), policy.headers);
    } catch (error) {
      return withSecurityHeaders(errorResponse(error));
    }
  },
};

export default worker;

/** Refuses what the settings do not let in, before anything else is done with the request. */
async function judged(request: Request, env: Env, ctx: ExecutionContext, policy: PagePolicy): Promise<Response> {
  const address = addressOf(request);
  if (address === undefined) return badHost();
  const misdirected = hostRefusal(request, policy.hosts);
  if (misdirected !== undefined) return misdirected;
  const route = routeOf(address.path);
  const refusal = policy.origins.refusal(request, route.type === "asset" ? "files" : "data");
  if (refusal !== undefined) return policy.origins.stamp(refusal, request.headers.get("origin"));
  const response = await respond(request, address, route, env, ctx);
  // A room lets every page see its answers; which pages get any is said here.
  return route.type === "signalling" ? withOrigin(response, request, policy) : response;
}

/** Whoever answers gets a request with the address that was judged here, and cannot come to another one. */
async function respond(
  request: Request,
  address: Address,
  route: Route,
  env: Env,
  ctx: ExecutionContext,
): Promise<Response> {
  switch (route.type) {
    case "any-member":
      return forwardToAny(addressed(request, address), env, address.path, ctx);
    case "member":
      return (await forwardTo(addressed(request, withPath(address, route.path)), env, route.number)) ?? notFound();
    case "restore":
      return restoreAnswer(route.step, new URLSearchParams(address.search), request, memberStub(env, DECIDER));
    case "signalling":
      return signalling(addressed(request, address), env);
    case "asset":
      return asset(addressed(request, address), env);
    case "nowhere":
      return notFound();
    default:
      return unreachable(route);
  }
}

async function signalling(request: Request, env: Env): Promise<Response> {
  const route = signallingRoute(new URL(request.url));
  if (route === undefined) return notFound();
  const refusal = await refusalOf(request, env);
  if (refusal !== undefined) return refusal;
  return env.ROOMS.get(env.ROOMS.idFromName(route.room)).fetch(request);
}

function withOrigin(response: Response, request: Request, { origins }: PagePolicy): Response {
  if (response.status === 101) return response;
  return origins.stamp(new Response(response.body, response), request.headers.get("origin"));
}

async function asset(request: Request, env: Env): Promise<Response> {
  if (request.method !== "GET" && request.method !== "HEAD") return noPage();
  const response = await env.ASSETS.fetch(request);
  return response.status === 404 ? noPage() : response;
}

/** As etcd says it below /v3/. */
function notFound(): Response {
  return Response.json({ code: 5, message: "Not Found" }, { status: 404 });
}
