/** The Raft paper's rules on replication, commit and durability, one test per rule. */
import { describe, expect, test } from "vitest";
import type { RaftMessage, Term } from "../../src/protocol/peer/raft-message.ts";
import { bytesOf, confOf, Group } from "./support/group.ts";
import { Member } from "./support/member.ts";
import {
  accepted,
  append,
  heartbeat,
  heartbeatResponse,
  makeLeader,
  ME,
  only,
  rejected,
  sent,
  sentDurably,
  solo,
  vote,
} from "./support/solo.ts";

/** Returns a leader of three members whose empty entry is committed. */
function settledLeader(options: Parameters<typeof solo>[1] = {}): Member {
  const member = solo(3, options);
  makeLeader(member);
  const { term, lastIndex } = member.raft.status();
  for (const id of [2n, 3n]) member.raft.step(accepted(id, term, lastIndex));
  sentDurably(member);
  return member;
}

function termsOf(member: Member): readonly Term[] {
  return member.disk.entryList.map((entry) => entry.term);
}

describe("§5.3 replication", () => {
  test("R16 §5.3 a leader appends a proposal and sends it to all members while its own write is in flight", () => {
    const member = settledLeader();
    expect(member.raft.propose([bytesOf("x")])).toBe("accepted");
    const appends = only(sent(member), "append");
    expect(appends.map((message) => message.to)).toEqual([2n, 3n]);
    expect(appends[0]).toMatchObject({
      term: 1,
      prevIndex: 1,
      prevTerm: 1,
      commit: 1,
      entries: [{ index: 2, term: 1 }],
    });
    expect(member.writes).toHaveLength(1);
  });

  test("R16 §5.3 proposals between two Readys share one message and one write", () => {
    const member = settledLeader();
    member.raft.propose([bytesOf("x")]);
    member.raft.propose([bytesOf("y"), bytesOf("z")]);
    expect(only(sent(member), "append").map((message) => message.entries.length)).toEqual([3, 3]);
    expect(member.writes.map((write) => write.entries.length)).toEqual([3]);
  });

  test.each([
    { voters: 1, acks: [], isCommitted: true },
    { voters: 3, acks: [], isCommitted: false },
    { voters: 3, acks: [2], isCommitted: true },
    { voters: 5, acks: [2], isCommitted: false },
    { voters: 5, acks: [2, 4], isCommitted: true },
  ])(
    "R12 §5.3 of $voters voters, acknowledged by $acks: committed is $isCommitted",
    ({ voters, acks, isCommitted }) => {
      const member = solo(voters);
      makeLeader(member);
      for (const id of acks) member.raft.step(accepted(BigInt(id), 1, 1));
      expect(member.raft.status().commit).toBe(isCommitted ? 1 : 0);
    },
  );

  test("R12 §5.3 a commit includes all entries before it, also those of older terms", () => {
    const member = solo(3, { logTerms: [1, 2] });
    makeLeader(member);
    member.raft.step(accepted(2n, 3, 3));
    sentDurably(member);
    expect(member.state.index).toBe(3);
  });

  test("R21 §5.3 followers learn of a commit at once, by the next append", () => {
    const member = settledLeader();
    member.raft.propose([bytesOf("x")]);
    sentDurably(member);
    member.raft.step(accepted(2n, 1, 2));
    expect(only(sent(member), "append")).toMatchObject([
      { to: 2n, commit: 2, entries: [] },
      { to: 3n, commit: 2, entries: [] },
    ]);
  });

  test("R21 §5.3 a heartbeat commits at a follower only what that follower is known to have", () => {
    const member = settledLeader();
    member.raft.propose([bytesOf("x")]);
    member.raft.step(accepted(2n, 1, 2));
    sentDurably(member);
    member.raft.tick();
    expect(only(sent(member), "heartbeat")).toMatchObject([
      { to: 2n, commit: 2 },
      { to: 3n, commit: 1 },
    ]);
  });

  test("R21 §5.3 a follower commits what the leader committed, as far as its own log is known to agree", () => {
    const member = solo(3, { logTerms: [1, 1] });
    // The leader's message does not cover the third entry of this member's log.
    member.raft.step(append(2n, 1, [0, 0], [1], 2));
    expect(member.raft.status().commit).toBe(1);
    member.raft.step(heartbeat(2n, 1, 2));
    expect(member.raft.status().commit).toBe(2);
  });

  test("R21 §5.3 a heartbeat that commits more than the log holds commits nothing", () => {
    const member = solo(3, { logTerms: [1, 1] });
    member.raft.step(heartbeat(2n, 1, 3));
    expect(member.raft.status().commit).toBe(0);
  });

  test.each([
    { name: "the log's end", prev: [2, 2], isAccepted: true },
    { name: "an entry within", prev: [1, 1], isAccepted: true },
    { name: "an entry of another term", prev: [2, 1], isAccepted: false },
    { name: "beyond the end", prev: [3, 3], isAccepted: false },
  ] as const)("R17 §5.3 an append after $name is accepted: $isAccepted", ({ prev, isAccepted }) => {
    const member = solo(3, { logTerms: [1, 2] });
    member.raft.step(append(2n, 3, prev, [3]));
    expect(sentDurably(member)).toMatchObject([{ type: "append-response", reject: !isAccepted }]);
  });

  test.each([
    { log: [1, 2, 3], prev: [3, 3], terms: [3], after: [1, 2, 3, 3], write: 4 },
    { log: [1, 2, 3], prev: [1, 1], terms: [3, 4], after: [1, 3, 4], write: 2 },
    { log: [1, 2, 3], prev: [0, 0], terms: [1], after: [1, 2, 3], write: undefined },
    { log: [1, 2, 3], prev: [0, 0], terms: [3], after: [3], write: 1 },
    { log: [1, 2, 3], prev: [1, 1], terms: [2, 4], after: [1, 2, 4], write: 3 },
  ] as const)("R17 §5.3 only entries that conflict are replaced: $log, $terms after $prev give $after", (each) => {
    const member = solo(3, { logTerms: each.log });
    member.raft.step(append(2n, 5, each.prev, each.terms));
    sent(member);
    expect(member.writes.at(-1)?.entries[0]?.index).toBe(each.write);
    sentDurably(member);
    expect(termsOf(member)).toEqual(each.after);
  });

  test("R20 §5.3 committed entries are never replaced", () => {
    const member = solo(3, { logTerms: [1, 1] });
    member.raft.step(append(2n, 1, [2, 1], [], 2));
    sentDurably(member);
    member.raft.step(append(3n, 2, [1, 1], [2]));
    member.raft.step(append(3n, 2, [0, 0], [1, 2]));
    expect(sentDurably(member)).toMatchObject([{ to: 3n, index: 2, reject: false }]);
    expect(termsOf(member)).toEqual([1, 1]);
  });

  test.each([
    { name: "a", log: [1, 1, 1, 4, 4, 5, 5, 6, 6] },
    { name: "b", log: [1, 1, 1, 4] },
    { name: "c", log: [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6] },
    { name: "d", log: [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7] },
    { name: "e", log: [1, 1, 1, 4, 4, 4, 4] },
    { name: "f", log: [1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3] },
  ])("R17 §5.3 figure 7, follower $name ends with the leader's log", ({ log }) => {
    const leaderTerms = [1, 1, 1, 4, 4, 5, 5, 6, 6, 6];
    const group = new Group(0);
    const put = (id: bigint, logTerms: readonly Term[], term: Term) => {
      const hardState = { term, vote: 0n, commit: 0 };
      group.members.set(id, new Member(id, confOf([1n, 2n, 3n]), group.snapshots, { logTerms, hardState }));
    };
    put(1n, leaderTerms, 7);
    put(2n, log, Math.max(7, log.at(-1) ?? 0));
    put(3n, [], 7);
    group.elect(1);
    expect(termsOf(group.at(2))).toEqual([...leaderTerms, 8]);
    expect(termsOf(group.at(3))).toEqual([...leaderTerms, 8]);
  });

  test("R18 §5.3 a long divergent tail costs one probe per term, not one per entry", () => {
    const group = new Group(0);
    const many = (term: Term, count: number) => Array.from({ length: count }, () => term);
    const put = (id: bigint, logTerms: readonly Term[]) => {
      const hardState = { term: 20, vote: 0n, commit: 0 };
      group.members.set(id, new Member(id, confOf([1n, 2n, 3n]), group.snapshots, { logTerms, hardState }));
    };
    put(1n, [...many(1, 10), ...many(4, 500), ...many(6, 500), 9]);
    put(2n, [...many(1, 10), ...many(2, 300), ...many(3, 300), ...many(5, 300)]);
    put(3n, []);
    group.elect(1);
    const refusals = group.delivered.filter((message) => isRefusalOf(message, 2n));
    expect(refusals.length).toBeLessThanOrEqual(3);
    expect(termsOf(group.at(2))).toEqual(termsOf(group.at(1)));
  });

  test("R19 §5.3 an append acknowledges the entries that it proved equal, not the rest of a longer log", () => {
    const member = solo(3, { logTerms: [1, 1, 1] });
    // An old message from a leader whose log may differ from entry 3 on.
    member.raft.step(append(2n, 2, [1, 1], [1]));
    expect(sentDurably(member)).toMatchObject([{ type: "append-response", reject: false, index: 2 }]);
  });

  test("R17 §5.3 an append that arrives twice changes nothing", () => {
    const member = solo(3);
    for (let i = 0; i < 3; i++) member.raft.step(append(2n, 1, [0, 0], [1, 1]));
    expect(sentDurably(member)).toMatchObject([{ index: 2 }]);
    member.raft.step(append(2n, 1, [0, 0], [1]));
    sentDurably(member);
    expect(termsOf(member)).toEqual([1, 1]);
  });

  test("R22 §5.3 a proposal at a follower is forwarded to its leader, and no further", () => {
    const member = solo(3);
    expect(member.raft.propose([bytesOf("x")])).toBe("no-leader");
    member.raft.step(heartbeat(2n, 1));
    sentDurably(member);
    expect(member.raft.propose([bytesOf("x")])).toBe("accepted");
    expect(sent(member)).toMatchObject([
      { type: "propose", to: 2n, entries: [{ type: "normal", data: bytesOf("x") }] },
    ]);
    const entries = [{ type: "normal", term: 0, index: 0, data: bytesOf("y") } as const];
    member.raft.step({ type: "propose", from: 3n, to: ME, term: 1, session: 1, sequence: 1, entries });
    expect(sent(member)).toEqual([]);
  });

  test("R22 §8 a forwarded proposal is appended once if a transport delivers it twice, or after its term", () => {
    const member = solo(3);
    makeLeader(member);
    const before = member.raft.status().lastIndex;
    const entries = [{ type: "normal", term: 0, index: 0, data: bytesOf("y") } as const];
    const proposal = {
      type: "propose",
      from: 3n,
      to: ME,
      term: member.raft.term,
      session: 7,
      sequence: 1,
      entries,
    } as const;
    member.raft.step(proposal);
    member.raft.step(proposal);
    member.raft.step({ ...proposal, sequence: 2, term: proposal.term - 1 });
    expect(member.raft.status().lastIndex).toBe(before + 1);
    member.raft.step({ ...proposal, sequence: 5_000 });
    member.raft.step({ ...proposal, sequence: 2 });
    expect(member.raft.status().lastIndex).toBe(before + 2);
    member.raft.step({ ...proposal, session: 8, sequence: 2 });
    expect(member.raft.status().lastIndex).toBe(before + 3);
  });
});

