/**
 * What the leader does. It appends proposals, replicates them, counts acknowledgements and commits. Its heartbeats keep
 * the others from campaigning. It steps down when a majority is out of contact.
 */
import { assert, must } from "../base/assert.ts";
import type {
  AppendResponse,
  Entry,
  EntryType,
  HeartbeatResponse,
  LogIndex,
  MemberId,
} from "../protocol/peer/raft-message.ts";
import { NONE, type Core } from "./core.ts";
import { Progress } from "./progress.ts";
import { ReadQueue } from "./read-queue.ts";
import { acknowledgeReads, confirmReads } from "./reads.ts";
import { becomeFollower, enterTerm } from "./roles.ts";
import { entriesBytes } from "./log/unstable.ts";
import { askSuccessor, retire } from "./transfer.ts";

export interface Proposal {
  readonly type: EntryType;
  readonly data: Uint8Array;
}

const NO_DATA: Uint8Array = new Uint8Array(0);
const NO_ENTRIES: readonly Entry[] = [];

export function becomeLeader(core: Core): void {
  assert(core.role === "candidate", "only a candidate is elected");
  assert(core.isPromotable, "only a voter is elected");
  enterTerm(core, core.term);
  core.role = "leader";
  core.leader = core.id;
  core.leaderships++;
  core.run = core.session + core.leaderships;
  core.reads = new ReadQueue(core.run);
  const { lastIndex } = core.log;
  core.inheritedIndex = lastIndex;
  for (const id of core.peers) core.progress.set(id, newProgress(core, id, lastIndex + 1, false));
  const self = newProgress(core, core.id, lastIndex + 1, true);
  self.becomeReplicate();
  core.progress.set(core.id, self);
  // The unapplied entries may contain a configuration change by an earlier leader.
  core.pendingConfIndex = lastIndex;
  // Entries of older terms are never committed by counting (§5.4.2). An entry of this term commits them with it. A
  // leader that goes on in its term has one.
  if (core.log.lastTerm === core.term) core.wantsAppends = true;
  else appendProposals(core, [{ type: "normal", data: NO_DATA }]);
  core.settledIndex = core.log.lastIndex;
  countOwnLog(core);
}

export function newProgress(core: Core, id: MemberId, next: LogIndex, recentActive: boolean): Progress {
  return new Progress(next, core.conf.learners.includes(id), recentActive, core.config);
}

/**
 * Returns false if the uncommitted tail is full. An empty tail takes any proposal, and an empty proposal always fits.
 */
export function reserveUncommitted(core: Core, bytes: number): boolean {
  const { maxUncommittedBytes } = core.config;
  if (bytes > 0 && core.uncommittedBytes > 0 && core.uncommittedBytes + bytes > maxUncommittedBytes) return false;
  core.uncommittedBytes += bytes;
  return true;
}

export function releaseUncommitted(core: Core, entries: readonly Entry[]): void {
  if (core.uncommittedBytes === 0) return;
  let bytes = 0;
  for (const entry of entries) bytes += entry.data.length;
  // Entries of older terms are not counted.
  core.uncommittedBytes = Math.max(0, core.uncommittedBytes - bytes);
}

export function appendProposals(core: Core, proposals: readonly Proposal[]): void {
  const entries: Entry[] = [];
  let index = core.log.lastIndex;
  for (const { type, data } of proposals) {
    index++;
    entries.push({ type, term: core.term, index, data });
    if (type === "conf-change") core.pendingConfIndex = index;
  }
  core.log.append(entries);
  core.wantsAppends = true;
}

/** Sends what is due to every member. ready() calls it, so that all changes since the last call share one message. */
export function flush(core: Core): void {
  if (core.wantsHeartbeats) heartbeatVoters(core);
  if (!core.wantsAppends) return;
  core.wantsAppends = false;
  for (const id of core.peers) {
    const progress = must(core.progress.get(id), "every member has its progress");
    const { next } = progress;
    while (sendAppend(core, id, progress));
    if (id === core.transferee && progress.next > next) askSuccessor(core, progress);
  }
}

