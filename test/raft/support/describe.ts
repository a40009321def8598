/** Formats Raft's inputs and outputs as readable lines. */
import type { ConfState, Entry, RaftMessage } from "../../../src/protocol/peer/raft-message.ts";
import { decodeChange } from "../../../src/raft/conf-change/conf-change-entry.ts";
import type { RaftStatus, Ready } from "../../../src/raft/ready.ts";

const SIGNS = { "add-node": "v", "add-learner": "l", "remove-node": "r", "update-node": "u" } as const;

export function describeEntry(entry: Entry): string {
  const at = `${entry.term}/${entry.index}`;
  if (entry.type === "normal") return entry.data.length === 0 ? at : `${at} "${new TextDecoder().decode(entry.data)}"`;
  const change = decodeChange(entry.data);
  if (change === undefined) return `${at} conf?`;
  const steps = change.changes.map(({ type, nodeId }) => `${SIGNS[type]}${nodeId}`);
  return `${at} conf ${steps.length === 0 ? "leave" : steps.join(" ")}`;
}

function describeEntries(entries: readonly Entry[]): string {
  return `[${entries.map(describeEntry).join(", ")}]`;
}

export function describeConf(conf: ConfState): string {
  const parts = [`voters ${conf.voters.join(" ")}`];
  if (conf.votersOutgoing.length > 0) parts.push(`outgoing ${conf.votersOutgoing.join(" ")}`);
  if (conf.learners.length > 0) parts.push(`learners ${conf.learners.join(" ")}`);
  if (conf.learnersNext.length > 0) parts.push(`learners next ${conf.learnersNext.join(" ")}`);
  return parts.join(", ") + (conf.autoLeave ? ", leaves by itself" : "");
}

export function describeMessage(message: RaftMessage): string {
  const term = message.term === 0 ? "" : ` t${message.term}`;
  return `${message.from}→${message.to} ${message.type}${term}${details(message)}`;
}

function details(message: RaftMessage): string {
  switch (message.type) {
    case "append": {
      const { prevIndex, prevTerm, entries, commit } = message;
      return ` after ${prevTerm}/${prevIndex} ${describeEntries(entries)} commit ${commit}`;
    }
    case "append-response":
      return message.reject
        ? ` no to ${message.index}, try ${message.hintTerm}/${message.rejectHint}`
        : ` up to ${message.index}`;
    case "vote":
    case "pre-vote":
      return ` log ends ${message.lastTerm}/${message.lastIndex}${message.transfer ? ", asked for by the leader" : ""}`;
    case "vote-response":
    case "pre-vote-response":
      return message.reject ? " no" : " yes";
    case "heartbeat":
      return ` commit ${message.commit}${round(message.context)}`;
    case "heartbeat-response":
      return round(message.context);
    case "snapshot":
      return ` ${message.snapshot.term}/${message.snapshot.index}, ${describeConf(message.snapshot.confState)}`;
    case "propose":
      return ` ${describeEntries(message.entries)}`;
    case "read-index":
      return ` ${text(message.context)}`;
    case "read-index-response":
      return ` ${text(message.context)} at ${message.index}`;
    case "transfer-leader":
      return ` to ${message.transferee}`;
    case "timeout-now":
      return ` log ends ${message.lastTerm}/${message.lastIndex}`;
    default:
      return " ?";
  }
}

/** The position in the round of reads, whatever run the leader is in. */
function round(context: Uint8Array): string {
  return context.length === 0 ? "" : ` reads ${new DataView(context.buffer, context.byteOffset).getUint32(8, true)}`;
}

export function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

export function describeReady({ persist, messages, committed, readStates, softState }: Ready): readonly string[] {
  const lines: string[] = [];
  if (softState !== undefined) {
    lines.push(softState.leader === 0n ? `is ${softState.role}` : `is ${softState.role} under ${softState.leader}`);
  }
  for (const message of messages) lines.push(`send ${describeMessage(message)}`);
  if (persist !== undefined) {
    const { id, hardState, entries, snapshot } = persist;
    const parts: string[] = [];
    if (hardState !== undefined) parts.push(`term ${hardState.term} vote ${hardState.vote} commit ${hardState.commit}`);
    if (snapshot !== undefined) parts.push(`snapshot ${snapshot.term}/${snapshot.index}`);
    if (entries.length > 0) parts.push(describeEntries(entries));
    lines.push(`write #${id}: ${parts.join(", ")}`);
  }
  if (committed.length > 0) lines.push(`apply ${describeEntries(committed)}`);
  for (const { context, index } of readStates) lines.push(`read ${text(context)} at ${index}`);
  return lines;
}

export function describeStatus(status: RaftStatus): readonly string[] {
  const { id, term, role, leader, commit, applied, firstIndex, lastIndex, confState, isLearner } = status;
  const under = leader === 0n ? "nobody" : String(leader);
  const log = lastIndex < firstIndex ? `empty after ${lastIndex}` : `${firstIndex}…${lastIndex}`;
  const kind = isLearner ? " (learner)" : "";
  const lines = [
    `${id}: ${role}${kind} under ${under} in term ${term}, log ${log}, commit ${commit}, applied ${applied}`,
    `   ${describeConf(confState)}`,
  ];
  for (const [peer, each] of [...status.progress].sort(([left], [right]) => (left < right ? -1 : 1))) {
    const active = each.recentActive ? "" : ", silent";
    lines.push(`   ${peer}: ${each.state} match ${each.match} next ${each.next}${active}`);
  }
  return lines;
}
