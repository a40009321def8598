/**
 * `node test/sim/mutations.ts`: does the simulator find bugs? Each mutation plants one in a copy of the source, in its
 * own directory outside the tree. Seeds are then run until one fails. A mutation that survives all of them is a hole.
 *
 *   node test/sim/mutations.ts                  all of them, up to 200 seeds each
 *   node test/sim/mutations.ts --only reads     those whose name contains "reads"
 *   node test/sim/mutations.ts --seeds 1..50
 */
import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { Faults } from "./faults.ts";

export interface Mutation {
  readonly name: string;
  readonly file: string;
  /** Occurs exactly once in the file. */
  readonly old: string;
  readonly new: string;
  /** For bugs that need dense faults. */
  readonly faults?: Partial<Faults>;
  /** Replaces the requested seeds: this many are needed. */
  readonly seeds?: string;
  readonly seconds?: string;
  /** Too rare for the simulator: the test that finds it. */
  readonly foundBy?: string;
}

/** Leaders change while the ends of their logs are still being sent, entry by entry. */
const FREQUENT_ELECTIONS: Partial<Faults> = {
  crashEveryMs: 700,
  downMs: 1_500,
  partitionEveryMs: 1_500,
  diskMs: 15,
  delayMs: 60,
  appendBytes: 60,
};

const QUICK_RESTARTS: Partial<Faults> = { crashEveryMs: 500, downMs: 60, slowProbability: 0.1, slowMs: 3_000 };

/** The cluster sleeps again and again, and is evicted, and wakes under duplicates and delays. */
const SLEEPY: Partial<Faults> = {
  quiesceAfterTicks: 11,
  lullEveryMs: 3_000,
  evictEveryMs: 300,
  duplicateProbability: 0.3,
  slowProbability: 0.3,
  slowMs: 6_000,
  delayMs: 40,
  diskMs: 60,
};

/** Profiles whose tabs crash and freeze, whose stores are lost and copied back, over a network that loses and repeats. */
const OUTBOXES: Partial<Faults> = {
  quiesceAfterTicks: 0,
  outbox: {
    profiles: 2,
    tabs: 2,
    lossProbability: 0.15,
    markerTtl: 10_000,
    crashEveryMs: 3_000,
    freezeEveryMs: 4_000,
    silenceEveryMs: 10_000,
    lossEveryMs: 15_000,
    restoreEveryMs: 4_000,
  },
};

/** A room of an object and tabs, which come and go, and whose server is often down. */
const MIXED: Partial<Faults> = {
  isRoom: true,
  isMixed: true,
  isRelayed: true,
  leaveEveryMs: 1_500,
  crashEveryMs: 2_500,
  partitionEveryMs: 3_000,
};

/** A room that is not mixed, with many guests. */
const GUESTS: Partial<Faults> = {
  isRoom: true,
  isMixed: false,
  guests: { inviteEveryMs: 1_500, comeEveryMs: 1_200, endEveryMs: 2_500, expiryMs: 6_000 },
};

