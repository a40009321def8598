/** The first part of a path: which cluster it is about. `/c/NAME/v3/kv/put` is `/v3/kv/put` of the cluster NAME. */
import { isClusterName } from "./cluster-record.ts";

export type ClusterPath =
  /** The cluster of CLUSTER_NAME. */
  | { readonly type: "first"; readonly path: string }
  /** `base` is "/c/NAME". */
  | { readonly type: "named"; readonly name: string; readonly base: string; readonly path: string }
  /** "/c/NAME", where relative links would lead out of the cluster. */
  | { readonly type: "unfinished"; readonly path: string }
  | { readonly type: "bad-name"; readonly name: string };

/** `path` is normalised (address.ts). A name is taken as it is: none needs an escape, so one with an escape is no name. */
export function clusterPathOf(path: string): ClusterPath {
  if (!path.startsWith("/c/")) return { type: "first", path };
  const slash = path.indexOf("/", 3);
  const name = slash === -1 ? path.slice(3) : path.slice(3, slash);
  if (!isClusterName(name)) return { type: "bad-name", name };
  if (slash === -1) return { type: "unfinished", path: `${path}/` };
  return { type: "named", name, base: path.slice(0, slash), path: path.slice(slash) };
}
