/**
 * Rooms whose cluster has members that are objects (shape "edge" or "mixed"). Such a cluster is one of the deployment's clusters,
 * served at /c/NAME/ under the room's name. The room's claim says which one it is; the registry has the record.
 *
 *     tab ── found, shape "edge" ──► room ── foundRoom ──► registry          the tab joins the cluster
 *     owner ── cluster create --shape edge ──► registry ── takeForCluster ──► room
 *
 * A claim comes first and the record second, both ways: two of them cannot end in two clusters of one room.
 */
import { type ClusterRecord, clusterKey, isClusterName, recordOfKey } from "../common/cluster-record.ts";
import type { Env } from "../common/env.ts";
import { clusterIdOf, memberIdOf, objectNameOf, restoredName } from "../common/identity.ts";
import { type FoundedRoom, REGISTRY_NAME } from "../common/registry-rpc.ts";
import type { RoomClaim } from "./room-claims.ts";

/** The part of a room's description that names its objects. */
export interface RoomEdge {
  readonly shape: "edge";
  /** The path of the cluster at this server. */
  readonly path: string;
  /** Ids of the objects in the order of their numbers, from 1. */
  readonly objects: readonly string[];
}

export interface WantedShape {
  readonly shape: "edge" | "mixed";
  /** Nobody has asked for a shape: where there can be no object, the room is one of tabs. */
  readonly orTabs: boolean;
}

/** The shape of a room that is to have objects, from a request; undefined for any other. */
export function objectShapeOf(shape: unknown): WantedShape | undefined {
  if (shape === "edge" || shape === "mixed") return { shape, orTabs: false };
  return shape === "any" ? { shape: "edge", orTabs: true } : undefined;
}

/** The number of objects that vote, from a request; undefined if it is none. */
export function edgeSizeOf(size: unknown): number | undefined {
  return size === undefined ? 1 : size === 1 || size === 3 || size === 5 ? size : undefined;
}

/** `joins`: the id of the cluster that tabs founded, in hexadecimal digits. */
export function newEdgeKey(name: string, size: number, room: string, joins?: string): string | undefined {
  if (!isClusterName(name)) return undefined;
  const id = crypto.randomUUID().replaceAll("-", "");
  return clusterKey({ name, id, size, locations: "", jurisdiction: "", room, joins });
}

/** The claim of a room that belongs to the cluster of that key. `restored`: of the restore that created it. */
export function edgeClaim(key: string, sinceMs: number, confirmed: boolean, restored?: string): RoomClaim {
  const name = restoredName(key, restored);
  const ids = { cluster: `${clusterIdOf(name)}`, member: `${memberIdOf(name, 1)}` };
  return { ...ids, sinceMs, confirmed, edgeKey: key, ...(restored === undefined ? {} : { restored }) };
}

export function edgeOf({ edgeKey, restored }: Pick<RoomClaim, "edgeKey" | "restored">): RoomEdge | undefined {
  const record = edgeKey === undefined ? undefined : recordOfKey(edgeKey);
  if (edgeKey === undefined || record === undefined) return undefined;
  const name = restoredName(edgeKey, restored);
  const objects = Array.from({ length: record.size }, (_, at) => `${memberIdOf(name, at + 1)}`);
  return { shape: "edge", path: `/c/${record.name}/`, objects };
}

/**
 * Creates the cluster, or finds the one that there is already for the same room and secret. It begins with shape "edge". If
 * it shall have another one and does not, nobody is in it yet, and the claim is made again.
 */
export async function foundAtRegistry(
  env: Pick<Env, "CLUSTER_REGISTRY" | "MEMBERS">,
  key: string,
  shape: "edge" | "mixed",
): Promise<FoundedRoom> {
  const founded = await foundEdge(env, key);
  if (founded.type === "refused" || shape === "edge") return founded;
  const failure = await reshape(env, founded.key, shape);
  return failure === undefined ? founded : { type: "refused", status: 503, message: failure };
}

/** Returns why the shape is not changed. */
export async function reshape(
  { MEMBERS }: Pick<Env, "MEMBERS">,
  key: string,
  shape: "edge" | "mixed",
): Promise<string | undefined> {
  try {
    const failure = await MEMBERS.get(MEMBERS.idFromName(objectNameOf(key, 1))).reshape(shape);
    return failure === undefined ? undefined : (JSON.parse(failure.body) as { readonly message: string }).message;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** Creates the record of the cluster, or finds the one that there is already. */
export async function foundEdge(
  { CLUSTER_REGISTRY }: Pick<Env, "CLUSTER_REGISTRY">,
  key: string,
): Promise<FoundedRoom> {
  const record: ClusterRecord | undefined = recordOfKey(key);
  if (CLUSTER_REGISTRY === undefined || record === undefined) {
    return { type: "refused", status: 501, message: "this worker keeps no list of clusters" };
  }
  return CLUSTER_REGISTRY.get(CLUSTER_REGISTRY.idFromName(REGISTRY_NAME)).foundRoom(record);
}