function isRefusalOf(message: RaftMessage, from: bigint): boolean {
  return message.type === "append-response" && message.reject && message.from === from;
}

describe("§5.4.2 commit by counting", () => {
  test("R12 §5.4.2 a leader never commits an entry of an older term by counting replicas", () => {
    // Figure 8: a majority has entry 2 of term 2. That must not commit it.
    const member = solo(3, { logTerms: [1, 2], hardState: { term: 3, vote: 0n, commit: 0 } });
    makeLeader(member);
    member.raft.step(accepted(2n, 4, 2));
    member.raft.step(accepted(3n, 4, 2));
    expect(member.raft.status().commit).toBe(0);
    member.raft.step(accepted(2n, 4, 3));
    expect(member.raft.status().commit).toBe(3);
  });

  test("R12 §5.3 an acknowledgement of entries that the leader does not have commits nothing", () => {
    const member = solo(3);
    makeLeader(member);
    const { lastIndex, commit } = member.raft.status();
    member.raft.step(accepted(2n, member.raft.term, lastIndex + 1));
    expect(member.raft.status()).toMatchObject({ role: "leader", commit });
    expect(member.raft.status().progress.get(2n)?.match).toBe(0);
    member.raft.step(accepted(2n, member.raft.term, lastIndex));
    expect(member.raft.status()).toMatchObject({ commit: lastIndex });
  });

  test("R12 §5.4.2 learners do not count", () => {
    const member = solo(4, {}, [3n, 4n]);
    makeLeader(member);
    member.raft.step(accepted(3n, 1, 1));
    member.raft.step(accepted(4n, 1, 1));
    expect(member.raft.status().commit).toBe(0);
    member.raft.step(accepted(2n, 1, 1));
    expect(member.raft.status().commit).toBe(1);
  });
});

