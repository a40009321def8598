/** The worker: sends each request to where it is answered. */
import { unreachable } from "../src/base/assert.ts";
import { badHost, hostRefusal, hostsOf } from "../src/gateway/hosts.ts";
import { noPage } from "../src/gateway/no-page.ts";
import { originPolicy } from "../src/gateway/origins.ts";
import { allowedOrigins, type Env } from "./env.ts";
import { type Address, addressed, addressOf, withPath } from "./address.ts";
import { askAnyMember, askMember, memberStub } from "./front.ts";
import { DECIDER } from "./restore.ts";
import { restoreAnswer } from "./restore-route.ts";
import { routeOf } from "./routes.ts";
import { signallingRoute } from "./signalling-route.ts";

export { EdgeMember } from "./member-object.ts";
export { RoomSignalling } from "./signalling.ts";

const worker: ExportedHandler<Env> = {
  async fetch(request, env, ctx): Promise<Response> {
    const address = addressOf(request);
    if (address === undefined) return badHost();
    const misdirected = env.HOST_WHITELIST && hostRefusal(request, hostsOf(env.HOST_WHITELIST));
    if (misdirected) return misdirected;
    const origin = request.headers.get("origin");
    if (origin !== null) {
      const policy = originPolicy(allowedOrigins(env));
      const refusal = policy.refusal(request, origin);
      if (refusal !== undefined) return policy.stamp(refusal, origin);
    }
    return respond(request, address, env, ctx);
  },
};

export default worker;

/** Whoever answers gets a request with the address that was judged here, and cannot come to another one. */
async function respond(request: Request, address: Address, env: Env, ctx: ExecutionContext): Promise<Response> {
  const route = routeOf(address.path);
  switch (route.type) {
    case "any-member":
      return askAnyMember(addressed(request, address), env, address.path, ctx);
    case "member":
      return (await askMember(addressed(request, withPath(address, route.path)), env, route.number)) ?? notFound();
    case "restore":
      return restoreAnswer(route.step, new URLSearchParams(address.search), request, (step) =>
        memberStub(env, DECIDER).restore(step),
      );
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
  const response = await env.ROOMS.get(env.ROOMS.idFromName(route.room)).fetch(request);
  const origin = request.headers.get("origin");
  // A room lets every page see its answers; which pages get any is said here.
  if (origin === null || response.status === 101) return response;
  return originPolicy(allowedOrigins(env)).stamp(new Response(response.body, response), origin);
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
