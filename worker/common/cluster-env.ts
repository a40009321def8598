/** What a cluster beside the first one has instead of the deployment's own settings. */
import { assert } from "../../src/base/assert.ts";
import { badName, clusterKey, type ClusterRecord, isClusterName, recordOfKey } from "./cluster-record.ts";
import { type Env, locationsOf } from "./env.ts";
import { roomObjectNameOf } from "./identity.ts";

const JURISDICTIONS: readonly string[] = ["", "eu", "fedramp", "us"];

/** The environment of a cluster: the deployment's, with its own key, size, places and URL. */
export function clusterEnv(env: Env, record: ClusterRecord): Env {
  const { MEMBERS, ROOMS, ENDPOINT_URL = "" } = env;
  const { name, size, locations, jurisdiction, room } = record;
  return {
    ...env,
    MEMBERS: within(MEMBERS, jurisdiction),
    ...(ROOMS === undefined ? {} : { ROOMS: within(ROOMS, jurisdiction) }),
    CLUSTER_NAME: clusterKey(record),
    CLUSTER_SIZE: String(size),
    LOCATIONS: locations,
    // A room is for those who hold its secret, whatever the deployment lets everybody do.
    ...(room === "" ? {} : { ROOM: room, OPEN: "false" }),
    // Rooms are in no jurisdiction.
    ...(room === "" || jurisdiction !== "" ? {} : { ROOM_OBJECT: roomObjectNameOf(env.CLUSTER_NAME, name) }),
    ENDPOINT_URL: ENDPOINT_URL === "" ? "" : `${ENDPOINT_URL.replace(/\/+$/, "")}/c/${name}`,
  };
}

/** Throws where the platform has no such jurisdiction, as on this machine. */
function within<Type extends Rpc.DurableObjectBranded | undefined>(
  namespace: DurableObjectNamespace<Type>,
  jurisdiction: string,
): DurableObjectNamespace<Type> {
  return jurisdiction === "" ? namespace : namespace.jurisdiction(jurisdiction as DurableObjectJurisdiction);
}

/** Throws an Error for people if the record could not be a cluster's. */
export function checkRecord(record: ClusterRecord): void {
  const { name, size, locations, jurisdiction, room } = record;
  if (!isClusterName(name)) throw new Error(badName(name));
  if (size !== 1 && size !== 3 && size !== 5) throw new Error("size is 1, 3 or 5");
  const hints = locationsOf({ CLUSTER_SIZE: String(size), LOCATIONS: locations });
  if (hints.join(",") !== locations) throw new Error("locations is a list such as weur,enam,apac");
  if (!JURISDICTIONS.includes(jurisdiction)) throw new Error("jurisdiction is eu, us or fedramp");
  if (room !== "" && !/^[0-9a-f]{64}$/.test(room)) throw new Error("room is the SHA-256 of the room's key");
  assert(recordOfKey(clusterKey(record)) !== undefined, "a checked record has a key");
}
