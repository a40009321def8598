import { describe, expect, test } from "vitest";
import { CommitDelay } from "../../../src/member/peer/commit-delay.ts";
import { putRequest } from "../../../src/protocol/api/kv.ts";
import type { AppendMessage, Entry, RaftMessage } from "../../../src/protocol/peer/raft-message.ts";
import { CALL, Cluster } from "../support/cluster.ts";
import { VirtualClock } from "../support/virtual-clock.ts";

function append(to: bigint, commit: number, entries: readonly Entry[] = []): AppendMessage {
  return { type: "append", from: 1n, to, term: 2, prevIndex: commit, prevTerm: 2, entries, commit };
}

function entry(type: "normal" | "conf-change" = "normal"): Entry {
  return { type, term: 2, index: 5, data: new Uint8Array(1) };
}

function notices(delayMs = 2): { clock: VirtualClock; sent: RaftMessage[]; notices: CommitDelay } {
  const clock = new VirtualClock();
  const sent: RaftMessage[] = [];
  return { clock, sent, notices: new CommitDelay(delayMs, clock, (messages) => sent.push(...messages)) };
}

describe("an append that carries only a commit index", () => {
  test("M25 is delayed, and then sent", async () => {
    const { clock, sent, notices: held } = notices();
    expect(held.holdBack([append(2n, 4)], [])).toEqual([]);
    await clock.advance(1);
    expect(sent).toEqual([]);
    await clock.advance(1);
    expect(sent).toEqual([append(2n, 4)]);
    await clock.advance(100);
    expect(sent.length).toBe(1);
    expect(clock.timerCount).toBe(0);
  });

  test("M25 is not sent when an append with entries has carried the same index", async () => {
    const { clock, sent, notices: held } = notices();
    held.holdBack([append(2n, 4), append(3n, 4)], []);
    const next = append(2n, 5, [entry()]);
    expect(held.holdBack([next], [])).toEqual([next]);
    await clock.advance(10);
    expect(sent).toEqual([append(3n, 4)]);
  });

  test("is replaced by a later one for the same follower", async () => {
    const { clock, sent, notices: held } = notices();
    held.holdBack([append(2n, 4)], []);
    held.holdBack([append(2n, 5)], []);
    await clock.advance(10);
    expect(sent).toEqual([append(2n, 5)]);
  });

  test("M25 waits for its whole time, also while appends with entries come and go", async () => {
    const { clock, sent, notices: held } = notices(5);
    for (let commit = 4; commit < 40; commit++) {
      held.holdBack([append(2n, commit)], []);
      await clock.advance(3);
      held.holdBack([append(2n, commit, [entry()])], []);
    }
    expect(sent).toEqual([]);
    held.holdBack([append(2n, 40)], []);
    await clock.advance(4);
    expect(sent).toEqual([]);
    await clock.advance(1);
    expect(sent).toEqual([append(2n, 40)]);
    await clock.advance(10);
    expect([sent.length, clock.timerCount]).toEqual([1, 0]);
  });

  test("is sent for each follower when its time has come", async () => {
    const { clock, sent, notices: held } = notices(5);
    held.holdBack([append(2n, 4)], []);
    await clock.advance(3);
    held.holdBack([append(3n, 4)], []);
    await clock.advance(2);
    expect(sent).toEqual([append(2n, 4)]);
    await clock.advance(3);
    expect(sent).toEqual([append(2n, 4), append(3n, 4)]);
  });

  test("M25 is sent at once to a follower that has forwarded a request, until none came for a while", async () => {
    const { clock, notices: held } = notices();
    held.recordRequest(2n);
    expect(held.holdBack([append(2n, 4), append(3n, 4)], [])).toEqual([append(2n, 4)]);
    await clock.advance(1_000);
    expect(held.holdBack([append(2n, 5)], [])).toEqual([]);
  });

  test("is sent at once when the membership changes", () => {
    const { notices: held } = notices();
    expect(held.holdBack([append(2n, 4)], [entry("conf-change")])).toEqual([append(2n, 4)]);
  });

  test("is sent at once if the delay is 0", () => {
    const { notices: held } = notices(0);
    expect(held.holdBack([append(2n, 4)], [])).toEqual([append(2n, 4)]);
  });

  test("is never sent once the member has stopped", async () => {
    const { clock, sent, notices: held } = notices();
    held.holdBack([append(2n, 4)], []);
    held.stop();
    await clock.advance(10);
    expect(sent).toEqual([]);
  });
});

test("a message of any other kind is not delayed", () => {
  const { notices: held } = notices();
  const heartbeat: RaftMessage = {
    type: "heartbeat",
    from: 1n,
    to: 2n,
    term: 2,
    commit: 3,
    context: new Uint8Array(0),
  };
  expect(held.holdBack([heartbeat], [])).toEqual([heartbeat]);
});

test("M25 sequential puts cost a follower half the frames, and it applies them all", async () => {
  const framesFor = async (commitDelayMs: number): Promise<number> => {
    const cluster = await Cluster.founded(3, { commitDelayMs });
    const leader = await cluster.elected();
    const before = leader.member.counters.framesSent;
    for (let at = 0; at < 50; at++) {
      await cluster.settled(leader.services.kv.put(putRequest({ key: new Uint8Array([at]) }), CALL));
    }
    const frames = leader.member.counters.framesSent - before;
    await cluster.clock.advance(commitDelayMs);
    for (const { member } of cluster.nodes.values()) expect(member.applied).toBe(leader.member.applied);
    return frames;
  };
  expect(await framesFor(0)).toBeGreaterThanOrEqual(200);
  expect(await framesFor(2)).toBeLessThanOrEqual(110);
});
