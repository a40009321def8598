/**
 * A leader that was idle goes on in its term after a restart, so that a cluster that sleeps keeps its term.
 *
 *     leading, all members hold the log ──markResumable()──▶ {term, index}, stored by the driver
 *     restart: the point still holds ──resume()──▶ candidate of the same term ──a majority repeats its vote──▶ leader
 *
 * Why this is safe. A term has one leader, because each voter votes once in it and remembers it (R3, R7). Whoever gets a
 * majority again in the same term is the member that got one before. So only one rule of Raft is at stake: a leader
 * never replaces or forgets an entry of its own term. A restarted leader could do so, if it had sent an entry that its
 * disk does not hold. Therefore:
 *
 * - The point is used only if the log ends exactly there. When it was made, everything up to there was durable here and
 *   on all other members, and nothing beyond had been sent.
 * - Beyond the point, no entry is sent before one is durable here (`Core.sendableIndex`). From then on the log is longer
 *   than the point, after a crash too, and the point does not hold any more.
 * - What the leader kept in memory about its term is gone. Messages that refer to it name the run (`Core.run`): rounds of
 *   reads that were answered, proposals that were accepted.
 * - The commit index may have been higher than the disk says. So reads wait until the last entry of the log is known to
 *   be committed (`Core.settledIndex`), as they wait for the first entry of a term that was elected.
 */
import { assert } from "../base/assert.ts";
import type { ResumePoint } from "./config.ts";
import type { Core } from "./core.ts";
import { askForVotes, mayCampaign } from "./election.ts";
import { becomeResuming } from "./roles.ts";

/** Returns the point at which this leader could go on in its term; undefined if there is none, or no new one. */
export function markResumable(core: Core): ResumePoint | undefined {
  const { log, term } = core;
  const { lastIndex } = log;
  if (!core.isLeader || core.vote !== core.id || !core.quorum.has(core.id)) return undefined;
  if (log.durableIndex !== lastIndex || log.committed !== lastIndex || !log.hasEntry(lastIndex, term)) return undefined;
  if (core.resumeIndex === lastIndex) return undefined;
  core.resumeIndex = lastIndex;
  return { term, index: lastIndex };
}

/** True for a leader at its point: everything is durable on all members as far as it knows, and nothing was sent since. */
export function isResumable({ isLeader, resumeIndex, log, term }: Core): boolean {
  const { lastIndex } = log;
  return isLeader && resumeIndex === lastIndex && log.durableIndex === lastIndex && log.hasEntry(lastIndex, term);
}

/** Asks for the votes of this term again, once. Returns whether it waits for them. */
export function resume(core: Core): boolean {
  if (isResuming(core)) return true;
  if (!mayResume(core)) return false;
  becomeResuming(core);
  core.sendDurable({ type: "vote-response", from: core.id, to: core.id, term: core.term, reject: false });
  askForVotes(core, "vote", false);
  return true;
}

/** True while a leader of this term asks for its votes again. */
export function isResuming({ role, log, term }: Core): boolean {
  return role === "candidate" && log.lastTerm === term;
}

function mayResume(core: Core): boolean {
  const { resumeIndex, log, role, leader, id } = core;
  if (resumeIndex === 0 || log.lastIndex !== resumeIndex || role !== "follower" || leader !== 0n) return false;
  assert(core.vote === id, "who led a term voted for itself in it");
  return mayCampaign(core);
}
