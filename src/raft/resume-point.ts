/** Whether the point at which a leader said that it may go on in its term still holds after a restart. */
import type { LogIndex } from "../protocol/peer/raft-message.ts";
import type { RaftConfig } from "./config.ts";

/**
 * Returns the index of the stored point, or 0 if it does not hold. It holds if nothing has happened since: the term is
 * the same, this member voted for itself in it, and the log ends with the very entry.
 */
export function resumeIndexOf({ id, hardState, log, resumable }: RaftConfig): LogIndex {
  if (resumable === undefined) return 0;
  const { term, index } = resumable;
  const isSame = hardState.term === term && hardState.vote === id && log.lastIndex() === index;
  return isSame && log.term(index) === term ? index : 0;
}
