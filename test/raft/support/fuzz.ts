/**
 * A group under random faults: lost, late, duplicated and reordered messages, slow disks, crashes, compaction,
 * configuration changes, leadership transfers. Raft's promises are checked after every step. At the end the faults
 * stop, and the group must make progress again. One seed decides everything.
 */
import { Prng } from "../../../src/base/prng.ts";
import type {
  ConfChange,
  ConfChangeType,
  LogIndex,
  MemberId,
  RaftMessage,
  Term,
} from "../../../src/protocol/peer/raft-message.ts";
import { EMPTY_CONF_STATE } from "../../../src/raft/conf-change/conf-change.ts";
import { bytesOf, Group } from "./group.ts";
import type { Member } from "./member.ts";

export interface FuzzOptions {
  readonly seed: number;
  readonly steps: number;
  readonly voters: number;
  /** Number of members that may join and leave; 0 keeps the configuration. */
  readonly spares: number;
}

const SMALL = {
  maxAppendBytes: 64,
  maxInflightMessages: 4,
  maxInflightBytes: 256,
  maxUncommittedBytes: 4096,
  maxApplyBytes: 64,
};

export class Fuzz {
  readonly prng: Prng;
  readonly group: Group;
  readonly #options: FuzzOptions;
  #wire: RaftMessage[] = [];
  #cut: ReadonlySet<MemberId> = new Set();
  #serial = 0;
  readonly #leaders: Map<Term, MemberId> = new Map();
  readonly #votes: Map<string, MemberId> = new Map();
  /** By index: the entry that some member had committed. */
  readonly #committed: string[] = [];
  /** By context: the highest commit index of any member when the read was requested. */
  readonly #reads: Map<string, LogIndex> = new Map();
  readonly #terms: Map<MemberId, Term> = new Map();
  readsAnswered = 0;

  constructor(options: FuzzOptions) {
    this.#options = options;
    this.prng = new Prng(options.seed);
    const showsUndurable = this.prng.bool(0.5);
    this.group = new Group(options.voters, { seed: options.seed, showsUndurable, config: SMALL });
    for (let i = 0; i < options.spares; i++) this.group.add(BigInt(options.voters + i + 1), EMPTY_CONF_STATE);
    for (const member of this.members) this.#watch(member);
  }

  get members(): readonly Member[] {
    return [...this.group.members.values()];
  }

  get committedCount(): number {
    return this.#committed.length - 1;
  }

  run(): void {
    for (let step = 0; step < this.#options.steps; step++) {
      this.#act();
      for (const member of this.members) this.#check(member);
    }
    this.#recover();
  }

