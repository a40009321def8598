/**
 * Computes the next configuration from a change. Pure and total: every member applies the same committed change to the
 * same configuration. So a change that is impossible has no effect on any of them.
 *
 * A simple change moves at most one voter, so any majority of the old configuration meets any majority of the new one.
 * A change of several voters goes through a joint configuration: the group enters it (both majorities decide), then
 * leaves it.
 */
import { unreachable } from "../../base/assert.ts";
import type { ConfChange, ConfChangeSingle, ConfState, MemberId } from "../../protocol/peer/raft-message.ts";

export const EMPTY_CONF_STATE: ConfState = {
  voters: [],
  learners: [],
  votersOutgoing: [],
  learnersNext: [],
  autoLeave: false,
};

export const LEAVE_JOINT: ConfChange = {
  id: 0n,
  transition: "auto",
  changes: [],
  context: new Uint8Array(0),
};

export function isJoint(conf: ConfState): boolean {
  return conf.votersOutgoing.length > 0;
}

/** Returns all members that receive entries: voters of both configurations and learners. */
export function membersOf(conf: ConfState): readonly MemberId[] {
  return sorted(new Set([...conf.voters, ...conf.votersOutgoing, ...conf.learners]));
}

/** Returns the configuration after `change`. Returns undefined if the change is impossible; it then has no effect. */
export function changeConfiguration(conf: ConfState, change: ConfChange): ConfState | undefined {
  if (change.changes.length === 0) return leaveJoint(conf);
  if (isJoint(conf)) return undefined;
  if (change.transition === "auto" && change.changes.length === 1) return simple(conf, change.changes);
  return enterJoint(conf, change.changes, change.transition !== "joint-explicit");
}

function simple(conf: ConfState, changes: readonly ConfChangeSingle[]): ConfState | undefined {
  const next = applyChanges(conf, changes);
  return next.voters.length === 0 ? undefined : next;
}

function enterJoint(conf: ConfState, changes: readonly ConfChangeSingle[], autoLeave: boolean): ConfState | undefined {
  if (conf.voters.length === 0) return undefined;
  const next = applyChanges({ ...conf, votersOutgoing: conf.voters }, changes);
  return next.voters.length === 0 ? undefined : { ...next, autoLeave };
}

function leaveJoint(conf: ConfState): ConfState | undefined {
  if (!isJoint(conf)) return undefined;
  return {
    voters: conf.voters,
    learners: sorted(new Set([...conf.learners, ...conf.learnersNext])),
    votersOutgoing: [],
    learnersNext: [],
    autoLeave: false,
  };
}

function applyChanges(conf: ConfState, changes: readonly ConfChangeSingle[]): ConfState {
  const voters = new Set(conf.voters);
  const learners = new Set(conf.learners);
  const learnersNext = new Set(conf.learnersNext);
  for (const { type, nodeId } of changes) {
    if (nodeId === 0n) continue;
    switch (type) {
      case "update-node":
        break;
      case "add-node":
        voters.add(nodeId);
        learners.delete(nodeId);
        learnersNext.delete(nodeId);
        break;
      case "add-learner":
        voters.delete(nodeId);
        // A member that still votes in the outgoing configuration becomes a learner when the group leaves that one.
        if (conf.votersOutgoing.includes(nodeId)) learnersNext.add(nodeId);
        else learners.add(nodeId);
        break;
      case "remove-node":
        voters.delete(nodeId);
        learners.delete(nodeId);
        learnersNext.delete(nodeId);
        break;
      default:
        unreachable(type);
    }
  }
  return {
    voters: sorted(voters),
    learners: sorted(learners),
    votersOutgoing: sorted(conf.votersOutgoing),
    learnersNext: sorted(learnersNext),
    autoLeave: conf.autoLeave,
  };
}

/** Returns whether a sequence of changes could have led to this configuration. Use it for one from outside. */
export function isConfState(conf: ConfState): boolean {
  const { voters, learners, votersOutgoing, learnersNext } = conf;
  if (voters.length === 0) return false;
  for (const ids of [voters, learners, votersOutgoing, learnersNext]) {
    if (new Set(ids).size !== ids.length || ids.some((id) => id <= 0n)) return false;
  }
  if (learners.some((id) => voters.includes(id) || votersOutgoing.includes(id))) return false;
  if (learnersNext.some((id) => voters.includes(id) || !votersOutgoing.includes(id))) return false;
  return isJoint(conf) || (!conf.autoLeave && learnersNext.length === 0);
}

function sorted(ids: Iterable<MemberId>): readonly MemberId[] {
  return [...ids].sort((left, right) => (left < right ? -1 : left > right ? 1 : 0));
}
