/** One member, and a test that plays all the others. */
import type { Entry, LogIndex, MemberId, RaftMessage, Term } from "../../../src/protocol/peer/raft-message.ts";
import { confOf } from "./group.ts";
import { Member, type MemberOptions } from "./member.ts";

export const ME = 1n;

export type Outgoing<T extends RaftMessage["type"]> = Extract<RaftMessage, { type: T }>;

/** Member 1 of voters 1 … n. */
export function solo(voters: number, options: MemberOptions = {}, learners: readonly MemberId[] = []): Member {
  const ids = Array.from({ length: voters }, (_, at) => BigInt(at + 1)).filter((id) => !learners.includes(id));
  return new Member(ME, confOf(ids, learners), new Map(), { logTerms: [], ...options });
}

export function entriesOf(firstIndex: LogIndex, terms: readonly Term[]): readonly Entry[] {
  return terms.map((term, at) => ({ type: "normal", term, index: firstIndex + at, data: new Uint8Array(0) }));
}

/** Returns the messages that are sent at once. Writes stay in flight. */
export function sent(member: Member): readonly RaftMessage[] {
  member.pump();
  return member.outbox.splice(0);
}

/** Returns the messages that are sent by the time all writes are durable. */
export function sentDurably(member: Member): readonly RaftMessage[] {
  member.settle();
  return member.outbox.splice(0);
}

export function only<T extends RaftMessage["type"]>(messages: readonly RaftMessage[], type: T): readonly Outgoing<T>[] {
  return messages.filter((message): message is Outgoing<T> => message.type === type);
}

export function append(
  from: MemberId,
  term: Term,
  prev: readonly [LogIndex, Term],
  terms: readonly Term[],
  commit = 0,
): RaftMessage {
  const [prevIndex, prevTerm] = prev;
  return { type: "append", from, to: ME, term, prevIndex, prevTerm, entries: entriesOf(prevIndex + 1, terms), commit };
}

export function heartbeat(
  from: MemberId,
  term: Term,
  commit = 0,
  context: Uint8Array = new Uint8Array(0),
): RaftMessage {
  return { type: "heartbeat", from, to: ME, term, commit, context };
}

export function heartbeatResponse(from: MemberId, term: Term, context: Uint8Array = new Uint8Array(0)): RaftMessage {
  return { type: "heartbeat-response", from, to: ME, term, context };
}

export function accepted(from: MemberId, term: Term, index: LogIndex): RaftMessage {
  return { type: "append-response", from, to: ME, term, index, reject: false, rejectHint: 0, hintTerm: 0 };
}

export function rejected(from: MemberId, term: Term, index: LogIndex, hint: LogIndex, hintTerm: Term): RaftMessage {
  return { type: "append-response", from, to: ME, term, index, reject: true, rejectHint: hint, hintTerm };
}

export function vote(from: MemberId, term: Term, last: readonly [LogIndex, Term], transfer = false): RaftMessage {
  return { type: "vote", from, to: ME, term, lastIndex: last[0], lastTerm: last[1], transfer };
}

export function preVote(from: MemberId, term: Term, last: readonly [LogIndex, Term]): RaftMessage {
  return { type: "pre-vote", from, to: ME, term, lastIndex: last[0], lastTerm: last[1], transfer: false };
}

export function granted(type: "vote-response" | "pre-vote-response", from: MemberId, term: Term): RaftMessage {
  return { type, from, to: ME, term, reject: false };
}

export function refused(type: "vote-response" | "pre-vote-response", from: MemberId, term: Term): RaftMessage {
  return { type, from, to: ME, term, reject: true };
}

/** Takes the member through pre-vote to candidacy, its own vote durable. */
export function makeCandidate(member: Member): void {
  const { confState, term } = member.raft.status();
  member.raft.campaign();
  const others = confState.voters.filter((id) => id !== ME);
  const needed = Math.floor(confState.voters.length / 2);
  for (const id of others.slice(0, needed)) member.raft.step(granted("pre-vote-response", id, term + 1));
  sentDurably(member);
}

export function makeLeader(member: Member): void {
  makeCandidate(member);
  const { confState, term, role } = member.raft.status();
  if (role !== "leader") {
    const others = confState.voters.filter((id) => id !== ME);
    for (const id of others.slice(0, Math.floor(confState.voters.length / 2))) {
      member.raft.step(granted("vote-response", id, term));
    }
  }
  if (member.raft.status().role !== "leader") throw new Error("was not elected");
  sentDurably(member);
}
