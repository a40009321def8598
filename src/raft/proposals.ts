/** Proposals: a member's own, and those that others forwarded to the leader. */
import type { ConfChange, ProposeMessage } from "../protocol/peer/raft-message.ts";
import { decodeChange } from "./conf-change/conf-change-entry.ts";
import { isJoint } from "./conf-change/conf-change.ts";
import { type Core, NONE } from "./core.ts";
import { appendProposals, type Proposal, reserveUncommitted } from "./leadership.ts";

export type ProposeResult = "accepted" | "no-leader" | "too-much-uncommitted";

/** Appends on the leader; elsewhere forwards to it, once. */
export function propose(core: Core, proposals: readonly Proposal[]): ProposeResult {
  if (core.isLeader) return append(core, proposals);
  if (core.leader === NONE) return "no-leader";
  if (proposals.length === 0) return "accepted";
  const entries = proposals.map(({ type, data }) => ({ type, term: 0, index: 0, data }));
  const { id: from, leader: to, term, session } = core;
  const run = core.run === 0 ? {} : { run: core.run };
  core.send({ type: "propose", from, to, term, ...run, session, sequence: ++core.sequence, entries });
  return "accepted";
}

function append(core: Core, proposals: readonly Proposal[]): ProposeResult {
  if (core.transferee !== NONE || !core.quorum.has(core.id)) return "no-leader";
  let bytes = 0;
  for (const { data } of proposals) bytes += data.length;
  if (!reserveUncommitted(core, bytes)) return "too-much-uncommitted";
  if (proposals.length > 0) appendProposals(core, proposals);
  return "accepted";
}

/** One change at a time, and a joint configuration is left before the next one. */
export function mayChange(core: Core, change: ConfChange): boolean {
  const { conf, log, pendingConfIndex } = core;
  return pendingConfIndex <= log.applied && isJoint(conf) === (change.changes.length === 0);
}

/**
 * A forwarded proposal is not forwarded again. Otherwise two members that take each other for the leader would loop.
 */
export function acceptForwarded(core: Core, message: ProposeMessage): void {
  const { from, session, sequence, run } = message;
  // Its run before a restart may have accepted the proposal already.
  if (run !== undefined && run !== core.run) return;
  if (message.term !== core.term || !core.proposalDedup.acceptOnce(from, session, sequence)) return;
  const proposals: Proposal[] = [];
  let hasChange = false;
  for (const { type, data } of message.entries) {
    if (type === "conf-change") {
      const change = decodeChange(data);
      if (change === undefined || hasChange || !mayChange(core, change)) continue;
      hasChange = true;
    }
    proposals.push({ type, data });
  }
  append(core, proposals);
}