/** Only voters keep a leader in its place, and confirm reads. */
function heartbeatVoters(core: Core): void {
  core.wantsHeartbeats = false;
  for (const id of core.peers) if (core.quorum.has(id)) sendHeartbeat(core, id);
}

export function sendHeartbeat(core: Core, to: MemberId): void {
  const progress = core.progress.get(to);
  if (progress === undefined) return;
  progress.quietTicks = 0;
  // Above its match index the member's log may differ from the leader's. The member must not commit there.
  const commit = Math.min(progress.match, core.exposedCommit);
  const context = core.reads.heartbeatContext();
  core.send({ type: "heartbeat", from: core.id, to, term: core.term, run: core.run, commit, context });
  progress.sentCommit(commit);
}

export function tickLeader(core: Core): void {
  core.heartbeatElapsed++;
  core.electionElapsed++;
  if (core.electionElapsed >= core.config.electionTicks) {
    core.electionElapsed = 0;
    // A transfer that takes longer than an election has failed. The proposals that it blocks must continue.
    core.transferee = NONE;
    checkQuorum(core);
    if (!core.isLeader) return;
    retire(core);
  }
  if (core.heartbeatElapsed >= core.config.heartbeatTicks) {
    core.heartbeatElapsed = 0;
    heartbeatVoters(core);
    heartbeatLearners(core);
  }
}

/**
 * A learner does not campaign. It needs to know that its leader is there, which an append tells as well, and to get again
 * what was lost. So one that acknowledges what it is sent gets a heartbeat only after a pause, and hears its leader twice
 * in the shortest election timeout.
 */
function heartbeatLearners(core: Core): void {
  const { electionTicks, heartbeatTicks } = core.config;
  const pauseTicks = Math.floor((electionTicks - 1) / 2);
  for (const id of core.peers) {
    const progress = must(core.progress.get(id), "every member has its progress");
    if (core.quorum.has(id)) continue;
    progress.quietTicks += heartbeatTicks;
    if (progress.state !== "replicate" || progress.quietTicks >= pauseTicks) sendHeartbeat(core, id);
  }
}

/** A leader that gets no response from a majority may already have a successor, so it must not continue to lead. */
function checkQuorum(core: Core): void {
  const result = core.quorum.voteResult((id) => core.progress.get(id)?.recentActive === true);
  if (result !== "won") {
    becomeFollower(core, core.term, NONE);
    return;
  }
  for (const [id, progress] of core.progress) {
    if (id !== core.id) progress.recentActive = false;
  }
}

export function handleAppendResponse(core: Core, message: AppendResponse): void {
  const progress = core.progress.get(message.from);
  if (progress === undefined) return;
  progress.recentActive = true;
  if (message.reject) {
    handleRejection(core, progress, message);
    return;
  }
  const { index } = message;
  if (index > core.log.lastIndex) return;
  const isNews = progress.acknowledged(index);
  if (isNews) progress.quietTicks = 0;
  if (!isNews && !(progress.state === "probe" && progress.match === index)) return;
  if (progress.state === "replicate") progress.inflights.freeTo(index);
  else if (progress.state === "probe" || progress.match + 1 >= core.log.firstIndex) progress.becomeReplicate();
  maybeCommit(core);
  if (progress.shouldSend(core.sendableIndex, core.exposedCommit)) core.wantsAppends = true;
  if (message.from === core.transferee) askSuccessor(core, progress);
}

/**
 * Both sides skip whole terms. The follower hints at its last entry whose term is not above that of the rejected
 * append. The leader continues with its own last entry whose term is not above the hint's. So it takes one probe per
 * term, not per entry.
 */
