/** A shop's worker whose configuration changes without a deployment: in every isolate, within a second or two. */
import { quorate } from "quorate/worker";
import { ConfigCache } from "./config-cache.ts";
import { configSchema } from "./config.ts";

interface Env {
  readonly MEMBERS: DurableObjectNamespace;
}

const edge = quorate<Env>({ cluster: "shop", prefix: "/quorate/" });
export const { EdgeMember } = edge;

/** One for each isolate, so it outlives a request. It holds values, never a client: a client belongs to its request. */
const cache = new ConfigCache();

const worker: ExportedHandler<Env> = {
  async fetch(request, env, ctx) {
    const { pathname } = new URL(request.url);
    if (pathname.startsWith("/quorate/")) return edge.fetch(request, env, ctx);

    const { config, revision, reads } = await cache.get({
      read: () => edge.client(env).namespace("config/", { schema: configSchema }).get("shop", { serializable: true }),
      later: (work) => ctx.waitUntil(work),
    });
    const { banner, freeShippingFrom } = config;
    return new Response(`${banner}\nFree shipping from ${freeShippingFrom} €\n`, {
      headers: { "x-config-revision": String(revision), "x-config-reads": String(reads) },
    });
  },
};

export default worker;
