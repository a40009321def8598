/** Options and result of `quorate()` in `quorate/worker`. */
import type { DurableObject } from "cloudflare:workers";
import type { ApplicationClient } from "../src/client/app/application-client.ts";
import type { User } from "../src/client/facade/authenticated.ts";

/** Options of `quorate()`. All may be left out. */
export interface QuorateOptions<WorkerEnv extends object = object> {
  /**
   * Name of the cluster: letters, digits, `.`, `_`, `-`, at most 63 characters. The ids and objects of the members are
   * derived from it, so another name is another, empty cluster. Default: the variable CLUSTER_NAME.
   */
  readonly cluster?: string;
  /**
   * Which names clusters beside this one may have: names and patterns such as "team-*", separated by commas. "*" is any
   * name, "" none. Needs the binding of ClusterRegistry. Default: the variable CLUSTERS, otherwise "*".
   */
  readonly clusters?: string;
  /** Path prefix of everything that is served, such as "/quorate/". Default "/". */
  readonly prefix?: string;
  /** Number of initial members. Default: the variable CLUSTER_SIZE, otherwise 3. */
  readonly members?: 1 | 3 | 5;
  /**
   * Cloudflare's location hints ("weur", "enam", …), one per member, the first member's first. A hint only takes effect
   * when an object is created. Default: the variable LOCATIONS, otherwise near the first caller.
   */
  readonly locations?: readonly string[];
  /**
   * Admits or rejects each request below the prefix, CORS preflights included, before anything else is done with it.
   * `true` admits it: the setup token and etcd's users are still checked then. `false` responds with 403, a Response is
   * sent as it is, and a rejection responds with 500. Default: all requests are admitted.
   */
  readonly authorize?: Authorize<WorkerEnv>;
  /** Names of the bindings in the worker's configuration. */
  readonly bindings?: BindingNames;
}

/** Decides about a request before anything else is done with it. */
export type Authorize<WorkerEnv extends object = object> = (
  /** The request without its body. */
  request: Request,
  context: AuthorizeContext<WorkerEnv>,
) => boolean | Response | Promise<boolean | Response>;

/** What `authorize` gets beside the request. */
export interface AuthorizeContext<WorkerEnv extends object = object> {
  readonly env: WorkerEnv;
  /**
   * Path without the prefix, normalised, such as "/v3/kv/put", or "/c/NAME/v3/kv/put" for the cluster NAME. It alone
   * decides what is served.
   */
  readonly path: string;
  waitUntil(promise: Promise<unknown>): void;
}

/** Names of the bindings in the worker's configuration. */
export interface BindingNames {
  /** Namespace of EdgeMember. Default "MEMBERS". */
  readonly members?: string;
  /**
   * Namespace of ClusterRegistry, the list of clusters beside the first one. Default "CLUSTER_REGISTRY". Without such a
   * binding there are none.
   */
  readonly registry?: string;
  /**
   * Namespace of RoomSignalling, for rooms of browser tabs. Default "ROOMS". Without such a binding there are no rooms.
   */
  readonly rooms?: string;
  /** Assets to serve below the prefix. Default: none. */
  readonly assets?: string;
}

/** Options of `client(env)`. All may be left out. */
export interface WorkerClientOptions {
  /** Name of a cluster beside the first one. Calls reject with NotFound if it does not exist. Default: the first one. */
  readonly cluster?: string;
  /** Who calls, where auth is enabled. The client authenticates before its first call. */
  readonly user?: User;
  /** A token that was issued before. Ignored when `user` is given. */
  readonly token?: string;
  /** Makes a member without a leader refuse calls and end watches at once. Default false. */
  readonly requireLeader?: boolean;
  /** Closes the client when it aborts. */
  readonly signal?: AbortSignal;
}

/** The part of a request's `ExecutionContext` that is used. */
export interface RequestContext {
  waitUntil(promise: Promise<unknown>): void;
}

/** What `quorate()` returns: a handler for requests, a client, and the classes that the worker exports. */
export interface Quorate<WorkerEnv extends object = object> {
  /** Responds to a request below the prefix, and to any other with 404. Never rejects. */
  readonly fetch: (request: Request, env: WorkerEnv, ctx: RequestContext) => Promise<Response>;
  /**
   * Writes a backup of every cluster into the R2 bucket that is bound as BACKUPS, and deletes the oldest ones; for a cron
   * trigger. Without a bucket it does nothing. Never rejects: failures are in the worker's log.
   */
  readonly scheduled: (env: WorkerEnv) => Promise<void>;
  /**
   * Returns a client for the worker's own code. Its calls reach the members' objects by RPC, without HTTP and without the setup
   * token. Where auth is enabled it needs a user. It belongs to the event in which it is made, as all I/O of a worker does: make
   * one for each request. Throws a TypeError if a binding is missing.
   */
  readonly client: (env: WorkerEnv, options?: WorkerClientOptions) => ApplicationClient;
  /** Class of a member's Durable Object. The worker must export it under the name in its configuration. */
  readonly EdgeMember: ObjectClass<WorkerEnv>;
  /** Class of the Durable Object that lists the clusters beside the first one. The worker exports it likewise. */
  readonly ClusterRegistry: ObjectClass<WorkerEnv>;
  /** Class of the Durable Object of a room of browser tabs. The worker exports it likewise. */
  readonly RoomSignalling: ObjectClass<WorkerEnv>;
}

/** Class of a Durable Object, for the worker to export. */
export type ObjectClass<WorkerEnv extends object> = new (
  ctx: DurableObjectState,
  env: WorkerEnv,
) => DurableObject<WorkerEnv>;
