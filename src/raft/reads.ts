/**
 * Linearizable reads at the leader: number them, prove leadership, return the index. read-queue.ts explains why.
 */
import type { LogIndex, MemberId } from "../protocol/peer/raft-message.ts";
import type { Core } from "./core.ts";
import { decodePosition, type ReadRequest } from "./read-queue.ts";

/** Returns false if too many reads wait already. */
export function requestRead(core: Core, request: ReadRequest): boolean {
  const { reads, log, settledIndex } = core;
  if (reads.isFull) return false;
  // Nothing beyond the last entry that the leader found was committed before it led.
  const index = Math.max(log.committed, settledIndex);
  if (core.quorum.isOnly(core.id) && isSettled(core)) {
    respond(core, request, index);
    return true;
  }
  reads.add(request, index);
  core.wantsHeartbeats = true;
  return true;
}

export function acknowledgeReads(core: Core, from: MemberId, context: Uint8Array): void {
  const position = decodePosition(context, core.run);
  const progress = core.progress.get(from);
  if (progress === undefined || position <= progress.readPosition || position > core.reads.position) return;
  progress.readPosition = position;
  confirmReads(core);
}

/**
 * Completes the reads that a quorum has proven, once what they wait for is committed. Call it also after a commit and after
 * a change of the quorum.
 */
export function confirmReads(core: Core): void {
  if (core.reads.size === 0 || !isSettled(core)) return;
  const position = core.quorum.committedIndex((id) =>
    id === core.id ? core.reads.position : (core.progress.get(id)?.readPosition ?? 0),
  );
  for (const read of core.reads.confirm(position)) respond(core, read, read.index);
}

function respond(core: Core, request: ReadRequest, index: LogIndex): void {
  const { from, context } = request;
  if (from === core.id) {
    core.readStates.push({ context, index });
    return;
  }
  core.send({ type: "read-index-response", from: core.id, to: from, term: core.term, context, index });
}

/** A leader knows what is committed once its first entry is; one that goes on in its term, once its last one is. */
function isSettled(core: Core): boolean {
  return core.log.committed >= core.settledIndex;
}
