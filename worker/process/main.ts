/** The worker of a process of its own: one member, its page, and a listener for the other members. */
import type { Quorate } from "../options.ts";
import { quorate } from "../quorate.ts";
import { OBJECT_NAME, type ProcessEnv } from "./process-env.ts";

export { PeerListener } from "./peer-listener.ts";
export { ProcessMember } from "./process-member.ts";

const edge: Quorate = quorate({ bindings: { assets: "ASSETS" } });
const fronts = new WeakMap<ProcessEnv, object>();

const worker: ExportedHandler<ProcessEnv> = {
  fetch: (request, env, ctx) => edge.fetch(request, frontOf(env), ctx),
};

export default worker;

/** The worker in front sees a cluster of one member: this process's. The others have addresses of their own. */
function frontOf(env: ProcessEnv): object {
  let front = fronts.get(env);
  if (front === undefined) {
    const { MEMBER } = env;
    const MEMBERS = { idFromName: () => MEMBER.idFromName(OBJECT_NAME), get: (id: DurableObjectId) => MEMBER.get(id) };
    front = { ...env, MEMBERS, CLUSTER_NAME: "process", CLUSTER_SIZE: "1" };
    fronts.set(env, front);
  }
  return front;
}
