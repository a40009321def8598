/**
 * Whether anything was ever written to a cluster, as the log of one of its members says: a snapshot is restored only in
 * place of a cluster that has nothing to lose.
 *
 * In a room tabs come and go by themselves. That is nothing written while they are learners. Where a tab has ever voted, tabs
 * may have committed something that no object has heard of. An invitation is something that somebody made.
 */
import { memberChangeSchema } from "../../src/protocol/peer/member-change-schema.ts";
import type { MemberChange } from "../../src/protocol/peer/member-change-schema.ts";
import { internalRaftRequestSchema } from "../../src/protocol/peer/internal-schema.ts";
import type { ConfChange, Entry, MemberId } from "../../src/protocol/peer/raft-message.ts";
import { decode } from "../../src/protocol/codec/proto-codec.ts";
import { decodeChange } from "../../src/raft/conf-change/conf-change-entry.ts";
import type { LogReader } from "../../src/raft/log/log-reader.ts";

export interface Unwritten {
  /** Who votes in a room. Undefined for any other cluster. */
  readonly shape: "edge" | "mixed" | undefined;
}

const ENTRIES_BYTES = 1024 * 1024;

/** Undefined: the log has more than what a cluster writes by itself: its bootstrap, elections, members' attributes, and tabs. */
export function unwrittenCluster(
  log: LogReader,
  initialMembers: number,
  isObject: (id: MemberId) => boolean,
): Unwritten | undefined {
  if (log.firstIndex() > 1) return undefined;
  const end = log.lastIndex() + 1;
  let ofOperators = 0;
  let shape: Unwritten["shape"];
  for (let index = 1; index < end;) {
    const entries = log.entries(index, end, ENTRIES_BYTES);
    for (const entry of entries) {
      if (entry.type !== "conf-change") {
        if (!isOfItself(entry)) return undefined;
        continue;
      }
      const change = decodeChange(entry.data);
      const context = change && contextOf(change);
      if (change === undefined || context === undefined || doesTabVote(change, isObject)) return undefined;
      const { shape: wanted = "none" } = context.shape ?? {};
      if (wanted === "tabs") return undefined;
      if (wanted !== "none") shape = wanted;
      const isOfTabs = shape !== undefined && isOfLearners(change, context, isObject);
      if (!isOfTabs) ofOperators += 1;
    }
    index += entries.length;
  }
  return ofOperators <= initialMembers ? { shape } : undefined;
}

function doesTabVote({ changes }: ConfChange, isObject: (id: MemberId) => boolean): boolean {
  return changes.some(({ type, nodeId }) => type === "add-node" && !isObject(nodeId));
}

/** A tab joins, shows its key or is removed, or the shape was named while no tab votes. */
function isOfLearners({ changes }: ConfChange, { rule }: MemberChange, isObject: (id: MemberId) => boolean): boolean {
  if (rule === "invite" || rule === "revoke") return false;
  if (rule === "shape") return changes.every(({ type }) => type === "update-node");
  return changes.every(({ nodeId }) => !isObject(nodeId));
}

/** Undefined for what another version proposed. */
function contextOf({ context }: ConfChange): MemberChange | undefined {
  try {
    return decode(memberChangeSchema, context);
  } catch {
    return undefined;
  }
}

function isOfItself({ data }: Entry): boolean {
  if (data.length === 0) return true;
  const { type } = decode(internalRaftRequestSchema, data).request;
  return type === "clusterMemberAttrSet" || type === "clusterVersionSet" || type === "downgradeInfoSet";
}
