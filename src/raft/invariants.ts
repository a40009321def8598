/**
 * What must hold between any two inputs. The simulator checks it after every step. A failure is a bug in this package,
 * never bad input.
 */
import { assert } from "../base/assert.ts";
import type { MemberId, Term } from "../protocol/peer/raft-message.ts";
import { isConfState, membersOf } from "./conf-change/conf-change.ts";
import { MAX_PENDING_READS } from "./config.ts";
import { NONE, type Core } from "./core.ts";
import type { Progress } from "./progress.ts";

/** Number of entries at the end of the log that are checked. */
const TAIL = 64;

export function checkInvariants(core: Core): void {
  checkLog(core);
  checkRole(core);
  checkProgress(core);
}

function checkLog({ log, term }: Core): void {
  const { unstable } = log;
  assert(log.applied <= log.applying, "applied is at most applying");
  assert(log.applying <= log.committed, "applying is at most committed");
  assert(log.committed <= log.lastIndex, "committed is at most last");
  assert(log.firstIndex <= log.lastIndex + 1, "first is at most last + 1");
  assert(unstable.durable <= unstable.issued, "what is durable was issued");
  assert(unstable.issued <= unstable.last, "what was issued is in the log");
  assert(unstable.first <= unstable.durable + 1, "whatever is not durable is in memory");
  if (unstable.snapshot === undefined) {
    assert(log.firstIndex <= log.applied + 1, "nothing is compacted that is not applied");
  }
  let above: Term = term;
  for (let index = log.lastIndex; index >= log.firstIndex - 1 && index > log.lastIndex - TAIL; index--) {
    const here = log.term(index);
    assert(here !== undefined, `the term of entry ${index} is known`);
    assert(here <= above, `terms do not fall within the log, entry ${index}`);
    above = here;
  }
}

function checkRole(core: Core): void {
  const { role, id, leader, quorum } = core;
  assert(core.conf.voters.length === 0 || isConfState(core.conf), "the configuration is well formed");
  assert((role === "leader") === (leader === id), "who leads follows itself");
  assert(role === "follower" || role === "leader" || quorum.has(id), "only a voter campaigns");
  assert(role !== "pre-candidate" && role !== "candidate" ? true : leader === NONE, "a candidate follows nobody");
  assert(role === "candidate" || role === "leader" ? core.vote === id : true, "a candidate votes for itself");
  assert(core.reads.size <= MAX_PENDING_READS, "waiting reads are bounded");
  assert(core.uncommittedBytes >= 0, "uncommitted bytes are counted");
}

function checkProgress(core: Core): void {
  if (!core.isLeader) {
    assert(core.progress.size === 0, "only a leader tracks the others");
    assert(core.reads.size === 0, "only a leader keeps reads");
    return;
  }
  const members = membersOf(core.conf);
  assert(members.length === core.progress.size, "every member is tracked, and nobody else");
  for (const id of members) {
    const progress = core.progress.get(id);
    assert(progress !== undefined, "every member is tracked");
    checkMember(core, id, progress);
  }
}

function checkMember(core: Core, id: MemberId, progress: Progress): void {
  const { log, config } = core;
  assert(progress.match < progress.next, "match is below next");
  assert(progress.match <= log.lastIndex, "nobody has more than the leader");
  assert(
    progress.state !== "replicate" || id === core.id || progress.next <= log.lastIndex + 1,
    "only entries are sent",
  );
  assert((progress.state === "snapshot") === progress.pendingSnapshot > 0, "a snapshot is pending in its state only");
  assert(progress.inflights.count <= config.maxInflightMessages, "messages in flight are bounded");
  assert(progress.inflights.bytes < config.maxInflightBytes + maxEntryBytes(core), "bytes in flight are bounded");
  assert(progress.isLearner === core.conf.learners.includes(id), "learners are marked");
  assert(progress.readPosition <= core.reads.position, "nobody acknowledges reads that were not asked");
  if (id === core.id) assert(progress.match === log.durableIndex, "the leader counts what is durable");
}

/** Invariant: only the last message in flight may exceed the byte limit, by one append or one larger entry. */
function maxEntryBytes(core: Core): number {
  return Math.max(core.config.maxAppendBytes, core.config.maxUncommittedBytes) + 1024;
}
