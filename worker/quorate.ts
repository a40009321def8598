/**
 * Quorate inside a worker, ours (main.ts) or an application's, beside the worker's own routes.
 *
 *   const edge = quorate({ cluster: "app", prefix: "/quorate/" });
 *   export const { EdgeMember, ClusterRegistry, RoomSignalling } = edge;
 *
 *   export default {
 *     fetch(request, env, ctx) {
 *       if (new URL(request.url).pathname.startsWith("/quorate/")) return edge.fetch(request, env, ctx);
 *       return new Response("the worker's own");
 *     },
 *   };
 */
import { backUpAll } from "./backup/backup-clusters.ts";
import { workerClient } from "./client/worker-client.ts";
import { checkedOptions } from "./checked-options.ts";
import { clustersOf } from "./clusters/clusters.ts";
import { ClusterRegistry } from "./clusters/registry.ts";
import type { Env } from "./common/env.ts";
import { front } from "./front.ts";
import { EdgeMember } from "./member/member-object.ts";
import type { ObjectClass, Quorate, QuorateOptions } from "./options.ts";
import { RoomSignalling } from "./signalling/signalling.ts";

/**
 * Returns the handler and the classes that the worker exports. Sends nothing. Throws a TypeError if an option is not
 * valid.
 */
export function quorate<WorkerEnv extends object = object>(
  options: QuorateOptions<WorkerEnv> = {},
): Quorate<WorkerEnv> {
  const { prefix, authorize, environment } = checkedOptions(options);
  const known = new WeakMap<WorkerEnv, Env>();
  const environmentFor = (env: WorkerEnv): Env => {
    let own = known.get(env);
    if (own === undefined) {
      own = environment(env);
      known.set(env, own);
    }
    return own;
  };
  class Member extends EdgeMember {
    constructor(ctx: DurableObjectState, env: object) {
      super(ctx, environment(env as WorkerEnv));
    }
  }
  class Registry extends ClusterRegistry {
    constructor(ctx: DurableObjectState, env: object) {
      super(ctx, environment(env as WorkerEnv));
    }
  }
  class Room extends RoomSignalling {
    constructor(ctx: DurableObjectState, env: object) {
      super(ctx, environment(env as WorkerEnv));
    }
  }
  return {
    fetch: front({ prefix, authorize, environment: environmentFor }),
    scheduled: (env) => backUpAll(clustersOf(environmentFor(env)), environmentFor(env)),
    client: (env, client) => workerClient(clustersOf(environmentFor(env)), client),
    EdgeMember: Member as unknown as ObjectClass<WorkerEnv>,
    ClusterRegistry: Registry as unknown as ObjectClass<WorkerEnv>,
    RoomSignalling: Room as unknown as ObjectClass<WorkerEnv>,
  };
}
