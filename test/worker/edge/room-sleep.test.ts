/** An object of a room sleeps while nothing happens, with its tabs' sockets open. */
import { evictDurableObject } from "cloudflare:test";
import { expect, test } from "vitest";
import { newRoom, objectOf, openTab, serves, untilQuiet, valueAt } from "../support/room-kit.ts";

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
  const back = await openTab(room, { memberId, image });
  expect(await valueAt(back, "while", true)).toBe(undefined);
  await serves(back);
  expect(await valueAt(back, "while", true)).toBe("away");
});
