/** Rules on configuration changes (§6), hand-over (thesis 3.10), snapshots (§7) and reads (§8, thesis 6.4). */
import { describe, expect, test } from "vitest";
import type { ConfChange, ConfChangeType, RaftMessage, SnapshotMeta } from "../../src/protocol/peer/raft-message.ts";
import { encodeChange } from "../../src/raft/conf-change/conf-change-entry.ts";
import { MAX_PENDING_READS } from "../../src/raft/config.ts";
import { bytesOf, confOf, Group } from "./support/group.ts";
import type { Member } from "./support/member.ts";
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
} from "./support/solo.ts";

function change(type: ConfChangeType, nodeId: bigint): ConfChange {
  return { id: 0n, transition: "auto", changes: [{ type, nodeId }], context: new Uint8Array(0) };
}

function rounds(group: Group, count: number): void {
  for (let i = 0; i < count; i++) {
    for (const member of group.members.values()) member.raft.tick();
    group.settle();
  }
}

function settledLeader(voters = 3, learners: readonly bigint[] = []): Member {
  const member = solo(voters, {}, learners);
  makeLeader(member);
  for (let id = 2; id <= voters; id++) member.raft.step(accepted(BigInt(id), 1, 1));
  sentDurably(member);
  return member;
}

describe("§6 configuration changes", () => {
  test("R29 §6 one change at a time: another is rejected until the first is applied", () => {
    const member = settledLeader();
    expect(member.raft.proposeConfChange(change("add-node", 4n))).toBe("accepted");
    expect(member.raft.proposeConfChange(change("add-node", 5n))).toBe("pending");
    sentDurably(member);
    member.raft.step(accepted(2n, 1, 2));
    expect(member.raft.proposeConfChange(change("add-node", 5n))).toBe("pending");
    sentDurably(member);
    expect(member.raft.status().confState.voters).toEqual([1n, 2n, 3n, 4n]);
    expect(member.raft.proposeConfChange(change("add-node", 5n))).toBe("accepted");
  });

  test("R29 §6 a new leader accepts no change until it has applied what it found in its log", () => {
    const member = solo(3, { logTerms: [1] });
    makeLeader(member);
    expect(member.raft.proposeConfChange(change("add-node", 4n))).toBe("pending");
    member.raft.step(accepted(2n, 2, 2));
    sentDurably(member);
    expect(member.raft.proposeConfChange(change("add-node", 4n))).toBe("accepted");
  });

  test("R29 §6 only one forwarded change is accepted, and none while one is pending", () => {
    const member = settledLeader();
    const entry = (nodeId: bigint) =>
      ({ type: "conf-change", term: 0, index: 0, data: encodeChange(change("add-node", nodeId)) }) as const;
    const normal = { type: "normal", term: 0, index: 0, data: bytesOf("x") } as const;
    const garbage = { type: "conf-change", term: 0, index: 0, data: new Uint8Array([0xff, 0xff]) } as const;
    const forwarded = { type: "propose", from: 2n, to: ME, term: member.raft.term, session: 1 } as const;
    member.raft.step({ ...forwarded, sequence: 1, entries: [garbage, entry(4n), normal, entry(5n)] });
    member.raft.step({ ...forwarded, sequence: 2, entries: [entry(6n)] });
    sentDurably(member);
    expect(member.disk.entryList.slice(1).map((each) => each.type)).toEqual(["conf-change", "normal"]);
  });

  test("R34 §6 a removed leader transfers leadership once that is applied, accepts no proposal meanwhile, and steps down", () => {
    const group = new Group(3);
    group.elect(1);
    expect(group.at(1).raft.proposeConfChange(change("remove-node", 1n))).toBe("accepted");
    group.settle();
    expect(group.at(1).raft.propose([bytesOf("x")])).toBe("no-leader");
    rounds(group, 2);
    expect(group.at(1).raft.status()).toMatchObject({ role: "follower", confState: { voters: [2n, 3n] } });
    const roles = [2, 3].map((id) => group.at(id).raft.status().role);
    expect(roles.filter((role) => role === "leader")).toHaveLength(1);
    rounds(group, 40);
    expect(group.at(1).raft.status().role).toBe("follower");
  });

  test("R34 §6 a removed leader that gets no responses steps down by itself", () => {
    const member = settledLeader();
    member.raft.applyConfChange(change("remove-node", ME));
    expect(member.raft.status().role).toBe("leader");
    for (let i = 0; i < 20; i++) member.raft.tick();
    member.raft.checkInvariants();
    expect(member.raft.status()).toMatchObject({ role: "follower", leader: 0n });
  });

  test("R34 §6 the remaining one of two voters can lead, though the commit message of the other's removal was lost", () => {
    const group = new Group(2);
    group.elect(1);
    group.at(1).raft.proposeConfChange(change("remove-node", 1n));
    // After the change, the leader has an entry that the other voter lacks, and the commit message is lost.
    group.at(1).settle();
    for (const message of group.at(1).outbox.splice(0)) group.deliver(message);
    group.at(1).raft.propose([bytesOf("more")]);
    group.at(1).settle();
    group.at(1).outbox.splice(0);
    group.at(2).settle();
    for (const message of group.at(2).outbox.splice(0)) group.deliver(message);
    group.at(1).settle();
    group.at(1).outbox.splice(0);
    expect(group.at(1).raft.status()).toMatchObject({ applied: 3, confState: { voters: [2n] } });
    expect(group.at(2).raft.status()).toMatchObject({ applied: 2, confState: { voters: [1n, 2n] } });
    rounds(group, 30);
    expect(group.at(2).raft.status()).toMatchObject({ role: "leader", confState: { voters: [2n] } });
    expect(group.propose(2, "alone")).toBe("accepted");
    expect(group.at(2).state.values.at(-1)).toBe("alone");
  });

  test("R35 §6 a leader exposes a change only once a restart would know that it is committed", () => {
    const member = settledLeader(2);
    member.raft.proposeConfChange(change("remove-node", 2n));
    sentDurably(member);
    member.raft.step(accepted(2n, 1, 2));
    const ready = member.raft.ready();
    expect(ready.persist).toMatchObject({ hardState: { commit: 2 }, entries: [] });
    expect([ready.messages, ready.committed]).toEqual([[], []]);
    for (let tick = 0; tick < 3; tick++) member.raft.tick();
    const heartbeats = member.raft.ready().messages;
    expect(heartbeats.map((message) => message.type === "heartbeat" && message.commit)).toEqual([1, 1, 1]);
    member.raft.persisted(ready.persist?.id ?? 0);
    const exposed = member.raft.ready();
    expect(exposed.messages).toMatchObject([{ type: "append", to: 2n, commit: 2 }]);
    expect(exposed.committed).toMatchObject([{ type: "conf-change", index: 2 }]);
  });

  test("R36 §6 a removed member that does not know it disturbs no other member", () => {
    const group = new Group(3);
    group.elect(1);
    group.isolate(3);
    group.at(1).raft.proposeConfChange(change("remove-node", 3n));
    group.settle();
    group.heal();
    rounds(group, 100);
    expect(group.at(1).raft.status()).toMatchObject({ role: "leader", term: 2 });
    expect(group.at(3).raft.status().role).toBe("pre-candidate");
  });

  test("R32 §6 a learner receives everything, is not counted, and counts once it is promoted", () => {
    const group = new Group(2, {}, 1);
    group.elect(1);
    group.propose(1, "a");
    expect(group.at(3).state.values).toEqual(["a"]);
    expect(group.at(3).raft.status().isLearner).toBe(true);
    group.isolate(2);
    group.propose(1, "b");
    expect(group.at(1).state.values).toEqual(["a"]);
    group.heal();
    rounds(group, 2);
    group.at(1).raft.proposeConfChange(change("add-node", 3n));
    group.settle();
    expect(group.at(3).raft.status().isLearner).toBe(false);
    group.isolate(2);
    group.propose(1, "c");
    expect(group.at(1).state.values).toEqual(["a", "b", "c"]);
  });

  test("R32 §6 a learner never campaigns, but grants requested votes: it may have been promoted", () => {
    const group = new Group(2, {}, 1);
    for (let i = 0; i < 100; i++) group.at(3).raft.tick();
    group.at(3).raft.campaign();
    expect(group.at(3).raft.status().role).toBe("follower");
    group.at(3).raft.step({ type: "vote", from: 1n, to: 3n, term: 5, lastIndex: 9, lastTerm: 4, transfer: false });
    group.at(3).settle();
    expect(group.at(3).outbox).toMatchObject([{ type: "vote-response", to: 1n, reject: false }]);
  });

  test("R48 a learner that has heard no leader for its election timeout knows none, and follows the next one it hears", () => {
    const group = new Group(2, {}, 1);
    group.elect(1);
    const learner = group.at(3).raft;
    expect(learner.leader).toBe(1n);
    for (let tick = 0; tick < 9; tick++) learner.tick();
    expect(learner.leader).toBe(1n);
    for (let tick = 0; tick < 11; tick++) learner.tick();
    expect(learner.status()).toMatchObject({ role: "follower", leader: 0n });
    expect(learner.propose([new Uint8Array(1)])).toBe("no-leader");
    rounds(group, 4);
    expect(learner.leader).toBe(1n);
  });

  /** To whom heartbeats leave at each of the next ticks. */
  function heartbeatsOf(member: Member, ticks: number): readonly (readonly bigint[])[] {
    return Array.from({ length: ticks }, () => {
      member.raft.tick();
      const beats = only(sent(member), "heartbeat");
      for (const { to } of beats) member.raft.step(heartbeatResponse(to, 1));
      sent(member);
      return beats.map(({ to }) => to);
    });
  }

  test("R56 a learner that acknowledges appends gets a heartbeat every four ticks, and voters get one at each", () => {
    expect(heartbeatsOf(settledLeader(3, [3n]), 8)).toEqual([[2n], [2n], [2n], [2n, 3n], [2n], [2n], [2n], [2n, 3n]]);
  });

  test("R56 a learner that has just acknowledged an append gets no heartbeat for four ticks", () => {
    const member = settledLeader(2, [2n]);
    expect(heartbeatsOf(member, 3)).toEqual([[], [], []]);
    member.raft.propose([new Uint8Array(1)]);
    sentDurably(member);
    member.raft.step(accepted(2n, 1, 2));
    sent(member);
    expect(heartbeatsOf(member, 4)).toEqual([[], [], [], [2n]]);
  });

  test("R56 a learner whose append was lost gets it again after four ticks, however old its last acknowledgement", () => {
    const member = settledLeader(2, [2n]);
    member.raft.propose([new Uint8Array(1)]);
    expect(only(sentDurably(member), "append")).not.toEqual([]);
    // An acknowledgement of what was known says nothing new.
    for (let tick = 1; tick < 4; tick++) {
      member.raft.step(accepted(2n, 1, 1));
      member.raft.tick();
      expect(only(sent(member), "heartbeat")).toEqual([]);
    }
    member.raft.tick();
    expect(only(sent(member), "heartbeat")).toHaveLength(1);
    member.raft.step(heartbeatResponse(2n, 1));
    // What follows the lost one shows the gap.
    expect(only(sent(member), "append")).toMatchObject([{ prevIndex: 2, entries: [] }]);
    member.raft.step(rejected(2n, 1, 2, 1, 1));
    expect(only(sent(member), "append")).toMatchObject([{ prevIndex: 1, entries: [{ index: 2 }] }]);
  });

  test("R56 a learner whose log is not known to match gets a heartbeat at each tick", () => {
    const member = solo(2, {}, [2n]);
    makeLeader(member);
    expect(heartbeatsOf(member, 3)).toEqual([[2n], [2n], [2n]]);
  });

  test("R56 a learner names its leader while every second heartbeat is lost", () => {
    const group = new Group(2, {}, 1);
    group.elect(1);
    const { raft: leader } = group.at(1);
    const { raft: learner } = group.at(3);
    for (let tick = 0, beats = 0; tick < 100; tick++) {
      for (const member of group.members.values()) member.raft.tick();
      group.at(1).pump();
      const { outbox } = group.at(1);
      const beat = outbox.findIndex(({ type, to }) => type === "heartbeat" && to === 3n);
      if (beat >= 0 && ++beats % 2 === 0) outbox.splice(beat, 1);
      group.settle();
      expect(learner.leader).toBe(1n);
    }
    expect(leader.status().role).toBe("leader");
  });

  test("R56 a round of heartbeats for a read leaves learners alone, and one that asks for the leader gets one at once", () => {
    const member = settledLeader(4, [3n, 4n]);
    member.raft.readIndex(new Uint8Array(1));
    expect(only(sent(member), "heartbeat").map(({ to }) => to)).toEqual([2n]);
    member.raft.heartbeat(3n);
    expect(only(sent(member), "heartbeat").map(({ to }) => to)).toEqual([3n, 2n]);
    member.raft.heartbeat(99n);
    expect(only(sent(member), "heartbeat").map(({ to }) => to)).toEqual([2n]);
  });

  test("R33 §6 a member does not campaign while a committed change is unapplied", () => {
    const member = solo(3);
    const entry = { type: "conf-change", term: 1, index: 1, data: encodeChange(change("add-node", 4n)) } as const;
    member.raft.step({
      type: "append",
      from: 2n,
      to: ME,
      term: 1,
      prevIndex: 0,
      prevTerm: 0,
      entries: [entry],
      commit: 1,
    });
    member.raft.campaign();
    expect(member.raft.status().role).toBe("follower");
    sentDurably(member);
    member.raft.campaign();
    expect(member.raft.status().role).toBe("pre-candidate");
  });

  test("R29 §6 a smaller quorum may be reached at once: waiting entries commit when the change is applied", () => {
    const member = settledLeader(4);
    member.raft.proposeConfChange(change("remove-node", 4n));
    member.raft.propose([bytesOf("x")]);
    member.raft.step(accepted(2n, 1, 3));
    member.raft.step(accepted(3n, 1, 2));
    sentDurably(member);
    expect(member.raft.status()).toMatchObject({ commit: 3, applied: 3 });
  });

  test("R31 §6 the last voter cannot be removed", () => {
    const group = new Group(1);
    group.elect(1);
    group.at(1).raft.proposeConfChange(change("remove-node", 1n));
    group.settle();
    expect(group.at(1).raft.status()).toMatchObject({ role: "leader", confState: { voters: [1n] } });
  });

  test("R30 §6 several changes at once enter a joint configuration and leave it automatically", () => {
    const group = new Group(3);
    group.elect(1);
    group.add(4n, confOf([]));
    group.add(5n, confOf([]));
    const joint: ConfChange = {
      id: 0n,
      transition: "auto",
      changes: [
        { type: "add-node", nodeId: 4n },
        { type: "add-node", nodeId: 5n },
        { type: "remove-node", nodeId: 2n },
        { type: "add-learner", nodeId: 3n },
      ],
      context: new Uint8Array(0),
    };
    expect(group.at(1).raft.proposeConfChange(joint)).toBe("accepted");
    rounds(group, 3);
    const expected = { voters: [1n, 4n, 5n], learners: [3n], votersOutgoing: [], learnersNext: [], autoLeave: false };
    for (const id of [1, 3, 4, 5]) expect(group.at(id).raft.status().confState).toEqual(expected);
  });

  test("R30 §6 while two configurations are joint, each majority is needed", () => {
    const member = settledLeader(3);
    const changes = [4n, 5n].map((nodeId) => ({ type: "add-node", nodeId }) as const);
    member.raft.applyConfChange({
      ...change("add-node", 4n),
      changes: [...changes, { type: "remove-node", nodeId: 3n }],
    });
    expect(member.raft.status().confState).toMatchObject({ voters: [1n, 2n, 4n, 5n], votersOutgoing: [1n, 2n, 3n] });
    member.raft.propose([bytesOf("x")]);
    sentDurably(member);
    member.raft.step(accepted(4n, 1, 2));
    member.raft.step(accepted(5n, 1, 2));
    expect(member.raft.status().commit).toBe(1);
    member.raft.step(accepted(3n, 1, 2));
    expect(member.raft.status().commit).toBe(2);
  });
});

