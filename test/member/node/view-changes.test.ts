/** What a member shows of itself is told when it changes, and at no other time. */
import { expect, test } from "vitest";
import { utf8Encode } from "../../../src/base/utf8.ts";
import { memberView } from "../../../src/member/services/member-view.ts";
import { putRequest } from "../../../src/protocol/api/kv.ts";
import { CALL, Cluster } from "../support/cluster.ts";
import type { Node } from "../support/cluster.ts";

const PUT = putRequest({ key: utf8Encode("key"), value: utf8Encode("value") });

/** As a page sees it that looks whenever it is told, and never else. */
function seenBy({ member }: Node): { view: ReturnType<typeof memberView>; looks: number } {
  const seen = { view: memberView(member), looks: 0 };
  member.whenViewChanges(() => {
    seen.view = memberView(member);
    seen.looks += 1;
  });
  return seen;
}

async function three(): Promise<{ cluster: Cluster; leader: Node; others: readonly Node[] }> {
  const cluster = await Cluster.founded(3);
  const leader = await cluster.elected();
  await cluster.clock.advance(2_000);
  return { cluster, leader, others: [...cluster.nodes.values()].filter(({ id }) => id !== leader.id) };
}

test("whoever looks only when told sees every member's view as it is, and is told nothing while nothing happens", async () => {
  const { cluster, leader, others } = await three();
  const all = [leader, ...others].map((node) => ({ node, seen: seenBy(node) }));
  for (let n = 0; n < 5; n += 1) {
    await cluster.settled(leader.services.kv.put(PUT, CALL));
    await cluster.clock.advance(1_000);
    for (const { node, seen } of all) expect(seen.view).toEqual(memberView(node.member));
  }
  const looks = all.map(({ seen }) => seen.looks);
  await cluster.clock.advance(10_000);
  expect(all.map(({ seen }) => seen.looks)).toEqual(looks);
});

test("a leader tells that a member is no longer heard, and that another leads after it was cut off", async () => {
  const { cluster, leader, others } = await three();
  const [lost] = others;
  const seen = seenBy(leader);
  const isActive = (): boolean | undefined => seen.view.members.find(({ id }) => id === String(lost?.id))?.active;
  expect(isActive()).toBe(true);
  const cut = (from: Node | undefined, isUp: boolean): void => {
    for (const { id } of cluster.nodes.values()) {
      if (from !== undefined && id !== from.id) cluster.network.setLink(from.id, id, isUp);
    }
  };
  cut(lost, false);
  await cluster.clock.until(() => isActive() === false, "the loss is told");
  cut(lost, true);
  await cluster.clock.until(() => isActive() === true, "the return is told");
  cut(leader, false);
  await cluster.clock.until(() => seen.view.role !== "leader", "the leader has stepped down");
  cut(leader, true);
  await cluster.clock.until(() => seen.view.leader !== "0", "it follows");
  expect(seen.view).toEqual(memberView(leader.member));
});

test("changes of one turn are told once, in a turn of their own, and a listener that has left hears nothing", async () => {
  const { cluster, leader } = await three();
  let told = 0;
  let isWriting = false;
  const leave = leader.member.whenViewChanges(() => {
    expect(isWriting).toBe(false);
    told += 1;
  });
  isWriting = true;
  const puts = Array.from({ length: 20 }, () => leader.services.kv.put(PUT, CALL));
  isWriting = false;
  await cluster.settled(Promise.all(puts));
  expect(told).toBeGreaterThan(0);
  expect(told).toBeLessThan(20);
  leave();
  const before = told;
  await cluster.settled(leader.services.kv.put(PUT, CALL));
  await cluster.clock.advance(1_000);
  expect(told).toBe(before);
});
