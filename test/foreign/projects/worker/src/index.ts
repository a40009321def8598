import { quorate } from "quorate/worker";

interface Env {
  readonly MEMBERS: DurableObjectNamespace;
  readonly ROOMS: DurableObjectNamespace;
}

const edge = quorate<Env>({
  cluster: "foreign",
  prefix: "/quorate/",
  members: 3,
  locations: ["weur", "enam", "apac"],
  authorize: (_request, { path }) => path !== "/metrics",
});
export const { EdgeMember, RoomSignalling } = edge;

// @ts-expect-error a cluster has 1, 3 or 5 members
export const even = () => quorate({ cluster: "even", members: 2 });

const worker: ExportedHandler<Env> = {
  async fetch(request, env, ctx) {
    const { pathname, searchParams } = new URL(request.url);
    if (pathname.startsWith("/quorate/")) return edge.fetch(request, env, ctx);
    const client = edge.client(env);
    const key = searchParams.get("key") ?? "own";
    switch (pathname) {
      case "/put":
        return Response.json(await client.kv.put(key, await request.text()));
      case "/get":
        return new Response((await client.kv.range(key)).kvs.map(({ value }) => client.toText(value)).join());
      case "/watch": {
        const watcher = client.watch(key);
        await watcher.created;
        ctx.waitUntil(client.kv.put(key, "seen"));
        const { value } = await watcher.next();
        await watcher.return();
        return new Response(value?.events.map(({ kv }) => client.toText(kv.value)).join());
      }
      case "/lock":
        return new Response(String(await client.withLock(key, ({ fence }) => fence > 0)));
      case "/wait": {
        // Without a lease of its own, it is out of the queue when the member hears that the caller is gone.
        await client.lock.lock(key);
        return new Response("locked");
      }
      default:
        return new Response("the worker's own");
    }
  },
};

export default worker;