describe("thesis 3.10: leadership transfer", () => {
  test("R15 thesis 3.10 a leader transfers at once to a member with the whole log, without pre-vote", () => {
    const group = new Group(3);
    group.elect(1);
    group.propose(1, "a");
    group.at(1).raft.transferLeader(2n);
    group.settle();
    expect(group.at(2).raft.status()).toMatchObject({ role: "leader", term: 3 });
    expect(group.at(1).raft.status()).toMatchObject({ role: "follower", leader: 2n });
  });

  test("R15 thesis 3.10 a follower may request a transfer", () => {
    const group = new Group(3);
    group.elect(1);
    group.at(3).raft.transferLeader(2n);
    group.settle();
    expect(group.at(2).raft.status().role).toBe("leader");
  });

  test("R15 thesis 3.10 the target first receives the entries it lacks, and proposals wait meanwhile", () => {
    const member = settledLeader();
    member.raft.reportUnreachable(2n);
    member.raft.propose([bytesOf("x")]);
    sentDurably(member);
    member.raft.transferLeader(2n);
    expect(only(sent(member), "timeout-now")).toEqual([]);
    expect(member.raft.propose([bytesOf("y")])).toBe("no-leader");
    member.raft.step(accepted(2n, 1, 2));
    expect(only(sent(member), "timeout-now")).toMatchObject([{ to: 2n }]);
  });

  test("R53 the request to campaign leaves with the last append, behind it, whatever is unacknowledged", () => {
    const member = settledLeader();
    member.raft.propose([bytesOf("x")]);
    sentDurably(member);
    member.raft.propose([bytesOf("y")]);
    member.raft.transferLeader(2n);
    const toTarget = sent(member).filter(({ to, type }) => to === 2n && type !== "heartbeat");
    expect(toTarget).toMatchObject([
      { type: "append", prevIndex: 2, entries: [{ index: 3 }] },
      { type: "timeout-now", lastIndex: 3, lastTerm: 1 },
    ]);
  });

  test("R53 a leader that does nothing more after that has a successor, with all that it had", () => {
    const group = new Group(3);
    group.elect(1);
    group.propose(1, "a");
    group.at(1).raft.propose([bytesOf("b")]);
    group.at(1).raft.transferLeader(2n);
    const last = sent(group.at(1));
    group.isolate(1);
    for (const message of last) group.at(message.to).raft.step(message);
    group.settle();
    expect(group.at(2).raft.status()).toMatchObject({ role: "leader", term: 3, commit: 5 });
    expect(group.at(3).raft.status()).toMatchObject({ leader: 2n, commit: 5 });
  });

  test("R53 a member that lacks the end of the leader's log ignores the request to campaign", () => {
    const member = solo(3);
    member.raft.step(append(2n, 1, [0, 0], [1]));
    for (const [lastIndex, lastTerm] of [
      [2, 1],
      [1, 2],
    ] as const) {
      member.raft.step({ type: "timeout-now", from: 2n, to: ME, term: 1, lastIndex, lastTerm });
      expect(member.raft.status()).toMatchObject({ role: "follower", term: 1 });
    }
    member.raft.step({ type: "timeout-now", from: 2n, to: ME, term: 1, lastIndex: 1, lastTerm: 1 });
    expect(member.raft.status()).toMatchObject({ role: "candidate", term: 2 });
  });

  test("R53 a request of an older build, which does not name the end of its log, is followed", () => {
    const member = solo(3);
    member.raft.step(append(2n, 1, [0, 0], [1]));
    member.raft.step({ type: "timeout-now", from: 2n, to: ME, term: 1, lastIndex: 0, lastTerm: 0 });
    expect(member.raft.status()).toMatchObject({ role: "candidate", term: 2 });
  });

  test("R15 thesis 3.10 a transfer that takes longer than an election is aborted", () => {
    const member = settledLeader();
    member.raft.transferLeader(2n);
    for (let i = 0; i < 10; i++) {
      member.raft.tick();
      member.raft.step(heartbeatResponse(3n, 1));
    }
    expect(member.raft.propose([bytesOf("y")])).toBe("accepted");
  });

  test("R15 thesis 3.10 leadership is not transferred to learners, strangers or the leader itself", () => {
    const member = settledLeader(3, [3n]);
    for (const id of [3n, 9n, ME]) member.raft.transferLeader(id);
    expect(only(sent(member), "timeout-now")).toEqual([]);
    expect(member.raft.propose([bytesOf("y")])).toBe("accepted");
  });

  test("R15 thesis 3.10 only the leader can make a follower campaign", () => {
    const member = solo(3);
    member.raft.step(heartbeat(2n, 1));
    member.raft.step({ type: "timeout-now", from: 3n, to: ME, term: 1, lastIndex: 0, lastTerm: 0 });
    expect(member.raft.status().role).toBe("follower");
    member.raft.step({ type: "timeout-now", from: 2n, to: ME, term: 1, lastIndex: 0, lastTerm: 0 });
    expect(member.raft.status()).toMatchObject({ role: "candidate", term: 2 });
    expect(only(sent(member), "vote")).toMatchObject([{ transfer: true }, { transfer: true }]);
  });
});

