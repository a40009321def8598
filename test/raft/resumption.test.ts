import { describe, expect, test } from "vitest";
import type { RaftMessage } from "../../src/protocol/peer/raft-message.ts";
import { bytesOf, Group } from "./support/group.ts";

/** Three members, 1 leads and has stored the point at which it may go on in its term. */
function asleep(members = 3, showsUndurable = false): Group {
  const group = new Group(members, { showsUndurable });
  group.elect(1);
  group.propose(1, "a", "b");
  group.at(1).sleep();
  return group;
}

function crashAll(group: Group): void {
  for (const member of group.members.values()) {
    member.flushState();
    member.crash();
  }
}

const termsOf = (group: Group): readonly number[] => [...group.members.values()].map(({ raft }) => raft.term);

function messagesOf<Type extends RaftMessage["type"]>(
  group: Group,
  type: Type,
): Extract<RaftMessage, { type: Type }>[] {
  return group.delivered.filter((message): message is Extract<RaftMessage, { type: Type }> => message.type === type);
}

describe("R49 a leader that was idle", () => {
  test.each([1, 2, 3, 5])(
    "of %i goes on in its term after all were restarted, without an entry or a write",
    (members) => {
      const group = asleep(members);
      const { term, lastIndex } = group.at(1).raft.status();
      for (let times = 0; times < 3; times++) {
        crashAll(group);
        expect(group.at(1).raft.resume()).toBe(true);
        group.settle();
        expect(group.at(1).raft.status()).toMatchObject({ role: "leader", term, lastIndex, commit: lastIndex });
      }
      expect(termsOf(group)).toEqual(Array.from({ length: members }, () => term));
      expect(group.propose(1, "c")).toBe("accepted");
      for (const member of group.members.values()) expect(member.state.values.at(-1)).toBe("c");
    },
  );

  test("goes on among members that still follow it", () => {
    const group = asleep();
    const { term } = group.at(1).raft.status();
    group.at(1).flushState();
    group.at(1).crash();
    expect(group.at(2).raft.leader).toBe(1n);
    expect(group.at(1).raft.resume()).toBe(true);
    group.settle();
    expect([...group.members.values()].map(({ raft }) => [raft.leader, raft.term])).toEqual(
      Array.from({ length: 3 }, () => [1n, term]),
    );
  });

  test("does not while no majority repeats its vote", () => {
    const group = asleep();
    crashAll(group);
    group.isolate(1);
    group.at(1).raft.resume();
    group.settle();
    expect(group.at(1).raft.status()).toMatchObject({ role: "candidate", leader: 0n });
    expect(group.at(1).raft.isResuming).toBe(true);
    for (let at = 0; at < 40; at++) group.tick(1);
    group.settle();
    expect(group.at(1).raft.isResuming).toBe(false);
  });

  test("does not where another was elected while it slept", () => {
    const group = asleep();
    crashAll(group);
    group.isolate(1);
    group.elect(2);
    const { term } = group.at(2).raft.status();
    group.heal();
    expect(group.at(1).raft.resume()).toBe(true);
    group.settle();
    expect(group.at(1).raft.status().role).not.toBe("leader");
    group.tick(2);
    group.settle();
    expect(group.at(1).raft.status()).toMatchObject({ role: "follower", leader: 2n, term });
    expect(group.at(1).raft.resume()).toBe(false);
  });

  test("gets no vote of a member that voted for another in its term", () => {
    const group = new Group(3);
    group.isolate(3);
    group.elect(1);
    group.propose(1, "a");
    group.at(1).point = { term: group.at(1).raft.term, index: group.at(1).raft.status().lastIndex };
    const { term } = group.at(1).raft;
    // 3 has voted for itself in the same term, and did not win.
    const three = group.at(3);
    three.disk.hardState = { ...three.disk.hardState, term, vote: 3n };
    three.crash();
    group.at(1).flushState();
    group.at(1).crash();
    group.isolate(2);
    group.at(1).raft.resume();
    group.settle();
    expect(messagesOf(group, "vote-response").at(-1)).toMatchObject({ from: 3n, to: 1n, reject: true });
    expect(group.at(1).raft.status().role).not.toBe("leader");
  });

  test("that wrote since does not: the point holds for one end of the log", () => {
    const group = asleep();
    group.propose(1, "c");
    crashAll(group);
    expect(group.at(1).raft.resume()).toBe(false);
    group.elect(1);
    group.at(1).sleep();
    crashAll(group);
    expect(group.at(1).raft.resume()).toBe(true);
  });

  test.each(["another's vote", "a later term", "an older point", "no point"])("does not with %s", (what) => {
    const group = asleep();
    const one = group.at(1);
    const point = one.point;
    if (point === undefined) throw new Error("it is stored");
    if (what === "another's vote") one.disk.hardState = { ...one.disk.hardState, vote: 2n };
    if (what === "a later term") one.disk.hardState = { ...one.disk.hardState, term: point.term + 1 };
    if (what === "an older point") one.point = { ...point, index: point.index - 1 };
    if (what === "no point") one.point = undefined;
    one.flushState();
    one.crash();
    expect(one.raft.resume()).toBe(false);
  });

  test("makes no point while something is not committed, not durable, or of an older term", () => {
    const group = new Group(3);
    group.isolate(1);
    expect(group.at(1).raft.markResumable()).toBeUndefined();
    group.heal();
    group.elect(1);
    group.isolate(1);
    group.propose(1, "a");
    expect(group.at(1).raft.markResumable()).toBeUndefined();
    group.heal();
    group.tick(1, 2);
    group.settle();
    expect(group.at(1).raft.markResumable()).toEqual({ term: group.at(1).raft.term, index: 3 });
    expect(group.at(1).raft.markResumable()).toBeUndefined();
  });
});

