/**
 * Which key each member of a room has, and which keys do not come back: part of the replicated state. Pure: returns a
 * new value for each change. Clusters whose members have no keys store nothing of it.
 *
 * A member keeps its first key. A member that an operator removes takes its key with it: it is refused under any id. One
 * that is only cleared away (its store is lost, or it was away for too long) may come back, under a new id.
 */
import { equalBytes } from "../../base/bytes.ts";
import type { MemberKeys as Stored } from "../../protocol/peer/member-keys-schema.ts";
import type { MemberId } from "../../protocol/peer/raft-message.ts";

/** Fingerprints of removed keys that are remembered. The oldest is forgotten. */
export const REMOVED_KEYS_MAX = 1024;
export const NO_KEYS: MemberKeys = { members: [], removed: [] };

export type MemberKeys = Stored;

export function keyOf({ members }: MemberKeys, id: MemberId): Uint8Array | undefined {
  return members.find(({ memberId }) => memberId === id)?.key;
}

export function memberWithKey({ members }: MemberKeys, key: Uint8Array): MemberId | undefined {
  return members.find((member) => equalBytes(member.key, key))?.memberId;
}

export function isKeyRemoved({ removed }: MemberKeys, key: Uint8Array): boolean {
  return removed.some((one) => equalBytes(one, key));
}

/** A key is bound once, to one member. */
export function mayBind(keys: MemberKeys, id: MemberId, key: Uint8Array): boolean {
  return keyOf(keys, id) === undefined && memberWithKey(keys, key) === undefined && !isKeyRemoved(keys, key);
}

export function bind(keys: MemberKeys, memberId: MemberId, key: Uint8Array): MemberKeys {
  return mayBind(keys, memberId, key) ? { ...keys, members: [...keys.members, { memberId, key }] } : keys;
}

export function unbind(keys: MemberKeys, id: MemberId, how: "may-return" | "removed"): MemberKeys {
  const key = keyOf(keys, id);
  if (key === undefined) return keys;
  const members = keys.members.filter(({ memberId }) => memberId !== id);
  return { members, removed: how === "removed" ? [...keys.removed, key].slice(-REMOVED_KEYS_MAX) : keys.removed };
}