function snapshotTo(member: bigint, snapshot: SnapshotMeta, term = snapshot.term): RaftMessage {
  return { type: "snapshot", from: 2n, to: member, term, snapshot };
}

describe("§7 snapshots", () => {
  const meta = (index: number, term: number, voters = [1n, 2n, 3n]): SnapshotMeta => ({
    index,
    term,
    confState: confOf(voters),
  });

  function follower(logTerms: readonly number[] = []): Member {
    const member = solo(3, { logTerms });
    member.snapshots.set(9, { index: 9, conf: confOf([1n, 2n, 3n]), values: ["from afar"] });
    return member;
  }

  test("R38 §7 a follower that needs compacted entries receives the state, then the entries after it", () => {
    const group = new Group(3);
    group.elect(1);
    group.isolate(3);
    group.propose(1, "a", "b", "c");
    group.at(1).compact(4);
    group.propose(1, "d");
    group.heal();
    rounds(group, 3);
    expect(group.at(3).state.values).toEqual(["a", "b", "c", "d"]);
    expect(group.at(3).disk.snapshot?.index).toBeGreaterThanOrEqual(4);
    expect(group.at(1).raft.status().progress.get(3n)).toMatchObject({ state: "replicate" });
  });

  test("R38 §7 the leader appends nothing while a follower's snapshot is in flight, and retries a failed one", () => {
    const member = settledLeader();
    member.raft.propose([bytesOf("a"), bytesOf("b")]);
    sentDurably(member);
    member.raft.step(accepted(3n, 1, 3));
    sentDurably(member);
    member.compact(3);
    member.raft.reportUnreachable(2n);
    member.raft.step(heartbeatResponse(2n, 1));
    expect(only(sent(member), "snapshot")).toMatchObject([{ to: 2n, snapshot: { index: 3, term: 1 } }]);
    member.raft.propose([bytesOf("c")]);
    member.raft.step(heartbeatResponse(2n, 1));
    expect(sentDurably(member).filter((message) => message.to === 2n)).toEqual([]);
    member.raft.reportSnapshot(2n, false);
    expect(sent(member)).toEqual([]);
    member.raft.step(heartbeatResponse(2n, 1));
    expect(only(sent(member), "snapshot")).toMatchObject([{ to: 2n }]);
    member.raft.reportSnapshot(2n, true);
    member.raft.step(accepted(2n, 1, 3));
    expect(only(sent(member), "append")).toMatchObject([{ to: 2n, prevIndex: 3, entries: [{ index: 4 }] }]);
  });

  test("R38 §7 an inactive follower gets no snapshot until it responds", () => {
    const member = settledLeader();
    member.raft.propose([bytesOf("a")]);
    sentDurably(member);
    member.raft.step(accepted(3n, 1, 2));
    sentDurably(member);
    member.compact(2);
    for (let i = 0; i < 20; i++) {
      member.raft.tick();
      member.raft.step(heartbeatResponse(3n, 1));
    }
    member.raft.reportUnreachable(2n);
    member.raft.propose([bytesOf("b")]);
    expect(only(sentDurably(member), "snapshot")).toEqual([]);
    member.raft.step(heartbeatResponse(2n, 1));
    expect(only(sentDurably(member), "snapshot")).toMatchObject([{ to: 2n, snapshot: { index: 2 } }]);
  });

  test("R38 §7 without a state that helps, nothing is sent until the next response", () => {
    let asked = 0;
    const snapshotMeta = () => {
      asked++;
      return undefined;
    };
    const member = solo(3, { config: { snapshotMeta } });
    makeLeader(member);
    for (const id of [2n, 3n]) member.raft.step(accepted(id, 1, 1));
    member.raft.propose([bytesOf("a")]);
    sentDurably(member);
    member.raft.step(accepted(3n, 1, 2));
    sentDurably(member);
    member.compact(2);
    member.raft.reportUnreachable(2n);
    for (let i = 0; i < 5; i++) {
      member.raft.propose([bytesOf("x")]);
      sentDurably(member);
    }
    expect(asked).toBe(1);
    member.raft.step(heartbeatResponse(2n, 1));
    sentDurably(member);
    expect(asked).toBe(2);
    member.raft.checkInvariants();
  });

  test("R39 §7 a snapshot replaces the log, and is acknowledged once it is durable", () => {
    const member = follower([1, 1]);
    member.raft.step(snapshotTo(ME, meta(9, 3)));
    expect(sent(member)).toEqual([]);
    expect(member.writes).toMatchObject([
      { snapshot: { index: 9, term: 3 }, hardState: { term: 3, commit: 9 }, entries: [] },
    ]);
    expect(member.raft.status()).toMatchObject({ commit: 9, applied: 0, firstIndex: 10, lastIndex: 9 });
    expect(sentDurably(member)).toMatchObject([{ type: "append-response", to: 2n, index: 9, reject: false }]);
    expect(member.raft.status()).toMatchObject({ commit: 9, applied: 9 });
    expect(member.state.values).toEqual(["from afar"]);
  });

  test("R39 §7 entries after a snapshot that is still being written are accepted, and applied after it", () => {
    const member = follower();
    member.raft.step(snapshotTo(ME, meta(9, 3)));
    sent(member);
    member.raft.step(append(2n, 3, [9, 3], [3], 10));
    sent(member);
    expect(member.raft.status()).toMatchObject({ commit: 10, applied: 0 });
    expect(sentDurably(member)).toMatchObject([{ index: 9 }, { index: 10 }]);
    expect(member.raft.status()).toMatchObject({ commit: 10, applied: 10 });
  });

  test("R41 §7 a member whose state is arriving does not campaign", () => {
    const member = follower();
    member.raft.step(snapshotTo(ME, meta(9, 3)));
    sent(member);
    member.raft.campaign();
    expect(member.raft.status().role).toBe("follower");
  });

  test("R40 §7 a stale snapshot is ignored, and the response carries the commit index", () => {
    const member = follower([1, 1, 1]);
    member.raft.step(append(2n, 1, [3, 1], [], 3));
    sentDurably(member);
    member.raft.step(snapshotTo(ME, meta(2, 1)));
    expect(sentDurably(member)).toMatchObject([{ type: "append-response", index: 3, reject: false }]);
    expect(member.disk.snapshot).toBeUndefined();
  });

  test("R40 §7 a snapshot that the log already covers commits, and keeps the log", () => {
    const member = follower([1, 1, 1]);
    member.raft.step(snapshotTo(ME, meta(2, 1)));
    sentDurably(member);
    expect(member.raft.status()).toMatchObject({ commit: 2, applied: 2, lastIndex: 3 });
    expect(member.disk.snapshot).toBeUndefined();
  });

  test("R39 §7 a snapshot brings its configuration", () => {
    const member = follower();
    member.raft.step(snapshotTo(ME, meta(9, 3, [1n, 4n, 5n])));
    sentDurably(member);
    expect(member.raft.status().confState.voters).toEqual([1n, 4n, 5n]);
  });

  test("R40 §7 a snapshot whose configuration does not contain this member is ignored", () => {
    const member = follower();
    member.raft.step(snapshotTo(ME, meta(9, 3, [2n, 3n])));
    expect(sentDurably(member)).toMatchObject([{ type: "append-response", index: 0 }]);
    expect(member.raft.status()).toMatchObject({ commit: 0, lastIndex: 0 });
  });

  test("R42 §7 entries at the front of the log may be compacted at any time", () => {
    const group = new Group(3);
    group.elect(1);
    for (let i = 0; i < 20; i++) {
      group.propose(1, `v${i}`);
      for (const id of [1, 2, 3]) group.at(id).compact(group.at(id).state.index);
      for (const id of [1, 2, 3]) group.at(id).raft.checkInvariants();
    }
    group.at(2).crash();
    group.propose(1, "end");
    rounds(group, 3);
    expect(group.at(2).state.values).toHaveLength(21);
  });
});

