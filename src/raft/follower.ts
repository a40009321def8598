/**
 * How a follower handles messages of its leader. A response reports what is in the follower's log, and is held until
 * that is durable.
 */
import type {
  AppendMessage,
  HeartbeatMessage,
  LogIndex,
  MemberId,
  SnapshotMessage,
} from "../protocol/peer/raft-message.ts";
import type { Core } from "./core.ts";
import { switchConfiguration } from "./membership.ts";

export function handleAppend(core: Core, message: AppendMessage): void {
  const { log } = core;
  const { prevIndex, prevTerm, entries } = message;
  core.leaderCommit = Math.max(core.leaderCommit, message.commit);
  // Everything after this index follows the committed part, which no leader can rewrite.
  if (prevIndex < log.committed) {
    acknowledge(core, message.from, log.committed);
    return;
  }
  if (!log.hasEntry(prevIndex, prevTerm)) {
    reject(core, message);
    return;
  }
  const conflict = log.findConflict(entries);
  const fresh = conflict === 0 ? entries : entries.slice(conflict);
  log.append(fresh);
  const lastNew = prevIndex + entries.length;
  log.commitTo(Math.min(message.commit, lastNew));
  acknowledge(core, message.from, lastNew);
}

function reject(core: Core, message: AppendMessage): void {
  const { log } = core;
  const hint = log.lastOfTermAtMost(Math.min(message.prevIndex, log.lastIndex), message.prevTerm);
  core.sendDurable({
    type: "append-response",
    from: core.id,
    to: message.from,
    term: core.term,
    index: message.prevIndex,
    reject: true,
    rejectHint: hint.index,
    hintTerm: hint.term,
  });
}

export function handleHeartbeat(core: Core, message: HeartbeatMessage): void {
  const { from, commit, context } = message;
  // The leader names the index that this member acknowledged. A log that is shorter has lost entries.
  if (commit <= core.log.lastIndex) core.log.commitTo(commit);
  core.send({ type: "heartbeat-response", from: core.id, to: from, term: core.term, context });
}

export function handleSnapshot(core: Core, message: SnapshotMessage): void {
  const { log } = core;
  acknowledge(core, message.from, restore(core, message) ? log.lastIndex : log.committed);
}

/** Returns whether the snapshot became the log. A stale snapshot does not, nor one for another member. */
function restore(core: Core, message: SnapshotMessage): boolean {
  const { log } = core;
  const { index, term, confState } = message.snapshot;
  core.leaderCommit = Math.max(core.leaderCommit, index);
  if (index <= log.committed) return false;
  const { voters, learners, votersOutgoing } = confState;
  if (![voters, learners, votersOutgoing].some((ids) => ids.includes(core.id))) return false;
  if (log.hasEntry(index, term)) {
    // The log contains everything that the snapshot covers, so the log is kept.
    log.commitTo(index);
    return false;
  }
  log.restore(message.snapshot);
  switchConfiguration(core, confState);
  return true;
}

/** Sends "my log equals yours up to `index`". Replaces such a message that is still held, because it says less. */
export function acknowledge(core: Core, to: MemberId, index: LogIndex): void {
  const { id: from, term } = core;
  const last = core.held.at(-1);
  let highest = index;
  if (last?.type === "append-response" && !last.reject && last.to === to && last.term === term) {
    highest = Math.max(index, last.index);
    core.held.pop();
  }
  core.sendDurable({
    type: "append-response",
    from,
    to,
    term,
    index: highest,
    reject: false,
    rejectHint: 0,
    hintTerm: 0,
  });
}
