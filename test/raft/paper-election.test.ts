/** The Raft paper's rules on terms, votes and elections, one test per rule; "thesis" is Ongaro's dissertation. */
import { describe, expect, test } from "vitest";
import { Group } from "./support/group.ts";
import {
  accepted,
  append,
  granted,
  heartbeat,
  heartbeatResponse,
  makeCandidate,
  makeLeader,
  ME,
  only,
  preVote,
  refused,
  sent,
  sentDurably,
  solo,
  vote,
} from "./support/solo.ts";
import type { Member } from "./support/member.ts";

function ticks(member: Member, times: number): void {
  for (let i = 0; i < times; i++) member.raft.tick();
}

describe("§5.1 terms", () => {
  test.each(["follower", "candidate", "leader"] as const)(
    "R1 §5.1 a %s that sees a higher term becomes its follower",
    (role) => {
      const member = solo(3);
      if (role === "candidate") makeCandidate(member);
      if (role === "leader") makeLeader(member);
      expect(member.raft.status().role).toBe(role);
      member.raft.step(append(2n, 7, [0, 0], []));
      expect(member.raft.status()).toMatchObject({ role: "follower", term: 7, leader: 2n, vote: 0n });
    },
  );

  test("R2 §5.1 a message from a leader of an older term has no effect", () => {
    const member = solo(3, { hardState: { term: 4, vote: 0n, commit: 0 } });
    member.raft.step(append(2n, 3, [0, 0], [3]));
    member.raft.step(heartbeat(2n, 3));
    expect(member.raft.status()).toMatchObject({ term: 4, leader: 0n, lastIndex: 0 });
  });

  test("R2 §5.1 a leader of an older term receives the newer term, so that it steps down", () => {
    const member = solo(3, { hardState: { term: 4, vote: 0n, commit: 0 } });
    member.raft.step(heartbeat(2n, 3));
    expect(sentDurably(member)).toMatchObject([{ type: "append-response", to: 2n, term: 4 }]);
  });

  test("R3 §5.1 a member restarts with the term and the vote that it had", () => {
    const member = solo(3);
    makeCandidate(member);
    member.crash();
    expect(member.raft.status()).toMatchObject({ role: "follower", term: 1, vote: ME });
  });
});

