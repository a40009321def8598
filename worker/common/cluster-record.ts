/**
 * A cluster beside that of CLUSTER_NAME, and what is derived from it. Its key stands where the first cluster has
 * CLUSTER_NAME: ids, objects and rooms are named after it.
 *
 *     /c/NAME/ID/SIZE/LOCATIONS/JURISDICTION      the key
 *     /c/NAME/ID/SIZE/LOCATIONS/JURISDICTION/HASH the key of a cluster whose members are in browser tabs, too
 *     /c/NAME/ID/SIZE/LOCATIONS/JURISDICTION/HASH/CLUSTER the same, of one that tabs founded and objects join
 *     KEY/3                                       member 3
 *     KEY/room/ROOM                               a room
 *
 * No part can contain a slash, and the last two parts are hashes of different lengths, so no two clusters, members or rooms share an object.
 * CLUSTER_NAME may not begin with a slash (identity.ts), so the first cluster shares none either.
 */
import { hmacSha256 } from "../../src/base/hmac-sha256.ts";
import { toHex } from "../../src/base/text-codes.ts";
import { utf8Encode } from "../../src/base/utf8.ts";

export interface ClusterRecord {
  readonly name: string;
  /** Random: a name that is used again is another cluster. */
  readonly id: string;
  readonly size: number;
  /** Location hints, separated by commas; may be empty. */
  readonly locations: string;
  /** "eu", "fedramp"; empty for none. */
  readonly jurisdiction: string;
  /**
   * Of a room, whose tabs are members: the hash of its key (worker/signalling/room-access.ts), in hexadecimal digits.
   * Empty for any other cluster.
   */
  readonly room: string;
  /** The id of the cluster that tabs founded and objects join, in hexadecimal digits. Absent where the objects found it. */
  readonly joins?: string | undefined;
}

/** Also the rule for the option `cluster` of an embedding worker. No name needs to be escaped in a URL. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;
const KEY =
  /^\/c\/([A-Za-z0-9][A-Za-z0-9._-]{0,62})\/([0-9a-f]{32})\/([135])\/([a-z,-]{0,64})\/([a-z]{0,16})(?:\/([0-9a-f]{64})(?:\/([0-9a-f]{16}))?)?$/;
const SETUP_TOKEN_USE = "quorate setup token of ";

export function isClusterName(name: string): boolean {
  return NAME.test(name);
}

export function clusterKey({ name, id, size, locations, jurisdiction, room, joins }: ClusterRecord): string {
  const parts = ["/c", name, id, size, locations, jurisdiction];
  return [...parts, ...(room === "" ? [] : [room]), ...(joins === undefined ? [] : [joins])].join("/");
}

/** Returns undefined for the name of a first cluster, which is no key. */
export function recordOfKey(key: string): ClusterRecord | undefined {
  const [, name, id, size, locations = "", jurisdiction = "", room = "", joins] = KEY.exec(key) ?? [];
  if (name === undefined || id === undefined) return undefined;
  return { name, id, size: Number(size), locations, jurisdiction, room, ...(joins === undefined ? {} : { joins }) };
}

export function badName(name: string): string {
  const shown = JSON.stringify(name.slice(0, 80));
  return `${shown} cannot be a cluster's name: 1 to 63 letters, digits, ".", "_" and "-" are, beginning with a letter or digit`;
}

/**
 * The token that opens this cluster alone while its auth is off. Derived from the deployment's own, so that it need not
 * be stored and neither reveals that one nor opens a later cluster of the same name.
 */
export function clusterSetupToken(setupToken: string, key: string): string {
  return toHex(hmacSha256(utf8Encode(setupToken), utf8Encode(SETUP_TOKEN_USE + key)));
}
