/**
 * The worker inside which the tests of this folder run: nothing but the Durable Objects that they need, because
 * `runInDurableObject` and `evictDurableObject` reach only objects of the main worker.
 */
import { DurableObject } from "cloudflare:workers";
import { signallingRoute } from "../../worker/signalling/signalling-route.ts";

export { ClusterRegistry, EdgeMember, RoomSignalling } from "../../worker/main.ts";
export { OtherMember } from "./support/other-cluster.ts";
export { GatedObject } from "./adapters/gated-object.ts";
export { TestCarrier } from "./adapters/test-transport.ts";

/** An object without behaviour, whose SQLite storage the tests work on through `runInDurableObject`. */
export class TestStore extends DurableObject {}

const worker: ExportedHandler<{ readonly ROOMS: DurableObjectNamespace }> = {
  fetch(request, { ROOMS }) {
    const route = signallingRoute(new URL(request.url));
    if (route === undefined) return new Response("the tests' own worker", { status: 404 });
    return ROOMS.get(ROOMS.idFromName(route.room)).fetch(request);
  },
};

export default worker;
