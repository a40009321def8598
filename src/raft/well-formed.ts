/**
 * Checks whether a message from a peer can be processed. The decoder has checked types. This checks what types cannot
 * express: numbers in range, contiguous entries, a configuration that changes could have led to. A message that fails
 * is ignored, so that no peer can break an invariant of this member.
 */
import { unreachable } from "../base/assert.ts";
import type { Entry, LogIndex, RaftMessage, SnapshotMeta, Term } from "../protocol/peer/raft-message.ts";
import { isConfState } from "./conf-change/conf-change.ts";
import { MAX_CONTEXT_BYTES, MAX_NUMBER } from "./config.ts";

export function isWellFormed(message: RaftMessage): boolean {
  if (message.from <= 0n || !isNumber(message.term)) return false;
  if ("run" in message && message.run !== undefined && !isRun(message.run)) return false;
  switch (message.type) {
    case "append":
      return (
        isNumber(message.prevIndex) &&
        isNumber(message.prevTerm) &&
        message.prevTerm <= message.term &&
        isNumber(message.commit) &&
        areEntries(message.entries, message.prevIndex, message.prevTerm, message.term)
      );
    case "append-response":
      return isNumber(message.index) && isNumber(message.rejectHint) && isNumber(message.hintTerm);
    case "vote":
    case "pre-vote":
      // A leader that asks again after a restart has entries of the term that it asks for.
      return isNumber(message.lastIndex) && isNumber(message.lastTerm) && message.lastTerm <= message.term;
    case "propose":
      return isNumber(message.session) && isNumber(message.sequence);
    case "vote-response":
    case "pre-vote-response":
    case "transfer-leader":
      return true;
    case "timeout-now":
      return isNumber(message.lastIndex) && isNumber(message.lastTerm) && message.lastTerm <= message.term;
    case "heartbeat":
      return isNumber(message.commit) && isContext(message.context);
    case "heartbeat-response":
    case "read-index":
      return isContext(message.context);
    case "read-index-response":
      return isNumber(message.index) && isContext(message.context);
    case "snapshot":
      return isSnapshot(message.snapshot, message.term);
    default:
      return unreachable(message);
  }
}

function isNumber(value: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= MAX_NUMBER;
}

function isRun(value: number): boolean {
  return Number.isSafeInteger(value) && value > 0;
}

function isContext(context: Uint8Array): boolean {
  return context.length <= MAX_CONTEXT_BYTES;
}

function areEntries(entries: readonly Entry[], prevIndex: LogIndex, prevTerm: Term, term: Term): boolean {
  let lastTerm = Math.max(prevTerm, 1);
  for (let at = 0; at < entries.length; at++) {
    const entry = entries[at] as Entry;
    if (entry.index !== prevIndex + 1 + at || !isNumber(entry.index) || !isNumber(entry.term)) return false;
    if (entry.term < lastTerm || entry.term > term) return false;
    lastTerm = entry.term;
  }
  return true;
}

function isSnapshot({ index, term, confState }: SnapshotMeta, leaderTerm: Term): boolean {
  if (!isNumber(index) || index === 0 || !isNumber(term) || term > leaderTerm) return false;
  return isConfState(confState);
}