describe.each([false, true])("R50 beyond the point (reader shows undurable: %s)", (showsUndurable) => {
  test("nothing is sent that is not durable here, so a restart loses no entry that another has", () => {
    const group = asleep(3, showsUndurable);
    const leader = group.at(1);
    const { lastIndex } = leader.raft.status();
    leader.raft.propose([bytesOf("lost")]);
    leader.pump();
    expect(leader.writes).toHaveLength(1);
    const sent = leader.outbox.flatMap((message) => (message.type === "append" ? message.entries : []));
    expect(sent).toEqual([]);
    // The write is lost, and the term goes on: what follows must not meet the lost entry.
    leader.crash();
    leader.raft.resume();
    group.settle();
    group.propose(1, "kept");
    for (const { state } of group.members.values()) expect(state.values.at(-1)).toBe("kept");
    expect(leader.raft.status().lastIndex).toBe(lastIndex + 1);
  });

  test("what is durable is sent at once, and what follows in parallel again", () => {
    const group = asleep(3, showsUndurable);
    const leader = group.at(1);
    leader.raft.propose([bytesOf("first")]);
    leader.pump();
    leader.completeWrite();
    leader.pump();
    const entriesSent = (): number =>
      leader.outbox.filter((message) => message.type === "append" && message.entries.length > 0).length;
    expect(entriesSent()).toBe(2);
    leader.raft.propose([bytesOf("second")]);
    leader.pump();
    expect(leader.writes).toHaveLength(1);
    expect(entriesSent()).toBe(4);
  });
});

describe("R51 a leader that goes on in its term", () => {
  test("answers no read before the end of its log is committed: its disk may know less than it had answered", () => {
    const group = asleep();
    const leader = group.at(1);
    const { lastIndex, commit } = leader.raft.status();
    expect(leader.disk.hardState.commit).toBeLessThan(commit);
    for (const member of group.members.values()) member.crash();
    leader.raft.resume();
    // Votes and heartbeats pass, acknowledgements do not.
    group.drops = (message) => message.type === "append-response";
    group.settle();
    expect(leader.raft.status().role).toBe("leader");
    leader.raft.readIndex(new Uint8Array([1]));
    group.settle();
    expect(leader.reads).toEqual([]);
    group.heal();
    group.tick(1, 2);
    group.settle();
    expect(leader.reads).toEqual([{ context: new Uint8Array([1]), index: lastIndex }]);
  });

  test("takes no response to its earlier run for one to a round of reads of now", () => {
    const group = asleep();
    const leader = group.at(1);
    leader.raft.readIndex(new Uint8Array([1]));
    leader.settle();
    const beats = leader.outbox.filter((message) => message.type === "heartbeat");
    for (const beat of beats) group.deliver(beat);
    group.at(2).settle();
    const late = group.at(2).outbox.filter((message) => message.type === "heartbeat-response");
    expect(late).toHaveLength(1);
    crashAll(group);
    leader.raft.resume();
    group.settle();
    group.isolate(1);
    leader.raft.readIndex(new Uint8Array([2]));
    leader.settle();
    for (const message of late) leader.raft.step(message);
    leader.settle();
    expect(leader.reads).toEqual([]);
  });
});

describe("R52 a forwarded proposal", () => {
  test("names the leader's run, and is not accepted by another one, which may have it already", () => {
    const group = asleep();
    group.at(2).raft.propose([bytesOf("once")]);
    group.at(2).settle();
    const [forwarded] = group.at(2).outbox.filter((message) => message.type === "propose");
    if (forwarded === undefined) throw new Error("it is forwarded");
    group.settle();
    group.at(1).sleep();
    crashAll(group);
    group.at(1).raft.resume();
    group.settle();
    group.deliver(forwarded);
    group.settle();
    expect(group.at(1).state.values.filter((value) => value === "once")).toHaveLength(1);
    group.at(2).raft.propose([bytesOf("twice")]);
    group.settle();
    expect(group.at(1).state.values.at(-1)).toBe("twice");
  });

  test("of a member that knows no run is accepted, as before", () => {
    const group = asleep();
    const { term } = group.at(1).raft;
    const entries = [{ type: "normal", term: 0, index: 0, data: bytesOf("old build") }] as const;
    group.deliver({ type: "propose", from: 2n, to: 1n, term, session: 7, sequence: 1, entries });
    group.settle();
    expect(group.at(3).state.values.at(-1)).toBe("old build");
  });

  test("waits while its leader asks for its votes again", () => {
    const group = asleep();
    group.at(1).flushState();
    group.at(1).crash();
    group.at(1).raft.resume();
    group.at(1).settle();
    const [vote] = group.at(1).outbox.filter((message) => message.type === "vote" && message.to === 2n);
    if (vote === undefined) throw new Error("it asks");
    group.at(2).raft.step(vote);
    expect(group.at(2).raft.propose([bytesOf("x")])).toBe("no-leader");
  });
});
