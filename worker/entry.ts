/**
 * The package's `quorate/worker`: a cluster inside an application's Cloudflare worker, beside its own routes.
 *
 * ```ts
 * import { quorate } from "quorate/worker";
 *
 * const edge = quorate({ cluster: "app", prefix: "/quorate/" });
 * export const { EdgeMember, ClusterRegistry, RoomSignalling } = edge;
 * ```
 */
export { quorate } from "./quorate.ts";
export type {
  Authorize,
  AuthorizeContext,
  BindingNames,
  ObjectClass,
  Quorate,
  QuorateOptions,
  RequestContext,
  WorkerClientOptions,
} from "./options.ts";
