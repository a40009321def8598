/**
 * Proposals per second through consensus alone: members in one process, a disk that completes at once, nothing applied.
 *
 *   node test/bench/raft.ts [members] [batch] [seconds] [bytes]
 */
import { Prng } from "../../src/base/prng.ts";
import type { MemberId, RaftMessage } from "../../src/protocol/peer/raft-message.ts";
import { Raft } from "../../src/raft/raft.ts";
import { confOf } from "../raft/support/group.ts";
import { MemoryLog } from "../raft/support/memory-log.ts";

interface Node {
  readonly raft: Raft;
  readonly log: MemoryLog;
}

const [memberCount = 3, batch = 64, seconds = 3, bytes = 128] = process.argv.slice(2).map(Number);
const ids = Array.from({ length: memberCount }, (_, at) => BigInt(at + 1));
const nodes = new Map<MemberId, Node>(ids.map((id) => [id, makeNode(id)]));

function makeNode(id: MemberId): Node {
  const log = new MemoryLog();
  const raft = new Raft({
    id,
    electionTicks: 10,
    heartbeatTicks: 1,
    prng: new Prng(id),
    log,
    hardState: log.hardState,
    confState: confOf(ids),
    applied: 0,
    snapshotMeta: () => undefined,
    maxAppendBytes: 1 << 20,
    maxInflightMessages: 256,
    maxInflightBytes: 1 << 20,
    maxUncommittedBytes: 64 << 20,
    maxApplyBytes: 1 << 20,
  });
  return { raft, log };
}

let applied = 0;

/** One Ready of one member; its write is durable before the next. */
function turn({ raft, log }: Node, messages: RaftMessage[]): void {
  const ready = raft.ready();
  for (const message of ready.messages) messages.push(message);
  const last = ready.committed.at(-1);
  if (last !== undefined) {
    raft.appliedTo(last.index);
    if (raft.status().role === "leader") applied += ready.committed.length;
    // What is applied everywhere is compacted now and then, so that memory stays flat.
    if (last.index - log.firstIndex() > 20_000) log.compact(last.index - 10_000);
  }
  if (ready.persist !== undefined) {
    log.write(ready.persist);
    raft.persisted(ready.persist.id);
  }
}

function settle(): void {
  for (;;) {
    const messages: RaftMessage[] = [];
    for (const node of nodes.values()) while (node.raft.hasReady()) turn(node, messages);
    if (messages.length === 0) return;
    for (const message of messages) nodes.get(message.to)?.raft.step(message);
  }
}

function main(): void {
  const leader = nodes.get(1n);
  if (leader === undefined) return;
  leader.raft.campaign();
  settle();
  const data = Array.from({ length: batch }, () => new Uint8Array(bytes));
  for (let warm = 0; warm < 200; warm++) {
    leader.raft.propose(data);
    settle();
  }
  applied = 0;
  const start = performance.now();
  let turns = 0;
  while (performance.now() - start < seconds * 1000) {
    leader.raft.propose(data);
    settle();
    turns++;
  }
  const elapsed = (performance.now() - start) / 1000;
  const rate = Math.round(applied / elapsed).toLocaleString("en");
  const turnMicros = ((elapsed / turns) * 1e6).toFixed(1);
  console.log(
    `${memberCount} members, ${bytes} bytes, batches of ${batch}: ${rate} proposals/s, ${turnMicros} µs a batch`,
  );
}

main();