describe("§5.2 elections", () => {
  test("R4 §5.2 a member starts as a follower without a leader", () => {
    expect(solo(3).raft.status()).toMatchObject({ role: "follower", leader: 0n });
  });

  test("R4 §5.2 a leader sends heartbeats to all members at every heartbeat tick", () => {
    const member = solo(3, { config: { heartbeatTicks: 2 } });
    makeLeader(member);
    member.raft.step(accepted(2n, 1, 1));
    member.raft.step(accepted(3n, 1, 1));
    sentDurably(member);
    member.raft.tick();
    expect(sent(member)).toEqual([]);
    member.raft.tick();
    expect(only(sent(member), "heartbeat").map((message) => message.to)).toEqual([2n, 3n]);
  });

  test("R4 §5.2 a follower that hears from its leader does not campaign", () => {
    const member = solo(3);
    for (let i = 0; i < 20; i++) {
      member.raft.step(heartbeat(2n, 1));
      ticks(member, 9);
    }
    expect(member.raft.status()).toMatchObject({ role: "follower", leader: 2n });
  });

  test("R4 §5.2 election timeouts are random, between one and two timeouts", () => {
    const seen = new Set<number>();
    for (let seed = 1; seed <= 200; seed++) {
      const member = solo(3, { seed });
      let count = 0;
      while (member.raft.status().role === "follower") {
        member.raft.tick();
        count++;
      }
      seen.add(count);
    }
    expect([...seen].sort((a, b) => a - b)).toEqual([10, 11, 12, 13, 14, 15, 16, 17, 18, 19]);
  });

  test("R5 §5.2 a candidate raises its term, votes for itself and requests votes from all other voters", () => {
    const member = solo(4, { logTerms: [1, 2] }, [4n]);
    makeCandidate(member);
    const other = solo(4, { logTerms: [1, 2] }, [4n]);
    other.raft.campaign();
    other.raft.step(granted("pre-vote-response", 2n, 3));
    expect(member.raft.status()).toMatchObject({ role: "candidate", term: 3, vote: ME });
    const asked = { type: "vote", from: ME, term: 3, lastIndex: 2, lastTerm: 2, transfer: false };
    expect(only(sent(other), "vote")).toEqual([
      { ...asked, to: 2n },
      { ...asked, to: 3n },
    ]);
  });

  test.each([
    { voters: 1, yes: [], no: [], role: "leader" },
    { voters: 3, yes: [2], no: [], role: "leader" },
    { voters: 3, yes: [], no: [2], role: "candidate" },
    { voters: 3, yes: [], no: [2, 3], role: "follower" },
    { voters: 5, yes: [2], no: [], role: "candidate" },
    { voters: 5, yes: [2, 3], no: [], role: "leader" },
    { voters: 5, yes: [2], no: [3, 4], role: "candidate" },
    { voters: 5, yes: [2], no: [3, 4, 5], role: "follower" },
  ])("R6 §5.2 of $voters voters, votes from $yes against $no make a $role", ({ voters, yes, no, role }) => {
    const member = solo(voters);
    makeCandidate(member);
    for (const id of yes) member.raft.step(granted("vote-response", BigInt(id), 1));
    for (const id of no) member.raft.step(refused("vote-response", BigInt(id), 1));
    expect(member.raft.status().role).toBe(role);
  });

  test("R6 §5.2 a voter counts once, however often its response arrives", () => {
    const member = solo(5);
    makeCandidate(member);
    for (let i = 0; i < 3; i++) member.raft.step(granted("vote-response", 2n, 1));
    expect(member.raft.status().role).toBe("candidate");
  });

  test("R6 §5.2 only the votes of voters count", () => {
    const member = solo(4, {}, [4n]);
    makeCandidate(member);
    member.raft.step(granted("vote-response", 4n, 1));
    member.raft.step(granted("vote-response", 9n, 1));
    expect(member.raft.status().role).toBe("candidate");
  });

  test("R7 §5.2 a member gives one vote per term, first come first served, and repeats it on request", () => {
    const member = solo(3);
    member.raft.step(vote(2n, 5, [0, 0]));
    member.raft.step(vote(3n, 5, [9, 4]));
    member.raft.step(vote(2n, 5, [0, 0]));
    expect(sentDurably(member)).toMatchObject([
      { type: "vote-response", to: 2n, reject: false },
      { type: "vote-response", to: 3n, reject: true },
      { type: "vote-response", to: 2n, reject: false },
    ]);
  });

  test("R3 §5.2 a vote survives a crash", () => {
    const member = solo(3);
    member.raft.step(vote(2n, 5, [0, 0]));
    sentDurably(member);
    member.crash();
    member.raft.step(vote(3n, 5, [9, 4]));
    expect(sentDurably(member)).toMatchObject([{ type: "vote-response", to: 3n, reject: true }]);
  });

  test("R3 §5.2 no vote leaves before term and vote are durable", () => {
    const member = solo(3);
    member.raft.step(vote(2n, 5, [0, 0]));
    expect(sent(member)).toEqual([]);
    expect(member.writes).toMatchObject([{ hardState: { term: 5, vote: 2n } }]);
    expect(sentDurably(member)).toMatchObject([{ type: "vote-response", to: 2n, term: 5, reject: false }]);
  });

  test("R3 §5.2 a vote in a term that is already durable is still written before it leaves", () => {
    const member = solo(3, { logTerms: [1, 1] });
    member.raft.step(vote(3n, 5, [1, 1]));
    sentDurably(member);
    expect(member.disk.hardState).toMatchObject({ term: 5, vote: 0n });
    member.raft.step(vote(2n, 5, [2, 1]));
    expect(sent(member)).toEqual([]);
    expect(only(sentDurably(member), "vote-response")).toMatchObject([{ to: 2n, reject: false }]);
    expect(member.disk.hardState).toMatchObject({ term: 5, vote: 2n });
  });

  test("R3 §5.2 a repeated request gets no response while the vote is on its way to the disk", () => {
    const member = solo(3);
    member.raft.step(vote(2n, 5, [0, 0]));
    sent(member);
    member.raft.step(vote(2n, 5, [0, 0]));
    expect(sent(member)).toEqual([]);
    expect(sentDurably(member)).toHaveLength(2);
  });

  test("R3 §5.2 a candidate counts its own vote only once it is durable", () => {
    const member = solo(3);
    member.raft.campaign();
    member.raft.step(granted("pre-vote-response", 2n, 1));
    member.raft.step(granted("vote-response", 2n, 1));
    sent(member);
    expect(member.raft.status().role).toBe("candidate");
    sentDurably(member);
    expect(member.raft.status().role).toBe("leader");
  });

  test("R8 §5.2 a candidate yields to a leader of its term", () => {
    for (const message of [append(2n, 1, [0, 0], []), heartbeat(2n, 1)]) {
      const member = solo(3);
      makeCandidate(member);
      member.raft.step(message);
      expect(member.raft.status()).toMatchObject({ role: "follower", term: 1, leader: 2n });
    }
  });

  test("R5 §5.2 a candidate without a majority campaigns again after its timeout", () => {
    const member = solo(3);
    makeCandidate(member);
    ticks(member, 20);
    expect(member.raft.status()).toMatchObject({ role: "pre-candidate", term: 1 });
    member.raft.step(granted("pre-vote-response", 2n, 2));
    expect(member.raft.status()).toMatchObject({ role: "candidate", term: 2 });
  });

  test("R9 §5.2 a new leader appends an empty entry of its term at once", () => {
    const member = solo(3, { logTerms: [1, 1] });
    makeLeader(member);
    expect(member.disk.entryList.at(-1)).toMatchObject({ index: 3, term: 2, type: "normal", data: new Uint8Array(0) });
  });

  test("R8 §5.2 a second leader of the same term is ignored", () => {
    const member = solo(3);
    member.raft.step(append(2n, 1, [0, 0], [1]));
    member.raft.step(append(3n, 1, [0, 0], [1, 1]));
    expect(member.raft.status()).toMatchObject({ leader: 2n, lastIndex: 1 });
  });
});