describe("§8 linearizable reads", () => {
  const context = (byte: number) => new Uint8Array([byte]);

  function heartbeatContexts(member: Member): readonly Uint8Array[] {
    return only(sent(member), "heartbeat")
      .filter((message) => message.to === 2n)
      .map((message) => message.context);
  }

  test("R43 §8 a read completes after a round of heartbeats that began after it", () => {
    const member = settledLeader();
    member.raft.tick();
    const [before] = heartbeatContexts(member);
    expect(member.raft.readIndex(context(1))).toBe("accepted");
    const [after = failed()] = heartbeatContexts(member);
    // A response to the heartbeat sent before the read proves nothing about the read.
    member.raft.step(heartbeatResponse(2n, 1, before));
    member.raft.step(heartbeatResponse(3n, 1, before));
    sent(member);
    expect(member.reads).toEqual([]);
    member.raft.step(heartbeatResponse(2n, 1, after));
    sent(member);
    expect(member.reads).toEqual([{ context: context(1), index: 1 }]);
  });

  test("R43 §8 a round for an earlier read does not complete a later one", () => {
    const member = settledLeader();
    member.raft.readIndex(context(1));
    const [first = failed()] = heartbeatContexts(member);
    member.raft.readIndex(context(2));
    const [second = failed()] = heartbeatContexts(member);
    member.raft.step(heartbeatResponse(2n, 1, first));
    sent(member);
    expect(member.reads.map((read) => read.context)).toEqual([context(1)]);
    member.raft.step(heartbeatResponse(2n, 1, second));
    sent(member);
    expect(member.reads.map((read) => read.context)).toEqual([context(1), context(2)]);
  });

  test("R43 §8 many reads share one round", () => {
    const member = settledLeader();
    for (let i = 0; i < 100; i++) member.raft.readIndex(context(i));
    const contexts = heartbeatContexts(member);
    expect(contexts).toHaveLength(1);
    member.raft.step(heartbeatResponse(2n, 1, contexts[0]));
    sent(member);
    expect(member.reads).toHaveLength(100);
  });

  test("R43 §8 a majority of voters must respond; learners do not count", () => {
    const member = solo(6, {}, [6n]);
    makeLeader(member);
    for (const id of [2n, 3n]) member.raft.step(accepted(id, 1, 1));
    sentDurably(member);
    member.raft.readIndex(context(1));
    const [round = failed()] = heartbeatContexts(member);
    for (const id of [2n, 2n, 6n]) member.raft.step(heartbeatResponse(id, 1, round));
    sent(member);
    expect(member.reads).toEqual([]);
    member.raft.step(heartbeatResponse(3n, 1, round));
    sent(member);
    expect(member.reads).toHaveLength(1);
  });

  test("R44 §8 a read before the term's first commit waits for it, with its round of heartbeats at the same time", () => {
    const member = solo(3, { logTerms: [1] });
    makeLeader(member);
    expect(member.raft.readIndex(context(1))).toBe("accepted");
    const [round = failed()] = heartbeatContexts(member);
    member.raft.step(heartbeatResponse(2n, 2, round));
    sent(member);
    expect(member.reads).toEqual([]);
    member.raft.step(accepted(2n, 2, 2));
    sent(member);
    expect(member.reads).toEqual([{ context: context(1), index: 2 }]);
  });

  test("R44 §8 the term's first commit does not replace the round of heartbeats", () => {
    const member = solo(3, { logTerms: [1] });
    makeLeader(member);
    member.raft.readIndex(context(1));
    const [round = failed()] = heartbeatContexts(member);
    member.raft.step(accepted(2n, 2, 2));
    sent(member);
    expect(member.reads).toEqual([]);
    member.raft.step(heartbeatResponse(3n, 2, round));
    sent(member);
    expect(member.reads).toEqual([{ context: context(1), index: 2 }]);
  });

  test("R44 §8 a single voter completes a read at once, after its term's first commit", () => {
    const member = solo(2, {}, [2n]);
    makeLeader(member);
    member.raft.readIndex(context(1));
    sent(member);
    expect(member.reads).toEqual([{ context: context(1), index: 1 }]);
  });

  test("R44 §8 a single voter that was just elected does not use the commit index it restarted with", () => {
    const member = solo(1, { logTerms: [1, 1], hardState: { term: 1, vote: 1n, commit: 1 } });
    member.raft.campaign();
    sent(member);
    member.completeWrite();
    expect(member.raft.status()).toMatchObject({ role: "leader", commit: 1 });
    member.raft.readIndex(context(1));
    sent(member);
    expect(member.reads).toEqual([]);
    sentDurably(member);
    expect(member.reads).toEqual([{ context: context(1), index: 3 }]);
  });

  test("R45 §8 a follower forwards a read to its leader; without a leader the read fails", () => {
    const group = new Group(3);
    expect(group.at(2).raft.readIndex(context(1))).toBe("no-leader");
    group.elect(1);
    group.propose(1, "a");
    expect(group.at(2).raft.readIndex(context(1))).toBe("accepted");
    group.settle();
    expect(group.at(2).reads).toEqual([{ context: context(1), index: 3 }]);
  });

  test("R45 §8 a partitioned leader completes no read", () => {
    const group = new Group(3);
    group.elect(1);
    group.isolate(1);
    group.at(2).raft.forgetLease();
    group.at(3).raft.forgetLease();
    group.elect(2);
    group.propose(2, "newer");
    group.at(1).raft.readIndex(context(1));
    rounds(group, 3);
    expect(group.at(1).raft.status().role).toBe("leader");
    expect(group.at(1).reads).toEqual([]);
  });

  test("R45 §8 the number of waiting reads is bounded", () => {
    const member = settledLeader();
    for (let i = 0; i < MAX_PENDING_READS; i++) expect(member.raft.readIndex(context(0))).toBe("accepted");
    expect(member.raft.readIndex(context(0))).toBe("no-leader");
    member.raft.step({ type: "read-index", from: 2n, to: ME, term: 0, context: context(0) });
    member.raft.checkInvariants();
  });

  test("R43 §8 a smaller quorum may have proven a read already", () => {
    const member = settledLeader(4);
    member.raft.readIndex(context(1));
    const [round = failed()] = heartbeatContexts(member);
    member.raft.step(heartbeatResponse(2n, 1, round));
    sent(member);
    expect(member.reads).toEqual([]);
    member.raft.applyConfChange(change("remove-node", 4n));
    sent(member);
    expect(member.reads).toHaveLength(1);
  });
});

function failed(): never {
  throw new Error("there was none");
}
