/** One Raft group of an object and tabs, in workerd. */
import { runInDurableObject } from "cloudflare:test";
import { expect, test } from "vitest";
import { newRoomSecret, roomKeys } from "../../../src/transport/room-secret.ts";
import { clusterKey } from "../../../worker/common/cluster-record.ts";
import { memberIdOf } from "../../../worker/common/identity.ts";
import { call } from "../support/clusters-kit.ts";
import { newRoom, objectOf, openTab, serves, until, valueAt } from "../support/room-kit.ts";

test("ED1 a tab joins as a learner, and writes and reads what the object has; its cluster's clients see the same data", async () => {
  const room = await newRoom();
  const tab = await openTab(room);
  await serves(tab);
  expect(tab.member.status().isLearner).toBe(true);
  await tab.client.kv.put("from", "a tab");
  const answer = await call(`/c/${room.record.name}`, "/v3/kv/range", { key: btoa("from") }, room.key);
  expect(answer.body.kvs?.map(({ value }) => atob(value))).toEqual(["a tab"]);
  await call(`/c/${room.record.name}`, "/v3/kv/put", { key: btoa("to"), value: btoa("the tab") }, room.key);
  expect(await valueAt(tab, "to")).toBe("the tab");
  expect(await valueAt(tab, "to", true)).toBe("the tab");
});

test("ED2 whoever knows the name alone gets nothing: not over HTTP, and no frame over the socket", async () => {
  const room = await newRoom();
  const base = `/c/${room.record.name}`;
  expect((await call(base, "/v3/kv/range", { key: btoa("a") })).status).toBe(401);
  expect((await call(base, "/v3/kv/range", { key: btoa("a") }, "A".repeat(43))).status).toBe(401);
  const { registry: other = "" } = roomKeys(room.record.name, newRoomSecret());
  const stranger = await openTab(room, { key: other });
  await until(() => stranger.states.some((state) => state.startsWith("refused")), "the stranger is refused");
  expect(stranger.states.join()).toContain("a server that does not know this room");
  expect(stranger.member.status().lastIndex).toBe(0);
});

test("ED5 the object is killed: its tabs come back to it, and what was acknowledged is there", async () => {
  const room = await newRoom();
  const tab = await openTab(room);
  await serves(tab);
  await tab.client.kv.put("kept", "over a crash");
  await runInDurableObject(objectOf(room), (_object, state) => state.abort("killed")).catch(() => {});
  await until(() => tab.states.some((state) => state.startsWith("lost")), "the tab notices");
  await until(async () => (await valueAt(tab, "kept").catch(() => "")) === "over a crash", "the tab reads");
  await tab.client.kv.put("and", "on");
});

test("ED6 a tab cannot come as an object, as a member that was removed, or into another cluster", async () => {
  const room = await newRoom();
  const key = clusterKey(room.record);
  const asObject = await openTab(room, { memberId: memberIdOf(key, 2) });
  await until(() => asObject.states.join().includes("an id that no tab may have"), "an object's id is refused");
  const elsewhere = await openTab(room, { clusterId: 5n });
  await until(() => elsewhere.states.join().includes("another cluster"), "another cluster is refused");

  const tab = await openTab(room);
  await serves(tab);
  const { id: memberId } = tab.member;
  const path = `/c/${room.record.name}`;
  await call(path, "/v3/cluster/member/remove", { ID: String(memberId) }, room.key);
  await until(() => tab.member.problem?.code === "removed", "the tab is told");
  const again = await openTab(room, { memberId });
  await new Promise((resolve) => setTimeout(resolve, 500));
  expect(again.member.machine.membership.has(memberId)).toBe(false);
  expect(again.member.status().lastIndex).toBe(0);
});
