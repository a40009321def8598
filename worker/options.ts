/** What `quorate/worker` is given and gives. */
import type { DurableObject } from "cloudflare:workers";

export interface QuorateOptions<WorkerEnv extends object = object> {
  /**
   * Names the cluster: letters, digits, `.`, `_`, `-`, at most 63. The members' ids and objects follow from it, so another name
   * is another, empty cluster. Default: the variable CLUSTER_NAME.
   */
  readonly cluster?: string;
  /** The path below which everything is served, as "/quorate/". Default "/". */
  readonly prefix?: string;
  /** Members with which the cluster is founded. Default: the variable CLUSTER_SIZE, else 3. */
  readonly members?: 1 | 3 | 5;
  /**
   * Cloudflare's location hints ("weur", "enam", …), the first member's first. A hint counts when an object is made, and not
   * after. Default: the variable LOCATIONS, else near whoever calls first.
   */
  readonly locations?: readonly string[];
  /**
   * Decides about each request below the prefix before anything is done for it, CORS preflights included. `true` lets it go on:
   * the setup token and etcd's users still decide then. `false` is 403, a Response is sent as it is, and a rejection is 500.
   */
  readonly authorize?: Authorize<WorkerEnv>;
  /** What the bindings are called in the worker's configuration. */
  readonly bindings?: BindingNames;
}

export type Authorize<WorkerEnv extends object = object> = (
  /** Without its body. */
  request: Request,
  context: AuthorizeContext<WorkerEnv>,
) => boolean | Response | Promise<boolean | Response>;

export interface AuthorizeContext<WorkerEnv extends object = object> {
  readonly env: WorkerEnv;
  /** Below the prefix and normalised, as "/v3/kv/put": what is served in the end is decided by this. */
  readonly path: string;
  waitUntil(promise: Promise<unknown>): void;
}

export interface BindingNames {
  /** The namespace of EdgeMember. Default "MEMBERS". */
  readonly members?: string;
  /** The namespace of RoomSignalling, for rooms of browser tabs. Default "ROOMS"; without such a binding there are no rooms. */
  readonly rooms?: string;
  /** Assets to serve below the prefix. Default: none. */
  readonly assets?: string;
}

/** What is used of a request's `ExecutionContext`. */
export interface RequestContext {
  waitUntil(promise: Promise<unknown>): void;
}

export interface Quorate<WorkerEnv extends object = object> {
  /** Answers a request below the prefix; others get 404. Never rejects. */
  readonly fetch: (request: Request, env: WorkerEnv, ctx: RequestContext) => Promise<Response>;
  /** A member's Durable Object, for the worker to export under the name that its configuration binds. */
  readonly EdgeMember: ObjectClass<WorkerEnv>;
  /** The Durable Object of a room of browser tabs, to be exported likewise. */
  readonly RoomSignalling: ObjectClass<WorkerEnv>;
}

export type ObjectClass<WorkerEnv extends object> = new (
  ctx: DurableObjectState,
  env: WorkerEnv,
) => DurableObject<WorkerEnv>;