describe("durability: no promise leaves before what it promises is durable", () => {
  test("R23 durability: a follower acknowledges entries once they are durable", () => {
    const member = solo(3);
    member.raft.step(append(2n, 1, [0, 0], [1]));
    expect(sent(member)).toEqual([]);
    expect(sentDurably(member)).toMatchObject([{ type: "append-response", to: 2n, index: 1, reject: false }]);
  });

  test("R23 durability: an append that repeats what is on its way to the disk is acknowledged with it, not before", () => {
    const member = solo(3);
    member.raft.step(append(2n, 1, [0, 0], [1]));
    sent(member);
    member.raft.step(append(2n, 1, [0, 0], [1]));
    expect(sent(member)).toEqual([]);
    member.completeWrite();
    expect(sent(member)).toHaveLength(2);
  });

  test("R24 durability: a leader counts itself only once its own append is durable", () => {
    const member = solo(1);
    makeLeader(member);
    member.raft.propose([bytesOf("x")]);
    sent(member);
    expect(member.raft.status()).toMatchObject({ lastIndex: 2, commit: 1 });
    member.completeWrite();
    expect(member.raft.status()).toMatchObject({ lastIndex: 2, commit: 2 });
  });

  test("R24 durability: others may commit entries that the leader's disk lacks; the leader applies them later", () => {
    const member = settledLeader();
    member.raft.propose([bytesOf("x")]);
    sent(member);
    member.raft.step(accepted(2n, 1, 2));
    member.raft.step(accepted(3n, 1, 2));
    sent(member);
    expect(member.raft.status()).toMatchObject({ commit: 2, applied: 1 });
    sentDurably(member);
    expect(member.raft.status()).toMatchObject({ commit: 2, applied: 2 });
  });

  test("R23 durability: acknowledgements that wait for the same write are merged where possible", () => {
    const member = solo(3);
    member.raft.step(append(2n, 1, [0, 0], [1, 1]));
    member.raft.step(append(2n, 1, [2, 1], [1]));
    member.raft.step(append(2n, 1, [0, 0], [1]));
    expect(sentDurably(member)).toMatchObject([{ type: "append-response", index: 3 }]);
  });

  test("R23 durability: several writes are in flight at once and acknowledged in order", () => {
    const member = solo(3);
    for (let index = 0; index < 3; index++) {
      member.raft.step(append(2n, 1, [index, index === 0 ? 0 : 1], [1]));
      sent(member);
    }
    expect(member.writes.map((write) => write.id)).toEqual([1, 2, 3]);
    for (const index of [1, 2, 3]) {
      member.completeWrite();
      expect(sent(member)).toMatchObject([{ index }]);
    }
  });

  test("R23 durability: an acknowledgement covers all writes before it", () => {
    const member = solo(3);
    member.raft.step(append(2n, 1, [0, 0], [1]));
    sent(member);
    member.raft.step(append(2n, 1, [1, 1], [1]));
    sent(member);
    member.disk.write(member.writes[0] ?? failed());
    member.disk.write(member.writes[1] ?? failed());
    member.raft.persisted(2);
    expect(sent(member)).toMatchObject([{ index: 1 }, { index: 2 }]);
  });

  test("R25 durability: an old write does not prove the entries that replaced its own (A-B-A)", () => {
    const member = solo(3);
    member.raft.step(append(2n, 1, [0, 0], [1, 1]));
    sent(member);
    // A newer leader rewrites entry 2 while the old one is still being written.
    member.raft.step(append(3n, 2, [1, 1], [2]));
    sent(member);
    expect(member.writes).toHaveLength(2);
    member.completeWrite();
    const answers = only(sent(member), "append-response");
    expect(answers).toMatchObject([{ to: 2n, term: 1, index: 2 }]);
    expect(member.raft.status()).toMatchObject({ term: 2, lastIndex: 2 });
    member.raft.step(heartbeat(3n, 2, 2));
    sent(member);
    expect(member.raft.status()).toMatchObject({ commit: 2, applied: 1 });
    member.completeWrite();
    sent(member);
    expect(member.raft.status()).toMatchObject({ applied: 2 });
    expect(termsOf(member)).toEqual([1, 2]);
  });

  test("R25 durability: only the last write proves an entry that was replaced and came back", () => {
    const member = solo(3);
    member.raft.step(append(2n, 1, [0, 0], [1]));
    sent(member);
    member.raft.step(append(3n, 2, [0, 0], [2]));
    sent(member);
    // The leader of term 3 never had entry 2/1. It restores the entry of term 1.
    member.raft.step(append(2n, 3, [0, 0], [1]));
    sent(member);
    member.completeWrite();
    sent(member);
    member.raft.step(heartbeat(2n, 3, 1));
    sent(member);
    expect(member.raft.status()).toMatchObject({ commit: 1, applied: 0 });
    member.completeWrite();
    sent(member);
    expect(member.raft.status().applied).toBe(0);
    member.completeWrite();
    sent(member);
    expect(member.raft.status().applied).toBe(1);
  });

  test("R25 durability: a write from before a snapshot does not prove entries after the snapshot", () => {
    const member = solo(3);
    const confState = confOf([1n, 2n, 3n]);
    member.snapshots.set(2, { index: 2, conf: confState, values: [] });
    member.raft.step(append(2n, 1, [0, 0], [1, 1, 1]));
    sent(member);
    member.raft.step({ type: "snapshot", from: 2n, to: ME, term: 3, snapshot: { index: 2, term: 3, confState } });
    sent(member);
    member.raft.step(append(2n, 3, [2, 3], [3], 3));
    sent(member);
    member.completeWrite();
    member.completeWrite();
    sent(member);
    expect(member.raft.status()).toMatchObject({ commit: 3, applied: 2 });
    member.completeWrite();
    sent(member);
    expect(member.raft.status()).toMatchObject({ commit: 3, applied: 3 });
  });

  test("R25 durability: a write without held messages releases none that came after it", () => {
    const member = solo(3);
    member.raft.step(heartbeat(2n, 1));
    sent(member);
    member.raft.step(append(2n, 1, [0, 0], [1]));
    sent(member);
    member.completeWrite();
    expect(sent(member)).toEqual([]);
    member.completeWrite();
    expect(sent(member)).toMatchObject([{ type: "append-response", index: 1 }]);
  });

  test("R23 durability: a vote after an append waits for both", () => {
    const member = solo(3);
    member.raft.step(append(2n, 1, [0, 0], [1]));
    sent(member);
    member.raft.step(vote(3n, 2, [1, 1], true));
    sent(member);
    member.completeWrite();
    expect(only(sent(member), "vote-response")).toEqual([]);
    member.completeWrite();
    expect(only(sent(member), "vote-response")).toMatchObject([{ to: 3n, reject: false }]);
  });

  test("R26 durability: a commit index alone causes no write; the next write includes it", () => {
    const member = solo(3);
    member.raft.step(append(2n, 1, [0, 0], [1]));
    sentDurably(member);
    member.raft.step(heartbeat(2n, 1, 1));
    sent(member);
    expect(member.writes).toEqual([]);
    member.raft.step(append(2n, 1, [1, 1], [1]));
    sent(member);
    expect(member.writes).toMatchObject([{ hardState: { term: 1, commit: 1 } }]);
  });

  test("R26 durability: a restart finds the commit index at the applied index, and applies nothing twice", () => {
    const group = new Group(3);
    group.elect(1);
    group.propose(1, "a", "b");
    group.at(2).flushState();
    group.propose(1, "c");
    group.at(2).crash();
    const { applied, commit } = group.at(2).raft.status();
    expect(applied).toBe(4);
    expect(commit).toBeGreaterThanOrEqual(4);
    group.tick(1);
    group.settle();
    expect(group.at(2).state.values).toEqual(["a", "b", "c"]);
  });
});

