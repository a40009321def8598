import assert from "node:assert/strict";
import { Prng, Raft } from "quorate/raft";

const entries = [];
const log = {
  firstIndex: () => 1,
  lastIndex: () => entries.length,
  term: (index) => (index === 0 ? 0 : entries[index - 1]?.term),
  entries: (low, high) => entries.slice(low - 1, high - 1),
};
const raft = new Raft({
  id: 1n,
  electionTicks: 10,
  heartbeatTicks: 1,
  prng: new Prng(1),
  log,
  hardState: { term: 0, vote: 0n, commit: 0 },
  confState: { voters: [1n], learners: [], votersOutgoing: [], learnersNext: [], autoLeave: false },
  applied: 0,
  snapshotMeta: () => undefined,
  maxAppendBytes: 1 << 20,
  maxInflightMessages: 256,
  maxInflightBytes: 1 << 22,
  maxUncommittedBytes: 1 << 26,
  maxApplyBytes: 1 << 22,
});
const applied = [];
for (let step = 0; step < 100; step++) {
  raft.tick();
  if (step === 50) assert.equal(raft.propose([new TextEncoder().encode("x")]), "accepted");
  for (;;) {
    const { persist, committed } = raft.ready();
    if (persist === undefined && committed.length === 0) break;
    if (persist !== undefined) {
      entries.push(...persist.entries);
      raft.persisted(persist.id);
    }
    applied.push(...committed);
    const last = committed.at(-1);
    if (last !== undefined) raft.appliedTo(last.index);
  }
}
assert.equal(raft.status().role, "leader");
assert.equal(new TextDecoder().decode(applied.at(-1).data), "x");
