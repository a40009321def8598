/** etcd's Cluster service at the edge: who a new member is, and where clients reach this one. */
import type { ClusterOptions } from "../src/member/options.ts";
import type { Env } from "./env.ts";
import { memberIdOf } from "./identity.ts";

export function clusterOptions(number: number, { CLUSTER_NAME, ENDPOINT_URL = "" }: Env): Partial<ClusterOptions> {
  return {
    learnersRefuse: true,
    // The next number: whoever was removed keeps its own for ever.
    newMemberId: (everCount) => memberIdOf(CLUSTER_NAME, everCount + 1),
    ...(ENDPOINT_URL === "" ? {} : { clientUrls: [`${ENDPOINT_URL.replace(/\/+$/, "")}/m/${number}`] }),
  };
}