function failed(): never {
  throw new Error("there is no such write");
}

describe("flow control", () => {
  test("R27 flow: a leader probes with one message until the follower responds", () => {
    const member = solo(3);
    makeLeader(member);
    for (let i = 0; i < 5; i++) {
      member.raft.propose([bytesOf("x")]);
      expect(only(sent(member), "append").filter((message) => message.to === 2n)).toEqual([]);
    }
    member.raft.step(accepted(2n, 1, 1));
    const appends = only(sent(member), "append").filter((message) => message.to === 2n);
    expect(appends.map((message) => [message.prevIndex, message.entries.length])).toEqual([[1, 5]]);
    expect(member.raft.status().progress.get(2n)).toMatchObject({ state: "replicate", match: 1, next: 7 });
  });

  test("R27 flow: while replicating, messages follow each other unacknowledged, up to the message limit", () => {
    const member = settledLeader({ config: { maxInflightMessages: 3 } });
    for (let i = 0; i < 5; i++) {
      member.raft.propose([bytesOf("x")]);
      const count = only(sent(member), "append").filter((message) => message.to === 2n).length;
      expect(count).toBe(i < 3 ? 1 : 0);
    }
    member.raft.step(accepted(2n, 1, 2));
    const appends = only(sent(member), "append").filter((message) => message.to === 2n);
    expect(appends.map((message) => message.entries.map((entry) => entry.index))).toEqual([[5, 6]]);
  });

  test("R27 flow: in-flight bytes are limited too", () => {
    const member = settledLeader({ config: { maxInflightBytes: 1000, maxAppendBytes: 1000 } });
    const counts: number[] = [];
    for (let i = 0; i < 5; i++) {
      member.raft.propose([new Uint8Array(400)]);
      counts.push(only(sent(member), "append").filter((message) => message.to === 2n).length);
    }
    expect(counts).toEqual([1, 1, 1, 0, 0]);
  });

  test("R27 flow: messages are cut at the append limit, and a single larger entry is sent alone", () => {
    const member = settledLeader({ config: { maxAppendBytes: 100 } });
    member.raft.propose([10, 10, 10, 500, 10].map((size) => new Uint8Array(size)));
    const appends = only(sent(member), "append").filter((message) => message.to === 2n);
    expect(appends.map((message) => message.entries.map((entry) => entry.data.length))).toEqual([
      [10, 10, 10],
      [500],
      [10],
    ]);
  });

  test("R27 flow: a full pipeline is probed once per heartbeat, so that lost messages are noticed", () => {
    const member = settledLeader({ config: { maxInflightMessages: 1 } });
    member.raft.propose([bytesOf("x")]);
    member.raft.propose([bytesOf("y")]);
    sentDurably(member);
    member.raft.tick();
    sent(member);
    member.raft.step(heartbeatResponse(2n, 1));
    expect(only(sent(member), "append")).toMatchObject([{ to: 2n, prevIndex: 3, entries: [] }]);
    member.raft.step(rejected(2n, 1, 3, 1, 1));
    expect(only(sent(member), "append")).toMatchObject([
      { to: 2n, prevIndex: 1, entries: [{ index: 2 }, { index: 3 }] },
    ]);
  });

  test("R27 flow: an unreachable follower is probed from its match index", () => {
    const member = settledLeader();
    member.raft.propose([bytesOf("x")]);
    sentDurably(member);
    member.raft.reportUnreachable(2n);
    expect(member.raft.status().progress.get(2n)).toMatchObject({ state: "probe", match: 1, next: 2 });
    member.raft.step(heartbeatResponse(2n, 1));
    expect(only(sent(member), "append")).toMatchObject([{ to: 2n, prevIndex: 1 }]);
  });

  test("R27 flow: a rejection of an index that has been acknowledged since is stale", () => {
    const member = settledLeader();
    member.raft.step(rejected(2n, 1, 1, 0, 0));
    expect(member.raft.status().progress.get(2n)).toMatchObject({ state: "replicate", next: 2 });
  });

  test("R28 flow: the uncommitted tail is limited, and an empty tail accepts any one batch", () => {
    const member = settledLeader({ config: { maxUncommittedBytes: 1000 } });
    expect(member.raft.propose([new Uint8Array(1500)])).toBe("accepted");
    expect(member.raft.propose([new Uint8Array(1)])).toBe("too-much-uncommitted");
    sentDurably(member);
    member.raft.step(accepted(2n, 1, 2));
    sentDurably(member);
    expect(member.raft.propose([new Uint8Array(600)])).toBe("accepted");
    expect(member.raft.propose([new Uint8Array(600)])).toBe("too-much-uncommitted");
  });

  test("R28 flow: committed entries are handed out in bounded batches, each after the last was applied", () => {
    const member = solo(1, { config: { maxApplyBytes: 100 } });
    makeLeader(member);
    member.raft.propose([60, 60, 60].map((size) => new Uint8Array(size)));
    member.raft.ready();
    member.raft.persisted(3);
    const first = member.raft.ready();
    expect(first.committed.map((entry) => entry.index)).toEqual([2]);
    expect(member.raft.hasReady()).toBe(false);
    member.raft.appliedTo(2);
    expect(member.raft.ready().committed.map((entry) => entry.index)).toEqual([3]);
  });
});