  #act(): void {
    const { prng } = this;
    const member = prng.pick(this.members);
    const dice = prng.int(0, 1000);
    if (dice < 220) member.raft.tick();
    else if (dice < 620) this.#deliver();
    else if (dice < 760) member.completeWrite();
    else if (dice < 880) this.#propose(member);
    else if (dice < 930) this.#read(member);
    else if (dice < 940) member.crash();
    else if (dice < 955) member.compact(Math.max(0, member.state.index - prng.int(0, 8)));
    else if (dice < 965) member.flushState();
    else if (dice < 970) this.#partition();
    else if (dice < 975) member.raft.transferLeader(prng.pick(this.members).id);
    else if (dice < 980) member.raft.reportUnreachable(prng.pick(this.members).id);
    else if (dice < 983) member.raft.campaign();
    else this.#changeMembers(member);
    if (prng.bool(0.7)) this.#pump(member);
  }

  #pump(member: Member): void {
    member.pump();
    this.#wire.push(...member.outbox.splice(0));
    if (this.#wire.length > 400) this.#lose(200);
  }

  #deliver(): void {
    for (let count = this.prng.int(1, 6); count > 0 && this.#wire.length > 0; count--) {
      // Mostly in order, sometimes any message.
      const at = this.prng.bool(0.8) ? 0 : this.prng.int(0, this.#wire.length);
      const message = this.#wire[at] as RaftMessage;
      if (!this.prng.bool(0.05)) this.#wire.splice(at, 1);
      const isLost = this.#cut.has(message.from) !== this.#cut.has(message.to) || this.prng.bool(0.03);
      this.#hand(message, isLost);
    }
  }

  #hand(message: RaftMessage, isLost: boolean): void {
    if (!isLost) this.group.at(message.to).raft.step(message);
    if (message.type === "snapshot") this.group.at(message.from).raft.reportSnapshot(message.to, !isLost);
  }

  #lose(count: number): void {
    for (const message of this.#wire.splice(0, count)) this.#hand(message, true);
  }

  #propose(member: Member): void {
    const texts = Array.from({ length: this.prng.int(1, 4) }, () => bytesOf(`v${this.#serial++}`));
    member.raft.propose(texts);
  }

  #read(member: Member): void {
    const context = bytesOf(`r${this.#serial++}`);
    const highest = Math.max(...this.members.map((each) => each.raft.status().commit));
    if (member.raft.readIndex(context) === "accepted") this.#reads.set(context.join(), highest);
  }

  #partition(): void {
    const alone = this.members.filter(() => this.prng.bool(0.3)).map((member) => member.id);
    this.#cut = new Set(this.prng.bool(0.4) ? [] : alone);
  }

  #changeMembers(member: Member): void {
    if (this.#options.spares === 0) return;
    const { prng } = this;
    const types: readonly ConfChangeType[] = ["add-node", "add-node", "add-learner", "remove-node"];
    const count = prng.bool(0.7) ? 1 : prng.int(2, 4);
    const changes = Array.from({ length: count }, () => ({
      type: prng.pick(types),
      nodeId: prng.pick(this.members).id,
    }));
    const isLeave = prng.bool(0.2);
    const change: ConfChange = {
      id: 0n,
      transition: prng.pick(["auto", "joint-implicit", "joint-explicit"]),
      changes: isLeave ? [] : changes,
      context: new Uint8Array(0),
    };
    member.raft.proposeConfChange(change);
  }

  /** Records and checks the messages that a member sends. */
  #watch(member: Member): void {
    member.onReady = (ready) => {
      for (const message of ready.messages) {
        if (message.type === "vote-response" && !message.reject) this.#checkVote(message);
      }
      for (const read of ready.readStates) this.#checkRead(read.context.join(), read.index);
      for (const entry of ready.committed) this.#checkCommitted(entry.index, `${entry.term}:${entry.data.join()}`);
    };
  }

  #checkVote({ term, from, to }: RaftMessage): void {
    const key = `${term}/${from}`;
    const before = this.#votes.get(key) ?? to;
    if (before !== to) throw new Error(`${from} voted for ${before} and for ${to} in term ${term}`);
    this.#votes.set(key, to);
  }

  #checkRead(key: string, index: LogIndex): void {
    const atLeast = this.#reads.get(key);
    if (atLeast === undefined) throw new Error("an answer to a read that nobody asked");
    if (index < atLeast) throw new Error(`a read at ${index} missed what was committed at ${atLeast}`);
    this.readsAnswered++;
  }

  #checkCommitted(index: LogIndex, text: string): void {
    const known = this.#committed[index];
    if (known !== undefined && known !== text)
      throw new Error(`two entries committed at ${index}: ${known} and ${text}`);
    this.#committed[index] = text;
  }

  #check(member: Member): void {
    member.raft.checkInvariants();
    const { term, role, id } = member.raft.status();
    if (role !== "leader") return;
    const before = this.#leaders.get(term);
    if (before !== undefined && before !== id) throw new Error(`${before} and ${id} both lead term ${term}`);
    this.#leaders.set(term, id);
    if (this.#terms.get(id) === term) return;
    this.#terms.set(id, term);
    this.#checkComplete(member, term);
  }

  /** §5.4: an elected leader has every committed entry. Checked when a leader is first seen in its term. */
  #checkComplete(member: Member, term: Term): void {
    const status = member.raft.status();
    const others = this.members.filter((other) => other.raft.status().term <= term);
    const highest = Math.max(...others.map((other) => other.raft.status().commit));
    if (status.lastIndex < highest) throw new Error(`leader ${status.id} of term ${term} lacks committed ${highest}`);
  }

  /** Stops the faults: the group must elect a leader and commit again. */
  #recover(): void {
    this.#cut = new Set();
    this.#lose(this.#wire.length);
    const done = `done${this.#serial++}`;
    const wanted = bytesOf(done).join();
    for (let round = 0; round < 400; round++) {
      for (const member of this.members) {
        member.raft.tick();
        this.#settle();
        this.#check(member);
      }
      const leader = this.members.find((member) => member.raft.status().role === "leader");
      if (leader !== undefined) leader.raft.propose([bytesOf(done)]);
      this.#settle();
      if (this.#isCaughtUp(wanted)) return;
    }
    throw new Error("the group did not recover");
  }

  #settle(): void {
    for (;;) {
      for (const member of this.members) {
        member.settle();
        this.#wire.push(...member.outbox.splice(0));
      }
      if (this.#wire.length === 0) return;
      for (const message of this.#wire.splice(0)) this.#hand(message, false);
    }
  }

  #isCaughtUp(wanted: string): boolean {
    const leader = this.members.find((member) => member.raft.status().role === "leader");
    if (leader === undefined) return false;
    const { confState, commit } = leader.raft.status();
    if (!this.#committed.some((text) => text.endsWith(wanted))) return false;
    const ids = [...confState.voters, ...confState.learners];
    return ids.every((id) => this.group.at(id).state.index === commit);
  }
}
