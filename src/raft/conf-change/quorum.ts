/**
 * Majorities, and the pair of majorities of a joint configuration. While two configurations are joint, every decision
 * needs a majority of each.
 */
import type { LogIndex, MemberId } from "../../protocol/peer/raft-message.ts";

export type VoteResult = "pending" | "won" | "lost";

export class MajorityQuorum {
  readonly members: readonly MemberId[];
  readonly #scratch: number[];

  constructor(members: readonly MemberId[]) {
    this.members = members;
    this.#scratch = members.map(() => 0);
  }

  /**
   * Returns the highest index that a majority acknowledged. Infinity without members: then the other majority decides.
   */
  committedIndex(acknowledged: (id: MemberId) => LogIndex): LogIndex {
    const count = this.members.length;
    if (count === 0) return Infinity;
    const sorted = this.#scratch;
    for (let i = 0; i < count; i++) {
      const index = acknowledged(this.members[i] as MemberId);
      let at = i;
      while (at > 0 && (sorted[at - 1] as number) > index) {
        sorted[at] = sorted[at - 1] as number;
        at--;
      }
      sorted[at] = index;
    }
    return sorted[count - majority(count)] as number;
  }

  /** `vote` returns undefined for a member that has not voted yet. */
  voteResult(vote: (id: MemberId) => boolean | undefined): VoteResult {
    const count = this.members.length;
    if (count === 0) return "won";
    let granted = 0;
    let missing = 0;
    for (const id of this.members) {
      const answer = vote(id);
      if (answer === undefined) missing++;
      else if (answer) granted++;
    }
    if (granted >= majority(count)) return "won";
    return granted + missing >= majority(count) ? "pending" : "lost";
  }
}

export class JointQuorum {
  readonly incoming: MajorityQuorum;
  readonly outgoing: MajorityQuorum;

  constructor(incoming: readonly MemberId[], outgoing: readonly MemberId[]) {
    this.incoming = new MajorityQuorum(incoming);
    this.outgoing = new MajorityQuorum(outgoing);
  }

  has(id: MemberId): boolean {
    return this.incoming.members.includes(id) || this.outgoing.members.includes(id);
  }

  /** Returns whether `id` alone is a quorum. */
  isOnly(id: MemberId): boolean {
    const voters = this.incoming.members;
    return voters.length === 1 && voters[0] === id && this.outgoing.members.length === 0;
  }

  committedIndex(acknowledged: (id: MemberId) => LogIndex): LogIndex {
    if (this.incoming.members.length === 0) return 0;
    return Math.min(this.incoming.committedIndex(acknowledged), this.outgoing.committedIndex(acknowledged));
  }

  voteResult(vote: (id: MemberId) => boolean | undefined): VoteResult {
    const incoming = this.incoming.voteResult(vote);
    const outgoing = this.outgoing.voteResult(vote);
    if (incoming === outgoing) return incoming;
    return incoming === "lost" || outgoing === "lost" ? "lost" : "pending";
  }
}

function majority(count: number): number {
  return Math.floor(count / 2) + 1;
}