describe("§5.4.1 which candidates can be elected", () => {
  // The voter's log ends with an entry of term 2 at index 2.
  test.each([
    ["a later last term wins over a longer log", [1, 3], true],
    ["an equal last term with an equal length is up to date", [2, 2], true],
    ["an equal last term with a longer log is up to date", [3, 2], true],
    ["an equal last term with a shorter log is not", [1, 2], false],
    ["an older last term is not, however long the log", [9, 1], false],
  ] as const)("R10 §5.4.1 %s", (_, last, isGranted) => {
    for (const ask of [vote, preVote]) {
      const member = solo(3, { logTerms: [1, 2] });
      member.raft.step(ask(2n, 4, last));
      expect(sentDurably(member)).toMatchObject([{ reject: !isGranted }]);
    }
  });

  test("R1 §5.4.1 a rejected candidate still raises the term", () => {
    const member = solo(3, { logTerms: [1, 2] });
    member.raft.step(vote(2n, 4, [1, 1]));
    expect(member.raft.status()).toMatchObject({ term: 4, vote: 0n });
  });
});

describe("thesis 9.6: pre-vote", () => {
  test("R11 thesis 9.6 a pre-candidate raises no term and spends no vote", () => {
    const member = solo(3, { logTerms: [1] });
    member.raft.campaign();
    expect(member.raft.status()).toMatchObject({ role: "pre-candidate", term: 1, vote: 0n });
    expect(sent(member)).toMatchObject([
      { type: "pre-vote", to: 2n, term: 2, lastIndex: 1, lastTerm: 1 },
      { type: "pre-vote", to: 3n, term: 2 },
    ]);
    expect(member.writes).toEqual([]);
  });

  test("R11 thesis 9.6 a member that grants a pre-vote keeps its term, and grants any number", () => {
    const member = solo(3, { hardState: { term: 4, vote: 0n, commit: 0 } });
    member.raft.step(preVote(2n, 6, [0, 0]));
    member.raft.step(preVote(3n, 6, [0, 0]));
    expect(sentDurably(member)).toMatchObject([
      { type: "pre-vote-response", to: 2n, term: 6, reject: false },
      { type: "pre-vote-response", to: 3n, term: 6, reject: false },
    ]);
    expect(member.raft.status()).toMatchObject({ term: 4, vote: 0n });
  });

  test("R11 thesis 9.6 a pre-candidate with an outdated term learns the newer one from the rejection", () => {
    const asked = solo(3, { hardState: { term: 9, vote: 0n, commit: 0 } });
    asked.raft.step(preVote(2n, 5, [0, 0]));
    expect(sentDurably(asked)).toMatchObject([{ type: "pre-vote-response", to: 2n, term: 9, reject: true }]);
    const member = solo(3, { hardState: { term: 4, vote: 0n, commit: 0 } });
    member.raft.campaign();
    member.raft.step(refused("pre-vote-response", 2n, 9));
    expect(member.raft.status()).toMatchObject({ role: "follower", term: 9 });
  });

  test("R11 thesis 9.6 a pre-vote granted to an earlier campaign does not count", () => {
    const member = solo(3, { hardState: { term: 4, vote: 0n, commit: 0 } });
    member.raft.campaign();
    member.raft.step(granted("pre-vote-response", 2n, 4));
    expect(member.raft.status()).toMatchObject({ role: "pre-candidate", term: 4 });
  });

  test("R11 thesis 9.6 a partitioned member does not depose the leader when it returns", () => {
    const group = new Group(3);
    group.elect(1);
    group.isolate(3);
    for (let i = 0; i < 100; i++) {
      for (const id of [1, 2, 3]) group.tick(id);
      group.settle();
    }
    expect(group.at(3).raft.status().role).toBe("pre-candidate");
    group.heal();
    for (let i = 0; i < 5; i++) {
      for (const id of [3, 1, 2]) group.tick(id);
      group.settle();
    }
    expect(group.at(1).raft.status()).toMatchObject({ role: "leader", term: 2 });
    expect(group.at(3).raft.status()).toMatchObject({ role: "follower", leader: 1n, term: 2 });
  });
});

