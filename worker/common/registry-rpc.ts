/** RPC methods of the registry of clusters (worker/clusters/registry.ts), for workers and members. */
import type { ClusterRecord } from "./cluster-record.ts";

export interface RegistryRpc extends Rpc.DurableObjectBranded {
  /** Returns undefined if there is no such cluster. */
  find(name: string): Promise<ClusterRecord | undefined>;
  /** Some clusters after that name, in the order of names; none at the end. */
  page(after: string): Promise<readonly ClusterRecord[]>;
  /** Whether the cluster of this key exists now. */
  isCurrent(key: string): Promise<boolean>;
}

/** The registry's name in its namespace: there is one for a deployment. */
export const REGISTRY_NAME = "clusters";
