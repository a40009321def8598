/** RPC methods of the registry of clusters (worker/clusters/registry.ts), for workers and members. */
import type { ClusterRecord } from "./cluster-record.ts";

/** The cluster of a room, or why there is none. */
export type FoundedRoom =
  | { readonly type: "founded"; readonly key: string }
  | { readonly type: "refused"; readonly status: number; readonly message: string };

export interface RegistryRpc extends Rpc.DurableObjectBranded {
  /** Returns undefined if there is no such cluster. */
  find(name: string): Promise<ClusterRecord | undefined>;
  /** Some clusters after that name, in the order of names; none at the end. */
  page(after: string): Promise<readonly ClusterRecord[]>;
  /** Whether the cluster of this key exists now. */
  isCurrent(key: string): Promise<boolean>;
  /**
   * Creates the cluster of a room, for the room itself. If there is one of that name for the same room, its key is
   * returned.
   */
  foundRoom(record: ClusterRecord): Promise<FoundedRoom>;
  /** Deletes the cluster of this key for its room, whose tabs go on without objects. Nothing happens if there is none. */
  dropRoom(key: string): Promise<void>;
}

/** The registry's name in its namespace: there is one for a deployment. */
export const REGISTRY_NAME = "clusters";
