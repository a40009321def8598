import { describe, expect, test } from "vitest";
import { encodeChange } from "../../src/raft/conf-change/conf-change-entry.ts";
import type { Entry } from "../../src/protocol/peer/raft-message.ts";
import { entriesOf, solo } from "./support/solo.ts";
import type { Member, MemberOptions } from "./support/member.ts";

const TERMS = [1, 1, 2, 2, 2];
const known = (commit: number): MemberOptions => ({ logTerms: TERMS, hardState: { term: 2, vote: 0n, commit } });

/** Applies all that is committed, as a member does that will write no more. */
function readOn(member: Member): void {
  do member.takeReady();
  while (member.raft.commitAlone());
  member.takeReady();
}

function restarted(member: Member, entries: readonly Entry[]): Member {
  member.disk.entryList = [...entries];
  member.crash();
  return member;
}

describe("R54 the only voter that will write no more", () => {
  test("counts its durable log as committed, without a campaign", () => {
    const member = solo(1, known(2));
    readOn(member);
    expect(member.state.index).toBe(5);
    expect(member.raft.status()).toMatchObject({ role: "follower", term: 2, commit: 5 });
    expect([member.outbox, member.writes]).toEqual([[], []]);
    expect(member.raft.commitAlone()).toBe(false);
  });

  test("counts nothing before what was committed is applied, for that may change who votes", () => {
    const member = solo(1, known(2));
    expect(member.raft.commitAlone()).toBe(false);
    expect(member.raft.status().commit).toBe(2);
  });

  test("stops at a change of the configuration, and counts nothing beyond one that lets another member vote", () => {
    const changes = [{ type: "add-node", nodeId: 2n }] as const;
    const data = encodeChange({ id: 0n, transition: "auto", changes, context: new Uint8Array(0) });
    const entries = entriesOf(1, TERMS).map((entry): Entry =>
      entry.index === 4 ? { ...entry, type: "conf-change", data } : entry,
    );
    const member = restarted(solo(1, known(2)), entries);
    readOn(member);
    expect(member.state.index).toBe(4);
    expect(member.raft.status().confState.voters).toEqual([1n, 2n]);
  });

  test("counts no entry whose write is in flight", () => {
    const member = solo(1, known(5));
    member.settle();
    member.raft.campaign();
    member.settle();
    member.raft.propose([new Uint8Array(1)]);
    member.pump();
    const { commit, lastIndex } = member.raft.status();
    expect(lastIndex).toBe(commit + 1);
    readOn(member);
    expect(member.raft.status().commit).toBe(commit);
  });
});

test("R54 does not hold for one voter of several, nor for a learner", () => {
  for (const member of [solo(3, known(2)), solo(2, known(2), [1n])]) {
    readOn(member);
    expect(member.state.index).toBe(2);
  }
});
