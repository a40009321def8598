/** Who the member of an object is, and how its cluster begins. A restored cluster has another identity in the same objects. */
import type { BootstrapOptions } from "../../src/member/options.ts";
import { member as memberRecord } from "../../src/protocol/api/cluster.ts";
import type { Member as MemberRecord } from "../../src/protocol/api/cluster.ts";
import type { Identity } from "../../src/storage/storage.ts";
import { clusterSize, type Env } from "../common/env.ts";
import { recordOfKey } from "../common/cluster-record.ts";
import { clusterIdOf, memberIdOf, memberNameOf, peerUrlOf, restoredName } from "../common/identity.ts";

/** Later members are admitted by the others, and so are the objects of a cluster that tabs founded. Their object is created when the leader first sends to it. */
export function bootstrapOf(number: number, env: Env): BootstrapOptions {
  if (number > clusterSize(env) || recordOfKey(env.CLUSTER_NAME)?.joins !== undefined) return { type: "join" };
  const members = initialMembersOf(env.CLUSTER_NAME, env);
  const objects = members.map(({ id }) => id);
  return { type: "found", members, shape: isRoom(env) ? { shape: "edge", objects } : undefined };
}

function isRoom({ ROOM = "" }: Env): boolean {
  return ROOM !== "";
}

export function initialMembersOf(name: string, env: Env): readonly MemberRecord[] {
  return Array.from({ length: clusterSize(env) }, (_, at) => {
    const one = at + 1;
    const peerUrls = [peerUrlOf(env.CLUSTER_NAME, one)];
    return memberRecord({ id: memberIdOf(name, one), name: memberNameOf(one), peerUrls });
  });
}

/** Name from which ids are derived. */
export function idName({ CLUSTER_NAME }: Env, restore: string | undefined): string {
  return restoredName(CLUSTER_NAME, restore);
}

export function identityOf(name: string, number: number): Identity {
  return { clusterId: clusterIdOf(name), memberId: memberIdOf(name, number), name: memberNameOf(number) };
}
