/** Members and the network between them, for tests that decide which messages are delivered. */
import type { ConfState, LogIndex, MemberId, RaftMessage } from "../../../src/protocol/peer/raft-message.ts";
import { EMPTY_CONF_STATE } from "../../../src/raft/conf-change/conf-change.ts";
import { Member, type Applied, type MemberOptions } from "./member.ts";

export function confOf(voters: readonly bigint[], learners: readonly bigint[] = []): ConfState {
  return { ...EMPTY_CONF_STATE, voters, learners };
}

export function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

export class Group {
  readonly members: Map<MemberId, Member> = new Map();
  readonly snapshots: Map<LogIndex, Applied> = new Map();
  readonly #options: MemberOptions;
  /** Messages for which this returns true are lost. */
  drops: (message: RaftMessage) => boolean = () => false;
  delivered: RaftMessage[] = [];

  constructor(voters: number, options: MemberOptions = {}, learners = 0) {
    this.#options = options;
    const ids = Array.from({ length: voters }, (_, at) => BigInt(at + 1));
    const learnerIds = Array.from({ length: learners }, (_, at) => BigInt(voters + at + 1));
    for (const id of [...ids, ...learnerIds]) this.add(id, confOf(ids, learnerIds));
  }

  add(id: MemberId, conf: ConfState): Member {
    const member = new Member(id, conf, this.snapshots, this.#options);
    this.members.set(id, member);
    return member;
  }

  at(id: number | bigint): Member {
    const member = this.members.get(BigInt(id));
    if (member === undefined) throw new Error(`no member ${id}`);
    return member;
  }

  /** Delivers messages and completes writes until there are none. */
  settle(): void {
    for (;;) {
      for (const member of this.members.values()) member.settle();
      const messages: RaftMessage[] = [];
      for (const member of this.members.values()) messages.push(...member.outbox.splice(0));
      if (messages.length === 0) return;
      for (const message of messages) this.deliver(message);
    }
  }

  deliver(message: RaftMessage): void {
    if (this.drops(message)) return;
    this.delivered.push(message);
    const target = this.members.get(message.to);
    target?.raft.step(message);
    target?.raft.checkInvariants();
    if (message.type === "snapshot")
      this.members.get(message.from)?.raft.reportSnapshot(message.to, target !== undefined);
  }

  elect(id: number): void {
    this.at(id).raft.campaign();
    this.settle();
    if (this.at(id).raft.status().role !== "leader") throw new Error(`${id} was not elected`);
  }

  propose(id: number, ...texts: string[]): string {
    const verdict = this.at(id).raft.propose(texts.map(bytesOf));
    this.settle();
    return verdict;
  }

  /** Cuts these members off: they receive nothing, and what they send is lost. */
  isolate(...ids: number[]): void {
    const alone = ids.map(BigInt);
    this.drops = (message) => alone.includes(message.from) !== alone.includes(message.to);
  }

  heal(): void {
    this.drops = () => false;
  }

  tick(id: number, times = 1): void {
    for (let i = 0; i < times; i++) this.at(id).raft.tick();
  }
}
