/** Options of etcd's Cluster service at the edge: the identity of a new member, and this member's client URLs. */
import type { ClusterOptions } from "../../src/member/options.ts";
import type { Env } from "../common/env.ts";
import { memberIdOf } from "../common/identity.ts";

export function clusterOptions(number: number, { CLUSTER_NAME, ENDPOINT_URL = "" }: Env): Partial<ClusterOptions> {
  return {
    learnersRefuse: true,
    // The next number: a removed member keeps its own for ever.
    newMemberId: (everCount) => memberIdOf(CLUSTER_NAME, everCount + 1),
    // Only the operator's URL, because clients send their tokens there.
    clientUrls: ENDPOINT_URL === "" ? [] : [`${endpointOf(ENDPOINT_URL)}/m/${number}`],
  };
}

function endpointOf(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isPlain =
    url !== undefined && /^https?:$/.test(url.protocol) && `${url.search}${url.hash}${url.username}` === "";
  if (!isPlain) throw new Error(`ENDPOINT_URL is an address as "https://quorate.example", not ${JSON.stringify(text)}`);
  return url.href.replace(/\/+$/, "");
}
