/**
 * Switches to a new configuration: which members count, which receive entries, and which leader must step down.
 */
import type { ConfState } from "../protocol/peer/raft-message.ts";
import { LEAVE_JOINT, membersOf } from "./conf-change/conf-change.ts";
import { encodeChange } from "./conf-change/conf-change-entry.ts";
import { NONE, type Core } from "./core.ts";
import { appendProposals, maybeCommit, newProgress } from "./leadership.ts";
import { confirmReads } from "./reads.ts";
import { becomeFollower } from "./roles.ts";
import { retire } from "./transfer.ts";

export function switchConfiguration(core: Core, conf: ConfState): void {
  core.setConf(conf);
  if (core.role === "follower") return;
  if (!core.isLeader) {
    if (!core.quorum.has(core.id)) becomeFollower(core, core.term, NONE);
    return;
  }
  trackMembers(core, conf);
  if (!core.quorum.has(core.transferee)) core.transferee = NONE;
  // The new quorum may be smaller and already reached.
  maybeCommit(core);
  confirmReads(core);
  core.wantsAppends = true;
  retire(core);
}

function trackMembers(core: Core, conf: ConfState): void {
  const members = membersOf(conf);
  for (const id of core.progress.keys()) {
    if (!members.includes(id)) core.progress.delete(id);
  }
  for (const id of members) {
    const known = core.progress.get(id);
    // A new member counts as active. Otherwise the quorum check could fail before the member had a chance to respond.
    if (known === undefined) core.progress.set(id, newProgress(core, id, Math.max(core.log.lastIndex, 1), true));
    else known.isLearner = conf.learners.includes(id);
  }
}

/** Leaves a joint configuration once entering it is applied, if the change asked for an automatic leave. */
export function maybeLeaveJoint(core: Core): void {
  if (!core.isLeader || !core.conf.autoLeave || core.log.applied < core.pendingConfIndex) return;
  appendProposals(core, [{ type: "conf-change", data: encodeChange(LEAVE_JOINT) }]);
}
