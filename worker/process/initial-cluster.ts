/**
 * The initial members of a cluster of processes, from etcd's flag --initial-cluster. Ids are derived from the peer URLs
 * and the cluster's token, as in etcd, so that all members agree without communication.
 */
import { member as memberRecord } from "../../src/protocol/api/cluster.ts";
import type { Member as MemberRecord } from "../../src/protocol/api/cluster.ts";
import { stableId } from "../common/identity.ts";

/** Throws an Error for the user. */
export function initialMembersOf(text: string, token: string): readonly MemberRecord[] {
  const urls = new Map<string, string[]>();
  for (const part of text.split(",").map((each) => each.trim())) {
    const [, name, url] = /^([^=]+)=(.+)$/.exec(part) ?? [];
    if (name === undefined || url === undefined) {
      throw new Error(`initial-cluster is a list as "m1=http://10.0.0.1:2380,m2=…", and "${part}" is no part of one`);
    }
    urls.set(name, [...(urls.get(name) ?? []), peerUrlOf(url)]);
  }
  const members = [...urls].map(([name, peerUrls]) => ({ name, peerUrls: peerUrls.toSorted() }));
  const known = new Set<string>();
  for (const url of members.flatMap(({ peerUrls }) => peerUrls)) {
    if (known.has(url)) throw new Error(`initial-cluster names ${url} twice`);
    known.add(url);
  }
  return members.map(({ name, peerUrls }) =>
    memberRecord({ id: stableId(`member ${token} ${peerUrls.join()}`), name, peerUrls }),
  );
}

export function initialClusterId(members: readonly MemberRecord[], token: string): bigint {
  return stableId(
    `cluster ${token} ${members
      .map(({ id }) => String(id))
      .toSorted()
      .join()}`,
  );
}

/** Returns the normal form of a peer URL: scheme, host and port. Throws an Error for the user. */
export function peerUrlOf(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.pathname !== "/" || url.search !== "") {
    throw new Error(`a peer URL is as "https://10.0.0.1:2380", not "${text}"`);
  }
  return url.origin;
}
