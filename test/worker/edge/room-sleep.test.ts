/** An object of a room sleeps while nothing happens, with its tabs' sockets open. */
import { evictDurableObject } from "cloudflare:test";
import { expect, test } from "vitest";
import { keyOf } from "../../../src/member/membership/member-keys.ts";
import { newRoom, objectOf, openTab, serves, until, untilQuiet, valueAt } from "../support/room-kit.ts";

test("ED3 the object sleeps while nothing happens, with its sockets open, and wakes for a write in the same term", async () => {
  const room = await newRoom();
  const [one, two] = [await openTab(room), await openTab(room)];
  await Promise.all([serves(one), serves(two)]);
  await one.client.kv.put("before", "sleep");
  const { term } = one.member.status();
  await untilQuiet(room, one);
  await evictDurableObject(objectOf(room));
  // Nobody notices: what a tab has is current as long as its connection lasts.
  expect([one.member.unavailable, two.member.unavailable]).toEqual([undefined, undefined]);
  expect(await valueAt(two, "before", true)).toBe("sleep");
  await two.client.kv.put("after", "sleep");
  expect(await valueAt(one, "after")).toBe("sleep");
  expect(one.member.status().term).toBe(term);
  expect([one.states, two.states].flat().filter((state) => state.startsWith("lost"))).toEqual([]);
});

test("ED4 a tab that is closed does not keep the object awake, and catches up when it is back", async () => {
  const room = await newRoom();
  const [here, away] = [await openTab(room), await openTab(room)];
  await Promise.all([serves(here), serves(away)]);
  const { id: memberId } = away.member;
  const image = away.stop();
  await here.client.kv.put("while", "away");
  await untilQuiet(room, here);
  const back = await openTab(room, { memberId, image, own: away.own });
  expect(await valueAt(back, "while", true)).toBe(undefined);
  await serves(back);
  expect(await valueAt(back, "while", true)).toBe("away");
});

test("ED13 a sleeping object knows by what each socket was proved: a tab goes on, and nobody takes an absent one's place", async () => {
  const room = await newRoom();
  const [here, away] = [await openTab(room), await openTab(room)];
  await Promise.all([serves(here), serves(away)]);
  const { id: memberId } = away.member;
  await until(() => keyOf(here.member.machine.membership.keys, memberId) !== undefined, "its key is in the log");
  const image = away.stop();
  await here.client.kv.put("while", "away");
  await untilQuiet(room, here);
  await evictDurableObject(objectOf(room));
  // Its frames are taken by the key that its socket's attachment has.
  await here.client.kv.put("after", "sleep");
  expect(here.states.filter((state) => state.startsWith("lost"))).toEqual([]);
  const thief = await openTab(room, { memberId, image });
  await until(() => thief.member.joinRefusal === "other-key", "the thief is refused");
  expect(await valueAt(thief, "while", true)).toBe(undefined);
  const back = await openTab(room, { memberId, image, own: away.own });
  await serves(back);
});

test("ED7 a tab that comes when the log was cut gets the whole state as a snapshot over its socket, and so does one that was away", async () => {
  const room = await newRoom();
  const [here, away] = [await openTab(room), await openTab(room)];
  await Promise.all([serves(here), serves(away)]);
  const { id: memberId } = away.member;
  const image = away.stop();
  const value = "v".repeat(5_000);
  for (let batch = 0; batch < 6; batch++) {
    const keys = Array.from({ length: 100 }, (_, at) => `key/${batch}/${at}`);
    await Promise.all(keys.map((key) => here.client.kv.put(key, value)));
  }
  await untilQuiet(room, here);
  expect(here.member.status().lastIndex).toBeGreaterThan(600);
  const [back, fresh] = [await openTab(room, { memberId, image, own: away.own }), await openTab(room)];
  await Promise.all([serves(back), serves(fresh)]);
  for (const tab of [back, fresh]) {
    const { count } = await tab.client.kv.range("key/", { prefix: true, countOnly: true, serializable: true });
    expect(count).toBe(600);
    expect(await valueAt(tab, "key/5/99", true)).toBe(value);
  }
  // They got it in one piece, because the object had no log of it any more.
  expect(fresh.member.logReader.firstIndex()).toBeGreaterThan(500);
  await fresh.client.kv.put("after", "the snapshot");
  expect(await valueAt(back, "after")).toBe("the snapshot");
});
