/**
 * Which member of which cluster an object is. Its name says it. A member of a cluster beside the first one also asks the
 * registry, once in its life: a cluster that was deleted must not begin again because somebody still knows its name.
 */
import { clusterEnv } from "../common/cluster-env.ts";
import { recordOfKey } from "../common/cluster-record.ts";
import type { Env } from "../common/env.ts";
import { namedMemberOf, objectNameOf } from "../common/identity.ts";
import { REGISTRY_NAME } from "../common/registry-rpc.ts";

/** Highest number of a member. */
const NUMBERS_MAX = 99_999;
/** Key of the object's own name, once the registry has confirmed its cluster. */
const PLACE_KEY = "object-name";

interface ObjectPlace {
  readonly number: number;
  /** The environment of the object's cluster. */
  readonly env: Env;
}

/** Throws if the object is no member. */
export function objectPlace({ id, storage }: DurableObjectState, env: Env): ObjectPlace {
  // An object that is reached by its id alone does not know its name.
  const name = id.name ?? storage.kv.get<string>(PLACE_KEY);
  const named = name === undefined ? undefined : namedMemberOf(name);
  const record = named === undefined ? undefined : recordOfKey(named.key);
  if (named === undefined || record === undefined) return { number: numberOf(id, env), env };
  return { number: named.number, env: clusterEnv(env, record) };
}

/**
 * True for the first cluster, which no list names, and once the registry knew the cluster. Rejects if the registry cannot
 * be asked.
 */
export async function isOfListedCluster(storage: DurableObjectStorage, env: Env, number: number): Promise<boolean> {
  const { CLUSTER_NAME, CLUSTER_REGISTRY } = env;
  if (recordOfKey(CLUSTER_NAME) === undefined || storage.kv.get(PLACE_KEY) !== undefined) return true;
  if (CLUSTER_REGISTRY === undefined) return false;
  const registry = CLUSTER_REGISTRY.get(CLUSTER_REGISTRY.idFromName(REGISTRY_NAME));
  if (!(await registry.isCurrent(CLUSTER_NAME))) return false;
  storage.kv.put(PLACE_KEY, objectNameOf(CLUSTER_NAME, number));
  return true;
}

/** The first cluster's members were never told their numbers. */
function numberOf(id: DurableObjectId, env: Env): number {
  for (let number = 1; number <= NUMBERS_MAX; number++) {
    if (env.MEMBERS.idFromName(objectNameOf(env.CLUSTER_NAME, number)).equals(id)) return number;
  }
  throw new Error("this object is no member of the cluster");
}
