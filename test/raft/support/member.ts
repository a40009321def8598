/**
 * A member under test: raft, a disk whose writes complete when the test says so, and a state machine that records what
 * it applied. A crash loses what was not durable.
 */
import { Prng } from "../../../src/base/prng.ts";
import type {
  ConfState,
  Entry,
  HardState,
  LogIndex,
  MemberId,
  RaftMessage,
  SnapshotMeta,
  Term,
} from "../../../src/protocol/peer/raft-message.ts";
import { decodeChange } from "../../../src/raft/conf-change/conf-change-entry.ts";
import type { RaftConfig, ResumePoint } from "../../../src/raft/config.ts";
import { Raft } from "../../../src/raft/raft.ts";
import type { Persist, ReadState, Ready } from "../../../src/raft/ready.ts";
import { MemoryLog } from "./memory-log.ts";

export interface Applied {
  readonly index: LogIndex;
  readonly conf: ConfState;
  /** Everything applied since the start, as text. A snapshot carries it over. */
  readonly values: readonly string[];
}

export interface MemberOptions {
  readonly seed?: number;
  /** The reader returns an entry as soon as its write is issued, as stores with an index in memory do. */
  readonly showsUndurable?: boolean;
  readonly config?: Partial<RaftConfig>;
  /** The log starts with entries of these terms, from index 1. None of them is known to be committed. */
  readonly logTerms?: readonly Term[];
  readonly hardState?: HardState;
}

export class Member {
  readonly id: MemberId;
  readonly #options: MemberOptions;
  /** The state that a restart would load. */
  disk: MemoryLog = new MemoryLog();
  /** The log that raft reads. */
  view: MemoryLog = new MemoryLog();
  durableState: Applied;
  state: Applied;
  writes: Persist[] = [];
  outbox: RaftMessage[] = [];
  reads: ReadState[] = [];
  /**
   * The states by the index of their snapshot. Stands for the transfer of snapshots, which Raft leaves to the driver.
   */
  readonly snapshots: Map<LogIndex, Applied>;
  raft: Raft;
  /** The stored point at which the member may go on in its term. */
  point: ResumePoint | undefined;
  #incarnation = 0;
  onReady: (ready: Ready) => void = () => {};

  constructor(id: MemberId, conf: ConfState, snapshots: Map<LogIndex, Applied>, options: MemberOptions = {}) {
    this.id = id;
    this.#options = options;
    this.snapshots = snapshots;
    // Initial members start as if from a snapshot at index 1, so that members that join later receive them. Members
    // that join start blank.
    const isFounder = conf.voters.length > 0 && options.logTerms === undefined;
    this.durableState = { index: isFounder ? 1 : 0, conf, values: [] };
    this.state = this.durableState;
    if (isFounder) this.#found();
    else this.#load(options);
    this.raft = this.#boot();
  }

  /** Handles what raft requests until it requests nothing. Disk writes stay in flight. */
  pump(): void {
    while (this.raft.hasReady()) this.takeReady();
  }

  takeReady(): Ready {
    const ready = this.raft.ready();
    this.onReady(ready);
    this.outbox.push(...ready.messages);
    this.reads.push(...ready.readStates);
    if (ready.persist !== undefined) {
      this.writes.push(ready.persist);
      if (this.#options.showsUndurable === true) this.view.write(ready.persist);
    }
    for (const entry of ready.committed) this.#apply(entry);
    const last = ready.committed.at(-1);
    if (last !== undefined) this.raft.appliedTo(last.index);
    return ready;
  }

  /** Completes the oldest write. */
  completeWrite(): boolean {
    const write = this.writes.shift();
    if (write === undefined) return false;
    this.disk.write(write);
    if (this.#options.showsUndurable !== true) this.view.write(write);
    if (write.snapshot !== undefined) this.#install(write.snapshot);
    this.raft.persisted(write.id);
    return true;
  }

  /** Handles requests and completes writes until there are none. */
  settle(): void {
    do this.pump();
    while (this.completeWrite());
  }

  /** Makes the state durable as a whole. Only then may the log before it be compacted. */
  flushState(): void {
    this.durableState = this.state;
    this.snapshots.set(this.state.index, this.state);
  }

  compact(index: LogIndex): void {
    this.flushState();
    const to = Math.min(index, this.durableState.index, this.disk.lastIndex());
    this.disk.compact(to);
    this.view.compact(to);
  }

  /** Stores the point, as a driver does when the cluster falls silent. */
  sleep(): void {
    this.point = this.raft.markResumable() ?? this.point;
  }

  crash(): void {
    this.writes = [];
    this.outbox = [];
    this.state = this.durableState;
    this.raft = this.#boot();
  }

  snapshotMeta(): SnapshotMeta | undefined {
    const { index, conf } = this.state;
    const term = this.view.term(index);
    if (term === undefined || index === 0) return undefined;
    this.snapshots.set(index, this.state);
    return { index, term, confState: conf };
  }

  #found(): void {
    this.disk.hardState = { term: 1, vote: 0n, commit: 1 };
    this.disk.boundary = { index: 1, term: 1 };
    this.snapshots.set(1, this.state);
  }

  #load({ logTerms = [], hardState }: MemberOptions): void {
    this.disk.entryList = logTerms.map((term, at) => ({
      type: "normal",
      term,
      index: at + 1,
      data: new Uint8Array(0),
    }));
    this.disk.hardState = hardState ?? { term: logTerms.at(-1) ?? 0, vote: 0n, commit: 0 };
  }

  #boot(): Raft {
    this.#incarnation++;
    this.view = this.disk.copy();
    return new Raft({
      id: this.id,
      electionTicks: 10,
      heartbeatTicks: 1,
      prng: new Prng(BigInt(this.#options.seed ?? 1) * 1000n + this.id * 17n + BigInt(this.#incarnation)),
      log: readerOf(() => this.view),
      hardState: this.disk.hardState,
      confState: this.durableState.conf,
      applied: this.durableState.index,
      resumable: this.point,
      snapshotMeta: () => this.snapshotMeta(),
      maxAppendBytes: 1 << 20,
      maxInflightMessages: 256,
      maxInflightBytes: 1 << 20,
      maxUncommittedBytes: 64 << 20,
      maxApplyBytes: 1 << 20,
      ...this.#options.config,
    });
  }

  #apply(entry: Entry): void {
    if (entry.index !== this.state.index + 1) throw new Error(`applied ${entry.index} after ${this.state.index}`);
    let { conf, values } = this.state;
    if (entry.type === "conf-change") {
      const change = decodeChange(entry.data);
      if (change !== undefined) conf = this.raft.applyConfChange(change);
    } else if (entry.data.length > 0) {
      values = [...values, new TextDecoder().decode(entry.data)];
    }
    this.state = { index: entry.index, conf, values };
  }

  #install(snapshot: SnapshotMeta): void {
    const state = this.snapshots.get(snapshot.index);
    if (state === undefined) throw new Error(`nobody took a snapshot at ${snapshot.index}`);
    this.state = { ...state, conf: snapshot.confState };
    this.durableState = this.state;
  }
}

function readerOf(log: () => MemoryLog): RaftConfig["log"] {
  return {
    firstIndex: () => log().firstIndex(),
    lastIndex: () => log().lastIndex(),
    term: (index) => log().term(index),
    entries: (low, high, maxBytes) => log().entries(low, high, maxBytes),
  };
}
