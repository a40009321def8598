/**
 * The package's `quorate/worker`: a cluster inside one's own Cloudflare worker, beside one's own routes.
 *
 *   const edge = quorate({ cluster: "app", prefix: "/quorate/" });
 *   export const { EdgeMember, RoomSignalling } = edge;
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
} from "./options.ts";