export const MUTATIONS: readonly Mutation[] = [
  {
    name: "guests: whoever admits does not look at an invitation's time",
    file: "src/member/node/join-handler.ts",
    old: "whyOver(invitationOf(invitations, invitation), wallMsOf(clock));",
    new: "whyOver(invitationOf(invitations, invitation), -Infinity);",
    faults: GUESTS,
  },
  {
    name: "guests: the log counts no uses",
    file: "src/member/membership/invitations.ts",
    old: "usesLeft: one.usesLeft - 1",
    new: "usesLeft: one.usesLeft",
    faults: GUESTS,
  },
  {
    name: "guests: an invitation that was revoked lets in",
    file: "src/member/membership/invitations.ts",
    old: "if (invitation.isRevoked) return JOIN_REFUSALS.invitationRevoked;",
    new: "",
    faults: GUESTS,
  },
  {
    name: "guests: what a reader proposes is taken",
    file: "src/member/node/peer-roles.ts",
    old: 'if (guest.role === "reader" && isMember && peer !== this.#parts.raft.leader) return READER;',
    new: "",
    faults: GUESTS,
  },
  {
    name: "guests: a removed one is still a guest",
    file: "src/member/membership/membership.ts",
    old: 'if (key !== undefined && how === "removed") this.#keepInvitations(withoutGuest(this.#invitations, key));',
    new: "",
    faults: GUESTS,
  },
  {
    name: "guests: a removed one comes back under another id",
    file: "src/member/membership/member-keys.ts",
    old: 'removed: how === "removed" ? [...keys.removed, key].slice(-REMOVED_KEYS_MAX) : keys.removed',
    new: "removed: keys.removed",
    faults: GUESTS,
  },
  {
    name: "guests: a reader is promoted",
    file: "src/member/membership/membership.ts",
    old: 'if (type === "add-node" && this.guest(nodeId)?.role === "reader") return false;',
    new: "",
    foundBy: "test/member/membership/invitations.test.ts",
    faults: GUESTS,
  },
  {
    name: "guests: a guest lets others in",
    file: "src/member/node/join-handler.ts",
    old: "if (from === memberId && machine.membership.guest(id) !== undefined) return;",
    new: "",
    foundBy: "test/member/membership/invitations.test.ts",
    faults: GUESTS,
  },
  {
    name: "learners: heartbeats at each tick",
    file: "src/raft/leadership.ts",
    old: 'progress.state !== "replicate" || progress.quietTicks >= pauseTicks',
    new: 'progress.state === "replicate"',
    foundBy: "test/raft/paper-membership.test.ts",
  },
  {
    name: "learners: no heartbeat while a log is searched",
    file: "src/raft/leadership.ts",
    old: 'progress.state !== "replicate" || progress.quietTicks >= pauseTicks',
    new: "progress.quietTicks >= pauseTicks",
    foundBy: "test/raft/paper-membership.test.ts",
  },
  {
    name: "learners: hear their leader once in an election timeout",
    file: "src/raft/leadership.ts",
    old: "Math.floor((electionTicks - 1) / 2)",
    new: "electionTicks",
    foundBy: "test/raft/paper-membership.test.ts",
  },
  {
    name: "learners: old acknowledgements put heartbeats off",
    file: "src/raft/leadership.ts",
    old: "if (isNews) progress.quietTicks = 0;",
    new: "progress.quietTicks = 0;",
    foundBy: "test/raft/paper-membership.test.ts",
  },
  {
    name: "learners: an acknowledgement puts off no heartbeat",
    file: "src/raft/leadership.ts",
    old: "if (isNews) progress.quietTicks = 0;",
    new: "",
    foundBy: "test/raft/paper-membership.test.ts",
  },
  {
    name: "learners: get the heartbeats of reads",
    file: "src/raft/leadership.ts",
    old: "for (const id of core.peers) if (core.quorum.has(id)) sendHeartbeat(core, id);",
    new: "for (const id of core.peers) sendHeartbeat(core, id);",
    foundBy: "test/raft/paper-membership.test.ts",
  },
  {
    name: "learners: one that asks waits for a heartbeat",
    file: "src/raft/raft.ts",
    old: "if (!core.quorum.has(asking)) sendHeartbeat(core, asking);",
    new: "",
    foundBy: "test/raft/paper-membership.test.ts",
  },
  {
    name: "learners: batches in small rooms",
    file: "src/member/peer/learner-batches.ts",
    old: "const LEARNERS_MIN = 8;",
    new: "const LEARNERS_MIN = 4;",
    foundBy: "test/member/peer/learner-batches.test.ts",
  },
  {
    name: "learners: no batches in large rooms",
    file: "src/member/peer/learner-batches.ts",
    old: "const LEARNERS_MIN = 8;",
    new: "const LEARNERS_MIN = 80;",
    foundBy: "test/member/peer/learner-batches.test.ts",
  },
  {
    name: "learners: everybody who asks gets everything at once",
    file: "src/member/peer/learner-batches.ts",
    old: "const ASKING_MAX = 8;",
    new: "const ASKING_MAX = 80;",
    foundBy: "test/member/peer/learner-batches.test.ts",
  },
  {
    name: "learners: who asked once gets everything at once for long",
    file: "src/member/peer/learner-batches.ts",
    old: "const ASKED_MS = 1_000;",
    new: "const ASKED_MS = 10_000;",
    foundBy: "test/member/peer/learner-batches.test.ts",
  },
  {
    name: "learners: batches of any number of messages",
    file: "src/member/peer/learner-batches.ts",
    old: "const MESSAGES_MAX = 64;",
    new: "const MESSAGES_MAX = 640;",
    foundBy: "test/member/peer/learner-batches.test.ts",
  },
  {
    name: "learners: batches of any number of bytes",
    file: "src/member/peer/learner-batches.ts",
    old: "const BYTES_MAX = 128 * 1024;",
    new: "const BYTES_MAX = 1280 * 1024;",
    foundBy: "test/member/peer/learner-batches.test.ts",
  },
  {
    name: "learners: batches wait for a commit for long",
    file: "src/member/peer/learner-batches.ts",
    old: "const TURNS_MAX = 2;",
    new: "const TURNS_MAX = 20;",
    foundBy: "test/member/peer/learner-batches.test.ts",
  },
  {
    name: "mixed: several votes change at once without a joint configuration",
    file: "src/raft/conf-change/conf-change.ts",
    old: 'change.transition === "auto" && change.changes.length === 1',
    new: 'change.transition === "auto" && change.changes.length >= 1',
    faults: MIXED,
  },
  {
    name: "mixed: the shape is forgotten at a restart",
    file: "src/member/membership/membership.ts",
    old: "this.#shape = shape === undefined ? NO_SHAPE : decode(clusterShapeSchema, shape);",
    new: "this.#shape = shape === undefined || tables !== undefined ? NO_SHAPE : decode(clusterShapeSchema, shape);",
    faults: MIXED,
  },
  {
    name: "mixed: an object that comes back stays behind the tabs",
    file: "src/member/membership/mixed-autopilot.ts",
    old: "  if (isObject) return 0;",
    new: "  if (isObject) return isVoter ? 0 : 4;",
    faults: MIXED,
  },
  {
    name: "mixed: entries are committed by the incoming half of a joint configuration",
    file: "src/raft/conf-change/quorum.ts",
    old: "return Math.min(this.incoming.committedIndex(acknowledged), this.outgoing.committedIndex(acknowledged));",
    new: "return this.incoming.committedIndex(acknowledged);",
    faults: MIXED,
  },
  {
    name: "mixed: a voter that is not there is promoted",
    file: "src/member/membership/mixed-autopilot.ts",
    old: "return member.mayVote && member.isCaughtUp && isPresent(member);",
    new: "return member.mayVote && (member.isCaughtUp || isPresent(member));",
    foundBy: "test/member/membership/mixed-autopilot.test.ts",
    faults: MIXED,
  },
  {
    name: "entries of an older term are committed by counting",
    file: "src/raft/leadership.ts",
    old: " || !core.log.hasEntry(index, core.term)",
    new: "",
    faults: FREQUENT_ELECTIONS,
    seeds: "1..4000",
    seconds: "30",
  },
  {
    name: "the leader counts its own log before it is durable",
    file: "src/raft/leadership.ts",
    old: "self?.acknowledged(core.log.durableIndex)",
    new: "self?.acknowledged(core.log.lastIndex)",
  },
  {
    name: "heartbeats commit beyond what the follower has acknowledged",
    file: "src/raft/leadership.ts",
    old: "const commit = Math.min(progress.match, core.exposedCommit);",
    new: "const commit = core.exposedCommit;",
  },
  {
    name: "reads complete without a round of heartbeats",
    file: "src/raft/reads.ts",
    old: "if (core.quorum.isOnly(core.id) && isSettled(core)) {",
    new: "if (core.isLeader && isSettled(core)) {",
  },
  {
    name: "reads complete before the first commit of the term",
    file: "src/raft/reads.ts",
    old: "return core.log.committed >= core.settledIndex;",
    new: "return core.isLeader;",
  },
  {
    name: "a term is resumed with whatever the log holds by then",
    file: "src/raft/resume-point.ts",
    old: " && log.lastIndex() === index;",
    new: ";",
    faults: SLEEPY,
    seconds: "60",
  },
  {
    name: "a leader that resumes its term sends entries before they are durable",
    file: "src/raft/core.ts",
    old: "return durableIndex <= this.resumeIndex ? durableIndex : lastIndex;",
    new: "return Math.max(durableIndex, lastIndex);",
    faults: { ...SLEEPY, crashEveryMs: 400, downMs: 40 },
    seconds: "60",
  },
  {
    name: "a leader that resumes its term believes the commit index of its disk",
    file: "src/raft/leadership.ts",
    old: "core.settledIndex = core.log.lastIndex;",
    new: "core.settledIndex = core.log.lastTerm === core.term ? core.log.committed : core.log.lastIndex;",
    faults: { ...SLEEPY, crashEveryMs: 2_000 },
    foundBy: "test/raft/resumption.test.ts",
  },
  {
    name: "responses to reads of an earlier run count for the resumed term",
    file: "src/raft/read-queue.ts",
    old: "return view.getBigUint64(0, true) === BigInt(run) ? Number(view.getBigUint64(8, true)) : 0;",
    new: "return run < 0 ? 0 : Number(view.getBigUint64(8, true));",
    faults: SLEEPY,
    foundBy: "test/raft/resumption.test.ts",
  },
  {
    name: "proposals that were meant for an earlier run are appended again in the resumed term",
    file: "src/raft/proposals.ts",
    old: "if (run !== undefined && run !== core.run) return;",
    new: "",
    faults: SLEEPY,
    seconds: "60",
  },
  {
    name: "a leader that sleeps is elected anew at each wake",
    file: "src/raft/resumption.ts",
    old: "  if (!mayResume(core)) return false;",
    new: "  if (core.role !== undefined) return false;",
    faults: { ...SLEEPY, diskMs: 1 },
  },
  {
    name: "read rounds have the same numbers in every run",
    file: "src/member/node/reads.ts",
    old: "this.#lastRound = firstRound;",
    new: "this.#lastRound = firstRound * 0n;",
    faults: QUICK_RESTARTS,
  },
  {
    name: "a forwarded proposal is appended as often as it is delivered",
    file: "src/raft/proposals.ts",
    old: " || !core.proposalDedup.acceptOnce(from, session, sequence)",
    new: "",
  },
  {
    name: "a follower acknowledges before its entries are durable",
    file: "src/raft/follower.ts",
    old: 'core.sendDurable({\n    type: "append-response",\n    from,',
    new: 'core.send({\n    type: "append-response",\n    from,',
  },
  {
    name: "an old append is acknowledged up to the end of the log",
    file: "src/raft/follower.ts",
    old: "acknowledge(core, message.from, lastNew);",
    new: "acknowledge(core, message.from, log.lastIndex);",
    faults: FREQUENT_ELECTIONS,
    foundBy: "test/raft/paper-replication.test.ts",
  },
  {
    name: "promises of all kinds leave before they are durable",
    file: "src/raft/core.ts",
    old: "this.held.push(message);",
    new: "this.messages.push(message);",
  },
  {
    name: "votes are not written",
    file: "src/raft/persister.ts",
    old: "return this.#written;",
    new: "return { ...this.#written, vote: 0n };",
    faults: { ...QUICK_RESTARTS, crashEveryMs: 400, downMs: 40, partitionEveryMs: 2_000 },
  },
  {
    name: "votes go to candidates whose log is behind",
    file: "src/raft/election.ts",
    old: "if (!mayVote || !core.log.isUpToDate(message.lastIndex, message.lastTerm)) {",
    new: "if (!mayVote) {",
  },
  {
    name: "a member votes twice in a term",
    file: "src/raft/election.ts",
    old: "(core.vote === NONE && core.leader === NONE)",
    new: "core.leader === NONE",
  },
  {
    name: "a follower commits beyond what an append has shown to be equal",
    file: "src/raft/follower.ts",
    old: "log.commitTo(Math.min(message.commit, lastNew));",
    new: "log.commitTo(Math.min(message.commit, log.lastIndex));",
    faults: FREQUENT_ELECTIONS,
    foundBy: "test/raft/paper-replication.test.ts",
  },
  {
    name: "configuration changes do not wait for each other",
    file: "src/raft/proposals.ts",
    old: "return pendingConfIndex <= log.applied && isJoint(conf)",
    new: "return pendingConfIndex <= Infinity && log.applied >= 0 && isJoint(conf)",
    faults: { membershipEveryMs: 100, partitionEveryMs: 1_500, crashEveryMs: 1_500, isRoom: false },
  },
  {
    name: "an overtaken write proves the entries that replaced its own",
    file: "src/raft/log/writes.ts",
    old: "for (const write of this.#outstanding) write.lastIndex = Math.min(write.lastIndex, index - 1);",
    new: "if (index < 0) this.#outstanding = [];",
  },
  {
    name: "a snapshot loses the rest of a revision that its chunks cut in two",
    file: "src/member/snapshot/snapshot-codec.ts",
    old: "main = row.main;\n            sub = row.sub + 1;",
    new: "main = row.main + 1;\n            sub = 0;",
  },
  {
    name: "snapshot transfers have the same numbers in every run",
    file: "src/member/snapshot/snapshots.ts",
    old: "this.#host.firstTransfer + this.#sent",
    new: "0 * this.#host.firstTransfer + this.#sent",
    faults: { ...QUICK_RESTARTS, logEntries: 20, snapshotChunkBytes: 100 },
    foundBy: "test/member/snapshot/snapshot.test.ts",
  },
  {
    name: "rows may be compacted away under a snapshot that is being sent",
    file: "src/member/snapshot/snapshots.ts",
    old: "return this.#sender.active || this.#installing || this.#readers > 0;",
    new: "return this.#installing || this.#readers > 0;",
    faults: { compactEveryMs: 700, crashEveryMs: 3_000, logEntries: 20, snapshotChunkBytes: 100, delayMs: 60 },
  },
  {
    name: "compaction removes a row that can still be read",
    file: "src/mvcc/tables/key-history.ts",
    old: "const seen = countUpTo(rows, revision);",
    new: "const seen = countUpTo(rows, revision + 1);",
  },
  {
    name: "a watch that falls behind skips a revision",
    file: "src/mvcc/watch/watch-hub.ts",
    old: "watcher.nextRevision = Math.max(watcher.nextRevision, nextRevision);",
    new: "watcher.nextRevision = Math.max(watcher.nextRevision, nextRevision + 1);",
  },
  {
    name: "a watch that is resumed gets its first revision twice",
    file: "src/mvcc/watch/watch-hub.ts",
    old: "if (watcher.nextRevision > this.#revision) continue;",
    new: "if (watcher.nextRevision > this.#revision + 1) continue;",
  },
  {
    name: "watches are not notified that their history was compacted",
    file: "src/mvcc/watch/watch-hub.ts",
    old: "if (watcher.nextRevision < this.#store.compactRevision) this.#cancelCompacted(watcher);",
    new: "if (watcher.nextRevision < 0) this.#cancelCompacted(watcher);",
  },
  {
    name: "an installed snapshot leaves the member's old state in use",
    file: "src/member/node/applier.ts",
    old: "    machine.reopen(storage.tables);\n",
    new: "",
  },
  {
    name: "a learner that is active alone contacts no member",
    file: "src/member/membership/peer-tracker.ts",
    old: "if (isOrphan) for",
    new: "if (isOrphan && this.#ticks < 0) for",
  },
  {
    name: "a stranger may send what members send",
    file: "src/member/peer/frame-policy.ts",
    old: 'const MEMBERS: readonly Role[] = ["voter", "learner"];',
    new: 'const MEMBERS: readonly Role[] = ["voter", "learner", "newcomer"];',
  },
  {
    name: "a stranger may send what leaders and candidates send",
    file: "src/member/node/peer-roles.ts",
    old: "return maySucceed ? SUCCESSOR : NEWCOMER;",
    new: "return this.#parts.raft.hearsLeader ? NEWCOMER : SUCCESSOR;",
  },
  {
    name: "any peer may report that a member was removed",
    file: "src/member/peer/frame-policy.ts",
    old: "return isJoinResponseTaken(body.refusal, sender, receiver);",
    new: "return sender.roles.length > 0;",
    foundBy: "test/member/node/admission.test.ts",
  },
  {
    name: "messages of a removed member are accepted",
    file: "src/member/node/peer-roles.ts",
    old: "if (machine.membership.wasRemoved(peer)) return FORMER;",
    new: "if (machine.membership.wasRemoved(peer)) return VOTER;",
  },
  {
    name: "new members are admitted without a proof of the transport",
    file: "src/member/node/join-handler.ts",
    old: '(policy === "authenticated" && isAuthenticated)',
    new: 'policy === "authenticated"',
  },
  {
    name: "a member that was away ignores every unknown member",
    file: "src/member/node/peer-roles.ts",
    old: "const maySucceed = !this.hearsLeader && transport.isAuthenticated(peer);",
    new: "const maySucceed = this.hearsLeader && !this.hearsLeader && transport.isAuthenticated(peer);",
    foundBy: "test/member/node/admission.test.ts",
  },
  {
    name: "a removed member may be added again",
    file: "src/member/membership/membership.ts",
    old: 'type === "remove-node" || !this.#removed.has(nodeId)',
    new: 'type === "remove-node" || nodeId > 0n',
  },
  {
    name: "outbox: a queued write does not compare the marker",
    file: "src/client/outbox/marked-txn.ts",
    old: ".if(here(identity), ...compares)",
    new: ".if(...compares)",
    faults: OUTBOXES,
  },
  {
    name: "outbox: what a refused write found is read later",
    file: "src/client/outbox/settlement.ts",
    old: "{ ...range, revision }",
    new: "{ ...range, revision: 0 * revision }",
    faults: OUTBOXES,
  },
  {
    name: "outbox: a verdict has the revision of the txn within the txn",
    file: "src/client/outbox/marked-txn.ts",
    old: "kvs: distinct(kvs), revision };",
    new: "kvs: distinct(kvs), revision: txn.header.revision };",
    faults: OUTBOXES,
  },
  {
    name: "outbox: a store that has changed meanwhile is believed",
    file: "src/client/outbox/outbox-log.ts",
    old: "const isMade = await this.#store.commit(this.#meta.version, prepared);",
    new: "const isMade = await this.#store.commit((await this.#store.read(0, 0)).meta.version, prepared);",
    faults: OUTBOXES,
  },
  {
    name: "outbox: a copy of a store believes a marker that decided other writes",
    file: "src/client/outbox/settlement.ts",
    old: "return of === undefined || of === digestOf(decided);",
    new: "return of === undefined || of.length > 0;",
    faults: OUTBOXES,
  },
  {
    name: "outbox: what another copy of a store has sent is sent again under another key",
    file: "src/client/outbox/settlement.ts",
    old: "Math.max(this.#log.meta.sentTo, sentByOther)",
    new: "Math.max(this.#log.meta.sentTo, 0 * sentByOther)",
    faults: OUTBOXES,
  },
  {
    name: "outbox: a write is sent before it is marked as sent",
    file: "src/client/outbox/sender.ts",
    old: "return seq <= this.#log.meta.sentTo || this.#log.commit({ sentTo: seq });",
    new: "return seq <= this.#log.meta.sentTo || seq > 0;",
    faults: OUTBOXES,
  },
  {
    name: "outbox: a write whose request failed is told to be expired",
    file: "src/client/outbox/sender.ts",
    old: "if (seq > this.#log.meta.sentTo && expiresAt <= now) {",
    new: "if (expiresAt <= now) {",
    faults: OUTBOXES,
  },
  {
    name: "storage: a write takes 128 rows of the state along",
    file: "src/storage/durable-object/durable-object-options.ts",
    old: "options.sliceRows ?? 16",
    new: "options.sliceRows ?? 128",
    foundBy: "test/storage/durable-object-slices.test.ts",
  },
  {
    name: "storage: an idle moment writes all rows of the state",
    file: "src/storage/durable-object/durable-object-options.ts",
    old: "options.idleSliceRows ?? 64",
    new: "options.idleSliceRows ?? 4_096",
    foundBy: "test/storage/durable-object-slices.test.ts",
  },
  {
    name: "storage: a write takes all rows of the state along",
    file: "src/storage/durable-object/durable-object.ts",
    old: "Math.max(isIdle ? idleSliceRows : sliceRows, markedCount - this.#slicedCount)",
    new: "Math.max(isIdle ? idleSliceRows : sliceRows, 1_000_000, markedCount - this.#slicedCount)",
    foundBy: "test/storage/durable-object-slices.test.ts",
  },
  {
    name: "storage: a write takes 4 MiB of the state along",
    file: "src/storage/durable-object/durable-object.ts",
    old: "const SLICE_BYTES = 128 * 1024;",
    new: "const SLICE_BYTES = 4_096 * 1024;",
    foundBy: "test/storage/durable-object-slices.test.ts",
  },
];

