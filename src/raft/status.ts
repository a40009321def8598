/** A copy of what a member knows, for operators and for the driver's decisions. */
import type { MemberId } from "../protocol/peer/raft-message.ts";
import type { Core } from "./core.ts";
import type { ProgressStatus, RaftStatus } from "./ready.ts";

export function statusOf(core: Core): RaftStatus {
  const { log } = core;
  const progress = new Map<MemberId, ProgressStatus>();
  for (const [id, { match, next, state, recentActive, isLearner }] of core.progress) {
    progress.set(id, { match, next, state, recentActive, isLearner });
  }
  return {
    id: core.id,
    term: core.term,
    vote: core.vote,
    commit: log.committed,
    applied: log.applied,
    firstIndex: log.firstIndex,
    lastIndex: log.lastIndex,
    leader: core.leader,
    role: core.role,
    isLearner: core.conf.learners.includes(core.id),
    confState: core.conf,
    progress,
  };
}