describe("members that campaign at the same moment", () => {
  test.each([3, 5])("R55 of %i, the one with the lowest id is elected in the first election", (size) => {
    const group = new Group(size);
    for (let id = size; id > 0; id--) group.at(id).raft.campaign();
    group.settle();
    expect(group.at(1).raft.status()).toMatchObject({ role: "leader", term: 2 });
  });

  test.each([3, 5])("R55 of %i, the one that led is elected again in the first election", (size) => {
    const group = new Group(size);
    group.elect(2);
    for (let id = 1; id <= size; id++) group.at(id).crash();
    for (let id = 1; id <= size; id++) group.at(id).raft.campaign();
    group.settle();
    expect(group.at(2).raft.status()).toMatchObject({ role: "leader", term: 3 });
  });

  test.each([
    ["an equal log", 2n, [2, 2], "pre-candidate"],
    ["a longer log", 2n, [3, 2], "follower"],
    ["a later last term and a shorter log", 2n, [1, 3], "follower"],
    ["a shorter log", 2n, [1, 2], "pre-candidate"],
    ["a longer log that is no voter", 9n, [3, 2], "pre-candidate"],
  ] as const)("R55 a pre-candidate that a member with %s and a higher id asks", (_, from, end, role) => {
    const member = solo(3, { logTerms: [1, 2] });
    member.raft.campaign();
    member.raft.step(preVote(from, 3, end));
    expect(member.raft.status().role).toBe(role);
  });
});

