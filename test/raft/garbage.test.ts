/** Sends arbitrary messages of a peer: none that the compiler accepts makes step() throw or breaks an invariant. */
import { expect, test } from "vitest";
import { Prng } from "../../src/base/prng.ts";
import type { ConfState, Entry, RaftMessage, SnapshotMeta } from "../../src/protocol/peer/raft-message.ts";
import { decodeChange } from "../../src/raft/conf-change/conf-change-entry.ts";
import { MAX_NUMBER } from "../../src/raft/config.ts";
import { Raft } from "../../src/raft/raft.ts";
import { confOf } from "./support/group.ts";
import { MemoryLog } from "./support/memory-log.ts";

const ODD = [Number.NaN, -1, 0.5, Infinity, -Infinity, Number.MAX_SAFE_INTEGER, 2 ** 60, MAX_NUMBER, MAX_NUMBER - 1];

class Sender {
  readonly prng: Prng;
  readonly raft: Raft;

  constructor(prng: Prng, raft: Raft) {
    this.prng = prng;
    this.raft = raft;
  }

  /** Mostly close to what the member expects, sometimes far from it. */
  number(near: number): number {
    if (this.prng.bool(0.04)) return this.prng.pick(ODD);
    return Math.max(0, near + this.prng.int(-3, 4));
  }

  id(): bigint {
    return this.prng.bool(0.95) ? BigInt(this.prng.int(0, 6)) : this.prng.u64() - (1n << 63n);
  }

  bytes(): Uint8Array {
    return new Uint8Array(this.prng.bool(0.02) ? 5000 : this.prng.int(0, 12)).map(() => this.prng.int(0, 256));
  }

  conf(): ConfState {
    const ids = () => Array.from({ length: this.prng.int(0, 4) }, () => this.id());
    if (this.prng.bool(0.6)) return confOf([1n, 2n, 3n].slice(0, this.prng.int(0, 4)), this.prng.bool(0.3) ? [4n] : []);
    const { prng } = this;
    return { voters: ids(), learners: ids(), votersOutgoing: ids(), learnersNext: ids(), autoLeave: prng.bool(0.5) };
  }

  entries(after: number, term: number): readonly Entry[] {
    const isInRow = this.prng.bool(0.9);
    return Array.from({ length: this.prng.int(0, 5) }, (_, at) => ({
      type: this.prng.bool(0.8) ? "normal" : "conf-change",
      term: isInRow && this.prng.bool(0.9) ? term : this.number(term),
      index: isInRow ? after + 1 + at : this.number(after + 1 + at),
      data: this.bytes(),
    }));
  }

  message(): RaftMessage {
    const { prng } = this;
    const status = this.raft.status();
    const base = { from: this.id(), to: prng.bool(0.98) ? 1n : this.id(), term: this.number(status.term) };
    const index = this.number(prng.bool(0.5) ? status.lastIndex : status.commit);
    const term = this.number(status.term);
    switch (prng.int(0, 13)) {
      case 0:
      case 1:
        return {
          ...base,
          type: "append",
          prevIndex: index,
          prevTerm: term,
          entries: this.entries(index, base.term),
          commit: this.number(index),
        };
      case 2:
        return {
          ...base,
          type: "append-response",
          index,
          reject: prng.bool(0.5),
          rejectHint: this.number(index),
          hintTerm: term,
        };
      case 3:
        return {
          ...base,
          type: prng.pick(["vote", "pre-vote"]),
          lastIndex: index,
          lastTerm: term,
          transfer: prng.bool(0.3),
        };
      case 4:
      case 5:
        return { ...base, type: prng.pick(["vote-response", "pre-vote-response"]), reject: prng.bool(0.2) };
      case 6:
        return { ...base, type: "heartbeat", commit: index, context: this.bytes() };
      case 7:
        return { ...base, type: "heartbeat-response", context: this.bytes() };
      case 8:
        return { ...base, type: "snapshot", snapshot: { index, term, confState: this.conf() } };
      case 9:
        return {
          ...base,
          type: "propose",
          session: prng.int(0, 3),
          sequence: index,
          entries: this.entries(index, base.term),
        };
      case 10:
        return { ...base, type: "read-index", context: this.bytes() };
      case 11:
        return { ...base, type: "read-index-response", context: this.bytes(), index };
      default:
        return prng.bool(0.5)
          ? { ...base, type: "timeout-now", lastIndex: index, lastTerm: term }
          : { ...base, type: "transfer-leader", transferee: this.id() };
    }
  }
}

function makeRaft(prng: Prng, log: MemoryLog): Raft {
  const snapshotMeta = (): SnapshotMeta | undefined => {
    const term = log.term(log.hardState.commit);
    const confState = confOf([1n, 2n, 3n]);
    return term === undefined ? undefined : { index: log.hardState.commit, term, confState };
  };
  return new Raft({
    id: 1n,
    electionTicks: 10,
    heartbeatTicks: 1,
    prng,
    log,
    hardState: log.hardState,
    confState: confOf([1n, 2n, 3n], [4n]),
    applied: 0,
    snapshotMeta,
    maxAppendBytes: 64,
    maxInflightMessages: 4,
    maxInflightBytes: 256,
    maxUncommittedBytes: 4096,
    maxApplyBytes: 64,
  });
}

/** Handles one Ready. Some writes stay in flight. */
function turn(raft: Raft, log: MemoryLog, writes: number[], prng: Prng): void {
  while (raft.hasReady()) {
    const { persist, committed } = raft.ready();
    if (persist !== undefined) {
      log.write(persist);
      writes.push(persist.id);
    }
    for (const entry of committed) {
      const change = entry.type === "conf-change" ? decodeChange(entry.data) : undefined;
      if (change !== undefined) raft.applyConfChange(change);
      raft.appliedTo(entry.index);
    }
    const id = prng.bool(0.7) ? writes.at(-1) : undefined;
    if (id !== undefined) raft.persisted(id);
  }
}

test.each([1, 2])("R46 no message of any peer makes step() throw or breaks an invariant (seed %i)", (seed) => {
  const prng = new Prng(seed);
  const roles = new Set<string>();
  for (let incarnation = 0; incarnation < 30; incarnation++) {
    const log = new MemoryLog();
    const raft = makeRaft(prng.fork(), log);
    const sender = new Sender(prng, raft);
    const writes: number[] = [];
    for (let i = 0; i < 400; i++) {
      raft.step(sender.message());
      raft.checkInvariants();
      if (prng.bool(0.2)) raft.tick();
      if (prng.bool(0.05)) raft.campaign();
      if (prng.bool(0.5)) turn(raft, log, writes, prng);
      raft.checkInvariants();
      roles.add(raft.status().role);
    }
  }
  expect(roles.size).toBe(4);
});
