/** The deployed worker: Quorate alone, at the root, with its page. Variables have all other settings. */
import type { Quorate } from "./options.ts";
import { quorate } from "./quorate.ts";

const edge: Quorate = quorate({ bindings: { assets: "ASSETS" } });

export const EdgeMember: Quorate["EdgeMember"] = edge.EdgeMember;
export const ClusterRegistry: Quorate["ClusterRegistry"] = edge.ClusterRegistry;
export const RoomSignalling: Quorate["RoomSignalling"] = edge.RoomSignalling;

const worker: ExportedHandler = {
  fetch: (request, env, ctx) => edge.fetch(request, env as object, ctx),
  scheduled: (_controller, env) => edge.scheduled(env as object),
};

export default worker;