function main(): number {
  const { values } = parseArgs({
    options: {
      only: { type: "string", default: "" },
      seeds: { type: "string", default: "1..200" },
      seconds: { type: "string", default: "60" },
    },
  });
  const chosen = MUTATIONS.filter(({ name }) => name.includes(values.only));
  let survived = 0;
  for (const mutation of chosen) {
    const { name, seeds = values.seeds, seconds = values.seconds, foundBy } = mutation;
    const found = run(mutation, [`--seeds=${seeds}`, `--seconds=${seconds}`, "--stop"]);
    if (found === undefined && foundBy === undefined) survived++;
    process.stdout.write(`| ${name} | ${found ?? foundBy ?? "SURVIVED"} |\n`);
  }
  process.stdout.write(`${chosen.length - survived} of ${chosen.length} mutations found\n`);
  return survived === 0 ? 0 : 1;
}

/** Returns how it was found; undefined if it was not. */
function run({ file, old, new: planted, faults }: Mutation, args: readonly string[]): string | undefined {
  const root = join(import.meta.dirname, "../..");
  const copy = mkdtempSync(join(tmpdir(), "quorate-mutation-"));
  try {
    for (const part of ["src", "test/sim", "package.json"])
      cpSync(join(root, part), join(copy, part), { recursive: true });
    symlinkSync(join(root, "node_modules"), join(copy, "node_modules"));
    const source = readFileSync(join(copy, file), "utf8");
    if (source.split(old).length !== 2) throw new Error(`${file} does not have this exactly once: ${old}`);
    writeFileSync(
      join(copy, file),
      source.replace(old, () => planted),
    );
    const all = [join(copy, "test/sim/main.ts"), ...args, `--faults=${JSON.stringify(faults ?? {})}`];
    const { stdout } = spawnSync(process.execPath, all, { encoding: "utf8" });
    const match = /^seed (\d+) failed: (.*)$/m.exec(stdout);
    if (match !== null) return `seed ${match[1]}: ${match[2]?.slice(0, 110)}`;
    if (!stdout.includes(" 0 failed")) throw new Error(`the simulator did not come to its end:\n${stdout}`);
    return undefined;
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

if (import.meta.main) process.exitCode = main();
