import { describe, expect, test } from "vitest";
import { utf8Encode } from "../../../src/base/utf8.ts";
import { errCorrupt } from "../../../src/protocol/errors.ts";
import { putRequest } from "../../../src/protocol/api/kv.ts";
import type { AlarmMember } from "../../../src/protocol/api/maintenance.ts";
import { CALL, Cluster } from "../support/cluster.ts";
import type { Node, NodeOptions } from "../support/cluster.ts";

const EVERY_MINUTE: NodeOptions = { corruptCheckMs: 60_000 };

function put(cluster: Cluster, node: Node, key: string): Promise<unknown> {
  const request = putRequest({ key: utf8Encode(key), value: utf8Encode("v") });
  return cluster.settled(node.services.kv.put(request, CALL));
}

/** Damages a row of the member without its knowledge. */
function damage({ member }: Node, key: string): void {
  const row = member.machine.store.keys.at(utf8Encode(key), member.machine.store.revision);
  if (row === undefined) throw new Error("the row is there");
  row.value.set(utf8Encode("x"));
}

async function founded(
  count: number,
  options: NodeOptions,
): Promise<{ cluster: Cluster; leader: Node; others: Node[] }> {
  const cluster = await Cluster.founded(count, options);
  const leader = await cluster.elected();
  return { cluster, leader, others: [...cluster.nodes.values()].filter((node) => node !== leader) };
}

function alarms({ member }: Node): readonly AlarmMember[] {
  return member.machine.alarms.list();
}

describe("the corruption check", () => {
  test("members that agree raise no alarm, also when one is behind or compacted elsewhere", async () => {
    const { cluster, leader } = await founded(3, EVERY_MINUTE);
    for (let at = 0; at < 30; at++) await put(cluster, leader, `k${at % 4}`);
    await cluster.clock.advance(70_000);
    await cluster.settled(leader.services.kv.compact({ revision: 20, physical: false }, CALL));
    await put(cluster, leader, "k");
    await cluster.clock.advance(70_000);
    expect(alarms(leader)).toEqual([]);
  });

  test("M39 a follower whose data differs is named on all members, and all changes of data are refused", async () => {
    const { cluster, leader, others } = await founded(3, EVERY_MINUTE);
    await put(cluster, leader, "a");
    await cluster.clock.advance(1_000);
    damage(others[0] as Node, "a");
    await cluster.clock.advance(60_000);
    const named = [{ memberId: others[0]?.id, alarm: "CORRUPT" }];
    for (const node of cluster.nodes.values()) expect(alarms(node)).toEqual(named);
    await expect(put(cluster, leader, "b")).rejects.toBe(errCorrupt);
  });

  test("M39 a leader whose data differs from the majority is named itself", async () => {
    const { cluster, leader } = await founded(3, EVERY_MINUTE);
    await put(cluster, leader, "a");
    damage(leader, "a");
    await cluster.clock.advance(70_000);
    expect(alarms(leader)).toEqual([{ memberId: leader.id, alarm: "CORRUPT" }]);
  });

  test("M39 where two of two differ no member can be named, and the alarm is the cluster's", async () => {
    const { cluster, leader } = await founded(2, EVERY_MINUTE);
    await put(cluster, leader, "a");
    damage(leader, "a");
    await cluster.clock.advance(70_000);
    expect(alarms(leader)).toEqual([{ memberId: 0n, alarm: "CORRUPT" }]);
  });

  test("the check wakes no member: a quiesced cluster stays quiesced, and is checked after the next change", async () => {
    const { cluster, leader, others } = await founded(3, { ...EVERY_MINUTE, quiesceAfterTicks: 20 });
    await put(cluster, leader, "a");
    await cluster.clock.until(() => cluster.clock.timerCount === 0, "quiet");
    damage(others[0] as Node, "a");
    await cluster.clock.advance(600_000);
    expect(cluster.clock.timerCount).toBe(0);
    expect(alarms(leader)).toEqual([]);
    await put(cluster, leader, "b");
    await cluster.clock.until(() => alarms(leader).length > 0, "noticed");
    await cluster.clock.until(() => cluster.clock.timerCount === 0, "quiet again");
  });

  test("checked data is not checked again until something changes", async () => {
    const { cluster, leader, others } = await founded(3, EVERY_MINUTE);
    await put(cluster, leader, "a");
    await cluster.clock.advance(70_000);
    damage(others[0] as Node, "a");
    await cluster.clock.advance(300_000);
    expect(alarms(leader)).toEqual([]);
    await put(cluster, leader, "b");
    await cluster.clock.advance(1_000);
    expect(alarms(leader)).toHaveLength(1);
  });

  test("a member that starts with other data than the rest stops before it serves it for long", async () => {
    const { cluster, leader, others } = await founded(3, { initialCorruptCheck: true });
    const [away] = others as [Node];
    await put(cluster, leader, "a");
    await cluster.clock.advance(1_000);
    expect([...cluster.nodes.values()].map(({ member }) => member.problem)).toEqual([undefined, undefined, undefined]);
    damage(away, "a");
    // Otherwise its log would be applied again, which repairs the row.
    await new Promise<void>((resolve) => {
      away.storage.flush(() => resolve());
    });
    const image = cluster.crash(away.id);
    const again = await cluster.start(away.id, { type: "join" }, image);
    await cluster.clock.until(() => again.member.problem !== undefined, "stopped");
    expect(again.member.problem?.text).toContain("found data inconsistency with peers");
    await put(cluster, leader, "b");
  });
});