describe("§6 an active leader is not deposed", () => {
  test("R13 §6 a member that heard a leader within the timeout ignores vote requests", () => {
    for (const ask of [vote, preVote]) {
      const member = solo(3);
      member.raft.step(heartbeat(2n, 1));
      sentDurably(member);
      ticks(member, 9);
      member.raft.step(ask(3n, 8, [9, 7]));
      expect(sentDurably(member)).toEqual([]);
      expect(member.raft.status()).toMatchObject({ term: 1, leader: 2n });
    }
  });

  test("R13 §6 after the timeout it responds to them", () => {
    const member = solo(3, { seed: 3 });
    member.raft.step(heartbeat(2n, 1));
    sentDurably(member);
    ticks(member, 10);
    member.raft.step(vote(3n, 8, [9, 7]));
    expect(only(sentDurably(member), "vote-response")).toMatchObject([{ to: 3n, term: 8, reject: false }]);
  });

  test("R13 §6 a leader ignores them while a majority responds to it", () => {
    const member = solo(3);
    makeLeader(member);
    for (let i = 0; i < 30; i++) {
      member.raft.tick();
      member.raft.step(heartbeatResponse(2n, 1));
      member.raft.step(vote(3n, 8, [9, 7]));
    }
    expect(member.raft.status()).toMatchObject({ role: "leader", term: 1 });
  });

  test("R13 §6 an election that the leader requested is not rejected", () => {
    const member = solo(3);
    member.raft.step(heartbeat(2n, 1));
    member.raft.step(vote(3n, 2, [9, 1], true));
    expect(only(sentDurably(member), "vote-response")).toMatchObject([{ to: 3n, term: 2, reject: false }]);
  });

  test("R13 §6 a member that forgot its lease votes again, and honours the lease once it hears the leader", () => {
    const member = solo(3);
    member.raft.step(heartbeat(2n, 1));
    sentDurably(member);
    member.raft.forgetLease();
    member.raft.step(preVote(3n, 2, [9, 1]));
    expect(only(sentDurably(member), "pre-vote-response")).toMatchObject([{ reject: false }]);
    member.raft.step(heartbeat(2n, 1));
    sentDurably(member);
    member.raft.step(preVote(3n, 2, [9, 1]));
    expect(sentDurably(member)).toEqual([]);
  });
});

describe("§6.2 of the thesis: check-quorum", () => {
  test("R14 thesis 6.2 a leader that gets no response from a majority for a timeout steps down", () => {
    const member = solo(5);
    makeLeader(member);
    const answering = (ids: readonly bigint[]) => {
      for (let i = 0; i < 10; i++) {
        member.raft.tick();
        for (const id of ids) member.raft.step(heartbeatResponse(id, 1));
      }
    };
    answering([2n, 3n]);
    answering([2n, 3n]);
    expect(member.raft.status().role).toBe("leader");
    answering([2n]);
    answering([2n]);
    expect(member.raft.status()).toMatchObject({ role: "follower", term: 1, leader: 0n });
  });

  test("R14 thesis 6.2 learners do not keep a leader in office", () => {
    const member = solo(5, {}, [4n, 5n]);
    makeLeader(member);
    for (let i = 0; i < 30; i++) {
      member.raft.tick();
      member.raft.step(heartbeatResponse(4n, 1));
      member.raft.step(heartbeatResponse(5n, 1));
    }
    expect(member.raft.status().role).not.toBe("leader");
  });

  test("R14 thesis 6.2 a single voter stays in office alone", () => {
    const member = solo(1);
    makeLeader(member);
    ticks(member, 50);
    expect(member.raft.status().role).toBe("leader");
  });
});
