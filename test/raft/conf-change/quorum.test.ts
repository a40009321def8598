/** Checks majorities against a second implementation that counts subsets, and against their purpose: any two meet. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { JointQuorum, type VoteResult } from "../../../src/raft/conf-change/quorum.ts";

const ids = (max: number) => fc.uniqueArray(fc.bigInt(1n, 9n), { maxLength: max });

function hasMajority(members: readonly bigint[], yes: (id: bigint) => boolean): boolean {
  return members.filter(yes).length * 2 > members.length;
}

/** Returns the highest index that both majorities acknowledged, by trying all of them. */
function dumbCommitted(
  incoming: readonly bigint[],
  outgoing: readonly bigint[],
  acks: ReadonlyMap<bigint, number>,
): number {
  const at = (index: number) => (id: bigint) => (acks.get(id) ?? 0) >= index;
  let best = 0;
  for (const index of new Set(acks.values())) {
    const isCommitted = hasMajority(incoming, at(index)) && (outgoing.length === 0 || hasMajority(outgoing, at(index)));
    if (isCommitted && index > best) best = index;
  }
  return best;
}

function dumbVote(members: readonly bigint[], votes: ReadonlyMap<bigint, boolean>): VoteResult {
  if (members.length === 0 || hasMajority(members, (id) => votes.get(id) === true)) return "won";
  return hasMajority(members, (id) => votes.get(id) !== false) ? "pending" : "lost";
}

describe("quorum", () => {
  test("R12 quorum: the committed index is the highest that a majority of each configuration acknowledged", () => {
    const acks = fc.array(fc.tuple(fc.bigInt(1n, 9n), fc.nat(20)));
    fc.assert(
      fc.property(ids(7), ids(7), acks, (incoming, outgoing, pairs) => {
        const known = new Map(pairs);
        const quorum = new JointQuorum(incoming, outgoing);
        const expected = incoming.length === 0 ? 0 : dumbCommitted(incoming, outgoing, known);
        expect(quorum.committedIndex((id) => known.get(id) ?? 0)).toBe(expected);
      }),
      { numRuns: 2000 },
    );
  });

  test("R6 quorum: a vote is won by a majority of each configuration, and lost when one can no longer be reached", () => {
    const votes = fc.array(fc.tuple(fc.bigInt(1n, 9n), fc.boolean()));
    fc.assert(
      fc.property(ids(7), ids(7), votes, (incoming, outgoing, pairs) => {
        const cast = new Map(pairs);
        const parts = [dumbVote(incoming, cast), dumbVote(outgoing, cast)];
        const expected = parts.includes("lost") ? "lost" : parts.includes("pending") ? "pending" : "won";
        expect(new JointQuorum(incoming, outgoing).voteResult((id) => cast.get(id))).toBe(expected);
      }),
      { numRuns: 2000 },
    );
  });
});