function handleRejection(core: Core, progress: Progress, message: AppendResponse): void {
  const { rejectHint, hintTerm } = message;
  const hint = hintTerm > 0 ? core.log.lastOfTermAtMost(rejectHint, hintTerm).index : rejectHint;
  if (progress.rejected(message.index, hint)) core.wantsAppends = true;
}

export function handleHeartbeatResponse(core: Core, message: HeartbeatResponse): void {
  const progress = core.progress.get(message.from);
  if (progress === undefined) return;
  progress.recentActive = true;
  progress.resume();
  if (progress.shouldSend(core.sendableIndex, core.exposedCommit)) core.wantsAppends = true;
  // The request to campaign may have been lost, or may have arrived too early.
  if (message.from === core.transferee) askSuccessor(core, progress);
  if (message.context.length > 0) acknowledgeReads(core, message.from, message.context);
}

/** The leader's own log counts like the others': only as far as it is durable. */
export function countOwnLog(core: Core): void {
  // A removed leader leads a group that it is not a member of, until a voter takes over.
  const self = core.progress.get(core.id);
  if (self?.acknowledged(core.log.durableIndex) === true) maybeCommit(core);
}

export function maybeCommit(core: Core): void {
  const index = core.quorum.committedIndex((id) => core.progress.get(id)?.match ?? 0);
  // §5.4.2: an entry of an older term can be lost even if a majority has it. An entry of this term cannot.
  if (index <= core.log.committed || !core.log.hasEntry(index, core.term)) return;
  core.log.commitTo(index);
  core.wantsAppends = true;
  confirmReads(core);
}

/** Sends one append (or snapshot) if one is due. Returns true if another may follow. */
function sendAppend(core: Core, to: MemberId, progress: Progress): boolean {
  const { log, config, exposedCommit } = core;
  const last = core.sendableIndex;
  if (!progress.shouldSend(last, exposedCommit)) return false;
  const prevIndex = progress.next - 1;
  const prevTerm = log.term(prevIndex);
  if (prevTerm === undefined) {
    sendSnapshot(core, to, progress);
    return false;
  }
  const entries = progress.canSendEntries(last)
    ? log.entries(progress.next, last + 1, config.maxAppendBytes)
    : NO_ENTRIES;
  core.send({
    type: "append",
    from: core.id,
    to,
    term: core.term,
    run: core.run,
    prevIndex,
    prevTerm,
    entries,
    commit: exposedCommit,
  });
  progress.sentAppend(entries.length, entriesBytes(entries), exposedCommit);
  return true;
}

/** A member that needs compacted entries receives the state instead, once it has shown that it is active. */
function sendSnapshot(core: Core, to: MemberId, progress: Progress): void {
  if (!progress.recentActive) return;
  const snapshot = core.config.snapshotMeta();
  // The log could not continue from an older snapshot, so that state does not help this member.
  if (snapshot === undefined || snapshot.index + 1 < core.log.firstIndex || snapshot.index > core.log.committed) {
    // Sent again when the member responds to the next heartbeat.
    if (progress.state === "replicate") progress.becomeProbe();
    progress.pause();
    return;
  }
  progress.becomeSnapshot(snapshot.index);
  core.send({ type: "snapshot", from: core.id, to, term: core.term, run: core.run, snapshot });
}

export function reportUnreachable(core: Core, peer: MemberId): void {
  const progress = core.progress.get(peer);
  if (progress === undefined || peer === core.id) return;
  // What was sent optimistically is probably lost.
  if (progress.state === "replicate") progress.becomeProbe();
}

export function reportSnapshot(core: Core, peer: MemberId, ok: boolean): void {
  const progress = core.progress.get(peer);
  if (progress === undefined || progress.state !== "snapshot") return;
  if (!ok) progress.pendingSnapshot = 0;
  progress.becomeProbe();
  // After success the member's own response says where to continue. After a failure the next attempt waits for a
  // heartbeat's response.
  progress.pause();
}
