/**
 * Identity of a member at the edge. It is derived from the cluster's name and the member's number, so that all objects
 * agree without communication, and a restart finds the same ids.
 */
import type { MemberId } from "../../src/protocol/peer/raft-message.ts";
import { recordOfKey } from "./cluster-record.ts";

const FNV_OFFSET = 0xcbf2_9ce4_8422_2325n;
const FNV_PRIME = 0x0000_0100_0000_01b3n;
const MASK = 0xffff_ffff_ffff_ffffn;

/** Maximum number of initial members. Members that are added later get the numbers after theirs. */
export const MEMBERS_MAX = 5;

/** Name from which ids are derived: a cluster that was restored is another cluster in the same objects. */
export function restoredName(clusterName: string, restore: string | undefined): string {
  return restore === undefined ? clusterName : `${clusterName} restored ${restore}`;
}

/** Where objects join the cluster of tabs, its id is in the name. */
export function clusterIdOf(clusterName: string): bigint {
  const joins = recordOfKey(clusterName)?.joins;
  if (joins !== undefined) return BigInt(`0x${joins}`);
  return stableId(`cluster ${clusterName}`);
}

/** Numbers start at 1. */
export function memberIdOf(clusterName: string, number: number): MemberId {
  return stableId(`member ${clusterName} ${number}`);
}

export function memberNameOf(number: number): string {
  return `edge-${number}`;
}

/** Members reach each other by their objects' names; this is such a name in the form of etcd's URLs. */
export function peerUrlOf(clusterName: string, number: number): string {
  const record = recordOfKey(clusterName);
  const host = record === undefined ? encodeURIComponent(clusterName) : `${record.name}.${record.id}`;
  return `http://${memberNameOf(number)}.${host}:2380`;
}

/** The name of a member's Durable Object in its namespace. */
export function objectNameOf(clusterName: string, number: number): string {
  return `${clusterName}/${number}`;
}

/** Reads the name of an object of a cluster beside the first one. Returns undefined for any other name. */
export function namedMemberOf(objectName: string): { readonly key: string; readonly number: number } | undefined {
  const slash = objectName.lastIndexOf("/");
  const key = objectName.slice(0, Math.max(slash, 0));
  const number = /^[1-9]\d{0,4}$/.test(objectName.slice(slash + 1)) ? Number(objectName.slice(slash + 1)) : 0;
  return number > 0 && recordOfKey(key) !== undefined ? { key, number } : undefined;
}

/** The name of a room's Durable Object. The first cluster's rooms are named as they are, and no room's name has a slash. */
export function roomObjectNameOf(clusterName: string, room: string): string {
  return recordOfKey(clusterName) === undefined ? room : `${clusterName}/room/${room}`;
}

/** Hashes a text to an id: FNV-1a with MurmurHash3's finalizer, because ids that differ only in their last digits are hard to read. */
export function stableId(text: string): bigint {
  let hash = FNV_OFFSET;
  for (const byte of new TextEncoder().encode(text)) hash = ((hash ^ BigInt(byte)) * FNV_PRIME) & MASK;
  hash = ((hash ^ (hash >> 33n)) * 0xff51_afd7_ed55_8ccdn) & MASK;
  hash = ((hash ^ (hash >> 33n)) * 0xc4ce_b9fe_1a85_ec53n) & MASK;
  hash ^= hash >> 33n;
  // 0 means "no member" in Raft.
  return hash === 0n ? 1n : hash;
}
