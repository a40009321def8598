/** The worker as it is deployed: Quorate alone, at the root, with its page; the variables say all else. */
import type { Quorate } from "./options.ts";
import { quorate } from "./quorate.ts";

const edge: Quorate = quorate({ bindings: { assets: "ASSETS" } });

export const EdgeMember: Quorate["EdgeMember"] = edge.EdgeMember;
export const RoomSignalling: Quorate["RoomSignalling"] = edge.RoomSignalling;

const worker: ExportedHandler = { fetch: (request, env, ctx) => edge.fetch(request, env as object, ctx) };

export default worker;
