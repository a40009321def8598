/** Signalling and nothing else, for browsers that a test starts (test/support/signalling-server.ts). */
import { signallingRoute } from "../../../worker/signalling/signalling-route.ts";

export { RoomSignalling } from "../../../worker/signalling/signalling.ts";

const worker: ExportedHandler<{ readonly ROOMS: DurableObjectNamespace }> = {
  fetch(request, { ROOMS }) {
    const route = signallingRoute(new URL(request.url));
    if (route === undefined) return new Response("only signalling is served here", { status: 404 });
    return ROOMS.get(ROOMS.idFromName(route.room)).fetch(request);
  },
};

// oxlint-disable-next-line import/no-default-export -- what workerd looks for
export default worker;
