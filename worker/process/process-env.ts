/** Bindings of the worker when a process of its own runs one member (src/serve/member-config.ts writes them). */
import type { Env } from "../common/env.ts";
import type { ProcessRpc } from "./peer-rpc.ts";

export interface ProcessEnv extends Omit<Env, "MEMBERS" | "ROOMS" | "CLUSTER_NAME" | "CLUSTER_SIZE" | "LOCATIONS"> {
  /** The one object of the process. */
  readonly MEMBER: DurableObjectNamespace<ProcessRpc>;
  /** Reaches the other members, with this member's certificate where there is one. */
  readonly PEERS: Fetcher;
  /** etcd's --name. */
  readonly MEMBER_NAME: string;
  /** etcd's --initial-cluster: "m1=http://a:2380,m2=http://b:2380". Used on a fresh store only. */
  readonly INITIAL_CLUSTER: string;
  /** etcd's --initial-cluster-state: "new" or "existing". */
  readonly INITIAL_CLUSTER_STATE: string;
  /** etcd's --initial-cluster-token: tells clusters apart that have the same members. */
  readonly INITIAL_CLUSTER_TOKEN: string;
  /** etcd's --advertise-client-urls, separated by commas. */
  readonly ADVERTISE_CLIENT_URLS: string;
  /** A secret that members show each other. Undefined: certificates prove them, or all are on this machine. */
  readonly PEER_TOKEN?: string;
}

/** The object is the only one of its namespace. */
export const OBJECT_NAME = "member";
