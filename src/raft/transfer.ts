/**
 * How a leader hands over: it sends its successor what that lacks, and asks it to campaign at once.
 *
 * The request follows the last append and does not wait for its response, because a leader whose page is being closed
 * runs no more by then. It names the end of the leader's log: a successor that did not get everything ignores it, and
 * is asked again when it has acknowledged.
 */
import type { MemberId } from "../protocol/peer/raft-message.ts";
import { NONE, type Core } from "./core.ts";
import type { Progress } from "./progress.ts";

export function beginTransfer(core: Core, to: MemberId): void {
  const progress = core.progress.get(to);
  if (progress === undefined || to === core.id || !core.quorum.has(to) || core.transferee === to) return;
  core.electionElapsed = 0;
  core.transferee = to;
  if (!askSuccessor(core, progress)) core.wantsAppends = true;
}

/**
 * A removed or demoted leader keeps leading until a voter takes over. If it stopped at once and the commit message were
 * lost, the remaining voters might be unable to elect a leader: they would still need votes of removed members, whose
 * logs may be longer.
 */
export function retire(core: Core): void {
  if (core.quorum.has(core.id) || core.transferee !== NONE) return;
  let successor = NONE;
  let best: Progress | undefined = undefined;
  for (const [id, progress] of core.progress) {
    if (core.quorum.has(id) && isBetter(progress, best)) {
      successor = id;
      best = progress;
    }
  }
  if (successor !== NONE) beginTransfer(core, successor);
}

function isBetter(progress: Progress, than: Progress | undefined): boolean {
  if (than === undefined || progress.recentActive !== than.recentActive)
    return than === undefined || progress.recentActive;
  return progress.match > than.match;
}

/** Asks the transferee to campaign if everything was sent to it. It may be asked twice; the second time is outdated. */
export function askSuccessor(core: Core, progress: Progress): boolean {
  const { lastIndex, lastTerm } = core.log;
  const hasAll = progress.match === lastIndex;
  const isAllSent = progress.state === "replicate" && progress.next === lastIndex + 1;
  if (!hasAll && !isAllSent) return false;
  core.send({ type: "timeout-now", from: core.id, to: core.transferee, term: core.term, lastIndex, lastTerm });
  return true;
}
