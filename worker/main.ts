/** The worker: sends each request to where it is answered. */
import { unreachable } from "../src/base/assert.ts";
import { hostRefusal, hostsOf } from "../src/gateway/hosts.ts";
import { noPage } from "../src/gateway/no-page.ts";
import { originPolicy } from "../src/gateway/origins.ts";
import { allowedOrigins, type Env } from "./env.ts";
import { askAnyMember, askMember } from "./front.ts";
import { routeOf } from "./routes.ts";
import { signallingRoute } from "./signalling-route.ts";

export { EdgeMember } from "./member-object.ts";
export { RoomSignalling } from "./signalling.ts";

const worker: ExportedHandler<Env> = {
  async fetch(request, env, ctx): Promise<Response> {
    const misdirected = env.HOST_WHITELIST && hostRefusal(request, hostsOf(env.HOST_WHITELIST));
    if (misdirected) return misdirected;
    const origin = request.headers.get("origin");
    if (origin !== null) {
      const policy = originPolicy(allowedOrigins(env));
      const refusal = policy.refusal(request, origin);
      if (refusal !== undefined) return policy.stamp(refusal, origin);
    }
    const path = pathOf(request.url);
    const route = routeOf(path);
    switch (route.type) {
      case "any-member":
        return askAnyMember(request, env, path, ctx);
      case "member":
        return (
          (await askMember(new Request(withPath(request.url, route.path), request), env, route.number)) ?? notFound()
        );
      case "signalling":
        return signalling(request, env);
      case "asset":
        return asset(request, env);
      case "nowhere":
        return notFound();
      default:
        return unreachable(route);
    }
  },
};

export default worker;

/** Cheaper than a URL, and this is every request's way. */
function pathOf(url: string): string {
  const start = url.indexOf("/", url.indexOf("//") + 2);
  if (start === -1) return "/";
  const query = url.indexOf("?", start);
  return query === -1 ? url.slice(start) : url.slice(start, query);
}

function withPath(url: string, path: string): string {
  const changed = new URL(url);
  changed.pathname = path;
  return changed.href;
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
