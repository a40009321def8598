/**
 * What a follower does with what its leader sends. It answers for what is in its log, and the answers are held until
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
  // From here on everything is behind what is committed, which therefore nobody can rewrite.
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
  // The leader says what this member acknowledged; a log that is shorter than that has lost entries.
  if (commit <= core.log.lastIndex) core.log.commitTo(commit);
  core.send({ type: "heartbeat-response", from: core.id, to: from, term: core.term, context });
}

export function handleSnapshot(core: Core, message: SnapshotMessage): void {
  const { log } = core;
  acknowledge(core, message.from, restore(core, message) ? log.lastIndex : log.committed);
}

/** Whether the snapshot became the log. A stale one does not, nor one that is for others. */
function restore(core: Core, message: SnapshotMessage): boolean {
  const { log } = core;
  const { index, term, confState } = message.snapshot;
  if (index <= log.committed) return false;
  const { voters, learners, votersOutgoing } = confState;
  if (![voters, learners, votersOutgoing].some((ids) => ids.includes(core.id))) return false;
  if (log.hasEntry(index, term)) {
    // All that the snapshot stands for is in the log: keep the log.
    log.commitTo(index);
    return false;
  }
  log.restore(message.snapshot);
  switchConfiguration(core, confState);
  return true;
}

/** "My log equals yours up to `index`." One that is still held says the same for less, and is replaced. */
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
