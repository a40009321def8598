/** etcd's Cluster service at the edge: who a new member is, and what etcd's flags are. */
import type { ClusterOptions } from "../src/member/options.ts";
import type { Env } from "./env.ts";
import { memberIdOf } from "./identity.ts";

export function clusterOptions(number: number, env: Env): Partial<ClusterOptions> {
  const { CLUSTER_NAME, ENDPOINT_URL = "", MAX_LEARNERS = "1", STRICT_RECONFIG_CHECK = "true" } = env;
  const maxLearners = Number(MAX_LEARNERS);
  if (!Number.isInteger(maxLearners) || maxLearners < 1) {
    throw new Error(`MAX_LEARNERS must be 1 or more, not ${JSON.stringify(MAX_LEARNERS)}`);
  }
  return {
    maxLearners,
    strictReconfigCheck: STRICT_RECONFIG_CHECK !== "false",
    // The next number: whoever was removed keeps its own for ever.
    newMemberId: (everCount) => memberIdOf(CLUSTER_NAME, everCount + 1),
    ...(ENDPOINT_URL === "" ? {} : { clientUrls: [`${ENDPOINT_URL.replace(/\/+$/, "")}/m/${number}`] }),
  };
}
